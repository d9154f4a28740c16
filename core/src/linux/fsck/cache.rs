//! The build cache: every file of it, and the layer that each step made.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::files::{Files, place};
use super::{Finding, FsckError, Kind, names};
use crate::build::cache::Entry;
use crate::build::key::KeyParts;
use crate::build::load::Digests;
use crate::digest::{ChainId, Digest};

/// Checks the files of the cache. Returns the chains that steps started from.
pub(super) fn check(
    root: &Path,
    files: &Files,
    alone: bool,
    findings: &mut Vec<Finding>,
) -> Result<BTreeSet<ChainId>, FsckError> {
    let mut chains = BTreeSet::new();
    for (directory, what) in [
        ("steps", "step"),
        ("places", "place"),
        ("contexts", "context"),
    ] {
        let directory = Path::new("cache").join(directory);
        for name in names(&root.join(&directory))? {
            let path = directory.join(&name);
            if Path::new(&name).extension().is_some_and(|e| e == "tmp") {
                if alone {
                    let message = "a file that was never finished; its writer is dead";
                    findings.push(Finding::new(Kind::Temporary, path, message));
                }
                continue;
            }
            if format!("sha256:{name}").parse::<Digest>().is_err() {
                let message = format!("its name is no {what}'s key");
                findings.push(Finding::new(Kind::Stray, path, message));
                continue;
            }
            let file = root.join(&path);
            let wrong = match what {
                "step" => read::<Entry>(&file).and_then(|entry| layer(&entry, files)),
                "place" => read::<KeyParts>(&file).map(|parts| chains.extend(parts.parent)),
                _ => digests(&file),
            };
            if let Err((kind, message)) = wrong {
                findings.push(Finding::new(kind, path, message));
            }
        }
    }
    Ok(chains)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, (Kind, String)> {
    let cannot = |e: String| (Kind::CacheEntry, format!("it cannot be understood: {e}"));
    let bytes = fs::read(path).map_err(|e| cannot(e.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|e| cannot(e.to_string()))
}

/// Whether the digests of a context's files are those that were written down.
fn digests(path: &Path) -> Result<(), (Kind, String)> {
    if Digests::is_whole(path) {
        return Ok(());
    }
    let message = "it cannot be understood: its digest is another, or it cannot be read";
    Err((Kind::CacheEntry, message.to_owned()))
}

/// Whether the layer that a step made is there, and the one that the cache says.
fn layer(entry: &Entry, files: &Files) -> Result<(), (Kind, String)> {
    let pointer = &entry.layer.blob;
    let wrong = |what: &str| {
        let place = place(&pointer.digest);
        Err((
            Kind::CacheBlob,
            format!("the step's layer, {}, {what}", place.display()),
        ))
    };
    match files.whole(&pointer.digest) {
        None => wrong("is not there, or damaged"),
        Some(blob) if blob.size != pointer.size => wrong("has another size"),
        Some(blob) if blob.archive.as_ref() != Ok(&entry.layer.diff_id.0) => {
            wrong("unpacks to something else")
        }
        Some(_) => Ok(()),
    }
}

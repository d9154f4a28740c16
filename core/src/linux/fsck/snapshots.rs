//! Unpacked layers, and the directories of containers: whose they are, and whether he lives.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::files::Files;
use super::{Finding, FsckError, Kind, names};
use crate::digest::{ChainId, DiffId, Digest};
use crate::image::chain_ids;
use crate::linux::containers::Container;
use crate::spec::{Descriptor, ImageConfig, Index, Manifest, media};

/// Checks `snapshots/` and `containers/`. `chains` are those that build steps started from.
pub(super) fn check(
    root: &Path,
    files: &Files,
    chains: &BTreeSet<ChainId>,
    alone: bool,
    findings: &mut Vec<Finding>,
) -> Result<(), FsckError> {
    let mut known = chains.clone();
    check_containers(root, alone, &mut known, findings)?;
    for tag in &files.tags {
        chains_of(files, &tag.target, &mut known);
    }
    for flavour in names(&root.join("snapshots"))? {
        for way in ["layers", "copies"] {
            let directory = Path::new("snapshots").join(&flavour).join(way);
            check_directory(root, &directory, &known, alone, findings)?;
        }
    }
    Ok(())
}

/// Looks at every container, and adds the chains of what they stand on to `known`.
fn check_containers(
    root: &Path,
    alone: bool,
    known: &mut BTreeSet<ChainId>,
    findings: &mut Vec<Finding>,
) -> Result<(), FsckError> {
    for name in names(&root.join("containers"))? {
        let path = Path::new("containers").join(name);
        let lives = File::open(root.join(&path)).is_ok_and(|d| d.try_lock().is_err());
        let mut found = |kind, message: String| {
            findings.push(Finding::new(kind, path.clone(), message));
        };
        match Container::read(&root.join(&path)) {
            Err(error) => found(Kind::Container, error.to_string()),
            Ok(Some(container)) if lives || container.stays() => {
                known.extend(container.chains());
                let gone = |lower: &&PathBuf| !lower.is_dir();
                if let Some(lower) = container.record.lower.iter().find(gone) {
                    let name = &container.record.name;
                    let lower = lower.display();
                    let message = format!(
                        "the container {name} stands on an unpacked layer that is not there: {lower}"
                    );
                    found(Kind::Container, message);
                }
            }
            Ok(_) if !lives && alone => {
                let message = "the directory of a container that is dead";
                found(Kind::DeadContainer, message.to_owned());
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

fn check_directory(
    root: &Path,
    directory: &Path,
    known: &BTreeSet<ChainId>,
    alone: bool,
    findings: &mut Vec<Finding>,
) -> Result<(), FsckError> {
    let lock = File::open(root.join(directory).join(".lock"));
    let certain = findings.iter().all(|finding| finding.kind.is_leftover());
    let at_work = lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err());
    for name in names(&root.join(directory))? {
        if name == ".lock" || name == "empty" {
            continue;
        }
        let (kind, message) = match format!("sha256:{name}").parse::<Digest>() {
            // What an image that is damaged would know is not known now.
            Ok(_) if !certain => continue,
            Ok(digest) if known.contains(&ChainId(digest.clone())) => continue,
            Ok(_) => (
                Kind::UnknownSnapshot,
                "an unpacked layer that no image, no build step and no container knows",
            ),
            Err(_) if name.starts_with(".tmp-") => (
                Kind::Temporary,
                "a layer that was never unpacked to its end; whoever did it is dead",
            ),
            Err(_) => (Kind::Stray, "its name is no chain ID"),
        };
        if alone && !at_work {
            findings.push(Finding::new(kind, directory.join(name), message));
        }
    }
    Ok(())
}

/// The chain IDs of every image that a tag leads to, as far as the documents can be read.
fn chains_of(files: &Files, pointer: &Descriptor, known: &mut BTreeSet<ChainId>) {
    let mut waiting = vec![pointer.clone()];
    let mut seen = BTreeSet::new();
    while let Some(next) = waiting.pop() {
        if !seen.insert(next.digest.clone()) {
            continue;
        }
        let Some(bytes) = files.document(&next.digest) else {
            continue;
        };
        if media::is_index(&next.media_type) {
            if let Ok(index) = serde_json::from_slice::<Index>(&bytes) {
                waiting.extend(index.manifests);
            }
        } else if let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes)
            && let Some(config) = files.document(&manifest.config.digest)
            && let Ok(config) = serde_json::from_slice::<ImageConfig>(&config)
        {
            let diff_ids: Vec<DiffId> = config.rootfs.diff_ids;
            known.extend(chain_ids(&diff_ids));
        }
    }
}

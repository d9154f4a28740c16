//! The store's files: the layout's two documents, and every blob, read to its last byte.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::{Finding, FsckError, Kind, names};
use crate::digest::{Digest, Hashing};
use crate::layer::Bounds;
use crate::layer::compress::{self, Compression};
use crate::reference::Reference;
use crate::spec::Descriptor;
use crate::store::REF_NAME;

/// Where the tags are, below the state root.
pub(super) const INDEX: &str = "store/index.json";

/// What is in the store.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The directory of the store.
    pub(super) store: PathBuf,
    /// The blobs that are named as they should be.
    pub(super) blobs: BTreeMap<Digest, Blob>,
    /// The tags that can be understood, in the order of `index.json`.
    pub(super) tags: Vec<Tag>,
    /// Entries whose names cannot be used.
    pub(super) nameless: Vec<Tag>,
}

/// A blob as it was found.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) size: u64,
    /// What is wrong with it, if its content is not what its name says.
    wrong: Option<String>,
    /// The digest of the archive inside, which is the blob itself if it is not packed; or why it
    /// cannot be unpacked.
    pub(super) archive: Result<Digest, String>,
}

/// An entry of `index.json`.
#[derive(Debug, Clone)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) target: Descriptor,
    /// The entry as it stands there.
    pub(super) entry: Value,
}

impl Tag {
    /// What to call it in a message.
    pub(super) fn call(&self) -> String {
        match self.name.parse::<Digest>() {
            Ok(_) => self.name.clone(),
            Err(_) => self
                .name
                .parse::<Reference>()
                .map_or_else(|_| self.name.clone(), |reference| reference.familiar()),
        }
    }
}

impl Files {
    pub(super) fn read(
        root: &Path,
        alone: bool,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, FsckError> {
        let store = root.join("store");
        let mut files = Self {
            store: store.clone(),
            ..Self::default()
        };
        if !store.is_dir() {
            return Ok(files);
        }
        let found = list_blobs(&store, findings)?;
        let is_new = found.is_empty() && !store.join("index.json").exists();
        // A store is made in this order: directories, index, marker. Whoever opens it next makes
        // what is missing, as long as there is nothing that it could forget.
        if !is_new || store.join("oci-layout").exists() {
            check_marker(&store, !found.is_empty(), findings);
            files.read_index(findings);
        }
        files.blobs = read_blobs(&store, &found);
        for (digest, blob) in &files.blobs {
            if let Some(wrong) = &blob.wrong {
                findings.push(Finding::new(Kind::WrongDigest, place(digest), wrong));
            }
        }
        if alone {
            for name in names(&store.join("tmp"))? {
                let path = Path::new("store/tmp").join(name);
                let message = "a blob that was never finished; its writer is dead";
                findings.push(Finding::new(Kind::Temporary, path, message));
            }
        }
        Ok(files)
    }

    /// The blob of this name, if it is whole.
    pub(super) fn whole(&self, digest: &Digest) -> Option<&Blob> {
        self.blobs.get(digest).filter(|blob| blob.wrong.is_none())
    }

    /// A small blob's content, if it is whole.
    pub(super) fn document(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.whole(digest)?;
        fs::read(self.store.join(below(digest))).ok()
    }

    fn read_index(&mut self, findings: &mut Vec<Finding>) {
        let index = fs::read(self.store.join("index.json"))
            .map_err(|e| format!("it cannot be read: {e}"))
            .and_then(|bytes| {
                serde_json::from_slice::<Value>(&bytes)
                    .map_err(|e| format!("it cannot be understood: {e}"))
            })
            .and_then(|index| match index["schemaVersion"].as_u64() {
                Some(2) => Ok(index["manifests"].as_array().cloned().unwrap_or_default()),
                _ => Err("it is JSON, but not an image index of version 2".to_owned()),
            });
        let entries = index.unwrap_or_else(|message| {
            findings.push(Finding::new(Kind::Index, INDEX, message));
            Vec::new()
        });
        for entry in entries {
            match serde_json::from_value::<Descriptor>(entry.clone()) {
                Ok(target) => self.take_tag(target, entry, findings),
                Err(e) => {
                    let message = format!("the entry {entry} cannot be understood: {e}");
                    findings.push(Finding::new(Kind::IndexEntry, INDEX, message));
                }
            }
        }
    }

    fn take_tag(&mut self, target: Descriptor, entry: Value, findings: &mut Vec<Finding>) {
        let name = target.annotations.get(REF_NAME).cloned();
        let name = name.unwrap_or_else(|| target.digest.to_string());
        let tag = Tag {
            name,
            target,
            entry,
        };
        let call = tag.call();
        let is_digest = tag.name.parse::<Digest>();
        let wrong = match &is_digest {
            Ok(digest) => *digest != tag.target.digest,
            Err(_) => tag.name.parse::<Reference>().is_err(),
        };
        if wrong {
            let message =
                format!("the tag {call:?} is neither a reference nor the digest of its target");
            findings.push(Finding::new(Kind::TagName, INDEX, message));
            self.nameless.push(tag);
        } else if self.tags.iter().any(|other| other.name == tag.name) {
            let message = format!("the tag {call} is there more than once; the first counts");
            findings.push(Finding::new(Kind::DuplicateTag, INDEX, message));
            self.nameless.push(tag);
        } else {
            self.tags.push(tag);
        }
    }
}

/// Where a blob is below the state root.
pub(super) fn place(digest: &Digest) -> PathBuf {
    Path::new("store").join(below(digest))
}

/// Where a blob is below the store.
fn below(digest: &Digest) -> PathBuf {
    let (algorithm, hex) = digest.as_str().split_once(':').unwrap_or_default();
    Path::new("blobs").join(algorithm).join(hex)
}

fn check_marker(store: &Path, must_be: bool, findings: &mut Vec<Finding>) {
    let wrong = match fs::read(store.join("oci-layout")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && !must_be => None,
        Err(e) => Some(format!("it cannot be read: {e}")),
        Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
            Err(e) => Some(format!("it cannot be understood: {e}")),
            Ok(marker) if marker["imageLayoutVersion"] == "1.0.0" => None,
            Ok(marker) => Some(format!("it does not say version 1.0.0, but {marker}")),
        },
    };
    findings.extend(wrong.map(|w| Finding::new(Kind::Marker, "store/oci-layout", w)));
}

/// The files that are named like blobs. Everything else in their directories is a finding.
fn list_blobs(store: &Path, findings: &mut Vec<Finding>) -> Result<Vec<Digest>, FsckError> {
    let mut found = Vec::new();
    let mut stray = |path: PathBuf, message: &str| {
        findings.push(Finding::new(Kind::Stray, path, message));
    };
    for algorithm in names(&store.join("blobs"))? {
        let directory = Path::new("blobs").join(&algorithm);
        if !["sha256", "sha512"].contains(&algorithm.as_str()) {
            stray(
                Path::new("store").join(directory),
                "only sha256 and sha512 belong here",
            );
            continue;
        }
        for name in names(&store.join(&directory))? {
            let path = directory.join(&name);
            let is_file = fs::symlink_metadata(store.join(&path)).is_ok_and(|m| m.is_file());
            match format!("{algorithm}:{name}").parse::<Digest>() {
                Ok(digest) if is_file => found.push(digest),
                Ok(_) => stray(Path::new("store").join(path), "it is not a regular file"),
                Err(_) => stray(Path::new("store").join(path), "its name is no digest"),
            }
        }
    }
    Ok(found)
}

/// Reads every blob, on as many threads as there are processors.
fn read_blobs(store: &Path, found: &[Digest]) -> BTreeMap<Digest, Blob> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let blobs = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(found.len()) {
            scope.spawn(|| {
                while let Some(digest) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let blob = read_blob(&store.join(below(digest)), digest);
                    let mut blobs = blobs.lock().unwrap_or_else(PoisonError::into_inner);
                    blobs.insert(digest.clone(), blob);
                }
            });
        }
    });
    blobs.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A blob that the disk does not give back is damaged like any other.
fn read_blob(path: &Path, name: &Digest) -> Blob {
    try_read_blob(path, name).unwrap_or_else(|e| Blob {
        size: 0,
        wrong: Some(format!("it cannot be read: {e}")),
        archive: Err(e.to_string()),
    })
}

/// Reads a blob once: its digest, and if it is packed that of what is inside.
fn try_read_blob(path: &Path, name: &Digest) -> io::Result<Blob> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    file.by_ref().take(6).read_to_end(&mut start)?;
    let packed = Compression::detect(&start) != Compression::None;
    let whole = io::Cursor::new(start).chain(file);
    let mut blob = Hashing::with(whole, name.algorithm());
    let archive = if packed {
        unpack(&mut blob).map_err(|e| e.to_string())
    } else {
        Ok(name.clone())
    };
    io::copy(&mut blob, &mut io::sink())?;
    let (_, actual, size) = blob.finish();
    Ok(Blob {
        size,
        wrong: (actual != *name).then(|| format!("its content has the digest {actual}")),
        archive,
    })
}

fn unpack(blob: &mut (impl Read + Send)) -> io::Result<Digest> {
    let mut archive = Hashing::new(compress::decoder(blob, Bounds::NONE)?);
    io::copy(&mut archive, &mut io::sink())?;
    Ok(archive.finish().1)
}

//! Whether everything below the state root is as it should be, and setting it right.
//!
//! Every blob is read and compared with its digest, every image followed from its tag to its last
//! layer, every step of the build cache to the layer that it made. Two kinds of things are found.
//! *Problems* are lies: a blob that is not what its name says, a tag that leads to nothing.
//! *Leftovers* are what somebody who was killed left behind; they only take room.
//!
//! Repairing deletes nothing. What is wrong is moved into a numbered directory of `lost+found`,
//! to the path that it had below the state root; of an image that is no longer whole, what is
//! still good is there, too, as hard links. What stays is a store in which everything is true.

mod cache;
mod files;
mod images;
mod repair;
mod snapshots;
#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::files::Files;
pub use self::repair::repair;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is not as it should be, in order of kind and path.
    pub findings: Vec<Finding>,
    /// What was not, and is moved aside now.
    pub repaired: Vec<Finding>,
    /// How many tags were followed.
    pub tags: usize,
    /// How many blobs were read.
    pub blobs: usize,
    /// Their bytes together.
    pub bytes: u64,
    /// Whether nobody else was at work. If somebody was, leftovers cannot be told from what is
    /// under way, and are not among the findings.
    pub alone: bool,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Where, below the state root.
    pub path: PathBuf,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The tags of the images that cannot be used because of it, in order.
    pub images: Vec<String>,
    /// Where it was moved to, below the state root.
    pub moved_to: Option<PathBuf>,
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// `oci-layout` is missing or not what it must be.
    Marker,
    /// `index.json` is missing or cannot be understood.
    Index,
    /// An entry of `index.json` cannot be understood.
    IndexEntry,
    /// A tag's name is neither a reference nor the digest of its target.
    TagName,
    /// Two tags have one name.
    DuplicateTag,
    /// A tag leads to a blob that is not there.
    DanglingTag,
    /// A blob is not what its digest says.
    WrongDigest,
    /// Something names a blob that is not there.
    MissingBlob,
    /// A blob has another size than what names it says.
    WrongSize,
    /// A manifest, index or config cannot be understood.
    Document,
    /// A layer unpacks to something else than its image's config says.
    WrongDiffId,
    /// A config or an index says of an image what is not so: how many layers its history made, or
    /// which platform it is for. The image can be used all the same, so a repair leaves it.
    Untrue,
    /// A file of the build cache cannot be understood.
    CacheEntry,
    /// The layer that a step of the build cache made is not there, or another one.
    CacheBlob,
    /// What is written down about a container cannot be read, or what it stands on is not there.
    Container,
    /// Something that has no business where it is.
    Stray,
    /// What somebody who was killed had not finished.
    Temporary,
    /// An unpacked layer that no image, no build step and no container knows.
    UnknownSnapshot,
    /// The directory of a container that is dead.
    DeadContainer,
}

impl Kind {
    /// Whether nothing is wrong with it but the room that it takes.
    pub fn is_leftover(self) -> bool {
        matches!(
            self,
            Self::Stray | Self::Temporary | Self::UnknownSnapshot | Self::DeadContainer
        )
    }
}

/// Why a check or a repair could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FsckError {
    /// The system refused.
    #[error("{action}: {source}")]
    Io {
        /// What was attempted, with the path.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody uses the store, so nothing may be moved.
    #[error(
        "{} is in use by another process, and nothing can be repaired under its feet", root.display()
    )]
    InUse {
        /// The state root.
        root: PathBuf,
    },
}

/// Checks everything below the state root. Nothing is changed.
pub fn check(root: &Path) -> Result<Report, FsckError> {
    let lock = Lock::take(root)?;
    Ok(examine(root, lock.alone)?.report)
}

/// A report, and what a repair needs to know besides.
struct Examined {
    report: Report,
    files: Files,
    /// The tags, by their places in `files.tags`, that do not lead to a whole image.
    broken: Vec<usize>,
}

fn examine(root: &Path, alone: bool) -> Result<Examined, FsckError> {
    let mut findings = Vec::new();
    let files = Files::read(root, alone, &mut findings)?;
    let broken = images::follow(&files, &mut findings);
    let chains = cache::check(root, &files, alone, &mut findings)?;
    snapshots::check(root, &files, &chains, alone, &mut findings)?;
    findings.sort();
    let report = Report {
        findings,
        repaired: Vec::new(),
        tags: files.tags.len(),
        blobs: files.blobs.len(),
        bytes: files.blobs.values().map(|blob| blob.size).sum(),
        alone,
    };
    Ok(Examined {
        report,
        files,
        broken,
    })
}

impl Report {
    /// Whether there is no lie: leftovers only take room.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|f| f.kind.is_leftover())
    }
}

impl Finding {
    fn new(kind: Kind, path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            kind,
            path: path.into(),
            message: message.into(),
            images: Vec::new(),
            moved_to: None,
        }
    }
}

impl FsckError {
    fn io(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let action = format!("{action} {}", path.display());
        move |source| Self::Io { action, source }
    }
}

/// The store's lock, as [`crate::store::layout`] has it: alone if that is possible, otherwise
/// shared, so that nobody takes blobs away meanwhile.
///
/// It is taken by hand, because whoever takes it through the store sweeps away what the dead
/// left, and here that is to be found.
struct Lock {
    alone: bool,
    _file: Option<File>,
}

impl Lock {
    fn take(root: &Path) -> Result<Self, FsckError> {
        let path = root.join("store/lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            // Whoever uses a store makes this file first.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    alone: true,
                    _file: None,
                });
            }
            Err(e) => return Err(FsckError::io("open", &path)(e)),
        };
        let alone = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                file.lock_shared().map_err(FsckError::io("lock", &path))?;
                false
            }
            Err(TryLockError::Error(e)) => return Err(FsckError::io("lock", &path)(e)),
        };
        Ok(Self {
            alone,
            _file: Some(file),
        })
    }
}

/// The names in a directory, sorted; none when it is not there.
fn names(directory: &Path) -> Result<Vec<String>, FsckError> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(FsckError::io("read directory", directory))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FsckError::io("read directory", directory))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

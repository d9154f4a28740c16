//! Directories that are not finished: not seen under their names, and gone when something fails.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::SnapshotError;
use crate::linux::root::RootDir;
use crate::path::RootedPath;

/// What the names of unfinished directories begin with.
pub(super) const TEMPORARY: &str = ".tmp-";

/// A directory that is not finished. It goes away unless it is published.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// A new directory in `directory` that nobody else has.
    pub(super) fn new(directory: &Path) -> Result<Self, SnapshotError> {
        let mut number = u64::from(std::process::id()) << 20;
        loop {
            let path = directory.join(format!("{TEMPORARY}{number:x}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(SnapshotError::io(format!("mkdir {}", path.display()))(e)),
            }
        }
    }

    /// What a killed process left, to be dropped.
    pub(super) fn left(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the directory its name, all at once. When another process was faster, its
    /// directory, which holds the same, stays.
    pub(super) fn publish(self, place: &Path) -> Result<(), SnapshotError> {
        match fs::rename(&self.path, place) {
            Ok(()) => {
                std::mem::forget(self);
                Ok(())
            }
            Err(e) if is_there(&e) => Ok(()),
            Err(e) => Err(SnapshotError::io(format!("rename to {}", place.display()))(
                e,
            )),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next process.
        let _ = RootDir::open(&self.path).and_then(|root| root.remove(&RootedPath::root()));
        let _ = fs::remove_dir(&self.path);
    }
}

fn is_there(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ENOTEMPTY | Errno::EEXIST))
}

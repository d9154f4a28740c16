//! A file of the host as a source of a build.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::digest::{Digest, Hashing, Verify};
use crate::tree::Source;

/// A file of the host.
///
/// Its digest is known from an earlier build, or computed once. From then on every reading is
/// checked against it: a file that changes between the key and the layer must not get into the
/// cache under the wrong key.
#[derive(Debug)]
pub(super) struct HostFile {
    path: PathBuf,
    stat: Stat,
    digest: OnceLock<Digest>,
    /// Whether the digest is that of an earlier build. Then the file is not hashed at all, and
    /// what is checked when it is read is that it still is what it was.
    remembered: bool,
}

/// What tells that a file has not been written to since. See inode(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// The size in bytes.
    pub(super) size: u64,
    /// When the content was last changed, as seconds and nanoseconds; anybody may set it.
    pub(super) modified: (i64, i64),
    /// When content or metadata were last changed; only the kernel sets it.
    pub(super) changed: (i64, i64),
    /// The inode's number.
    pub(super) inode: u64,
}

impl Stat {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }
}

impl HostFile {
    pub(super) fn new(path: PathBuf, stat: Stat, remembered: Option<Digest>) -> Self {
        Self {
            path,
            stat,
            remembered: remembered.is_some(),
            digest: remembered.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    /// What was seen of the file, and its digest, if somebody wanted that.
    pub(super) fn known(&self) -> Option<(&Stat, &Digest)> {
        Some((&self.stat, self.digest.get()?))
    }

    /// Whether the digest is that of an earlier build.
    pub(super) fn is_remembered(&self) -> bool {
        self.remembered
    }

    fn file(&self) -> io::Result<File> {
        File::open(&self.path).map_err(|e| {
            let path = self.path.display();
            io::Error::new(e.kind(), format!("open {path}: {e}"))
        })
    }
}

impl Source for HostFile {
    fn size(&self) -> u64 {
        self.stat.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let file = self.file()?;
        let path = self.path.clone();
        match self.digest.get() {
            None => Ok(Box::new(file)),
            Some(_) if self.remembered => Ok(Box::new(Untouched {
                path,
                file,
                stat: self.stat,
            })),
            Some(digest) => Ok(Box::new(Unchanged {
                path,
                file: Verify::new(file, digest.clone(), self.stat.size),
            })),
        }
    }

    fn digest(&self) -> Option<Digest> {
        if let Some(digest) = self.digest.get() {
            return Some(digest.clone());
        }
        // An unreadable file has no digest; whoever opens it learns why.
        let mut reader = Hashing::new(self.file().ok()?);
        io::copy(&mut reader, &mut io::sink()).ok()?;
        let (_, digest, _) = reader.finish();
        Some(self.digest.get_or_init(|| digest).clone())
    }
}

/// Reads a file that has to hold what it held.
struct Unchanged {
    path: PathBuf,
    file: Verify<File>,
}

impl Read for Unchanged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => changed(&self.path, &e),
            _ => e,
        })
    }
}

/// Reads a file that nobody may have written to since it was seen.
struct Untouched {
    path: PathBuf,
    file: File,
    stat: Stat,
}

impl Read for Untouched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        if n == 0 && !buffer.is_empty() && Stat::of(&self.file.metadata()?) != self.stat {
            return Err(changed(&self.path, &"somebody has written to it"));
        }
        Ok(n)
    }
}

fn changed(path: &Path, why: &impl ToString) -> io::Error {
    let path = path.display();
    let why = why.to_string();
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{path} changed while it was built from: {why}"),
    )
}

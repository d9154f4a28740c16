//! The machine whose binaries are taken: paths below a root, every link followed by us and never out of it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::path::RootedPath;
use crate::tree::Source;

/// The most links that one path may go through, as in the kernel.
const MOST_LINKS: usize = 40;

/// A file system to take from: `/`, or a directory that looks like one.
#[derive(Debug)]
pub(super) struct Host {
    /// The directory that stands for `/`.
    root: PathBuf,
}

/// What stands at the end of a path.
#[derive(Debug)]
pub(super) struct Found {
    /// The links on the way, in the order they were followed, with what they hold.
    pub(super) links: Vec<(RootedPath, Vec<u8>)>,
    /// The place itself; no component of it is a link.
    pub(super) path: RootedPath,
    /// What the machine says about it.
    pub(super) meta: Metadata,
}

impl Host {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    /// Walks `path` as the kernel would in a process that has the root as its root directory:
    /// absolute links start at the root, and `..` stops there.
    pub(super) fn find(&self, path: &[u8]) -> io::Result<Found> {
        let mut todo: VecDeque<Vec<u8>> = components(path).collect();
        let mut at = RootedPath::root();
        let mut links = Vec::new();
        while let Some(name) = todo.pop_front() {
            if name == b".." {
                at = at.parent().unwrap_or_default();
                continue;
            }
            let here = at.child(&name);
            let place = self.place(&here);
            if !fs::symlink_metadata(&place)?.is_symlink() {
                at = here;
                continue;
            }
            if links.len() == MOST_LINKS {
                return Err(io::Error::from_raw_os_error(nix::libc::ELOOP));
            }
            let target = fs::read_link(&place)?.into_os_string().into_vec();
            if target.first() == Some(&b'/') {
                at = RootedPath::root();
            }
            for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
                todo.push_front(name);
            }
            links.push((here, target));
        }
        let meta = fs::symlink_metadata(self.place(&at))?;
        Ok(Found {
            links,
            path: at,
            meta,
        })
    }

    /// Opens a place that [`find`](Self::find) led to.
    pub(super) fn open(&self, path: &RootedPath) -> io::Result<File> {
        File::open(self.place(path))
    }

    /// The text at `path`, links followed; nothing when it cannot be read.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let found = self.find(path.as_bytes()).ok()?;
        let mut text = String::new();
        let file = self.open(&found.path).ok()?;
        file.take(1 << 20).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// The names in a directory that [`find`](Self::find) led to, in byte order.
    pub(super) fn list(&self, path: &RootedPath) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(self.place(path))?
            .map(|entry| entry.map(|e| e.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// What stands at a place, links not followed.
    pub(super) fn metadata(&self, path: &RootedPath) -> io::Result<Metadata> {
        fs::symlink_metadata(self.place(path))
    }

    /// What the link at a place holds.
    pub(super) fn link(&self, path: &RootedPath) -> io::Result<Vec<u8>> {
        Ok(fs::read_link(self.place(path))?.into_os_string().into_vec())
    }

    /// The bytes of the file at a place, to be read when they are needed.
    pub(super) fn content(&self, path: &RootedPath, size: u64) -> HostFile {
        HostFile {
            path: self.place(path),
            size,
        }
    }

    fn place(&self, path: &RootedPath) -> PathBuf {
        self.root.join(std::ffi::OsStr::from_bytes(path.as_bytes()))
    }
}

/// A file of the machine, opened when its bytes are wanted.
#[derive(Debug)]
pub(super) struct HostFile {
    path: PathBuf,
    size: u64,
}

impl Source for HostFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match File::open(&self.path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("open {}: {error}", self.path.display()),
            )),
        }
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|b| *b == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
}

//! Several directories seen as overlayfs would show them, without mounting them.

use std::collections::{BTreeSet, VecDeque};

use nix::errno::Errno;
use rustix::fs::{FileType, Stat};

use super::meta;
use super::root::{Dir, RootDir, is_directory};
use super::sys::SysError;
use crate::layer::Whiteout;
use crate::path::RootedPath;
use crate::tree::{Kind, Meta};

/// The unpacked layers below some layer, less what that layer hides of them.
#[derive(Debug)]
pub(super) struct Lower<'a> {
    /// Topmost first.
    layers: &'a [RootDir],
    hides: BTreeSet<Whiteout>,
}

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Seen {
    /// A directory; held open is the topmost, whose metadata counts.
    Directory(Dir),
    /// Something else, in this directory of its layer.
    Other {
        /// The directory that holds it.
        dir: Dir,
        /// What the kernel says about it.
        stat: Stat,
    },
}

/// The most links that one path may go through, as in the kernel.
const MOST_LINKS: usize = 40;

impl<'a> Lower<'a> {
    pub(super) fn new(layers: &'a [RootDir]) -> Self {
        Self {
            layers,
            hides: BTreeSet::new(),
        }
    }

    /// From now on, what `whiteout` says is not seen.
    pub(super) fn hide(&mut self, whiteout: Whiteout) {
        self.hides.insert(whiteout);
    }

    /// All whiteouts so far.
    pub(super) fn hidden(&self) -> &BTreeSet<Whiteout> {
        &self.hides
    }

    /// What stands at `path`, taken as it is written.
    pub(super) fn look(&self, path: &RootedPath) -> Result<Option<Seen>, SysError> {
        if self.is_hidden(path) {
            return Ok(None);
        }
        let mut open = Vec::new();
        for layer in self.layers {
            open.push(layer.dir(&RootedPath::root())?);
        }
        let mut names = path.components().peekable();
        while let Some(name) = names.next() {
            let mut next = Vec::new();
            for dir in open {
                let Some(stat) = dir.stat(name)? else {
                    continue;
                };
                if is_directory(&stat) {
                    let below = dir.open_dir(name)?;
                    let (_, notes) = meta::read(&below, b"", &stat)?;
                    next.push(below);
                    if notes.opaque {
                        break;
                    }
                } else {
                    let is_whiteout = kind_is_whiteout(&stat);
                    if next.is_empty() && !is_whiteout && names.peek().is_none() {
                        return Ok(Some(Seen::Other { dir, stat }));
                    }
                    break;
                }
            }
            open = next;
        }
        Ok(open.into_iter().next().map(Seen::Directory))
    }

    /// Whether a symbolic link stands at `path`.
    pub(super) fn is_link(&self, path: &RootedPath) -> Result<bool, SysError> {
        let Some(Seen::Other { stat, .. }) = self.look(path)? else {
            return Ok(false);
        };
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
    }

    /// The names of what is in the directory `path`, taken as it is written.
    pub(super) fn names(&self, path: &RootedPath) -> Result<BTreeSet<Vec<u8>>, SysError> {
        let mut names = BTreeSet::new();
        for layer in self.layers {
            match layer.dir(path) {
                Ok(dir) => names.extend(dir.names()?),
                // This layer has nothing there, or something else.
                Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {}
                Err(e) => return Err(e),
            }
        }
        let mut seen = BTreeSet::new();
        for name in names {
            if self.look(&path.child(&name))?.is_some() {
                seen.insert(name);
            }
        }
        Ok(seen)
    }

    /// The metadata of the directory at `path`, if there is one.
    pub(super) fn directory(&self, path: &RootedPath) -> Result<Option<Meta>, SysError> {
        match self.look(path)? {
            Some(Seen::Directory(dir)) => {
                let stat = dir.stat_self()?;
                Ok(Some(meta::read(&dir, b"", &stat)?.0))
            }
            _ => Ok(None),
        }
    }

    /// The place that `path` means once links on the way to it are followed, but not the last
    /// component.
    pub(super) fn place(&self, path: &RootedPath) -> Result<RootedPath, SysError> {
        match path.parent() {
            Some(parent) => Ok(self.resolve(&parent)?.child(path.name())),
            None => Ok(RootedPath::root()),
        }
    }

    /// The place that `path` means once all links are followed. What is missing is taken as it
    /// is written.
    pub(super) fn resolve(&self, path: &RootedPath) -> Result<RootedPath, SysError> {
        let mut todo: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        let mut at = RootedPath::root();
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    at = at.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let here = at.child(&name);
            let link = match self.look(&here)? {
                Some(Seen::Other { dir, stat })
                    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink =>
                {
                    dir.read_link(&name)?
                }
                _ => {
                    at = here;
                    continue;
                }
            };
            links += 1;
            if links > MOST_LINKS {
                let call = format!("open(\"/{}\")", path.as_bytes().escape_ascii());
                return Err(SysError::new(call, Errno::ELOOP));
            }
            if link.first() == Some(&b'/') {
                at = RootedPath::root();
            }
            for component in link.split(|b| *b == b'/').rev() {
                todo.push_front(component.to_vec());
            }
        }
        Ok(at)
    }

    fn is_hidden(&self, path: &RootedPath) -> bool {
        let hides = |w: Whiteout| self.hides.contains(&w);
        !self.hides.is_empty()
            && (hides(Whiteout::Path(path.clone()))
                || path
                    .ancestors()
                    .any(|a| hides(Whiteout::Path(a.clone())) || hides(Whiteout::Below(a))))
    }
}

/// Whether this is overlayfs' whiteout.
pub(super) fn kind_is_whiteout(stat: &Stat) -> bool {
    super::scan::device_of(stat) == Some(Kind::CharDevice(0, 0))
}

//! Files as a process sees them: a tree behind the calls of a kernel, with its checks and errors.

use std::fmt;
use std::sync::Arc;

use super::Shell;
use crate::path::RootedPath;
use crate::tree::{Content, Kind, Meta, Node, Timestamp};

/// Why a call is refused, in the words of the C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errno {
    /// It is not there.
    NoEntry,
    /// It is there already.
    Exists,
    /// A part of the path that should be a directory is none.
    NotDirectory,
    /// It is a directory.
    IsDirectory,
    /// The permission bits forbid it.
    Access,
    /// Only root may.
    NotPermitted,
    /// The directory holds something.
    NotEmpty,
    /// More than 40 links, or a ring of them.
    Loop,
    /// It makes no sense, such as a directory inside itself.
    Invalid,
    /// It cannot be taken away, such as the root.
    Busy,
    /// A name of more than 255 bytes.
    TooLong,
    /// Nothing can be written there.
    ReadOnly,
    /// The bytes cannot be read.
    Io,
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEntry => "No such file or directory",
            Self::Exists => "File exists",
            Self::NotDirectory => "Not a directory",
            Self::IsDirectory => "Is a directory",
            Self::Access => "Permission denied",
            Self::NotPermitted => "Operation not permitted",
            Self::NotEmpty => "Directory not empty",
            Self::Loop => "Too many levels of symbolic links",
            Self::Invalid => "Invalid argument",
            Self::Busy => "Device or resource busy",
            Self::TooLong => "File name too long",
            Self::ReadOnly => "Read-only file system",
            Self::Io => "I/O error",
        })
    }
}

/// The permission bits, as one class of users has them.
pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
pub(super) const EXECUTE: u32 = 1;

const MOST_LINKS: usize = 40;
const LONGEST_NAME: usize = 255;

impl Shell<'_> {
    /// The place that `path` means from the current directory. Links on the way are followed, the
    /// last one only if asked. The last component need not exist, all others must.
    pub(super) fn walk(&self, path: &str, follow: bool) -> Result<RootedPath, Errno> {
        if path.is_empty() {
            return Err(Errno::NoEntry);
        }
        let mut at = if path.starts_with('/') {
            RootedPath::root()
        } else {
            self.cwd.clone()
        };
        let must_be_directory = path.ends_with('/') || path.ends_with("/.");
        let mut todo: Vec<Vec<u8>> = components(path.as_bytes());
        let mut links = 0;
        while let Some(name) = todo.pop() {
            self.enter(&at)?;
            if name == b".." {
                at = at.parent().unwrap_or_default();
                continue;
            }
            if name.len() > LONGEST_NAME {
                return Err(Errno::TooLong);
            }
            let here = at.child(&name);
            let last = todo.is_empty();
            match self.tree.get(&here).map(|node| &node.kind) {
                None if last => return Ok(here),
                None => return Err(Errno::NoEntry),
                Some(Kind::Symlink(target)) if !last || follow || must_be_directory => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::Loop);
                    }
                    if target.first() == Some(&b'/') {
                        at = RootedPath::root();
                    }
                    todo.extend(components(target));
                }
                Some(_) => at = here,
            }
        }
        if must_be_directory && self.tree.get(&at).is_some() && !self.tree.is_directory(&at) {
            return Err(Errno::NotDirectory);
        }
        Ok(at)
    }

    /// Whether this is a directory that one may go through.
    fn enter(&self, at: &RootedPath) -> Result<(), Errno> {
        match self.tree.get(at) {
            None => Err(Errno::NoEntry),
            Some(node) if node.kind != Kind::Directory => Err(Errno::NotDirectory),
            Some(node) => self.check(node, EXECUTE),
        }
    }

    /// Whether the permission bits let the user do all of `wanted`.
    pub(super) fn check(&self, node: &Node, wanted: u32) -> Result<(), Errno> {
        let Meta { mode, uid, gid, .. } = node.meta;
        let who = &self.user;
        if who.uid == 0 {
            let runs = node.kind == Kind::Directory || mode & 0o111 != 0;
            return if wanted & EXECUTE == 0 || runs {
                Ok(())
            } else {
                Err(Errno::Access)
            };
        }
        let class = if who.uid == uid {
            6
        } else if who.gid == gid || who.groups.contains(&gid) {
            3
        } else {
            0
        };
        if mode >> class & wanted == wanted {
            Ok(())
        } else {
            Err(Errno::Access)
        }
    }

    /// What stands at `path`, and where that is.
    pub(super) fn stat(&self, path: &str, follow: bool) -> Result<(RootedPath, Arc<Node>), Errno> {
        let at = self.walk(path, follow)?;
        let node = self.tree.get(&at).ok_or(Errno::NoEntry)?;
        Ok((at, Arc::clone(node)))
    }

    /// Whether a directory stands at `path`, or behind a link there.
    pub(super) fn is_directory(&self, path: &str) -> bool {
        let found = self.stat(path, true);
        found.is_ok_and(|(_, node)| node.kind == Kind::Directory)
    }

    /// The bytes of the file at `path`.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let (_, node) = self.stat(path, true)?;
        self.check(&node, READ)?;
        match &node.kind {
            Kind::File(content) => content.read().map_err(|_| Errno::Io),
            Kind::Directory => Err(Errno::IsDirectory),
            _ => Ok(Vec::new()),
        }
    }

    /// The names in the directory at `at`, in the order of their bytes.
    pub(super) fn names(&self, at: &RootedPath) -> Result<Vec<Vec<u8>>, Errno> {
        let node = self.tree.get(at).ok_or(Errno::NoEntry)?;
        self.check(node, READ)?;
        let mut names: Vec<_> = self
            .tree
            .children(at)
            .map(|(p, _)| p.name().to_vec())
            .collect();
        // The tree has a slash before every byte, so `a` stands before `a-b` here as there.
        names.sort();
        Ok(names)
    }

    /// Whether entries may be made in, and taken from, the directory that holds `at`.
    pub(super) fn may_change(&self, at: &RootedPath) -> Result<RootedPath, Errno> {
        let parent = at.parent().ok_or(Errno::Busy)?;
        let node = self.tree.get(&parent).ok_or(Errno::NoEntry)?;
        if node.kind != Kind::Directory {
            return Err(Errno::NotDirectory);
        }
        self.check(node, WRITE | EXECUTE)?;
        self.writable(&parent)?;
        Ok(parent)
    }

    fn writable(&self, at: &RootedPath) -> Result<(), Errno> {
        if self.read_only.iter().any(|place| at.is_within(place)) {
            return Err(Errno::ReadOnly);
        }
        Ok(())
    }

    /// As [`Self::may_change`], and in a sticky directory one's own entries only.
    fn may_remove(&self, at: &RootedPath, node: &Node) -> Result<RootedPath, Errno> {
        let parent = self.may_change(at)?;
        let directory = self.tree.get(&parent).map(|node| &node.meta);
        let mine = [Some(node.meta.uid), directory.map(|meta| meta.uid)];
        let sticky = directory.is_some_and(|meta| meta.mode & 0o1000 != 0);
        if sticky && self.user.uid != 0 && !mine.contains(&Some(self.user.uid)) {
            return Err(Errno::NotPermitted);
        }
        Ok(parent)
    }

    /// Notes that what the directory holds has changed.
    pub(super) fn touched(&mut self, directory: &RootedPath) {
        let time = self.time;
        self.change(directory, |node| node.meta.mtime = time);
    }

    /// Changes a node under all its names: hard links stay hard links.
    pub(super) fn change(&mut self, at: &RootedPath, change: impl FnOnce(&mut Node)) {
        let Some(old) = self.tree.get(at).cloned() else {
            return;
        };
        if old.kind != Kind::Directory {
            self.journal.written.insert(at.clone());
        }
        let mut node = Node::clone(&old);
        change(&mut node);
        if node == *old {
            return;
        }
        let node = Arc::new(node);
        if old.kind == Kind::Directory {
            self.tree.insert(at.clone(), node);
            return;
        }
        for path in self.names_of(&old) {
            self.tree.insert(path, Arc::clone(&node));
        }
    }

    /// Every path of a node.
    pub(super) fn names_of(&self, node: &Arc<Node>) -> Vec<RootedPath> {
        let all = self
            .tree
            .iter()
            .filter(|(_, other)| Arc::ptr_eq(node, other));
        all.map(|(path, _)| path.clone()).collect()
    }

    /// What a new entry of the directory that holds `at` is like.
    fn fresh(&self, at: &RootedPath, mode: u32, is_directory: bool) -> Meta {
        let mut meta = Meta {
            uid: self.user.uid,
            gid: self.user.gid,
            mtime: self.time,
            ..Meta::new(mode & !self.umask)
        };
        let parent = at.parent().and_then(|parent| self.tree.get(&parent));
        // A set-group-ID directory hands its group down.
        if let Some(parent) = parent.filter(|parent| parent.meta.mode & 0o2000 != 0) {
            meta.gid = parent.meta.gid;
            meta.mode |= if is_directory { 0o2000 } else { 0 };
        }
        meta
    }

    /// Puts something new at `at`, where nothing is.
    pub(super) fn create(&mut self, at: &RootedPath, kind: Kind, mode: u32) -> Result<(), Errno> {
        if self.tree.get(at).is_some() {
            return Err(Errno::Exists);
        }
        let parent = self.may_change(at)?;
        let mut meta = self.fresh(at, mode, kind == Kind::Directory);
        if matches!(kind, Kind::Symlink(_)) {
            meta.mode = 0o777;
        }
        if kind == Kind::Directory {
            self.journal.made.insert(at.clone());
        }
        self.tree.insert(at.clone(), Arc::new(Node { meta, kind }));
        self.touched(&parent);
        Ok(())
    }

    /// Opens the file at `path` for writing: it is made if it is not there, and emptied if that is
    /// wanted. Gives the place.
    pub(super) fn open(&mut self, path: &str, empty: bool, mode: u32) -> Result<RootedPath, Errno> {
        let at = self.walk(path, true)?;
        let Some(node) = self.tree.get(&at).cloned() else {
            if path.ends_with('/') {
                return Err(Errno::IsDirectory);
            }
            self.create(&at, Kind::File(Content::Inline(Arc::new([]))), mode)?;
            return Ok(at);
        };
        if node.kind == Kind::Directory {
            return Err(Errno::IsDirectory);
        }
        self.check(&node, WRITE)?;
        self.writable(&at)?;
        self.journal.written.insert(at.clone());
        if empty {
            self.put(&at, Vec::new());
        }
        Ok(at)
    }

    /// Gives an open file these bytes.
    pub(super) fn put(&mut self, at: &RootedPath, bytes: Vec<u8>) {
        let (time, user) = (self.time, self.user.uid);
        self.change(at, |node| {
            if matches!(node.kind, Kind::File(_)) {
                node.kind = Kind::File(Content::Inline(bytes.into()));
                node.meta.mtime = time;
                if user != 0 {
                    node.meta.mode &= !0o6000;
                }
            }
        });
    }

    /// Writes a whole file.
    pub(super) fn write(&mut self, path: &str, bytes: Vec<u8>, mode: u32) -> Result<(), Errno> {
        let at = self.open(path, false, mode)?;
        self.put(&at, bytes);
        Ok(())
    }

    /// Takes away a file, a link, anything but a directory.
    pub(super) fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        let (at, node) = self.stat(path, false)?;
        let parent = self.may_remove(&at, &node)?;
        if node.kind == Kind::Directory {
            return Err(Errno::IsDirectory);
        }
        self.tree.remove(&at);
        self.touched(&parent);
        Ok(())
    }

    /// Takes away an empty directory.
    pub(super) fn remove_directory(&mut self, path: &str) -> Result<(), Errno> {
        let (at, node) = self.stat(path, false)?;
        if node.kind != Kind::Directory {
            return Err(Errno::NotDirectory);
        }
        let parent = self.may_remove(&at, &node)?;
        if self.tree.below(&at).next().is_some() {
            return Err(Errno::NotEmpty);
        }
        self.tree.remove(&at);
        self.touched(&parent);
        Ok(())
    }

    /// Gives what stands at `from` the path `to`, in place of what is there.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let (from, node) = self.stat(from, false)?;
        let to = self.walk(to.trim_end_matches('/'), false)?;
        let source = self.may_remove(&from, &node)?;
        let target = match self.tree.get(&to).cloned() {
            None => self.may_change(&to)?,
            Some(there) => {
                if Arc::ptr_eq(&there, &node) {
                    return Ok(());
                }
                match (&node.kind, &there.kind) {
                    (Kind::Directory, Kind::Directory) if self.tree.below(&to).next().is_some() => {
                        return Err(Errno::NotEmpty);
                    }
                    (Kind::Directory, Kind::Directory) => {}
                    (Kind::Directory, _) => return Err(Errno::NotDirectory),
                    (_, Kind::Directory) => return Err(Errno::IsDirectory),
                    _ => {}
                }
                self.may_remove(&to, &there)?
            }
        };
        if to.is_within(&from) {
            return Err(Errno::Invalid);
        }
        let moved: Vec<_> = self
            .tree
            .below(&from)
            .map(|(p, n)| (p.clone(), Arc::clone(n)))
            .collect();
        self.tree.remove(&from);
        if node.kind == Kind::Directory {
            self.journal.made.insert(to.clone());
        }
        self.tree.insert(to.clone(), node);
        for (path, node) in moved {
            let rest = path.strip(&from).unwrap_or_default();
            self.tree.insert(to.join(&rest), node);
        }
        self.touched(&source);
        self.touched(&target);
        Ok(())
    }

    /// Gives a file one more name.
    pub(super) fn link(&mut self, from: &str, to: &str, follow: bool) -> Result<(), Errno> {
        let (_, node) = self.stat(from, follow)?;
        if node.kind == Kind::Directory {
            return Err(Errno::NotPermitted);
        }
        let to = self.walk(to, false)?;
        if self.tree.get(&to).is_some() {
            return Err(Errno::Exists);
        }
        let parent = self.may_change(&to)?;
        self.tree.insert(to, node);
        self.touched(&parent);
        Ok(())
    }

    /// Sets permission bits.
    pub(super) fn chmod(&mut self, at: &RootedPath, mode: u32) -> Result<(), Errno> {
        self.owned(at)?;
        self.change(at, |node| node.meta.mode = mode & 0o7777);
        Ok(())
    }

    /// Sets owner and group. As the kernel does, it takes set-user-ID and set-group-ID away from
    /// what is no directory, and the capabilities of a file.
    pub(super) fn chown(&mut self, at: &RootedPath, uid: u32, gid: u32) -> Result<(), Errno> {
        self.writable(at)?;
        let node = self.tree.get(at).ok_or(Errno::NoEntry)?;
        let who = &self.user;
        let group = gid == node.meta.gid || gid == who.gid || who.groups.contains(&gid);
        let own = who.uid == node.meta.uid && uid == node.meta.uid && group;
        if who.uid != 0 && !own {
            return Err(Errno::NotPermitted);
        }
        self.change(at, |node| {
            (node.meta.uid, node.meta.gid) = (uid, gid);
            if node.kind != Kind::Directory {
                node.meta.mode &= !0o4000;
                if node.meta.mode & 0o010 != 0 {
                    node.meta.mode &= !0o2000;
                }
                node.meta.xattrs.remove(b"security.capability".as_slice());
            }
        });
        Ok(())
    }

    /// Sets the time of the last change.
    pub(super) fn set_time(&mut self, at: &RootedPath, time: Timestamp) -> Result<(), Errno> {
        let writable = self
            .tree
            .get(at)
            .is_some_and(|node| self.check(node, WRITE).is_ok());
        if !writable || time != self.time {
            self.owned(at)?;
        }
        self.change(at, |node| node.meta.mtime = time);
        Ok(())
    }

    fn owned(&self, at: &RootedPath) -> Result<(), Errno> {
        self.writable(at)?;
        let node = self.tree.get(at).ok_or(Errno::NoEntry)?;
        if self.user.uid == 0 || self.user.uid == node.meta.uid {
            Ok(())
        } else {
            Err(Errno::NotPermitted)
        }
    }
}

/// The components of a path, the last one first; `.` and doubled slashes mean nothing.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|b| *b == b'/').rev();
    let parts = parts.filter(|c| !c.is_empty() && *c != b".");
    parts.map(<[u8]>::to_vec).collect()
}

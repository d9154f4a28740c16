//! A directory that is the root of everything below it: nothing done through it reaches outside.
//!
//! Archives come from strangers. An entry may be called `lib/x` after the same archive has made
//! `lib` a symbolic link to `/etc` of the host, and another process may swap a directory for a
//! link between two system calls. Checking paths as text cannot win that race. So every operation
//! here is made in two steps that the kernel guards: `openat2` opens the parent directory with
//! `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, and a call relative to that descriptor then touches
//! the last component, which is never followed. Links that honest archives do have on the way
//! are followed here, step by step, each step guarded in the same way.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::sys::{SysError, quoted};
use crate::path::RootedPath;

/// A directory that is a root: a container's, a layer's.
#[derive(Debug)]
pub struct RootDir {
    fd: OwnedFd,
    path: PathBuf,
}

/// One directory inside a root, held open, so that it stays the same directory whatever happens
/// to its name.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    at: RootedPath,
}

/// Asked about a name that is missing in a directory; whether it made a directory of it.
type Missing<'a> = dyn FnMut(&Dir, &[u8]) -> Result<bool, SysError> + 'a;

/// The most links that one path may go through, as in the kernel (`ELOOP` after 40).
const MOST_LINKS: usize = 40;
/// `openat2` answers `EAGAIN` when something was renamed while it looked; try so often.
const MOST_TRIES: usize = 128;
/// Never through a link, never upwards: the path is taken as it is written.
const LITERAL: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
/// Through links, but as if the root were `/`.
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl RootDir {
    /// Opens the directory `path` as a root. Links in `path` itself are followed: whoever names
    /// the root is trusted.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SysError> {
        let path = path.into();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty()).map_err(|e| {
            SysError::from_rustix(format!("open({}, O_DIRECTORY)", quoted(&path)), e)
        })?;
        Ok(Self { fd, path })
    }

    /// Where the root is on the host, as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory at `path`, taken as it is written: a link on the way is `ELOOP`.
    pub fn dir(&self, path: &RootedPath) -> Result<Dir, SysError> {
        let fd = self.resolve(path.as_bytes(), DIRECTORY, LITERAL)?;
        Ok(Dir {
            fd,
            at: path.clone(),
        })
    }

    /// The same root once more.
    pub fn try_clone(&self) -> Result<Self, SysError> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0)
            .map_err(|e| SysError::from_rustix("fcntl(F_DUPFD_CLOEXEC)", e))?;
        Ok(Self {
            fd,
            path: self.path.clone(),
        })
    }

    /// The directory `name` directly in this root, as a root of its own.
    pub fn inner(&self, name: &str) -> Result<Self, SysError> {
        let dir = self.dir(&RootedPath::root())?.open_dir(name.as_bytes())?;
        Ok(Self {
            fd: dir.fd,
            path: self.path.join(name),
        })
    }

    /// What the kernel says about `path`, taken as it is written; `None` when there is nothing.
    pub fn stat(&self, path: &RootedPath) -> Result<Option<Stat>, SysError> {
        let Some(parent) = path.parent() else {
            return self.dir(path)?.stat_self().map(Some);
        };
        match self.dir(&parent) {
            Ok(parent) => parent.stat(path.name()),
            Err(e) if is_absent(e.errno) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Opens an existing file for reading. Links are followed as a process would see them that
    /// has this as its root directory.
    pub fn open_file(&self, path: impl AsRef<Path>) -> Result<File, SysError> {
        // O_NONBLOCK: a named pipe without a writer must not stop us.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let bytes = path.as_ref().as_os_str().as_bytes();
        Ok(self.resolve(bytes, flags, INSIDE)?.into())
    }

    /// The directory that `path` means once links are followed, inside the root; `None` when
    /// there is none.
    pub fn find_dir(&self, path: &RootedPath) -> Result<Option<Dir>, SysError> {
        self.walk(path, &mut |_, _| Ok(false))
    }

    /// The directory that holds what `path` means, once links on the way are followed; `None`
    /// when there is none, also because the links go round in a ring.
    pub fn find_parent(&self, path: &RootedPath) -> Result<Option<Dir>, SysError> {
        let Some(parent) = path.parent() else {
            return Ok(None);
        };
        match self.find_dir(&parent) {
            Err(e) if e.errno == Errno::ELOOP => Ok(None),
            found => found,
        }
    }

    /// The directory that `path` means once links are followed, inside the root. What is missing
    /// is made with mode 0700, and what stands in the way and is no directory is replaced by one;
    /// `made` is told the place, and whether something was replaced.
    pub fn make_dir(
        &self,
        path: &RootedPath,
        made: &mut dyn FnMut(&RootedPath, bool),
    ) -> Result<Dir, SysError> {
        let found = self.walk(path, &mut |dir, name| {
            let replaced = dir.stat(name)?.is_some();
            if replaced {
                dir.unlink(name)?;
            }
            dir.make_dir(name)?;
            made(&dir.at.child(name), replaced);
            Ok(true)
        })?;
        found.ok_or_else(|| SysError::new(format!("mkdir({})", text(path)), Errno::ENOENT))
    }

    /// Takes away what is at `path`, with everything below it. The path is taken as it is
    /// written. That nothing is there is no error; the root itself is only emptied.
    pub fn remove(&self, path: &RootedPath) -> Result<(), SysError> {
        let mut todo = vec![path.clone()];
        if let Some(parent) = path.parent() {
            match self.dir(&parent) {
                Ok(parent) if parent.unlink_unless_dir(path.name())? => return Ok(()),
                Ok(_) => {}
                Err(e) if is_absent(e.errno) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        // Descending by path instead of recursion keeps one descriptor open at a time, however
        // deep an archive nests.
        while let Some(directory) = todo.last() {
            let dir = self.dir(directory)?;
            let mut below = Vec::new();
            for name in dir.names()? {
                if !dir.unlink_unless_dir(&name)? {
                    below.push(directory.child(&name));
                }
            }
            if below.is_empty() {
                if let Some(parent) = directory.parent() {
                    self.dir(&parent)?.remove_dir(directory.name())?;
                }
                todo.pop();
            } else {
                todo.extend(below);
            }
        }
        Ok(())
    }

    /// Goes to a directory component by component. `missing` is asked where a component is
    /// missing or neither directory nor link; it returns whether it made one.
    fn walk(&self, path: &RootedPath, missing: &mut Missing<'_>) -> Result<Option<Dir>, SysError> {
        match self.dir(path) {
            Err(e) if is_absent(e.errno) => {}
            found => return found.map(Some),
        }
        let mut todo: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        let mut dir = self.dir(&RootedPath::root())?;
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    dir = self.dir(&dir.at.parent().unwrap_or_default())?;
                    continue;
                }
                _ => {}
            }
            let kind = dir.stat(&name)?.map(|s| FileType::from_raw_mode(s.st_mode));
            if kind == Some(FileType::Symlink) {
                links += 1;
                if links > MOST_LINKS {
                    return Err(SysError::new(format!("open({})", text(path)), Errno::ELOOP));
                }
                let target = dir.read_link(&name)?;
                if target.first() == Some(&b'/') {
                    dir = self.dir(&RootedPath::root())?;
                }
                for component in target.split(|b| *b == b'/').rev() {
                    todo.push_front(component.to_vec());
                }
                continue;
            }
            if kind != Some(FileType::Directory) && !missing(&dir, &name)? {
                return Ok(None);
            }
            dir = dir.open_dir(&name)?;
        }
        Ok(Some(dir))
    }

    fn resolve(
        &self,
        path: &[u8],
        flags: OFlags,
        resolve: ResolveFlags,
    ) -> Result<OwnedFd, SysError> {
        let path = if path.is_empty() { b"." } else { path };
        let mut tries = 0;
        loop {
            match rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), resolve) {
                Err(rustix::io::Errno::AGAIN) if tries < MOST_TRIES => tries += 1,
                Ok(fd) => return Ok(fd),
                Err(e) => {
                    let how = if resolve == INSIDE {
                        "RESOLVE_IN_ROOT"
                    } else {
                        "RESOLVE_NO_SYMLINKS"
                    };
                    let path = path.escape_ascii();
                    let error =
                        SysError::from_rustix(format!("openat2(root, \"{path}\", {how})"), e);
                    return Err(match error.errno {
                        Errno::ENOSYS => error.remedy("Coracle needs Linux 5.6 or newer"),
                        _ => error,
                    });
                }
            }
        }
    }
}

impl Dir {
    /// Where in the root this directory is, without any link.
    pub fn at(&self) -> &RootedPath {
        &self.at
    }

    /// The directory `name` in this one; a link is `ELOOP` or `ENOTDIR`.
    pub fn open_dir(&self, name: &[u8]) -> Result<Self, SysError> {
        let fd = rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty())
            .map_err(|e| self.refused("openat", name, e))?;
        Ok(Self {
            fd,
            at: self.at.child(name),
        })
    }

    /// A new file, open for writing, with mode 0600. Whatever has the name already is `EEXIST`.
    pub fn create_file(&self, name: &[u8]) -> Result<File, SysError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|e| self.refused("openat(O_CREAT)", name, e))
    }

    /// A regular file, open for reading. A link is `ELOOP`, anything else than a file `EINVAL`.
    pub fn open_file(&self, name: &[u8]) -> Result<File, SysError> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let refused = |e| self.refused("openat", name, e);
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty()).map_err(refused)?;
        let stat = rustix::fs::fstat(&fd).map_err(refused)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(refused(rustix::io::Errno::INVAL));
        }
        Ok(fd.into())
    }

    /// A new directory with mode 0700, whatever the process' umask.
    pub fn make_dir(&self, name: &[u8]) -> Result<(), SysError> {
        rustix::fs::mkdirat(&self.fd, name, Mode::RWXU)
            .map_err(|e| self.refused("mkdirat", name, e))
    }

    /// A new symbolic link that holds `target`.
    pub fn make_link(&self, target: &[u8], name: &[u8]) -> Result<(), SysError> {
        rustix::fs::symlinkat(target, &self.fd, name)
            .map_err(|e| self.refused("symlinkat", name, e))
    }

    /// A new device or named pipe with mode 0600. Numbers mean nothing for a pipe.
    pub fn make_node(
        &self,
        kind: FileType,
        major: u32,
        minor: u32,
        name: &[u8],
    ) -> Result<(), SysError> {
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(&self.fd, name, kind, Mode::RUSR | Mode::WUSR, device)
            .map_err(|e| self.refused("mknodat", name, e))
    }

    /// A new hard link `name` to `target` in the directory `from`. Links are not followed.
    pub fn hard_link(&self, from: &Self, target: &[u8], name: &[u8]) -> Result<(), SysError> {
        rustix::fs::linkat(&from.fd, target, &self.fd, name, AtFlags::empty())
            .map_err(|e| self.refused("linkat", name, e))
    }

    /// Moves `name` of this directory to `to`, where nothing is called `new_name`.
    pub fn rename(&self, name: &[u8], to: &Self, new_name: &[u8]) -> Result<(), SysError> {
        rustix::fs::renameat(&self.fd, name, &to.fd, new_name)
            .map_err(|e| self.refused("renameat", name, e))
    }

    /// Takes away what is called `name` and is no directory. Its absence is no error.
    pub fn unlink(&self, name: &[u8]) -> Result<(), SysError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(self.refused("unlinkat", name, e)),
        }
    }

    /// Takes away the empty directory `name`. Its absence is no error.
    pub fn remove_dir(&self, name: &[u8]) -> Result<(), SysError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(self.refused("unlinkat(AT_REMOVEDIR)", name, e)),
        }
    }

    /// `Ok(false)` when `name` is a directory, which is left alone.
    fn unlink_unless_dir(&self, name: &[u8]) -> Result<bool, SysError> {
        match self.unlink(name) {
            Ok(()) => Ok(true),
            Err(e) if e.errno == Errno::EISDIR => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// What a symbolic link holds.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, SysError> {
        rustix::fs::readlinkat(&self.fd, name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|e| self.refused("readlinkat", name, e))
    }

    /// What the kernel says about `name`, not following it; `None` when there is no such thing.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Stat>, SysError> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(e) => Err(self.refused("fstatat", name, e)),
        }
    }

    /// What the kernel says about this directory itself.
    pub fn stat_self(&self) -> Result<Stat, SysError> {
        rustix::fs::fstat(&self.fd).map_err(|e| self.refused("fstat", b"", e))
    }

    /// The names in this directory, sorted, without `.` and `..`.
    pub fn names(&self) -> Result<Vec<Vec<u8>>, SysError> {
        let refused = |e| self.refused("getdents64", b"", e);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The path of `name` through this descriptor, for the few calls that have no form with a
    /// directory descriptor: those of extended attributes.
    pub(super) fn proc_path(&self, name: &[u8]) -> Vec<u8> {
        let fd = self.fd.as_raw_fd();
        [format!("/proc/self/fd/{fd}/").as_bytes(), name].concat()
    }

    /// The refusal of a call about `name` in this directory.
    pub(super) fn refused(&self, call: &str, name: &[u8], errno: rustix::io::Errno) -> SysError {
        let path = if name.is_empty() {
            self.at.clone()
        } else {
            self.at.child(name)
        };
        let (call, flags) = call.split_once('(').unwrap_or((call, ""));
        let flags = flags.trim_end_matches(')');
        let comma = if flags.is_empty() { "" } else { ", " };
        SysError::from_rustix(format!("{call}({}{comma}{flags})", text(&path)), errno)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether something is a directory.
pub fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Whether the kernel said that a path, taken as it is written, leads to no directory.
/// `ENAMETOOLONG` is among it because a path that is too long for one call may still be walked.
fn is_absent(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG
    )
}

fn text(path: &RootedPath) -> String {
    format!("\"/{}\"", path.as_bytes().escape_ascii())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(text: &str) -> RootedPath {
        RootedPath::parse(text).unwrap()
    }

    /// A root with links of every kind, beside a file that nobody may reach.
    fn root() -> (tempfile::TempDir, RootDir) {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("root");
        std::fs::create_dir_all(inside.join("usr/bin")).unwrap();
        std::fs::write(inside.join("usr/bin/sh"), "inside").unwrap();
        std::fs::write(folder.path().join("sh"), "outside").unwrap();
        for (target, name) in [
            ("usr/bin", "bin"),
            ("/usr/bin", "absolute"),
            ("../../../usr/bin", "up"),
            ("..", "parent"),
            ("/proc/self/root", "magic"),
            ("missing/deep", "dangling"),
            ("loop", "loop"),
            ("/", "usr/root"),
        ] {
            symlink(target, inside.join(name)).unwrap();
        }
        let root = RootDir::open(inside).unwrap();
        (folder, root)
    }

    #[test]
    fn files_are_found_as_a_process_inside_finds_them() {
        let (_folder, root) = root();
        let check = |name: &str, expected: Result<&str, Errno>| {
            let found = root.open_file(name).map(|mut file| {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                text
            });
            let found = found.as_deref().map_err(|e| e.errno);
            assert_eq!(found, expected, "{name}");
        };
        check("usr/bin/sh", Ok("inside"));
        check("bin/sh", Ok("inside"));
        check("absolute/sh", Ok("inside"));
        check("/usr/root/bin/sh", Ok("inside"));
        check("up/sh", Ok("inside"));
        check("../../usr/bin/sh", Ok("inside"));
        check("parent/sh", Err(Errno::ENOENT));
        check("loop/sh", Err(Errno::ELOOP));
    }

    #[test]
    fn directories_are_taken_as_written_found_or_made() {
        let check = |name: &str, literal: bool, found: Option<&str>, made: &str| {
            let (_folder, root) = root();
            assert_eq!(root.dir(&path(name)).is_ok(), literal, "{name}");
            let dir = root.find_dir(&path(name)).unwrap();
            assert_eq!(dir.map(|d| d.at().clone()), found.map(path), "{name}");
            let dir = root.make_dir(&path(name), &mut |_, _| {}).unwrap();
            assert_eq!(*dir.at(), path(made), "{name}");
            assert!(root.path().join(made).is_dir(), "{name}");
        };
        check("", true, Some(""), "");
        check("usr/bin", true, Some("usr/bin"), "usr/bin");
        check("bin", false, Some("usr/bin"), "usr/bin");
        check("up", false, Some("usr/bin"), "usr/bin");
        check("parent", false, Some(""), "");
        check("usr/root/bin", false, Some("usr/bin"), "usr/bin");
        check("new/deep", false, None, "new/deep");
        check("dangling/er", false, None, "missing/deep/er");
        check("magic/x", false, None, "proc/self/root/x");
        check("bin/sh/x", false, None, "usr/bin/sh/x");
    }

    #[test]
    fn removing_never_follows() {
        let (folder, root) = root();
        symlink(folder.path(), root.path().join("usr/out")).unwrap();
        root.remove(&path("usr")).unwrap();
        root.remove(&path("usr")).unwrap();
        root.remove(&path("bin/sh")).unwrap();
        assert_eq!(std::fs::read(folder.path().join("sh")).unwrap(), b"outside");
        assert!(root.path().join("bin").is_symlink() && !root.path().join("usr").exists());
        root.remove(&RootedPath::root()).unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }
}

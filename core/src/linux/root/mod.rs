//! A directory that is the root of everything below it: nothing done through it reaches outside.
//!
//! Archives come from strangers. An entry may be called `lib/x` after the same archive has made
//! `lib` a symbolic link to `/etc` of the host, and another process may swap a directory for a
//! link between two system calls. Checking paths as text cannot win that race. So every operation
//! here is made in two steps that the kernel guards: `openat2` opens the parent directory with
//! `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, and a call relative to that descriptor then touches
//! the last component, which is never followed. Links that honest archives do have on the way
//! are followed here, step by step, each step guarded in the same way.

mod dir;

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};

pub use self::dir::Dir;
use super::sys::{SysError, quoted};
use crate::path::RootedPath;

/// A directory that is a root: a container's, a layer's.
#[derive(Debug)]
pub struct RootDir {
    fd: OwnedFd,
    path: PathBuf,
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

    /// The directory at `path`, taken as it is written, as a root of its own.
    pub fn below(&self, path: &RootedPath) -> Result<Self, SysError> {
        Ok(Self {
            fd: self.dir(path)?.fd,
            path: self.path.join(OsStr::from_bytes(path.as_bytes())),
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

    /// A handle of what `path` means once links are followed, inside the root, whatever it is:
    /// good for nothing but naming it.
    pub fn open_place(&self, path: impl AsRef<Path>) -> Result<OwnedFd, SysError> {
        let bytes = path.as_ref().as_os_str().as_bytes();
        self.resolve(bytes, OFlags::PATH | OFlags::CLOEXEC, INSIDE)
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

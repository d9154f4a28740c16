//! One directory inside a root, and everything that is done to the names in it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use super::{DIRECTORY, text};
use crate::linux::sys::SysError;
use crate::path::RootedPath;

/// One directory inside a root, held open, so that it stays the same directory whatever happens
/// to its name.
#[derive(Debug)]
pub struct Dir {
    pub(super) fd: OwnedFd,
    pub(super) at: RootedPath,
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
    pub(super) fn unlink_unless_dir(&self, name: &[u8]) -> Result<bool, SysError> {
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
    pub(in crate::linux) fn proc_path(&self, name: &[u8]) -> Vec<u8> {
        let fd = self.fd.as_raw_fd();
        [format!("/proc/self/fd/{fd}/").as_bytes(), name].concat()
    }

    /// The refusal of a call about `name` in this directory.
    pub(in crate::linux) fn refused(
        &self,
        call: &str,
        name: &[u8],
        errno: rustix::io::Errno,
    ) -> SysError {
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

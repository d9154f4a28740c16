//! Our own program, so shown to a container that it cannot be written from inside.
//!
//! A container's first process is our program until it executes the command. An image can turn
//! that around: its command is `/proc/self/exe`, its libraries are the attacker's, and the file
//! that they open for writing is the host's. That was CVE-2019-5736. So the program that runs
//! inside is seen through a mount of its own: read-only, and when the host is left attached
//! nowhere, and therefore beyond the reach of every remount.
//!
//! The other way is a sealed copy in memory. For a program of 6 MB that takes 5 ms, as long as
//! everything else in a container's start together; the mount takes 0.1 ms.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, open};

use super::explain::{Kernel, chapter};
use super::mounts::restrict;
use super::stage::SELF;
use super::sys::SysError;

/// The program's file, as it is found before the namespaces are made.
#[derive(Debug)]
pub(super) struct Own {
    file: File,
    /// Where it lies; another file may lie there by now.
    path: PathBuf,
}

/// The program as a container may see it.
#[derive(Debug)]
pub(super) struct Protected {
    path: PathBuf,
    /// What `path` points at.
    _open: OwnedFd,
}

impl Own {
    /// Finds the program that is running.
    pub(super) fn find() -> Result<Self, SysError> {
        let refused = |e| SysError::from_io(format!("open({SELF:?})"), &e);
        Ok(Self {
            file: File::open(SELF).map_err(refused)?,
            path: fs::read_link(SELF).map_err(refused)?,
        })
    }

    /// Makes a view of the program that cannot be written. Call it in a mount namespace of one's
    /// own: nobody else sees the mount, and it goes with the host's files when those are left.
    ///
    /// When the file at the program's path is no longer the program (it was replaced, or is out
    /// of sight), a sealed copy does the same.
    pub(super) fn protect(self, kernel: &mut Kernel<'_>) -> Result<Protected, SysError> {
        kernel.turn_to(chapter::CONFINE);
        let open = if self.is_still_there() {
            self.read_only_view(kernel)?
        } else {
            self.sealed_copy(kernel)?
        };
        Ok(Protected {
            path: PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())),
            _open: open,
        })
    }

    fn is_still_there(&self) -> bool {
        match (self.file.metadata(), fs::metadata(&self.path)) {
            (Ok(own), Ok(there)) => (own.dev(), own.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }

    fn read_only_view(&self, kernel: &mut Kernel<'_>) -> Result<OwnedFd, SysError> {
        let path = self.path.as_path();
        kernel.ask(
            "a mount that holds nothing but our own program",
            || format!("mount({path:?}, {path:?}, NULL, MS_BIND)"),
            || {
                mount(
                    Some(path),
                    path,
                    None::<&str>,
                    MsFlags::MS_BIND,
                    None::<&str>,
                )
            },
        )?;
        restrict(kernel, path, MsFlags::MS_RDONLY)?;
        kernel.ask(
            "the handle by which the program is executed; the mount it leads through goes with the host's files, and what has no place cannot be remounted",
            || format!("open({path:?}, O_PATH)"),
            || open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()),
        )
    }

    fn sealed_copy(&self, kernel: &mut Kernel<'_>) -> Result<OwnedFd, SysError> {
        let memory: OwnedFd = kernel.ask(
            "a file in memory for a copy of our own program",
            || "memfd_create(\"coracle\", MFD_ALLOW_SEALING)".to_owned(),
            || {
                let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
                match memfd_create("coracle", flags | MemfdFlags::EXEC) {
                    // Kernels before 6.3 do not know the flag and need none.
                    Err(rustix::io::Errno::INVAL) => memfd_create("coracle", flags),
                    other => other,
                }
            },
        )?;
        let mut memory = File::from(memory);
        io::copy(&mut &self.file, &mut memory)
            .map_err(|e| SysError::from_io("sendfile(copy of our program)", &e))?;
        kernel.ask(
            "nobody can write the copy, whatever rights they have",
            || "fcntl(F_ADD_SEALS, F_SEAL_WRITE|F_SEAL_GROW|F_SEAL_SHRINK|F_SEAL_SEAL)".to_owned(),
            || {
                let seals =
                    SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
                fcntl_add_seals(&memory, seals)
            },
        )?;
        Ok(memory.into())
    }
}

impl Protected {
    /// The path to execute.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

//! Whether overlayfs can be mounted over a directory, found out by doing it where nobody sees.

use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::RootFs;
use crate::linux::sys::SysError;

/// Tries overlayfs with its upper directory in `scratch`, an empty directory on the file system
/// that is meant. An error says why it does not work.
///
/// The mount is made by a thread in a mount namespace of its own, so that the host's table of
/// mounts never shows it, and it goes away with the thread whatever happens.
pub(super) fn probe(scratch: &Path, userxattr: bool) -> Result<(), SysError> {
    let thread = std::thread::scope(|scope| scope.spawn(|| try_mount(scratch, userxattr)).join());
    thread.unwrap_or_else(|_| Err(SysError::new("probe", Errno::UnknownErrno)))
}

fn try_mount(scratch: &Path, userxattr: bool) -> Result<(), SysError> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(|e| SysError::new("unshare(CLONE_NEWNS)", e))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(|e| SysError::new("mount(NULL, \"/\", MS_REC | MS_PRIVATE)", e))?;
    let [lower, upper, work, merged] = ["l", "u", "w", "m"].map(|name| scratch.join(name));
    for dir in [&lower.join("d"), &upper, &work, &merged] {
        std::fs::create_dir_all(dir).map_err(|e| SysError::from_io("mkdir", &e))?;
    }
    let rootfs = RootFs::Overlay {
        lower: vec![lower],
        upper,
        work,
        userxattr,
        // Otherwise unmounting would write everything to the disk that waits for it, of all
        // programs.
        volatile: true,
    };
    rootfs.mount(&merged)?;
    // A mount that succeeds proves little: without attributes to write its notes in, overlayfs
    // fails at the first directory that is made where another was deleted.
    let over = merged.join("d");
    let result = std::fs::remove_dir(&over)
        .and_then(|()| std::fs::create_dir(&over))
        .map_err(|e| SysError::from_io("mkdir over a deleted directory on overlayfs", &e));
    // Detached, because the thread's end comes a moment after its result.
    let _ = umount2(&merged, MntFlags::MNT_DETACH);
    result
}

//! A container's file system, as its image and its changes make it, from outside of it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::record::Container;
use crate::linux::explain::Kernel;
use crate::linux::mounts::restrict;
use crate::linux::root::RootDir;
use crate::linux::sys::{SysError, quoted};
use crate::runtime::options::Bind;
use crate::runtime::status::{Process, Status};

/// Why nobody can look into a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The kernel refused.
    #[error("look into the container: {0}")]
    System(#[from] SysError),
    /// A thread of this process died.
    #[error("looking into the container was interrupted; run the command again")]
    Interrupted,
}

/// Mounts a container's root file system for this process alone, and opens it: with the
/// directories and files of the host that the container sees when `binds` says so, and always
/// without `/proc`, `/sys` and what else is not files.
///
/// What a running container changes is seen at once, and the other way round. Everything is
/// mounted in a mount namespace of this process's own, so nothing is left when it ends.
///
/// The caller is root, or in the user namespace of the container: see
/// [`join`](crate::linux::userns::join). If the container does not run, the caller has its
/// directory locked.
pub fn view(container: &Container, binds: bool) -> Result<RootDir, ViewError> {
    let running = match &container.status {
        Status::Running { process, .. } => Some(root_of(*process)?),
        Status::Created { .. } | Status::Exited(_) => None,
    };
    unshare(CloneFlags::CLONE_NEWNS).map_err(|e| SysError::new("unshare(CLONE_NEWNS)", e))?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(|e| SysError::new("mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE)", e))?;
    let target = container.path.join("rootfs");
    match running {
        Some(tree) => {
            let how = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(&tree, "", CWD, &target, how).map_err(|e| {
                SysError::from_rustix(format!("move_mount({})", quoted(&target)), e)
            })?;
        }
        None => container.record.root.mount(&target)?,
    }
    if container.record.read_only {
        restrict(&mut Kernel::silent(), &target, MsFlags::MS_RDONLY)?;
    }
    let root = RootDir::open(&target)?;
    for bind in container.record.binds.iter().filter(|_| binds) {
        mount_inside(&root, bind)?;
    }
    Ok(root)
}

/// A second view of a process's root, without what is mounted in it. It has no place in any mount
/// table yet.
fn root_of(process: Process) -> Result<OwnedFd, ViewError> {
    let path = format!("/proc/{}/ns/mnt", process.pid);
    let namespace =
        File::open(&path).map_err(|e| SysError::from_io(format!("open({path:?})"), &e))?;
    // A thread of its own goes there, so that this process keeps its view of the host.
    let tree = thread::spawn(move || {
        let ask = |call: &'static str| move |e| SysError::new(call, e);
        unshare(CloneFlags::CLONE_FS).map_err(ask("unshare(CLONE_FS)"))?;
        setns(namespace.as_fd(), CloneFlags::CLONE_NEWNS).map_err(ask("setns(CLONE_NEWNS)"))?;
        let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        open_tree(CWD, "/", how)
            .map_err(|e| SysError::from_rustix("open_tree(\"/\", OPEN_TREE_CLONE)", e))
    });
    Ok(tree.join().map_err(|_| ViewError::Interrupted)??)
}

/// Mounts something of the host in the container's root. The place is looked up inside the root,
/// so that a link in the image leads nowhere else. A place or source that is not there is left
/// out: the container makes it when it starts.
fn mount_inside(root: &RootDir, bind: &Bind) -> Result<(), SysError> {
    let source = Path::new(&bind.source);
    let Ok(place) = root.open_place(&bind.target) else {
        return Ok(());
    };
    if !source.exists() {
        return Ok(());
    }
    let target = format!("/proc/self/fd/{}", place.as_raw_fd());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(
        Some(source),
        target.as_str(),
        None::<&str>,
        flags,
        None::<&str>,
    )
    .map_err(|e| {
        let (source, target) = (quoted(source), &bind.target);
        SysError::new(
            format!("mount({source}, {target:?}, NULL, MS_BIND|MS_REC)"),
            e,
        )
    })?;
    if bind.read_only {
        // Looked up again: the first descriptor is of what lies below the mount.
        let mounted = root.open_place(&bind.target)?;
        let target = format!("/proc/self/fd/{}", mounted.as_raw_fd());
        restrict(
            &mut Kernel::silent(),
            Path::new(&target),
            MsFlags::MS_RDONLY,
        )?;
    }
    Ok(())
}

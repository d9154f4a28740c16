//! Steps of the first process: the root file system and everything mounted in it.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::unistd;

use super::{Init, Stop};
use crate::linux::sys::SysError;
use crate::linux::views::Views;
use crate::linux::{devices, mounts};
use crate::spec::runtime::Root;

/// Takes along what comes from outside, as mounts without a place.
pub(super) fn take_views(init: &mut Init<'_>) -> Result<(), Stop> {
    let mounts = init.job.spec.mounts().as_deref().unwrap_or_default();
    init.views = Some(Views::take(&mut init.kernel, mounts)?);
    Ok(())
}

/// Makes the mounted root file system the root of everything this process sees, and leaves the
/// host. Between the first call and the last, no path is looked at.
pub(super) fn change_root(init: &mut Init<'_>) -> Result<(), Stop> {
    let kernel = &mut init.kernel;
    let target = &init.job.target;
    kernel.ask(
        "the next call takes the directory that one stands in",
        || format!("chdir({target:?})"),
        || unistd::chdir(target),
    )?;
    kernel.ask(
        "this mount becomes the root; the old root now lies on top of it",
        || "pivot_root(\".\", \".\")".to_owned(),
        || unistd::pivot_root(".", "."),
    )?;
    kernel.ask(
        "the old root is taken off: the host's files are gone from this mount namespace",
        || "umount2(\".\", MNT_DETACH)".to_owned(),
        || umount2(".", MntFlags::MNT_DETACH),
    )?;
    Ok(kernel.ask(
        "nothing of the host may stay as the current directory",
        || "chdir(\"/\")".to_owned(),
        || unistd::chdir("/"),
    )?)
}

pub(super) fn mount_all(init: &mut Init<'_>) -> Result<(), Stop> {
    let views = views(init.views.as_ref())?;
    let mounts = init.job.spec.mounts().iter().flatten();
    for (mount, view) in mounts.zip(&views.mounts) {
        mounts::perform(&mut init.kernel, mount, view.as_ref(), views)?;
    }
    Ok(())
}

pub(super) fn fill_dev(init: &mut Init<'_>) -> Result<(), Stop> {
    devices::nodes(&mut init.kernel, &views(init.views.as_ref())?.devices)?;
    // Handles of what has its place are not needed any more.
    init.views = None;
    Ok(devices::links(&mut init.kernel)?)
}

/// Settings of the kernel that belong to the new namespaces. They are files below `/proc/sys`,
/// which is read-only a step later.
pub(super) fn set_sysctls(init: &mut Init<'_>) -> Result<(), Stop> {
    let linux = init.job.spec.linux().as_ref();
    let settings = linux.and_then(|l| l.sysctl().as_ref());
    for (name, value) in settings.into_iter().flatten() {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        init.kernel.ask(
            "it holds for this namespace alone",
            || format!("write({path:?}, {value:?})"),
            || fs::write(&path, value),
        )?;
    }
    Ok(())
}

pub(super) fn mask_paths(init: &mut Init<'_>) -> Result<(), Stop> {
    let Some(linux) = init.job.spec.linux() else {
        return Ok(());
    };
    for path in linux.masked_paths().iter().flatten() {
        mounts::mask(&mut init.kernel, Path::new(path))?;
    }
    for path in linux.readonly_paths().iter().flatten() {
        mounts::read_only(&mut init.kernel, Path::new(path))?;
    }
    Ok(())
}

pub(super) fn protect_root(init: &mut Init<'_>) -> Result<(), Stop> {
    let root = init.job.spec.root().as_ref();
    if root.and_then(Root::readonly).unwrap_or(false) {
        mounts::restrict(&mut init.kernel, Path::new("/"), MsFlags::MS_RDONLY)?;
    }
    Ok(())
}

fn views(views: Option<&Views>) -> Result<&Views, SysError> {
    views.ok_or_else(|| SysError::new("move_mount()", Errno::EBADF))
}

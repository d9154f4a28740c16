//! What a container takes along from the host: mounts that are attached nowhere yet.
//!
//! They are made while the host's files are still there, and get their places when nothing of the
//! host can be named any more. In between, no path of the image is looked at. That matters: until
//! the old root is unmounted it lies on top of the new one, and a link in the image with enough
//! `..` in it would lead there.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::MsFlags;
use rustix::fs::{CWD, FileType, fstat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::cgroups;
use super::devices;
use super::explain::Kernel;
use super::mounts::Options;
use super::sys::SysError;
use crate::spec::runtime::Mount;

/// Everything that is taken along.
#[derive(Debug)]
pub(super) struct Views {
    /// For each mount of the specification what comes from outside, where something does.
    pub mounts: Vec<Option<View>>,
    /// The host's devices, where the container may not make its own.
    pub devices: Vec<View>,
    /// How the host has its control groups.
    pub cgroups: cgroups::Layout,
    /// The group numbers that this user namespace has, as `/proc/self/gid_map` shows them.
    pub gid_map: String,
}

/// A mount without a place.
#[derive(Debug)]
pub(super) struct View {
    tree: OwnedFd,
    /// What it shows, for people.
    what: String,
    /// Whether it stands for a sysfs of the container's own, and is the host's instead.
    pub host_sysfs: bool,
}

impl Views {
    /// Takes along what `mounts` and the devices need.
    pub(super) fn take(kernel: &mut Kernel<'_>, mounts: &[Mount]) -> Result<Self, SysError> {
        let devices = if owns_devices() {
            Vec::new()
        } else {
            let paths = devices::PATHS.iter().map(Path::new);
            paths
                .map(|path| View::of_host(kernel, path, false))
                .collect::<Result<_, _>>()?
        };
        Ok(Self {
            mounts: mounts
                .iter()
                .map(|mount| View::for_mount(kernel, mount))
                .collect::<Result<_, _>>()?,
            devices,
            cgroups: cgroups::Layout::of_host(),
            gid_map: fs::read_to_string("/proc/self/gid_map").unwrap_or_default(),
        })
    }
}

impl View {
    fn for_mount(kernel: &mut Kernel<'_>, wanted: &Mount) -> Result<Option<Self>, SysError> {
        let typ = wanted.typ().as_deref().unwrap_or("bind");
        let source = wanted.source().as_deref().unwrap_or(Path::new("/"));
        let options = Options::read(wanted.options().as_deref().unwrap_or_default());
        match typ {
            _ if typ == "bind" || options.bind => {
                Self::of_host(kernel, source, options.recursive).map(Some)
            }
            // In a user namespace the kernel makes these two only for those who can see them
            // whole already. When the host is left, nobody can.
            "proc" => Self::fresh(kernel, "proc", &options).map(Some),
            "sysfs" => match Self::fresh(kernel, "sysfs", &options) {
                Err(refused) if refused.errno == Errno::EPERM => {
                    // The network namespace is the host's, and so not ours to look at through a
                    // sysfs of our own. The host's shows the same.
                    let mut view = Self::of_host(kernel, Path::new("/sys"), true)?;
                    view.host_sysfs = true;
                    Ok(Some(view))
                }
                other => other.map(Some),
            },
            _ => Ok(None),
        }
    }

    /// A second view of something of the host.
    fn of_host(kernel: &mut Kernel<'_>, source: &Path, recursive: bool) -> Result<Self, SysError> {
        let mut how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        how.set(OpenTreeFlags::AT_RECURSIVE, recursive);
        let tree = kernel
            .ask(
                "a second view of something of the host; it has no place yet",
                || format!("open_tree({source:?}, OPEN_TREE_CLONE)"),
                || open_tree(CWD, source, how),
            )
            .map_err(|refused| match refused.errno {
                Errno::ENOENT => refused.remedy("what is mounted must exist on the host"),
                _ => refused,
            })?;
        Ok(Self {
            tree,
            what: source.display().to_string(),
            host_sysfs: false,
        })
    }

    /// A file system of the kernel's, made for the namespaces that this process is in.
    fn fresh(kernel: &mut Kernel<'_>, typ: &str, options: &Options) -> Result<Self, SysError> {
        let why = match typ {
            "proc" => "the processes of this PID namespace, and no others; it has no place yet",
            _ => "the devices and settings of this network namespace; it has no place yet",
        };
        let tree = kernel
            .ask(
                why,
                || format!("fsopen({typ:?}); fsmount({})", super::mounts::shown(options.flags)),
                || {
                    let context = fsopen(typ, FsOpenFlags::FSOPEN_CLOEXEC)?;
                    fsconfig_set_string(&context, "source", typ)?;
                    for word in &options.data {
                        match word.split_once('=') {
                            Some((key, value)) => fsconfig_set_string(&context, key, value)?,
                            None => fsconfig_set_flag(&context, word.as_str())?,
                        }
                    }
                    fsconfig_create(&context)?;
                    fsmount(
                        &context,
                        FsMountFlags::FSMOUNT_CLOEXEC,
                        attributes(options.flags),
                    )
                },
            )
            .map_err(|refused| match (typ, refused.errno) {
                ("proc", Errno::EPERM) => refused.remedy(
                    "inside another container this needs that container's /proc unmasked (docker run --security-opt systempaths=unconfined, podman run --security-opt unmask=ALL)",
                ),
                _ => refused,
            })?;
        Ok(Self {
            tree,
            what: typ.to_owned(),
            host_sysfs: false,
        })
    }

    /// Whether it shows a directory, and not a file or device.
    pub(super) fn is_directory(&self) -> bool {
        fstat(&self.tree)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    /// Gives it its place. Links are followed, inside.
    pub(super) fn place(&self, kernel: &mut Kernel<'_>, target: &Path) -> Result<(), SysError> {
        kernel.ask(
            "what was taken along gets its place",
            || format!("move_mount({}, {target:?})", self.what),
            || {
                let how =
                    MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
                move_mount(&self.tree, "", CWD, target, how)
            },
        )
    }
}

/// Whether device nodes can be made: only outside of user namespaces, by root.
fn owns_devices() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The flags of mount(2) by the names of fsmount(2).
fn attributes(flags: MsFlags) -> MountAttrFlags {
    let mut attributes = MountAttrFlags::empty();
    for (flag, attribute) in [
        (MsFlags::MS_RDONLY, MountAttrFlags::MOUNT_ATTR_RDONLY),
        (MsFlags::MS_NOSUID, MountAttrFlags::MOUNT_ATTR_NOSUID),
        (MsFlags::MS_NODEV, MountAttrFlags::MOUNT_ATTR_NODEV),
        (MsFlags::MS_NOEXEC, MountAttrFlags::MOUNT_ATTR_NOEXEC),
        (MsFlags::MS_NOATIME, MountAttrFlags::MOUNT_ATTR_NOATIME),
        (
            MsFlags::MS_STRICTATIME,
            MountAttrFlags::MOUNT_ATTR_STRICTATIME,
        ),
        (
            MsFlags::MS_NODIRATIME,
            MountAttrFlags::MOUNT_ATTR_NODIRATIME,
        ),
    ] {
        attributes.set(attribute, flags.contains(flag));
    }
    attributes
}

//! The nodes and links of `/dev`.

use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::explain::Kernel;
use super::mounts::bind_device;
use super::sys::SysError;

/// The devices that every container has: name, major and minor number. All of them are harmless.
///
/// Source: [runtime-spec, default devices](https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-devices).
const DEVICES: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// The names that programs expect, and what they mean.
///
/// Source: [runtime-spec, symbolic links](https://github.com/opencontainers/runtime-spec/blob/main/runtime-linux.md#dev-symbolic-links).
const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
    ("core", "/proc/kcore"),
];

/// Everybody may read and write each of them.
const ANYBODY: u32 = 0o666;

/// Fills `/dev`, a fresh file system, with devices.
pub(super) fn nodes(kernel: &mut Kernel<'_>, host: &OwnedFd) -> Result<(), SysError> {
    // Only real root may make devices. Once the kernel has said no, the host's are shown instead.
    let mut allowed = true;
    for (name, major, minor) in DEVICES {
        let path = Path::new("/dev").join(name);
        if allowed {
            let made = kernel.ask(
                "a device is two numbers that name a driver; these drivers are harmless",
                || format!("mknod({path:?}, S_IFCHR|0666, makedev({major}, {minor}))"),
                || {
                    let mode = Mode::from_bits_truncate(ANYBODY);
                    mknod(&path, SFlag::S_IFCHR, mode, makedev(major, minor))
                },
            );
            match made {
                Ok(()) => {
                    let mode = Permissions::from_mode(ANYBODY);
                    fs::set_permissions(&path, mode)
                        .map_err(|e| SysError::from_io(format!("chmod({path:?}, 0666)"), &e))?;
                    continue;
                }
                Err(refused) if refused.errno == Errno::EPERM => allowed = false,
                Err(refused) => return Err(refused),
            }
        }
        File::create(&path).map_err(|e| SysError::from_io(format!("creat({path:?})"), &e))?;
        bind_device(kernel, host, &path)?;
    }
    Ok(())
}

/// Adds the links.
pub(super) fn links(kernel: &mut Kernel<'_>) -> Result<(), SysError> {
    for (name, target) in LINKS {
        let path = Path::new("/dev").join(name);
        kernel.ask(
            "programs expect the name",
            || format!("symlink({target:?}, {path:?})"),
            || match symlink(target, &path) {
                // The image's own, on a /dev that is not ours.
                Err(e) if e.raw_os_error() == Some(Errno::EEXIST as i32) => Ok(()),
                other => other,
            },
        )?;
    }
    Ok(())
}

//! The nodes and links of `/dev`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::explain::Kernel;
use super::sys::SysError;
use super::views::View;

/// The devices that every container has: major and minor number. All of them are harmless.
///
/// Source: [runtime-spec, default devices](https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-devices).
const NUMBERS: [(u64, u64); 6] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)];

/// Where they stand, on the host and inside.
pub(super) const PATHS: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
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

/// Fills `/dev`, a fresh file system, with devices: made, or in a user namespace, where nobody
/// may make any, the host's.
pub(super) fn nodes(kernel: &mut Kernel<'_>, of_host: &[View]) -> Result<(), SysError> {
    for (index, path) in PATHS.iter().map(Path::new).enumerate() {
        match of_host.get(index) {
            Some(view) => {
                File::create(path)
                    .map_err(|e| SysError::from_io(format!("creat({path:?})"), &e))?;
                view.place(kernel, path)?;
            }
            None => make(kernel, path, NUMBERS[index])?,
        }
    }
    Ok(())
}

fn make(kernel: &mut Kernel<'_>, path: &Path, numbers: (u64, u64)) -> Result<(), SysError> {
    let (major, minor) = numbers;
    kernel.ask(
        "a device is two numbers that name a driver; these drivers are harmless",
        || format!("mknod({path:?}, S_IFCHR|0666, makedev({major}, {minor}))"),
        || {
            let mode = Mode::from_bits_truncate(ANYBODY);
            mknod(path, SFlag::S_IFCHR, mode, makedev(major, minor))
        },
    )?;
    // The file mode mask has taken some of it away.
    let mode = Permissions::from_mode(ANYBODY);
    fs::set_permissions(path, mode)
        .map_err(|e| SysError::from_io(format!("chmod({path:?}, 0666)"), &e))
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

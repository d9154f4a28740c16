//! What the systems do not do alike: links and permissions.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

/// Whether a directory stands at `path`, and not just a link to one.
pub(crate) fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}

/// Makes a symbolic link at `path`.
pub(crate) fn symlink(target: &str, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(target, path);
    #[cfg(windows)]
    return std::os::windows::fs::symlink_file(target, path);
    #[cfg(not(any(unix, windows)))]
    return Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("no link to {target} at {}", path.display()),
    ));
}

/// Whether its owner may execute a file. Windows does not keep that, so nothing is executable there.
pub(crate) fn is_executable(about: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o100 != 0;
    #[cfg(not(unix))]
    return about.is_dir();
}

/// Gives a file or directory its permissions, where there are such.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    let _ = (path, mode);
    Ok(())
}

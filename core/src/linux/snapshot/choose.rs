//! Overlay or copy, and whose snapshots are used.

use std::fs;
use std::path::Path;

use super::probe::probe;
use super::temporary::Temporary;
use super::{How, SnapshotError};
use crate::digest::Digest;

/// Forces the way: `copy` or `overlay`.
pub(super) const SNAPSHOTTER: &str = "CORACLE_SNAPSHOTTER";
/// Overlayfs where it works. What was found out holds for one kernel, and is kept in a file.
pub(super) fn decide(
    base: &Path,
    userxattr: bool,
    forced: Option<&str>,
) -> Result<How, SnapshotError> {
    let overlay = How::Overlay { userxattr };
    match forced {
        Some("overlay") => return Ok(overlay),
        Some("copy") => {
            let why = format!("{SNAPSHOTTER}=copy says so");
            return Ok(How::Copy { why });
        }
        _ => {}
    }
    let kernel = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    let note = base.join("overlay-works");
    if fs::read_to_string(&note).is_ok_and(|known| known == kernel) {
        return Ok(overlay);
    }
    let scratch = Temporary::new(base)?;
    match probe(scratch.path(), userxattr) {
        Ok(()) => {
            fs::write(&note, kernel)
                .map_err(SnapshotError::io(format!("write {}", note.display())))?;
            Ok(overlay)
        }
        Err(error) => Ok(How::Copy {
            why: format!("overlayfs does not work in {}: {error}", base.display()),
        }),
    }
}

/// Snapshots of different user namespaces are not the same on disk.
pub(super) fn flavour(userxattr: bool) -> String {
    if !userxattr {
        return "trusted".to_owned();
    }
    let map = |name| fs::read(format!("/proc/self/{name}")).unwrap_or_default();
    let maps = [map("uid_map"), map("gid_map")].concat();
    format!("user-{}", Digest::of(&maps).short())
}

/// Whether numbers mean here what they mean on the host: then `trusted.…` attributes may be
/// written.
pub(super) fn is_initial_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let numbers: Vec<_> = map.split_whitespace().collect();
    // A kernel without user namespaces has no such file.
    numbers.is_empty() || numbers == ["0", "0", "4294967295"]
}

//! A clean floor when the demonstration has ended, however it ended.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Stdio};

use coracle::linux::userns;

use super::stage::starting;
use crate::failure::{Failure, Outcome};

/// A file that says that a directory is a demonstration's state, so that nothing else is removed.
pub(super) const MARKER: &str = ".coracle-demo";

/// Removes the state. Unpacked files belong to users whom only a user namespace has; there a
/// second process removes what this one may not.
pub(super) fn remove(root: &Path) -> Result<(), Failure> {
    let refused = |e: &io::Error| Failure::io(format!("remove {}", root.display()), e);
    match fs::remove_dir_all(root) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {}
        other => return other.map_err(|e| refused(&e)),
    }
    let status = Command::new("/proc/self/exe")
        .args(["demo", "--remove-state"])
        .arg(root)
        .stdin(Stdio::null())
        .status()
        .map_err(|e| starting(&e))?;
    if !status.success() || root.exists() {
        return Err(Failure::new(format!(
            "the state in {} could not be removed: {status}",
            root.display()
        )));
    }
    Ok(())
}

/// The second process of [`remove`].
pub(super) fn remove_state(directory: &Path) -> Outcome {
    let marker = directory.join(MARKER);
    // The first attempt may have removed the marker already; then the name must do.
    let named = directory
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("coracle-demo-"));
    if !marker.exists() && !named {
        return Err(Failure::new(format!(
            "{} is no demonstration's state",
            directory.display()
        )));
    }
    userns::reenter(&mut |_| ())?;
    fs::remove_dir_all(directory)
        .map_err(|e| Failure::io(format!("remove {}", directory.display()), &e))?;
    Ok(0)
}

/// How many files there are below a directory, and how many bytes they have.
pub(super) fn extent(directory: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            let (f, b) = extent(&entry.path());
            files += f;
            bytes += b;
        } else {
            files += 1;
            bytes += meta.len();
        }
    }
    (files, bytes)
}

//! What there is of snapshots, and how much room it takes. Nothing is made or changed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::SnapshotError;
use crate::digest::{ChainId, Digest};

/// An unpacked layer, or an unpacked stack of layers where overlayfs is not used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// Of which stack it is the topmost layer.
    pub chain: ChainId,
    /// Where it is.
    pub path: PathBuf,
}

/// Every snapshot below the state root, also those that only another user namespace can use,
/// in order.
pub fn inventory(state_root: &Path) -> Result<Vec<Kept>, SnapshotError> {
    let mut kept = Vec::new();
    for flavour in paths(&state_root.join("snapshots"))? {
        for way in ["layers", "copies"] {
            for path in paths(&flavour.join(way))? {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if let Ok(digest) = format!("sha256:{name}").parse::<Digest>() {
                    kept.push(Kept {
                        chain: ChainId(digest),
                        path,
                    });
                }
            }
        }
    }
    kept.sort();
    Ok(kept)
}

/// The bytes that a directory takes on disk; a file with several names counts once.
pub fn disk_usage(path: &Path) -> Result<u64, SnapshotError> {
    let refused = |path: &Path| SnapshotError::io(format!("measure {}", path.display()));
    let mut seen = std::collections::BTreeSet::new();
    let mut todo = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(path) = todo.pop() {
        let stat = fs::symlink_metadata(&path).map_err(refused(&path))?;
        if stat.nlink() < 2 || stat.is_dir() || seen.insert(stat.ino()) {
            bytes += stat.blocks() * 512;
        }
        if stat.is_dir() {
            for entry in fs::read_dir(&path).map_err(refused(&path))? {
                todo.push(entry.map_err(refused(&path))?.path());
            }
        }
    }
    Ok(bytes)
}

/// What is in a directory; nothing when it is not there, or no directory.
fn paths(directory: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let refused = || SnapshotError::io(format!("list {}", directory.display()));
    let entries = match fs::read_dir(directory) {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        other => other.map_err(refused())?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(refused())?.path());
    }
    Ok(paths)
}

//! A directory of this machine as entries.

use std::fs;
use std::path::Path;

use crate::{Entry, Kind, Result, host};

// ANCHOR: read
/// Everything below `root`, as entries in the order of their names. Links are not followed.
pub fn read(root: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    read_below(root, "", &mut found)?;
    Ok(found)
}

fn read_below(directory: &Path, prefix: &str, found: &mut Vec<Entry>) -> Result<()> {
    let explain = |error| format!("read the directory {}: {error}", directory.display());
    let mut items = fs::read_dir(directory)
        .map_err(explain)?
        .collect::<std::io::Result<Vec<_>>>()?;
    items.sort_by_key(fs::DirEntry::file_name);
    for item in items {
        let path = item.path();
        let name = format!("{prefix}{}", item.file_name().to_string_lossy());
        let about = fs::symlink_metadata(&path)?;
        if about.is_dir() {
            found.push(Entry::directory(&name));
            read_below(&path, &format!("{name}/"), found)?;
        } else if about.is_symlink() {
            let target = fs::read_link(&path)?;
            found.push(Entry::symlink(&name, &target.to_string_lossy()));
        } else {
            let mode = if host::is_executable(&about) {
                0o755
            } else {
                0o644
            };
            let kind = Kind::File(fs::read(&path)?);
            found.push(Entry { name, mode, kind });
        }
    }
    Ok(())
}
// ANCHOR_END: read

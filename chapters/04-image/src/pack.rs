//! A directory of this machine as the archive of a layer, as in chapter 1.

use std::fs;
use std::path::Path;

use crate::Result;

/// Packs everything that a directory holds: sorted, owned by root, as old as 1970.
pub fn pack(root: &Path) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    add(&mut archive, root, "")?;
    Ok(archive.into_inner()?)
}

fn add(archive: &mut tar::Builder<Vec<u8>>, folder: &Path, above: &str) -> Result<()> {
    let explain = |error| format!("read the directory {}: {error}", folder.display());
    let items = fs::read_dir(folder).map_err(explain)?;
    let mut items = items.collect::<std::io::Result<Vec<_>>>()?;
    items.sort_by_key(fs::DirEntry::file_name);
    for item in items {
        let name = format!("{above}{}", item.file_name().display());
        let mut header = tar::Header::new_ustar();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        if item.file_type()?.is_dir() {
            let name = format!("{name}/");
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            archive.append_data(&mut header, &name, [].as_slice())?;
            add(archive, &item.path(), &name)?;
        } else {
            let content = fs::read(item.path()).map_err(|e| format!("read {name}: {e}"))?;
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, &name, content.as_slice())?;
        }
    }
    Ok(())
}

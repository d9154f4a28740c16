//! Archives to layers, and entries to archives.

use std::io::Read as _;

use tar::{Archive, Builder, EntryType, Header};

use crate::{Entry, Layer, Meaning, Node, Result, classify};

// ANCHOR: layer
/// Sorts the entries of an archive into the two lists of a layer.
pub fn layer(archive: &[u8]) -> Result<Layer> {
    let mut layer = Layer {
        shipped: archive.len() as u64,
        ..Layer::default()
    };
    for Entry { name, node } in entries(archive)? {
        match classify(&name).map_err(|error| format!("entry {name:?} {error}"))? {
            Meaning::Hide(whiteout) => layer.hides.push(whiteout),
            // The root is a directory, and stays one.
            Meaning::Add(path) if path.is_empty() && node == Node::Directory => {}
            Meaning::Add(path) if path.is_empty() => {
                return Err(format!("entry {name:?} would replace the root").into());
            }
            Meaning::Add(path) => layer.adds.push((path, node)),
            Meaning::Nothing => {}
        }
    }
    Ok(layer)
}
// ANCHOR_END: layer

/// Reads an archive into entries, in its order, whatever their names are.
pub fn entries(archive: &[u8]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8(entry.path_bytes().into_owned())?;
        let target = String::from_utf8(entry.link_name_bytes().unwrap_or_default().into_owned())?;
        let node = match entry.header().entry_type() {
            EntryType::Directory => Node::Directory,
            EntryType::Symlink | EntryType::Link => Node::Link(target),
            EntryType::Regular => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                Node::File(bytes)
            }
            other => {
                return Err(format!(
                    "entry {name:?} is of a kind that this chapter does not know: {other:?}"
                )
                .into());
            }
        };
        found.push(Entry { name, node });
    }
    Ok(found)
}

/// Writes entries as an archive, in this order, under these very names.
pub fn pack(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for Entry { name, node } in entries {
        let (kind, mode, bytes, target) = match node {
            Node::Directory => (EntryType::Directory, 0o755, &[][..], ""),
            Node::File(bytes) => (EntryType::Regular, 0o644, bytes.as_slice(), ""),
            Node::Link(target) => (EntryType::Symlink, 0o777, &[][..], target.as_str()),
        };
        let mut header = Header::new_ustar();
        fill(&mut header.as_old_mut().name, name)?;
        fill(&mut header.as_old_mut().linkname, target)?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        archive.append(&header, bytes)?;
    }
    Ok(archive.into_inner()?)
}

/// Puts a text into a field of 100 bytes; the rest of the field stays zero.
fn fill(field: &mut [u8; 100], text: &str) -> Result<()> {
    let start = field
        .get_mut(..text.len())
        .ok_or_else(|| format!("{text:?} is longer than 100 bytes; use a shorter name"))?;
    start.copy_from_slice(text.as_bytes());
    Ok(())
}

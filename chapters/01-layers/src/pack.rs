//! Entries to an archive, and back to a list that people can read.

use std::io::Read;

use tar::{Archive, Builder, EntryType, Header};

use crate::{Entry, Kind, Result};

// ANCHOR: pack
/// Writes entries as an archive: a header of 512 bytes for each, then its bytes, in whole blocks.
///
/// The entries are sorted first, so that the same changes give the same archive, byte by byte.
pub fn pack(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.name.split('/').collect::<Vec<_>>());
    let mut archive = Builder::new(Vec::new());
    for entry in sorted {
        let bytes = match &entry.kind {
            Kind::File(bytes) => bytes.as_slice(),
            _ => &[],
        };
        archive.append(&header(entry)?, bytes)?;
    }
    Ok(archive.into_inner()?)
}
// ANCHOR_END: pack

// ANCHOR: header
/// The header of an entry: its name, what it is, and nothing about who packed it, where or when.
pub fn header(entry: &Entry) -> Result<Header> {
    // TASK 1: Fill a new ustar header so that it depends on the entry alone.
    //~ let mut header = Header::new_ustar();
    //~ fill(&mut header.as_old_mut().name, &entry.name)?;
    //~ todo!("Task 1: the other fields")
    let mut header = Header::new_ustar();
    let (kind, size, target) = match &entry.kind {
        Kind::Directory => (EntryType::Directory, 0, ""),
        Kind::File(bytes) => (EntryType::Regular, bytes.len(), ""),
        Kind::Symlink(target) => (EntryType::Symlink, 0, target.as_str()),
        Kind::HardLink(target) => (EntryType::Link, 0, target.as_str()),
    };
    let slash = if kind == EntryType::Directory {
        "/"
    } else {
        ""
    };
    fill(
        &mut header.as_old_mut().name,
        &format!("{}{slash}", entry.name),
    )?;
    fill(&mut header.as_old_mut().linkname, target)?;
    header.set_entry_type(kind);
    header.set_mode(entry.mode);
    header.set_size(size as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_device_major(0)?;
    header.set_device_minor(0)?;
    header.set_cksum();
    Ok(header)
    // TASK_END
}
// ANCHOR_END: header

/// Puts a text into a field of 100 bytes; the rest of the field stays zero.
fn fill(field: &mut [u8; 100], text: &str) -> Result<()> {
    let Some(start) = field.get_mut(..text.len()) else {
        return Err(
            format!("{text:?} is longer than 100 bytes; core's pax.rs knows what to do").into(),
        );
    };
    start.copy_from_slice(text.as_bytes());
    Ok(())
}

// ANCHOR: entries
/// Reads an archive back into entries, in its order, whatever they are.
///
/// The names are those that the archive has: they may be anything.
pub fn entries(archive: &[u8]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8(entry.path_bytes().into_owned())?;
        let target = String::from_utf8(entry.link_name_bytes().unwrap_or_default().into_owned())?;
        let kind = match entry.header().entry_type() {
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(target),
            EntryType::Link => Kind::HardLink(target),
            EntryType::Regular => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                Kind::File(bytes)
            }
            other => {
                return Err(format!(
                    "{name} is of a kind that this chapter does not know: {other:?}"
                )
                .into());
            }
        };
        let mode = entry.header().mode()?;
        found.push(Entry { name, mode, kind });
    }
    Ok(found)
}
// ANCHOR_END: entries

/// An archive as text, one line an entry: kind and permissions, size, name.
pub fn list(archive: &[u8]) -> Result<String> {
    let lines = entries(archive)?.into_iter().map(|entry| {
        let (letter, size, target) = match &entry.kind {
            Kind::Directory => ('d', 0, String::new()),
            Kind::File(bytes) => ('-', bytes.len(), String::new()),
            Kind::Symlink(target) => ('l', 0, format!(" -> {target}")),
            Kind::HardLink(target) => ('-', 0, format!(" link to {target}")),
        };
        format!(
            "{letter}{} {size:>7}  {}{target}\n",
            permissions(entry.mode),
            entry.name
        )
    });
    Ok(lines.collect())
}

/// `0o755` as `rwxr-xr-x`.
fn permissions(mode: u32) -> String {
    let letters = "rwxrwxrwx".chars().enumerate();
    letters
        .map(|(place, letter)| {
            if mode >> (8 - place) & 1 == 1 {
                letter
            } else {
                '-'
            }
        })
        .collect()
}

//! The headers of an archive as they stand there, for whoever wants to see them.

use std::io::{self, Read};

use super::{OPAQUE, WHITEOUT};

/// One header, with what PAX and GNU records before it say in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name; what is not UTF-8 is replaced.
    pub name: String,
    /// The kind of entry: `file`, `dir`, `symlink`, `hardlink` and so on.
    pub kind: &'static str,
    /// The permission bits.
    pub mode: u32,
    /// The owner's number.
    pub uid: u64,
    /// The group's number.
    pub gid: u64,
    /// How many bytes follow it.
    pub size: u64,
    /// When the content was last changed, in seconds since 1970.
    pub mtime: u64,
    /// Where a link leads.
    pub target: Option<String>,
    /// What the name means, where it is special, as a sentence without a full stop.
    pub meaning: Option<String>,
}

/// Every header of an uncompressed archive, in its order.
pub fn headers(archive: impl Read) -> io::Result<Vec<Header>> {
    let mut archive = tar::Archive::new(archive);
    let mut headers = Vec::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path_bytes();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let header = entry.header();
        headers.push(Header {
            meaning: meaning(&name),
            name: text(&name),
            kind: kind(header.entry_type()),
            mode: header.mode()? & 0o7777,
            uid: header.uid()?,
            gid: header.gid()?,
            size: entry.size(),
            mtime: header.mtime()?,
            target: entry.link_name_bytes().map(|target| text(&target)),
        });
    }
    Ok(headers)
}

fn kind(entry: tar::EntryType) -> &'static str {
    use tar::EntryType as T;
    match entry {
        T::Regular | T::Continuous => "file",
        T::Link => "hardlink",
        T::Symlink => "symlink",
        T::Char => "char",
        T::Block => "block",
        T::Directory => "dir",
        T::Fifo => "fifo",
        _ => "other",
    }
}

fn meaning(name: &[u8]) -> Option<String> {
    let end = name.iter().rposition(|b| *b != b'/')? + 1;
    let start = name[..end]
        .iter()
        .rposition(|b| *b == b'/')
        .map_or(0, |at| at + 1);
    let last = &name[start..end];
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let directory = text(&name[..start.saturating_sub(1)]);
    if last == OPAQUE {
        return Some(format!(
            "opaque: hides all that lower layers have below /{directory}"
        ));
    }
    let hidden = last.strip_prefix(WHITEOUT)?;
    Some(format!(
        "whiteout: hides what lower layers have as {} in /{directory}",
        text(hidden)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Layer, Whiteout, tar::write};
    use crate::path::RootedPath;
    use crate::tree::Node;
    use std::sync::Arc;

    #[test]
    fn headers_say_what_names_mean() {
        let path = |text: &str| RootedPath::parse(text).unwrap();
        let layer = Layer {
            hides: vec![
                Whiteout::Path(path("etc/motd")),
                Whiteout::Below(path("srv")),
            ],
            adds: vec![(path("a"), Arc::new(Node::file(0o640, *b"xy")))],
        };
        let mut bytes = Vec::new();
        write(&layer, &mut bytes).unwrap();
        let headers = headers(&*bytes).unwrap();
        let lines: Vec<_> = headers
            .iter()
            .map(|h| {
                format!(
                    "{} {} {:o} {} {}",
                    h.name,
                    h.kind,
                    h.mode,
                    h.size,
                    h.meaning.as_deref().unwrap_or("-")
                )
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}

//! Writing an archive: sorted, normalised, the same bytes everywhere.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use tar::{EntryType, Header};

use super::pax::{self, Pax};
use super::{OPAQUE, WHITEOUT, empty};
use crate::layer::{Layer, Whiteout};
use crate::path::RootedPath;
use crate::tree::{Content, Kind, Meta, Node, Timestamp};

/// Writes a layer as an uncompressed archive: sorted by path, a whiteout where its path would
/// stand, the second of two hard links as a link to the first. PAX headers only where needed.
pub fn write(layer: &Layer, out: impl Write) -> io::Result<()> {
    let mut out = tar::Builder::new(out);
    let mut hides = layer.hides.clone();
    hides.sort();
    let mut hides = hides.into_iter().peekable();
    let mut links = Links::new();
    for (path, node) in &layer.adds {
        while let Some(hide) = hides.next_if(|hide| stands_before(hide, path)) {
            write_whiteout(&mut out, &hide)?;
        }
        if path.name().starts_with(WHITEOUT) {
            // Written down, it would hide another file instead of being one.
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{path} begins with .wh., which no file of a layer may; rename it"),
            ));
        }
        write_linked(&mut out, path, node, &mut links)?;
    }
    for hide in hides {
        write_whiteout(&mut out, &hide)?;
    }
    out.into_inner()?.flush()
}

/// Writes files as an archive that is no layer: names that begin with `.wh.` mean nothing in it.
/// Otherwise as [`write`]. The paths are sorted.
pub fn write_files(files: &[(RootedPath, Arc<Node>)], out: impl Write) -> io::Result<()> {
    let mut out = tar::Builder::new(out);
    let mut links = Links::new();
    for (path, node) in files {
        write_linked(&mut out, path, node, &mut links)?;
    }
    out.into_inner()?.flush()
}

/// The path under which each node was written first.
type Links<'a> = BTreeMap<*const Node, &'a RootedPath>;

fn write_linked<'a>(
    out: &mut tar::Builder<impl Write>,
    path: &'a RootedPath,
    node: &'a Arc<Node>,
    links: &mut Links<'a>,
) -> io::Result<()> {
    let first = *links.entry(Arc::as_ptr(node)).or_insert(path);
    // Links into lower layers lead there, each by itself: one of their names may be the target.
    if first == path || matches!(node.kind, Kind::Directory | Kind::HardLink(_)) {
        write_node(out, path, &node.meta, &node.kind)
    } else {
        write_node(out, path, &node.meta, &Kind::HardLink(first.clone()))
    }
}

/// An opaque marker stands after its directory and before what is in it.
fn stands_before(hide: &Whiteout, path: &RootedPath) -> bool {
    match hide {
        Whiteout::Path(hidden) => hidden <= path,
        Whiteout::Below(directory) => directory < path,
    }
}

/// The largest number that eleven octal digits hold.
const MOST_OCTAL_11: u64 = 0o777_7777_7777;
/// The largest number that seven octal digits hold.
const MOST_OCTAL_7: u32 = 0o777_7777;

fn write_whiteout(out: &mut tar::Builder<impl Write>, hide: &Whiteout) -> io::Result<()> {
    let path = match hide {
        Whiteout::Below(directory) => directory.child(OPAQUE),
        Whiteout::Path(path) => {
            let name = [WHITEOUT, path.name()].concat();
            path.parent().unwrap_or_default().child(&name)
        }
    };
    write_node(out, &path, &Meta::new(0o600), &Kind::File(empty()))
}

fn write_node(
    out: &mut tar::Builder<impl Write>,
    path: &RootedPath,
    meta: &Meta,
    kind: &Kind,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    let mut pax = Pax::default();
    let mut name = path.as_bytes().to_vec();
    if *kind == Kind::Directory {
        // The root is `./`, every other directory ends in a slash.
        let end: &[u8] = if path.is_root() { b"./" } else { b"/" };
        name.extend_from_slice(end);
    }
    set_text(&mut header.as_old_mut().name, &name, "path", &mut pax);
    set_meta(&mut header, path, meta, &mut pax)?;
    header.set_size(0);
    let entry_type = match kind {
        Kind::Directory => EntryType::Directory,
        Kind::File(content) => {
            set_size(&mut header, content.size(), &mut pax);
            EntryType::Regular
        }
        Kind::Symlink(target) => {
            set_text(
                &mut header.as_old_mut().linkname,
                target,
                "linkpath",
                &mut pax,
            );
            EntryType::Symlink
        }
        Kind::HardLink(target) => {
            let target = target.as_bytes();
            set_text(
                &mut header.as_old_mut().linkname,
                target,
                "linkpath",
                &mut pax,
            );
            EntryType::Link
        }
        Kind::CharDevice(major, minor) => {
            set_device(&mut header, *major, *minor)?;
            EntryType::Char
        }
        Kind::BlockDevice(major, minor) => {
            set_device(&mut header, *major, *minor)?;
            EntryType::Block
        }
        Kind::Fifo => EntryType::Fifo,
    };
    header.set_entry_type(entry_type);
    header.set_cksum();
    write_pax(out, path, &pax)?;
    match kind {
        Kind::File(content) => out.append(&header, Exactly::new(content, path)?),
        _ => out.append(&header, io::empty()),
    }
}

/// A header field, or a PAX record when the field is too short.
fn set_text(field: &mut [u8; 100], text: &[u8], key: &str, pax: &mut Pax) {
    let fits = text.len().min(field.len());
    field[..fits].copy_from_slice(&text[..fits]);
    if fits < text.len() {
        pax.set(key, text.to_vec());
    }
}

fn set_size(header: &mut Header, size: u64, pax: &mut Pax) {
    // The header holds the size in base 256 when it is too large for octal, which every reader
    // understands; POSIX wants a PAX record, so both are written.
    header.set_size(size);
    if size > MOST_OCTAL_11 {
        pax.set("size", size.to_string().into_bytes());
    }
}

fn set_device(header: &mut Header, major: u32, minor: u32) -> io::Result<()> {
    header.set_device_major(major)?;
    header.set_device_minor(minor)
}

fn set_meta(header: &mut Header, path: &RootedPath, meta: &Meta, pax: &mut Pax) -> io::Result<()> {
    header.set_mode(meta.mode & 0o7777);
    for (key, id) in [("uid", meta.uid), ("gid", meta.gid)] {
        let fits = if id > MOST_OCTAL_7 {
            pax.set(key, id.to_string().into_bytes());
            0
        } else {
            u64::from(id)
        };
        match key {
            "uid" => header.set_uid(fits),
            _ => header.set_gid(fits),
        }
    }
    let Timestamp { seconds, nanos } = meta.mtime;
    let whole = u64::try_from(seconds).ok().filter(|s| *s <= MOST_OCTAL_11);
    header.set_mtime(whole.unwrap_or(0));
    if whole.is_none() || nanos != 0 {
        pax.set("mtime", meta.mtime.to_string().into_bytes());
    }
    for (name, value) in &meta.xattrs {
        if name.contains(&b'=') {
            // A reader would take the rest of the name for the beginning of the value.
            let name = name.escape_ascii();
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{path} has the extended attribute {name}, and an archive cannot hold a name with an equals sign; remove it (setfattr -x)"
                ),
            ));
        }
        pax.set([pax::XATTR.as_bytes(), name].concat(), value.clone());
    }
    // ustar asks for device numbers on every entry; libarchive and Go write zeros.
    set_device(header, 0, 0)
}

fn write_pax(out: &mut tar::Builder<impl Write>, path: &RootedPath, pax: &Pax) -> io::Result<()> {
    let records = pax.encode();
    if records.is_empty() {
        return Ok(());
    }
    let mut header = Header::new_ustar();
    let name = [b"PaxHeaders.0/".as_slice(), path.name()].concat();
    let fits = name.len().min(100);
    header.as_old_mut().name[..fits].copy_from_slice(&name[..fits]);
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    set_device(&mut header, 0, 0)?;
    header.set_size(records.len() as u64);
    header.set_cksum();
    out.append(&header, records.as_slice())
}

/// A file's content, refused when it is not as long as its header says: a file that changes
/// while it is read must not shift everything after it.
struct Exactly {
    inner: Box<dyn Read + Send>,
    left: u64,
    path: RootedPath,
}

impl Exactly {
    fn new(content: &Content, path: &RootedPath) -> io::Result<Self> {
        let inner = content
            .open()
            .map_err(|e| io::Error::new(e.kind(), format!("open content of {path}: {e}")))?;
        Ok(Self {
            inner,
            left: content.size(),
            path: path.clone(),
        })
    }
}

impl Read for Exactly {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)? as u64;
        if n > self.left || (n == 0 && self.left > 0 && !buf.is_empty()) {
            let path = &self.path;
            return Err(io::Error::other(format!(
                "{path} changed its size while it was read; run again when nothing writes to it"
            )));
        }
        self.left -= n;
        Ok(usize::try_from(n).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// image-spec, layer, "Whiteouts": names with the prefix `.wh.` are reserved. POSIX, pax: a
    /// record's key ends at the first equals sign.
    #[test]
    fn what_an_archive_cannot_hold_is_refused() {
        let check = |path: &str, xattr: &[u8], expected: &str| {
            let mut node = Node::file(0o644, *b"");
            node.meta.xattrs.insert(xattr.to_vec(), b"value".to_vec());
            let layer = Layer {
                hides: Vec::new(),
                adds: vec![(RootedPath::parse(path).unwrap(), Arc::new(node))],
            };
            let error = write(&layer, Vec::new()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check("tmp/.wh.etc", b"user.a", "/tmp/.wh.etc begins with .wh.");
        check(
            "d/f",
            b"user.a=b",
            "/d/f has the extended attribute user.a=b",
        );
    }
}

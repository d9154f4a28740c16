//! Reading an archive entry by entry.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::pax::{self, Pax};
use super::{AUFS, OPAQUE, WHITEOUT, empty};
use crate::layer::Whiteout;
use crate::path::{PathError, RootedPath};
use crate::tree::{Kind, Meta, Timestamp};

/// One entry of a layer's archive, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Something of the layers below is hidden.
    Hide(Whiteout),
    /// Something is added. A regular file's `Kind::File` is empty here: its bytes are in the
    /// reader that comes with the entry.
    /// A hard link is always `Kind::HardLink`, also when its target is in the same archive,
    /// perhaps later.
    Add {
        /// Where.
        path: RootedPath,
        /// Owner, permissions, time.
        meta: Meta,
        /// What.
        kind: Kind,
        /// A regular file's size in bytes; 0 for everything else.
        size: u64,
        /// Where in the archive a regular file's bytes begin.
        offset: u64,
    },
}

/// Why an archive cannot be a layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// An entry is not one that a layer may have.
    #[error("entry {entry:?} {reason}")]
    Entry {
        /// The entry's name as the archive has it.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive is not a tar file, or damaged, at this byte.
    #[error("not a tar archive at byte {offset}: {reason}")]
    Format {
        /// Where in the archive.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// Reading failed, the archive is cut off, or the visitor refused.
    #[error("read layer archive: {0}")]
    Io(#[from] io::Error),
}

/// Archives come in blocks of this many bytes.
const BLOCK: usize = 512;
/// A name or PAX header longer than this many bytes is not honest.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// Reads an uncompressed archive entry by entry, in its order, to its very last byte.
///
/// `visit` may leave content unread. An error that it returns ends the reading.
/// A missing end marker is accepted, as GNU tar does; an entry that is cut off is not.
pub fn read(
    archive: impl Read,
    visit: &mut dyn FnMut(Entry, &mut dyn Read) -> io::Result<()>,
) -> Result<(), TarError> {
    let mut archive = Counted {
        inner: archive,
        count: 0,
    };
    let mut extension = Extension::default();
    while let Some(header) = next_header(&mut archive)? {
        let kind = header.entry_type();
        let stored = match header.entry_size() {
            Ok(size) => size,
            Err(_) if is_empty(&header.as_old().size) => 0,
            Err(_) => return Err(format_error(&archive, "the size is not a number")),
        };
        if is_extension(kind) {
            extension.read(kind, stored, &mut archive)?;
            continue;
        }
        let extension = std::mem::take(&mut extension);
        let size = if has_content(kind) {
            extension.pax.size()?.unwrap_or(stored)
        } else {
            0
        };
        let offset = archive.count;
        let end = offset
            .checked_add(size)
            .ok_or_else(|| format_error(&archive, "the size is larger than any file's"))?;
        let entry = understand(&header, &extension, size, offset)?;
        if let Some(entry) = entry {
            let mut content = (&mut archive).take(entry.size());
            visit(entry, &mut content)?;
        }
        skip(&mut archive, end)?;
        skip_padding(&mut archive)?;
    }
    // What follows the end marker is padding, but a digest of the archive counts it.
    io::copy(&mut archive, &mut io::sink())?;
    Ok(())
}

impl Entry {
    /// How many bytes of content come with it.
    fn size(&self) -> u64 {
        match self {
            Self::Hide(_) => 0,
            Self::Add { size, .. } => *size,
        }
    }
}

/// What extension headers said about the entry that follows them.
#[derive(Default)]
struct Extension {
    pax: Pax,
    gnu_name: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
}

impl Extension {
    fn read<R: Read>(
        &mut self,
        kind: EntryType,
        size: u64,
        archive: &mut Counted<R>,
    ) -> Result<(), TarError> {
        if size > LONGEST_EXTENSION {
            return Err(format_error(archive, "an extension header is over 1 MiB"));
        }
        let mut bytes = Vec::new();
        archive.take(size).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < size {
            return Err(format_error(archive, "the archive is cut off"));
        }
        skip_padding(archive)?;
        let text = || bytes.split(|b| *b == 0).next().map(<[u8]>::to_vec);
        match kind {
            EntryType::GNULongName => self.gnu_name = text(),
            EntryType::GNULongLink => self.gnu_link = text(),
            EntryType::XHeader => {
                self.pax = Pax::parse(&bytes)
                    .ok_or_else(|| format_error(archive, "a PAX header is malformed"))?;
            }
            // A global header (git's commit id, for example) says nothing about one file.
            _ => {}
        }
        Ok(())
    }
}

fn is_extension(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::GNULongName
            | EntryType::GNULongLink
            | EntryType::XHeader
            | EntryType::XGlobalHeader
    )
}

/// Links, directories and devices have no content, whatever their size field says.
fn has_content(kind: EntryType) -> bool {
    !matches!(
        kind,
        EntryType::Link
            | EntryType::Symlink
            | EntryType::Char
            | EntryType::Block
            | EntryType::Directory
            | EntryType::Fifo
    )
}

/// The entry that a header means; `None` for one that means nothing in a layer.
fn understand(
    header: &Header,
    extension: &Extension,
    size: u64,
    offset: u64,
) -> Result<Option<Entry>, TarError> {
    let pax = &extension.pax;
    // The name in a sparse file's header is one that the writing program made up.
    let raw_name = pax
        .get("GNU.sparse.name")
        .or(pax.get("path"))
        .or(extension.gnu_name.as_deref())
        .map_or_else(|| header.path_bytes().into_owned(), <[u8]>::to_vec);
    let refuse = |reason: String| TarError::Entry {
        entry: String::from_utf8_lossy(&raw_name).into_owned(),
        reason,
    };
    if header.entry_type() == EntryType::GNUSparse || pax.is_sparse() {
        return Err(refuse(
            "is a sparse file, which layers do not have; write the archive again without --sparse (GNU tar) or with --no-read-sparse (bsdtar)".into(),
        ));
    }
    let path = RootedPath::parse(&raw_name).map_err(|e: PathError| refuse(e.reason.into()))?;
    if path.name().starts_with(WHITEOUT) {
        return Ok(whiteout(&path).map_err(refuse)?.map(Entry::Hide));
    }
    let link = || {
        pax.get("linkpath")
            .or(extension.gnu_link.as_deref())
            .map_or_else(
                || header.link_name_bytes().unwrap_or_default().into_owned(),
                <[u8]>::to_vec,
            )
    };
    let device = || -> Result<(u32, u32), TarError> {
        let number = |n: io::Result<Option<u32>>| n.ok().flatten();
        number(header.device_major())
            .zip(number(header.device_minor()))
            .ok_or_else(|| refuse("is a device without numbers".into()))
    };
    let kind = match header.entry_type() {
        // Archives of the 1980s mark a directory by a trailing slash.
        EntryType::Regular if raw_name.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File(empty()),
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(link()),
        EntryType::Link => {
            let target = RootedPath::parse(link())
                .map_err(|e| refuse(format!("is a hard link whose target {}", e.reason)))?;
            Kind::HardLink(target)
        }
        EntryType::Char => device().map(|(major, minor)| Kind::CharDevice(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
        EntryType::Fifo => Kind::Fifo,
        other => {
            return Err(refuse(format!(
                "is of type {:?}, which layers do not have",
                char::from(other.as_byte())
            )));
        }
    };
    if path.is_root() && kind != Kind::Directory {
        return Err(refuse("would replace the root directory".into()));
    }
    let meta = meta(header, pax).map_err(refuse)?;
    // A directory of the 1980s may claim a size.
    let is_file = matches!(kind, Kind::File(_));
    Ok(Some(Entry::Add {
        path,
        meta,
        kind,
        size: if is_file { size } else { 0 },
        offset,
    }))
}

/// What a name that begins with `.wh.` hides; `None` for the names that AUFS kept for itself.
fn whiteout(path: &RootedPath) -> Result<Option<Whiteout>, String> {
    let directory = path.parent().unwrap_or_default();
    if path.name() == OPAQUE {
        return Ok(Some(Whiteout::Below(directory)));
    }
    if path.name().starts_with(AUFS) {
        return Ok(None);
    }
    match &path.name()[WHITEOUT.len()..] {
        b"" => Err("is a whiteout without a name".into()),
        b"." | b".." => Err("is a whiteout that aims outside its directory".into()),
        name => Ok(Some(Whiteout::Path(directory.child(name)))),
    }
}

fn meta(header: &Header, pax: &Pax) -> Result<Meta, String> {
    let id = |what: &str, pax: Option<u64>, field: &[u8], header: io::Result<u64>| {
        pax.or(header.ok())
            .or(is_empty(field).then_some(0))
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| format!("has a {what} that is not a number below 2^32"))
    };
    // A negative time is stored in two's complement, which the cast undoes.
    let seconds = header.mtime().unwrap_or(0).cast_signed();
    let mtime = match pax.get("mtime") {
        Some(text) => pax::time(text).ok_or("has an mtime that is not a number")?,
        None => Timestamp { seconds, nanos: 0 },
    };
    let mode = match header.mode() {
        Ok(mode) => mode & 0o7777,
        Err(_) if is_empty(&header.as_old().mode) => 0,
        Err(_) => return Err("has a mode that is no number".into()),
    };
    Ok(Meta {
        mode,
        uid: id("uid", pax.number("uid"), &header.as_old().uid, header.uid())?,
        gid: id("gid", pax.number("gid"), &header.as_old().gid, header.gid())?,
        mtime,
        xattrs: pax.xattrs(),
    })
}

/// Whether a field was left empty: to other readers it is zero then.
fn is_empty(field: &[u8]) -> bool {
    field.iter().all(|b| matches!(b, 0 | b' '))
}

/// Whether a stream begins with the header of an archive. Some bytes of it are consumed.
pub fn starts_like_an_archive(stream: impl Read) -> bool {
    let mut stream = Counted {
        inner: stream,
        count: 0,
    };
    matches!(next_header(&mut stream), Ok(Some(_)))
}

fn next_header<R: Read>(archive: &mut Counted<R>) -> Result<Option<Header>, TarError> {
    let mut header = Header::new_old();
    let block = header.as_mut_bytes();
    let start = archive.count;
    let mut filled = 0;
    while filled < BLOCK {
        match archive.read(&mut block[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(format_error(archive, "the archive is cut off")),
            n => filled += n,
        }
    }
    if block.iter().all(|b| *b == 0) {
        return Ok(None);
    }
    let (unsigned, signed) = checksums(block);
    let stated = header.cksum().ok().map(i64::from);
    if stated != Some(unsigned) && stated != Some(signed) {
        return Err(TarError::Format {
            offset: start,
            reason: "the header's checksum is wrong",
        });
    }
    Ok(Some(header))
}

/// The sum of a header's bytes, the checksum field taken as spaces. Some old programs summed
/// signed bytes, and every reader accepts both.
fn checksums(block: &[u8; BLOCK]) -> (i64, i64) {
    block
        .iter()
        .enumerate()
        .map(|(i, b)| if (148..156).contains(&i) { b' ' } else { *b })
        .fold((0, 0), |(unsigned, signed), b| {
            (unsigned + i64::from(b), signed + i64::from(b.cast_signed()))
        })
}

fn skip<R: Read>(archive: &mut Counted<R>, to: u64) -> Result<(), TarError> {
    let left = to - archive.count;
    if io::copy(&mut archive.take(left), &mut io::sink())? < left {
        return Err(format_error(archive, "the archive is cut off"));
    }
    Ok(())
}

/// Goes on to the next block. The padding after the last entry may be missing.
fn skip_padding<R: Read>(archive: &mut Counted<R>) -> io::Result<()> {
    let left = archive.count.next_multiple_of(BLOCK as u64) - archive.count;
    io::copy(&mut archive.take(left), &mut io::sink())?;
    Ok(())
}

fn format_error<R>(archive: &Counted<R>, reason: &'static str) -> TarError {
    TarError::Format {
        offset: archive.count,
        reason,
    }
}

/// A reader that knows how far it has come.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count += n as u64;
        Ok(n)
    }
}

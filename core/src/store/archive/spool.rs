//! Reads a tar stream once, putting into the store what may be a blob.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::{ArchiveError, Files, blob_path};
use crate::digest::{DiffId, Digest, DigestError, Hasher};
use crate::layer::Bounds;
use crate::layer::ahead::Beside;
use crate::layer::tar::{self, Entry, TarError};
use crate::path::RootedPath;
use crate::store::{MOST_IN_MEMORY, Store, StoreError};
use crate::tree::Kind;

/// The files of a stream that has been read.
pub(super) struct Spooled {
    files: BTreeMap<RootedPath, Spool>,
    unpacked: Unpacked,
}

/// What packed blobs unpack to, as far as it was found out while they were stored.
pub(super) struct Unpacked {
    known: BTreeMap<Digest, DiffId>,
    /// What unpacks to more is not unpacked here; whoever checks it then says so.
    bounds: Bounds,
}

impl Unpacked {
    /// Nothing yet.
    pub(super) fn within(bounds: Bounds) -> Self {
        Self {
            known: BTreeMap::new(),
            bounds,
        }
    }

    /// What the blob unpacks to, if that is known.
    pub(super) fn get(&self, blob: &Digest) -> Option<&DiffId> {
        self.known.get(blob)
    }
}

/// What has become of one file.
enum Spool {
    /// It is small and was kept as it is.
    Document(Vec<u8>),
    /// It is a blob of the store now.
    Blob(Digest, u64),
    /// It is another name for this.
    Link(RootedPath),
}

/// What describes an archive. These files have no digest that anybody knows.
const DOCUMENTS: [&[u8]; 3] = [b"index.json", b"manifest.json", b"oci-layout"];

/// More files than any honest archive has.
const MOST_FILES: usize = 100_000;

/// How many links may lead to one another.
const MOST_LINKS: usize = 8;

/// Reads the whole stream.
pub(super) fn spool(
    stream: impl Read,
    store: &dyn Store,
    bounds: Bounds,
) -> Result<Spooled, ArchiveError> {
    let mut spooled = Spooled {
        files: BTreeMap::new(),
        unpacked: Unpacked::within(bounds),
    };
    let mut refused = None;
    let read = tar::read(stream, &mut |entry, content| {
        spooled.add(entry, content, store).map_err(|error| {
            refused = Some(error);
            io::Error::other("see above")
        })
    });
    match (refused, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(unreadable(error)),
        (None, Ok(())) if spooled.files.is_empty() => Err(ArchiveError::NotAnImage {
            reason: "there is no file in it".to_owned(),
        }),
        (None, Ok(())) => Ok(spooled),
    }
}

/// Whether a file only repeats for Docker 1.9 what the config says.
fn is_noise(path: &RootedPath) -> bool {
    matches!(path.name(), b"VERSION" | b"json" | b"repositories")
}

fn keep(
    path: &RootedPath,
    size: u64,
    content: &mut dyn Read,
    store: &dyn Store,
    unpacked: &mut Unpacked,
) -> Result<Spool, ArchiveError> {
    if !DOCUMENTS.contains(&path.as_bytes()) {
        let (digest, size) = store_blob(path, size, content, store, unpacked)?;
        return Ok(Spool::Blob(digest, size));
    }
    let damaged = |reason: &str| ArchiveError::Damaged {
        file: path.to_text().into_owned(),
        reason: reason.to_owned(),
    };
    if size > MOST_IN_MEMORY {
        return Err(damaged("it is larger than 16 MiB"));
    }
    let mut bytes = Vec::new();
    content
        .read_to_end(&mut bytes)
        .map_err(ArchiveError::Read)?;
    if bytes.len() as u64 != size {
        return Err(damaged("it is cut off"));
    }
    Ok(Spool::Document(bytes))
}

/// Puts a file of `size` bytes into the store. A file that is named by its digest must have it,
/// and is not written again when the store has it already. What a packed one unpacks to is found
/// out at the same time, and noted in `unpacked`.
pub(super) fn store_blob(
    path: &RootedPath,
    size: u64,
    content: &mut dyn Read,
    store: &dyn Store,
    unpacked: &mut Unpacked,
) -> Result<(Digest, u64), ArchiveError> {
    std::thread::scope(|scope| {
        let mut beside = Beside::new(scope, unpacked.bounds);
        let stored = write_blob(path, size, content, store, &mut |bytes| beside.take(bytes))?;
        let diff_id = beside.finish().map(DiffId);
        unpacked
            .known
            .extend(diff_id.map(|diff_id| (stored.0.clone(), diff_id)));
        Ok(stored)
    })
}

/// As [`store_blob`], and shows every piece of the file to `beside`.
fn write_blob(
    path: &RootedPath,
    size: u64,
    content: &mut dyn Read,
    store: &dyn Store,
    beside: &mut dyn FnMut(&[u8]),
) -> Result<(Digest, u64), ArchiveError> {
    let expected = digest_of(path);
    if let Some(digest) = &expected
        && store.size(digest)? == Some(size)
    {
        let mut hasher = Hasher::new(digest.algorithm());
        let copied = copy(content, &mut |bytes| {
            beside(bytes);
            hasher.update(bytes);
            Ok(())
        })?;
        check_size(path, size, copied)?;
        let actual = hasher.finish();
        if actual != *digest {
            let expected = digest.clone();
            return Err(DigestError::Mismatch { expected, actual }.into());
        }
        return Ok((actual, size));
    }
    let mut writer = store.create()?;
    let copied = copy(content, &mut |bytes| {
        beside(bytes);
        writer.write_all(bytes)
    })?;
    check_size(path, size, copied)?;
    Ok(writer.commit(expected.as_ref())?)
}

fn check_size(path: &RootedPath, expected: u64, actual: u64) -> Result<(), ArchiveError> {
    match digest_of(path) {
        _ if expected == actual => Ok(()),
        Some(digest) => Err(DigestError::Size {
            digest,
            expected,
            actual,
        }
        .into()),
        None => Err(ArchiveError::Damaged {
            file: path.to_text().into_owned(),
            reason: format!("it is cut off after {actual} of {expected} bytes"),
        }),
    }
}

/// Passes everything on in large pieces, and says whether reading or writing failed.
fn copy(
    from: &mut dyn Read,
    to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, ArchiveError> {
    let mut buffer = vec![0; 128 << 10];
    let mut copied = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(n) => {
                to(&buffer[..n]).map_err(|e| StoreError::io("write a blob of the archive", e))?;
                copied += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(ArchiveError::Read(e)),
        }
    }
}

/// The digest by which an OCI layout names a file.
fn digest_of(path: &RootedPath) -> Option<Digest> {
    let text = path.to_text();
    let digest: Digest = text
        .strip_prefix("blobs/")?
        .replacen('/', ":", 1)
        .parse()
        .ok()?;
    (blob_path(&digest) == *path).then_some(digest)
}

/// The first header is where one finds out that a file is no tar at all.
fn unreadable(error: TarError) -> ArchiveError {
    match error {
        TarError::Io(error) => ArchiveError::Read(error),
        TarError::Format { offset: 0, .. } => ArchiveError::NotAnImage {
            reason: "it is not a tar archive, plain or packed with gzip, zstd, xz or bzip2"
                .to_owned(),
        },
        TarError::Entry { entry, reason } => ArchiveError::Damaged {
            file: entry,
            reason: format!("it {reason}"),
        },
        other => ArchiveError::Read(io::Error::other(other)),
    }
}

impl Spooled {
    fn add(
        &mut self,
        entry: Entry,
        content: &mut dyn Read,
        store: &dyn Store,
    ) -> Result<(), ArchiveError> {
        let Entry::Add {
            path, kind, size, ..
        } = entry
        else {
            return Ok(());
        };
        let file = match kind {
            // A symbolic link's target is seen from where the link is, a hard link's from the top.
            Kind::Symlink(target) => Spool::Link(path.parent().unwrap_or_default().resolve(target)),
            Kind::HardLink(target) => Spool::Link(target),
            Kind::File(_) if !is_noise(&path) => {
                keep(&path, size, content, store, &mut self.unpacked)?
            }
            _ => return Ok(()),
        };
        self.files.insert(path, file);
        if self.files.len() > MOST_FILES {
            return Err(ArchiveError::NotAnImage {
                reason: format!("it has more than {MOST_FILES} files"),
            });
        }
        Ok(())
    }

    /// The file behind all links.
    fn find(&self, path: &RootedPath) -> Result<Option<&Spool>, ArchiveError> {
        let mut at = path;
        for _ in 0..=MOST_LINKS {
            match self.files.get(at) {
                Some(Spool::Link(target)) => at = target,
                found => return Ok(found),
            }
        }
        Err(ArchiveError::Damaged {
            file: path.to_text().into_owned(),
            reason: format!("more than {MOST_LINKS} links lead from one to the next"),
        })
    }
}

impl Files for Spooled {
    fn unpacked(&self) -> &Unpacked {
        &self.unpacked
    }

    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let path = RootedPath::root().child(name.as_bytes());
        Ok(match self.find(&path)? {
            Some(Spool::Document(bytes)) => Some(bytes.clone()),
            _ => None,
        })
    }

    fn blob(
        &mut self,
        path: &RootedPath,
        expected: Option<&Digest>,
    ) -> Result<Option<(Digest, u64)>, ArchiveError> {
        let Some(Spool::Blob(digest, size)) = self.find(path)? else {
            return Ok(None);
        };
        match expected {
            Some(expected) if expected != digest => Err(DigestError::Mismatch {
                expected: expected.clone(),
                actual: digest.clone(),
            }
            .into()),
            _ => Ok(Some((digest.clone(), *size))),
        }
    }
}

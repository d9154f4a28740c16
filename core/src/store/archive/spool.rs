//! Reads a tar stream once, putting into the store what may be a blob.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use tar::EntryType;

use super::{ArchiveError, Files, blob_path};
use crate::digest::{Digest, DigestError, Hasher};
use crate::path::RootedPath;
use crate::store::{MOST_IN_MEMORY, Store, StoreError};

/// The files of a stream that has been read.
pub(super) struct Spooled {
    files: BTreeMap<RootedPath, Spool>,
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
pub(super) fn spool(stream: impl Read, store: &dyn Store) -> Result<Spooled, ArchiveError> {
    let mut archive = tar::Archive::new(stream);
    let mut files = BTreeMap::new();
    for entry in archive.entries().map_err(ArchiveError::Read)? {
        let mut entry = entry.map_err(|e| unreadable(e, files.is_empty()))?;
        let name = entry.path_bytes().into_owned();
        let path = RootedPath::parse(&name).map_err(|e| ArchiveError::Damaged {
            file: e.path.clone(),
            reason: e.to_string(),
        })?;
        let kind = entry.header().entry_type();
        let content = match kind {
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                // A hard link's target is seen from the top, a symbolic link's from where it is.
                let from = match kind {
                    EntryType::Symlink => path.parent().unwrap_or_default(),
                    _ => RootedPath::root(),
                };
                Spool::Link(from.resolve(target))
            }
            _ if !kind.is_file() || is_noise(&path) => continue,
            _ => {
                let size = entry.size();
                keep(&path, size, &mut entry, store)?
            }
        };
        files.insert(path, content);
        if files.len() > MOST_FILES {
            return Err(ArchiveError::NotAnImage {
                reason: format!("it has more than {MOST_FILES} files"),
            });
        }
    }
    // The checksum of a packed stream stands at its very end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(ArchiveError::Read)?;
    Ok(Spooled { files })
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
) -> Result<Spool, ArchiveError> {
    if !DOCUMENTS.contains(&path.as_bytes()) {
        let (digest, size) = store_blob(path, size, content, store)?;
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
/// and is not written again when the store has it already.
pub(super) fn store_blob(
    path: &RootedPath,
    size: u64,
    content: &mut dyn Read,
    store: &dyn Store,
) -> Result<(Digest, u64), ArchiveError> {
    let expected = digest_of(path);
    if let Some(digest) = &expected
        && store.size(digest)? == Some(size)
    {
        let mut hasher = Hasher::new(digest.algorithm());
        let copied = copy(content, &mut |bytes| {
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
    let copied = copy(content, &mut |bytes| writer.write_all(bytes))?;
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
                to(&buffer[..n]).map_err(|e| StoreError::io("write a blob", e))?;
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

/// The first entry is where one finds out that a file is no tar at all.
fn unreadable(error: io::Error, first: bool) -> ArchiveError {
    if first && error.kind() == io::ErrorKind::Other {
        return ArchiveError::NotAnImage {
            reason: "it is not a tar archive, plain or packed with gzip, zstd or xz".to_owned(),
        };
    }
    ArchiveError::Read(error)
}

impl Spooled {
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

//! An archive of a root file system becomes a layer as it is, byte for byte.

use std::io::{self, Read, Write};

use super::StoredLayer;
use crate::digest::DiffId;
use crate::layer::tar::TarError;
use crate::layer::{Bounds, Span, apply, gather};
use crate::spec::{Descriptor, media};
use crate::store::{BlobStore, BlobWriter, StoreError};
use crate::tree::{Content, Tree};

/// Stores an uncompressed `archive` as a lowest layer, without changing a byte, so that its diff
/// ID is the one that everybody else computes of the same file.
///
/// An archive that no layer may be, or of more entries than `bounds` allow, is refused, and nothing of it is kept: the error says why.
pub fn store_archive(
    store: &(impl BlobStore + ?Sized),
    archive: impl Read,
    bounds: Bounds,
) -> Result<StoredLayer, ImportError> {
    let mut tee = Tee {
        from: archive,
        to: store.create()?,
        failed: None,
    };
    let mut pass = |_: Span, reader: &mut dyn Read| {
        io::copy(reader, &mut io::sink())?;
        Ok(Content::Inline([].into()))
    };
    let gathered = gather(&mut tee, bounds, &mut pass);
    if let Some(error) = tee.failed {
        return Err(StoreError::io("write the layer into the store", error).into());
    }
    apply(&mut Tree::new(), &gathered?).map_err(ImportError::Apply)?;
    let (digest, size) = tee.to.commit(None)?;
    Ok(StoredLayer {
        blob: Descriptor::new(media::LAYER, digest.clone(), size),
        diff_id: DiffId(digest),
    })
}

/// Why an archive cannot become a layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive is damaged, or not one that a layer may be.
    #[error(transparent)]
    Archive(#[from] TarError),
    /// The archive is not complete by itself.
    #[error("{0}; a root file system must be complete by itself")]
    Apply(#[source] crate::layer::ApplyError),
}

/// Passes on what it reads, and keeps a copy.
struct Tee<R> {
    from: R,
    to: Box<dyn BlobWriter>,
    /// What the store said: to the archive's reader it is an error like any other.
    failed: Option<io::Error>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buf)?;
        if let Err(error) = self.to.write_all(&buf[..n]) {
            self.failed = Some(error);
            return Err(io::Error::other("the store refused"));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::layer::{diff, tar};
    use crate::path::RootedPath;
    use crate::store::memory::MemoryStore;
    use crate::tree::Node;

    #[test]
    fn an_archive_is_kept_to_the_last_byte() {
        let mut tree = Tree::new();
        let path = RootedPath::parse("a").unwrap();
        tree.insert(path, Node::file(0o644, *b"hello").into());
        let mut archive = Vec::new();
        tar::write(&diff(&Tree::new(), &tree), &mut archive).unwrap();
        // GNU tar pads to 10,240 bytes; what it writes there counts.
        archive.resize(10_240, 7);
        let store = MemoryStore::new();
        let layer = store_archive(&store, archive.as_slice(), Bounds::default()).unwrap();
        assert_eq!(layer.diff_id.0, Digest::of(&archive));
        assert_eq!(store.read(&layer.blob.digest).unwrap(), archive);
    }

    #[test]
    fn nothing_is_kept_of_what_is_no_layer() {
        let check = |archive: &[u8], part: &str| {
            let store = MemoryStore::new();
            let error = store_archive(&store, archive, Bounds::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
            assert!(store.blobs().unwrap().is_empty());
        };
        check(&[1; 1024], "not a tar archive");
        let mut header = ::tar::Header::new_ustar();
        header.set_entry_type(::tar::EntryType::Link);
        header.set_path("a").unwrap();
        header.set_link_name("b").unwrap();
        header.set_size(0);
        header.set_mode(0);
        header.set_cksum();
        check(header.as_bytes(), "/a is a hard link to /b");
    }
}

//! Where blobs and tags are kept.

use std::io::{self, Read, Write};

use crate::digest::{Digest, DigestError, Verify};
use crate::spec::Descriptor;

/// Where blobs are kept, by digest.
///
/// All methods take `&self`: a store is shared by threads and, on disk, by processes.
pub trait BlobStore: Send + Sync {
    /// The blob's size in bytes, or `None` when it is not here.
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError>;

    /// Starts reading a blob. The reader fails at the end when the content is not what the
    /// digest says.
    fn open(&self, digest: &Digest) -> Result<Verify<Box<dyn Read + Send>>, StoreError>;

    /// Starts a new blob. Nothing is to be seen of it before [`BlobWriter::commit`].
    fn create(&self) -> Result<Box<dyn BlobWriter>, StoreError>;

    /// Takes a blob away. Idempotent: `Ok` means that it is not here, not that it was.
    fn delete(&self, digest: &Digest) -> Result<(), StoreError>;

    /// Every blob's digest and size, in order.
    fn blobs(&self) -> Result<Vec<(Digest, u64)>, StoreError>;

    /// Keeps `bytes` and returns their digest. Idempotent.
    fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if self.size(&digest)?.is_none() {
            let mut writer = self.create()?;
            writer
                .write_all(bytes)
                .map_err(|e| StoreError::io(format!("write blob {digest}"), e))?;
            writer.commit(Some(&digest))?;
        }
        Ok(digest)
    }

    /// The whole of a blob that is known to be small, checked against its digest.
    fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.open(digest)?
            .take(MOST_IN_MEMORY + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| StoreError::reading(digest, e))?;
        if bytes.len() as u64 > MOST_IN_MEMORY {
            return Err(StoreError::TooLarge {
                digest: digest.clone(),
            });
        }
        Ok(bytes)
    }
}

/// Documents (manifests, configs, indexes) are refused above this size, in bytes.
pub const MOST_IN_MEMORY: u64 = 16 << 20;

/// A blob under way. Dropping it leaves nothing behind.
pub trait BlobWriter: Write + Send {
    /// Ends the blob and makes it visible, all at once. With `expected`, content of another
    /// digest is refused and nothing is kept. Returns the digest and the size in bytes.
    fn commit(self: Box<Self>, expected: Option<&Digest>) -> Result<(Digest, u64), StoreError>;
}

/// Where tags are kept: movable names for manifests and indexes.
pub trait TagStore: Send + Sync {
    /// What the tag points to. `name` is a canonical reference such as
    /// `docker.io/library/python:3.12`.
    fn resolve(&self, name: &str) -> Result<Option<Descriptor>, StoreError>;

    /// Points a tag at `target`, in one step; what it pointed to before stays in the store.
    fn tag(&self, name: &str, target: &Descriptor) -> Result<(), StoreError>;

    /// Takes a tag away. `Ok(false)` means that there was none.
    fn untag(&self, name: &str) -> Result<bool, StoreError>;

    /// All tags with their targets, in order of name.
    fn tags(&self) -> Result<Vec<(String, Descriptor)>, StoreError>;
}

/// A whole image store.
pub trait Store: BlobStore + TagStore {}

impl<T: BlobStore + TagStore> Store for T {}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The blob is not here.
    #[error("blob {digest} is not in the store")]
    Missing {
        /// The blob that was asked for.
        digest: Digest,
    },
    /// The content is not what its digest says.
    #[error(transparent)]
    Corrupt(#[from] DigestError),
    /// A document is larger than any honest one.
    #[error("blob {digest} is larger than 16 MiB, too large for a manifest or config")]
    TooLarge {
        /// The blob that was asked for.
        digest: Digest,
    },
    /// A file of the store does not say what it should.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// The file.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refused.
    #[error("{action}: {source}")]
    Io {
        /// What was attempted, with the path.
        action: String,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// The system refused `action`.
    pub fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }

    /// Reading a blob failed: because it is corrupt, or because the system refused.
    pub fn reading(digest: &Digest, error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|e| e.downcast_ref::<DigestError>())
        {
            Some(corrupt) => Self::Corrupt(corrupt.clone()),
            None => Self::io(format!("read blob {digest}"), error),
        }
    }
}

//! Where blobs and tags are kept.
//!
//! The order of writing is the order of a crash: blobs first, then the manifest that names them,
//! then the tag. Whoever is killed on the way leaves garbage, never a lie.

pub mod archive;
pub mod gc;
#[cfg(feature = "fs")]
pub mod layout;
pub mod memory;
#[cfg(test)]
mod suite;
pub mod usage;

use std::any::Any;
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

    /// Reads `length` bytes of a blob from `offset` on. Nothing is checked: a digest speaks of
    /// the whole blob only. For content whose blob was checked when its place was found.
    fn open_range(
        &self,
        digest: &Digest,
        offset: u64,
        length: u64,
    ) -> Result<Box<dyn Read + Send>, StoreError>;

    /// Starts a new blob. Nothing is to be seen of it before [`BlobWriter::commit`].
    /// A writer that lives is a [`Hold`] too.
    fn create(&self) -> Result<Box<dyn BlobWriter>, StoreError>;

    /// Goes on with a blob whose writer ended before its time, if the store has kept the beginning.
    /// `seen` gets that beginning; the answer says how many bytes it has. Whether they are the right
    /// ones is only known when the blob is committed.
    fn resume(
        &self,
        blob: &Descriptor,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<(Box<dyn BlobWriter>, u64), StoreError> {
        // A store that forgets when its process ends has nothing to go on with.
        let _ = (blob, seen);
        Ok((self.create()?, 0))
    }

    /// Takes a blob away. Idempotent: `Ok` means that it is not here, not that it was.
    fn delete(&self, digest: &Digest) -> Result<(), StoreError>;

    /// Every blob's digest and size, in order.
    fn blobs(&self) -> Result<Vec<(Digest, u64)>, StoreError>;

    /// Says that the store is in use: as long as the hold lives, in this process or another,
    /// nobody is [`alone`](Self::alone), so no blob is collected. Whoever writes blobs and tags
    /// them later holds the store from before the first blob until after the tag.
    /// Waits for a collection that is under way.
    fn hold(&self) -> Result<Hold, StoreError>;

    /// Has the store to oneself, which is what a collection needs; `None` when somebody holds
    /// it. Whoever is alone must not write blobs: a writer would wait for ever.
    fn alone(&self) -> Result<Option<Hold>, StoreError>;

    /// Keeps `bytes` and returns their digest. Idempotent.
    fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if self.size(&digest)? != Some(bytes.len() as u64) {
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

/// A blob under way. Dropping it leaves nothing behind, but for [`BlobStore::resume`].
pub trait BlobWriter: Write + Send {
    /// Ends the blob and makes it visible, all at once. With `expected`, content of another
    /// digest is refused and nothing is kept. Returns the digest and the size in bytes.
    fn commit(self: Box<Self>, expected: Option<&Digest>) -> Result<(Digest, u64), StoreError>;
}

/// A promise to the store that lasts until it is dropped; see [`BlobStore::hold`].
pub struct Hold {
    /// What ends the promise when it is dropped: a locked file, a counter.
    _guard: Box<dyn Any + Send>,
}

impl Hold {
    /// A promise that lasts as long as `guard` lives.
    pub fn new(guard: impl Any + Send) -> Self {
        Self {
            _guard: Box::new(guard),
        }
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hold")
    }
}

/// Where tags are kept: movable names for manifests and indexes.
///
/// A name is a canonical reference such as `docker.io/library/python:3.12`. An image that has
/// no tag is kept under its own digest as the name, `sha256:…`, until it is given a tag.
pub trait TagStore: Send + Sync {
    /// What the tag points to. [`NAME_ANNOTATIONS`] are not among its annotations.
    fn resolve(&self, name: &str) -> Result<Option<Descriptor>, StoreError>;

    /// Points a tag at `target`, in one step; what it pointed to before stays in the store
    /// until it is collected. A target that is not in the store is refused, so that a tag never
    /// points to nothing.
    fn tag(&self, name: &str, target: &Descriptor) -> Result<(), StoreError>;

    /// Takes a tag away. `Ok(false)` means that there was none.
    fn untag(&self, name: &str) -> Result<bool, StoreError>;

    /// All tags with their targets, in order of name.
    fn tags(&self) -> Result<Vec<(String, Descriptor)>, StoreError>;

    /// Those of [`tags`](Self::tags) whose names begin so.
    fn tags_from(&self, beginning: &str) -> Result<Vec<(String, Descriptor)>, StoreError> {
        let mut tags = self.tags()?;
        tags.retain(|(name, _)| name.starts_with(beginning));
        Ok(tags)
    }
}

/// How an entry of a layout's `index.json` says its name: to the OCI, and to containerd.
pub const NAME_ANNOTATIONS: [&str; 2] = [REF_NAME, CONTAINERD_NAME];

/// The OCI's annotation for the name of an entry of `index.json`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// containerd's annotation for the whole name of an image.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Checks what both stores refuse to tag, and takes names out of the annotations, because a
/// store keeps the name beside the target.
fn tag_target(
    store: &(impl BlobStore + ?Sized),
    name: &str,
    target: &Descriptor,
) -> Result<Descriptor, StoreError> {
    if let Ok(expected) = name.parse::<Digest>()
        && expected != target.digest
    {
        return Err(StoreError::Corrupt(DigestError::Mismatch {
            expected,
            actual: target.digest.clone(),
        }));
    }
    if store.size(&target.digest)?.is_none() {
        return Err(StoreError::Missing {
            digest: target.digest.clone(),
        });
    }
    Ok(without_names(target))
}

/// The descriptor without the annotations that name it.
fn without_names(descriptor: &Descriptor) -> Descriptor {
    let mut descriptor = descriptor.clone();
    for key in NAME_ANNOTATIONS {
        descriptor.annotations.remove(key);
    }
    descriptor
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
    #[error("{what} is damaged: {reason}; `coracle fsck` says what else is")]
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

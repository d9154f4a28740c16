//! Flattening: a stack of layers becomes the tree that a container sees.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use super::{ImageError, StoredLayer};
use crate::digest::{Digest, Hashing};
use crate::layer::{Bounds, Layer, Span, apply, gather};
use crate::store::{Store, StoreError};
use crate::tree::{Content, Source, Tree};

/// The tree that `layers`, lowest first, make, each within `bounds`. File contents stay in the
/// store.
pub fn flatten(
    store: &Arc<dyn Store>,
    layers: &[StoredLayer],
    bounds: Bounds,
) -> Result<Tree, ImageError> {
    let mut tree = Tree::new();
    for stored in layers {
        let layer = gather_layer(store, stored, bounds)?;
        apply(&mut tree, &layer).map_err(|source| ImageError::Apply {
            digest: stored.blob.digest.clone(),
            source,
        })?;
    }
    Ok(tree)
}

/// Reads a layer from the store, checking its blob, as long as it is within `bounds`. File
/// contents stay there.
///
/// Files are found again by their place in the uncompressed archive. When the blob is packed,
/// the archive is kept beside it, under the diff ID: otherwise every look at a file would unpack
/// everything before it. Nothing names that second blob, so a collection removes it.
pub fn gather_layer(
    store: &Arc<dyn Store>,
    stored: &StoredLayer,
    bounds: Bounds,
) -> Result<Layer, ImageError> {
    let archive = unpacked(store, stored, bounds)?;
    let reader = store.open(&archive)?;
    gathered(store, stored, (&archive, bounds), reader, &mut |reader| {
        let mut reader = Hashing::new(reader);
        io::copy(&mut reader, &mut io::sink())?;
        let (_, digest, _) = reader.finish();
        Ok(Some(digest))
    })
}

/// Reads a layer as [`gather_layer`] does, but computes no digest: neither is the blob checked,
/// nor are the files' digests known until somebody asks. For who wants to know which files there
/// are and not what is in them; hashing is nearly all that reading a layer costs.
pub fn skim_layer(
    store: &Arc<dyn Store>,
    stored: &StoredLayer,
    bounds: Bounds,
) -> Result<Layer, ImageError> {
    let archive = unpacked(store, stored, bounds)?;
    let missing = || StoreError::Missing {
        digest: archive.clone(),
    };
    let size = store.size(&archive)?.ok_or_else(missing)?;
    let reader = store.open_range(&archive, 0, size)?;
    let reader = BufReader::with_capacity(128 << 10, reader);
    gathered(store, stored, (&archive, bounds), reader, &mut |_| Ok(None))
}

/// The layer in `archive`, whose files are found again there. `digest` says what it makes of the
/// bytes of each.
fn gathered(
    store: &Arc<dyn Store>,
    stored: &StoredLayer,
    (archive, bounds): (&Digest, Bounds),
    reader: impl Read,
    digest: &mut dyn FnMut(&mut dyn Read) -> io::Result<Option<Digest>>,
) -> Result<Layer, ImageError> {
    let mut keep = |span: Span, reader: &mut dyn Read| {
        Ok(Content::Source(Arc::new(BlobSpan {
            store: Arc::clone(store),
            archive: archive.clone(),
            span,
            digest: digest(reader)?,
        })))
    };
    gather(reader, bounds, &mut keep).map_err(|source| ImageError::Layer {
        digest: stored.blob.digest.clone(),
        source,
    })
}

/// The digest of a blob that is the layer's archive, uncompressed; made if need be.
fn unpacked(
    store: &Arc<dyn Store>,
    stored: &StoredLayer,
    bounds: Bounds,
) -> Result<Digest, StoreError> {
    let diff_id = &stored.diff_id.0;
    if stored.is_uncompressed() || store.size(diff_id)?.is_some() {
        return Ok(diff_id.clone());
    }
    let mut reader = stored.open(store.as_ref(), bounds)?;
    let mut writer = store.create()?;
    io::copy(&mut reader, &mut writer).map_err(|e| StoreError::reading(&stored.blob.digest, e))?;
    writer.commit(Some(diff_id))?;
    Ok(diff_id.clone())
}

/// A whole blob as the content of a file.
pub fn blob_content(store: &Arc<dyn Store>, digest: &Digest, size: u64) -> Content {
    Content::Source(Arc::new(BlobSpan {
        store: Arc::clone(store),
        archive: digest.clone(),
        span: Span { offset: 0, size },
        digest: Some(digest.clone()),
    }))
}

/// A file's bytes inside an archive in the store.
struct BlobSpan {
    store: Arc<dyn Store>,
    archive: Digest,
    span: Span,
    /// The digest of the bytes, if it was computed when they were found.
    digest: Option<Digest>,
}

impl Source for BlobSpan {
    fn size(&self) -> u64 {
        self.span.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.store
            .open_range(&self.archive, self.span.offset, self.span.size)
            .map_err(io::Error::other)
    }

    fn digest(&self) -> Option<Digest> {
        self.digest.clone()
    }
}

impl fmt::Debug for BlobSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { offset, size } = self.span;
        write!(f, "{size} bytes at {offset} of {}", self.archive)
    }
}

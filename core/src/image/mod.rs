//! Images: a manifest, a config and a stack of layers, opened, extended and flattened.
//!
//! An image is a tree of digests. Its manifest names its config and its layers, so whoever holds
//! the manifest's digest can check everything else; the config's digest is the image's ID.

mod chains;
mod check;
mod commit;
mod files;
mod flatten;
mod forest;
mod history;
mod import;
mod open;
#[cfg(test)]
mod tests;

pub use chains::all_chains;
pub use check::{Problem, check};
pub use commit::{Draft, store_layer};
pub use files::{FileRow, files, layer_files, layer_rows};
pub use flatten::{blob_content, flatten, gather_layer, skim_layer};
pub use forest::{Branch, forest};
pub use history::{HistoryRow, history};
pub use import::{ImportError, store_archive};
pub use open::{ImageError, find_manifest};

use std::io::{self, Read};

use crate::digest::{ChainId, DiffId, Digest};
use crate::layer::{Bounds, compress};
use crate::spec::{Descriptor, Document, ImageConfig, Manifest};
use crate::store::{BlobStore, StoreError};

/// An image for one platform, opened: the documents are here, the layers are in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// What points at the manifest.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Document<Manifest>,
    /// The config.
    pub config: Document<ImageConfig>,
}

/// A layer of an image: the blob and the archive inside it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredLayer {
    /// What points at the blob, as it is shipped.
    pub blob: Descriptor,
    /// The digest of the archive inside, uncompressed.
    pub diff_id: DiffId,
}

impl Image {
    /// The image's ID as Docker prints it: the digest of the config.
    pub fn id(&self) -> &Digest {
        &self.manifest.value.config.digest
    }

    /// The layers, lowest first.
    pub fn layers(&self) -> Vec<StoredLayer> {
        let blobs = self.manifest.value.layers.iter().cloned();
        let diff_ids = self.config.value.rootfs.diff_ids.iter().cloned();
        blobs
            .zip(diff_ids)
            .map(|(blob, diff_id)| StoredLayer { blob, diff_id })
            .collect()
    }

    /// The chain ID of each layer with everything below it, lowest first.
    pub fn chain_ids(&self) -> Vec<ChainId> {
        chain_ids(&self.config.value.rootfs.diff_ids)
    }
}

/// The chain ID of each layer with everything below it, lowest first.
pub fn chain_ids(diff_ids: &[DiffId]) -> Vec<ChainId> {
    let mut ids: Vec<ChainId> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        ids.push(ChainId::on(ids.last(), diff_id));
    }
    ids
}

impl StoredLayer {
    /// Starts reading the archive inside the blob. The reader fails at the end when the blob is
    /// not what its digest says, and as soon as more comes than `bounds` allow.
    pub fn open<'a>(
        &self,
        store: &'a dyn BlobStore,
        bounds: Bounds,
    ) -> Result<Box<dyn Read + Send + 'a>, StoreError> {
        let blob = store.open(&self.blob.digest)?;
        compress::decoder(blob, bounds).map_err(|e| StoreError::reading(&self.blob.digest, e))
    }

    /// Whether the blob is the archive itself.
    pub fn is_uncompressed(&self) -> bool {
        self.blob.digest == self.diff_id.0
    }
}

/// Reads to the end, so that a reader which checks at the end has checked.
fn drain(mut reader: impl Read) -> io::Result<u64> {
    io::copy(&mut reader, &mut io::sink())
}

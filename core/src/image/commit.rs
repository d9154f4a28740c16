//! Making images: storing layers, and committing a config with its stack.

use std::io;

use super::{Image, ImageError, StoredLayer};
use crate::digest::DiffId;
use crate::layer::{Layer, tar};
use crate::spec::{Descriptor, Document, History, ImageConfig, Manifest, media};
use crate::store::{BlobStore, StoreError};

/// An image under way: what the config will say and the layers so far, lowest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The config. Its diff IDs are filled in by [`Draft::commit`].
    pub config: ImageConfig,
    /// The layers.
    pub layers: Vec<StoredLayer>,
}

impl Draft {
    /// An image that starts as a copy of `image`. Nothing is copied but names: the new image's
    /// layers are the old one's and whatever comes on top.
    pub fn from_image(image: &Image) -> Self {
        Self {
            config: image.config.value.clone(),
            layers: image.layers(),
        }
    }

    /// Lays a layer on top, made by what `history` says.
    pub fn push(&mut self, layer: StoredLayer, history: History) {
        self.layers.push(layer);
        self.config.history.push(History {
            empty_layer: false,
            ..history
        });
    }

    /// Notes a change of metadata only.
    pub fn note(&mut self, history: History) {
        self.config.history.push(History {
            empty_layer: true,
            ..history
        });
    }

    /// Writes config and manifest, in the order of a crash: what is named comes before what
    /// names it.
    pub fn commit(mut self, store: &(impl BlobStore + ?Sized)) -> Result<Image, ImageError> {
        self.config.rootfs.diff_ids = self.layers.iter().map(|l| l.diff_id.clone()).collect();
        let config = put(store, self.config, "image config")?;
        let blobs = self.layers.into_iter().map(|l| l.blob).collect();
        let manifest = Manifest::new(config.descriptor(media::CONFIG), blobs);
        let manifest = put(store, manifest, "manifest")?;
        Ok(Image {
            descriptor: manifest.descriptor(media::MANIFEST),
            manifest,
            config,
        })
    }
}

fn put<T: serde::Serialize>(
    store: &(impl BlobStore + ?Sized),
    value: T,
    what: &'static str,
) -> Result<Document<T>, ImageError> {
    let unwritable = |e: serde_json::Error| StoreError::Damaged {
        what: what.to_owned(),
        reason: e.to_string(),
    };
    let document = Document::write(value).map_err(unwritable)?;
    store.put(document.bytes())?;
    Ok(document)
}

/// Stores a layer as an uncompressed archive.
///
/// Uncompressed, because then the blob's digest is the diff ID, the same on every platform and
/// with every compressor, and no time is spent on packing what stays on this machine.
pub fn store_layer(
    store: &(impl BlobStore + ?Sized),
    layer: &Layer,
) -> Result<StoredLayer, StoreError> {
    let mut writer = store.create()?;
    tar::write(layer, &mut writer)
        .map_err(|e: io::Error| StoreError::io("write the archive of a new layer", e))?;
    let (digest, size) = writer.commit(None)?;
    Ok(StoredLayer {
        blob: Descriptor::new(media::LAYER, digest.clone(), size),
        diff_id: DiffId(digest),
    })
}

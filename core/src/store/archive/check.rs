//! Finds out whether an image is what it says: every size, and every layer's diff ID.

use std::io;

use super::{ArchiveError, Files, Load};
use crate::digest::{DiffId, Digest, DigestError, Hashing};
use crate::event::Event;
use crate::layer::compress::{self, Compression};
use crate::spec::{Descriptor, Document, ImageConfig, Manifest};
use crate::store::{Store, StoreError};

/// Checks that the blobs which a manifest names are in the store, have the size that it says, and
/// unpack to what the config says. Returns the config.
pub(super) fn image(
    manifest: &Manifest,
    by: &str,
    files: &dyn Files,
    load: &mut Load,
) -> Result<Document<ImageConfig>, ArchiveError> {
    for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
        size(blob, by, load.store)?;
    }
    let config = config(&manifest.config.digest, load.store)?;
    let diff_ids = &config.value.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        return Err(ArchiveError::Damaged {
            file: by.to_owned(),
            reason: format!(
                "it has {} layers, but the config {} has {}",
                manifest.layers.len(),
                manifest.config.digest,
                diff_ids.len()
            ),
        });
    }
    for (layer, expected) in manifest.layers.iter().zip(diff_ids) {
        let is_known = load.diff_ids.contains_key(&layer.digest);
        let actual = diff_id(&layer.digest, files, load)?;
        if actual != *expected {
            return Err(ArchiveError::Layer {
                layer: layer.digest.clone(),
                expected: expected.clone(),
                actual,
            });
        }
        if !is_known {
            (load.on)(Event::Layer {
                digest: layer.digest.clone(),
                state: "loaded",
                size: layer.size,
            });
        }
    }
    Ok(config)
}

/// Reads an image's config from the store.
pub(super) fn config(
    digest: &Digest,
    store: &dyn Store,
) -> Result<Document<ImageConfig>, ArchiveError> {
    Document::parse(store.read(digest)?).map_err(|e| ArchiveError::Damaged {
        file: format!("the config {digest}"),
        reason: e.to_string(),
    })
}

/// How a layer's blob is packed.
pub(super) fn compression(layer: &Digest, store: &dyn Store) -> Result<Compression, StoreError> {
    use io::Read as _;
    let mut start = Vec::new();
    let mut blob = store.open(layer)?.take(6);
    blob.read_to_end(&mut start)
        .map_err(|e| StoreError::reading(layer, e))?;
    Ok(Compression::detect(&start))
}

fn size(blob: &Descriptor, by: &str, store: &dyn Store) -> Result<(), ArchiveError> {
    match store.size(&blob.digest)? {
        Some(size) if size == blob.size => Ok(()),
        Some(actual) => Err(DigestError::Size {
            digest: blob.digest.clone(),
            expected: blob.size,
            actual,
        }
        .into()),
        None => Err(ArchiveError::Missing {
            what: blob.digest.to_string(),
            by: by.to_owned(),
        }),
    }
}

/// The digest of what a layer's blob unpacks to. Each blob is unpacked once.
fn diff_id(layer: &Digest, files: &dyn Files, load: &mut Load) -> Result<DiffId, ArchiveError> {
    if let Some(known) = load.diff_ids.get(layer) {
        return Ok(known.clone());
    }
    // Whoever put the blob into the store has computed its digest already, and mostly also that
    // of what is in it.
    let diff_id = if let Some(known) = files.unpacked().get(layer) {
        known.clone()
    } else if compression(layer, load.store)? != Compression::None {
        DiffId(unpacked_digest(layer, load)?)
    } else {
        DiffId(layer.clone())
    };
    load.diff_ids.insert(layer.clone(), diff_id.clone());
    Ok(diff_id)
}

fn unpacked_digest(layer: &Digest, load: &Load) -> Result<Digest, ArchiveError> {
    let blob = load.store.open(layer)?;
    let unpack = |source: io::Error| match source.get_ref() {
        Some(e) if e.is::<DigestError>() => StoreError::reading(layer, source).into(),
        _ => ArchiveError::Unpack {
            layer: layer.clone(),
            source,
        },
    };
    let mut archive = Hashing::new(compress::decoder(blob, load.bounds).map_err(unpack)?);
    io::copy(&mut archive, &mut io::sink()).map_err(unpack)?;
    let (_, digest, _) = archive.finish();
    Ok(digest)
}

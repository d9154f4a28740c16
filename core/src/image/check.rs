//! Checking an image to the last byte: what `image check` says.

use std::io;

use serde::Serialize;

use super::{Image, ImageError, StoredLayer, drain};
use crate::digest::{DiffId, DigestError, Hashing};
use crate::layer::compress;
use crate::spec::{Descriptor, Platform};
use crate::store::{BlobStore, StoreError};

/// Something that is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which part of the image: `manifest`, `config`, `layer 3`.
    pub part: String,
    /// What is wrong, in one sentence.
    pub message: String,
}

/// Reads everything that `target` leads to on `platform` and compares it with what names it:
/// digests, sizes, diff IDs, the number of layers, the platform.
pub fn check(
    store: &(impl BlobStore + ?Sized),
    target: &Descriptor,
    platform: &Platform,
) -> Vec<Problem> {
    let image = match Image::open(store, target, platform) {
        Ok(image) => image,
        Err(error) => return vec![problem("image", &error)],
    };
    let mut problems = Vec::new();
    check_size(store, "manifest", &image.descriptor, &mut problems);
    check_size(store, "config", &image.manifest.value.config, &mut problems);
    for (number, layer) in image.layers().iter().enumerate() {
        let part = format!("layer {number}");
        check_size(store, &part, &layer.blob, &mut problems);
        if let Err(error) = check_layer(store, layer) {
            problems.push(problem(&part, &error));
        }
    }
    let config = &image.config.value;
    let made = config.history.iter().filter(|h| !h.empty_layer).count();
    let layers = config.rootfs.diff_ids.len();
    if !config.history.is_empty() && made != layers {
        problems.push(problem(
            "config",
            &format!("its history tells of {made} layers, but it has {layers}"),
        ));
    }
    if let Some(promised) = &image.descriptor.platform
        && !promised.serves(&config.platform())
    {
        problems.push(problem(
            "config",
            &format!("it is for {}, its index says {promised}", config.platform()),
        ));
    }
    problems
}

fn check_size(
    store: &(impl BlobStore + ?Sized),
    part: &str,
    pointer: &Descriptor,
    problems: &mut Vec<Problem>,
) {
    match store.size(&pointer.digest) {
        Ok(Some(size)) if size != pointer.size => problems.push(problem(
            part,
            &format!("{} has {size} bytes, not {}", pointer.digest, pointer.size),
        )),
        Ok(_) => {} // A blob that is missing is reported by whoever reads it.
        Err(error) => problems.push(problem(part, &error)),
    }
}

/// Reads a layer's blob once: its digest is checked on the way, the diff ID at the end.
fn check_layer(store: &(impl BlobStore + ?Sized), layer: &StoredLayer) -> Result<(), ImageError> {
    let damaged = |e: io::Error| StoreError::reading(&layer.blob.digest, e);
    let mut blob = store.open(&layer.blob.digest)?;
    let mut archive = Hashing::new(compress::decoder(&mut blob).map_err(damaged)?);
    drain(&mut archive).map_err(damaged)?;
    let (decoder, actual, _) = archive.finish();
    drop(decoder);
    drain(&mut blob).map_err(damaged)?;
    let DiffId(expected) = layer.diff_id.clone();
    if expected != actual {
        return Err(StoreError::Corrupt(DigestError::Mismatch { expected, actual }).into());
    }
    Ok(())
}

fn problem(part: &str, message: &impl ToString) -> Problem {
    Problem {
        part: part.to_owned(),
        message: message.to_string(),
    }
}

//! Checking an image to the last byte: what `image check` says.

use std::io;

use serde::Serialize;

use super::open::document;
use super::{Image, ImageError, StoredLayer, drain};
use crate::digest::{DiffId, Hashing};
use crate::layer::{Bounds, compress};
use crate::spec::{Descriptor, Index, Platform, media};
use crate::store::{BlobStore, StoreError};

/// Something that is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which part of the image: `manifest`, `config`, `layer 3`; of another platform than the
    /// one that was asked for, `linux/arm64: layer 3`.
    pub part: String,
    /// What is wrong, in one sentence.
    pub message: String,
}

/// Reads everything that `target` leads to and compares it with what names it: digests, sizes,
/// diff IDs, the number of layers, platforms.
///
/// Of an image for several platforms all that is here is read. All of the image for `platform`
/// must be here; of the others, what is missing is no fault.
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
    let mut others = Vec::new();
    if media::is_index(&target.media_type) {
        check_size(store, "index", target, &mut problems);
        if let Err(error) = manifests(store, target, &mut others) {
            problems.push(problem("index", &error));
        }
    }
    check_image(store, "", &image, &mut problems);
    others.retain(|other| *other != image.descriptor);
    for other in others {
        check_other(store, &other, &mut problems);
    }
    problems
}

/// All image manifests that an index leads to.
fn manifests(
    store: &(impl BlobStore + ?Sized),
    index: &Descriptor,
    found: &mut Vec<Descriptor>,
) -> Result<(), ImageError> {
    for entry in document::<Index>(store, index, "index")?.value.manifests {
        // Under another platform's name, the same manifest may be wrong.
        if found.contains(&entry) || store.size(&entry.digest)?.is_none() {
            continue;
        }
        if media::is_index(&entry.media_type) {
            manifests(store, &entry, found)?;
        } else if media::is_manifest(&entry.media_type) {
            found.push(entry);
        }
    }
    Ok(())
}

/// Checks what is here of an image for another platform, or of an attestation.
fn check_other(
    store: &(impl BlobStore + ?Sized),
    pointer: &Descriptor,
    problems: &mut Vec<Problem>,
) {
    let missing =
        |error: &ImageError| matches!(error, ImageError::Store(StoreError::Missing { .. }));
    let name = match &pointer.platform {
        Some(platform) => format!("{platform}: "),
        None => format!("{}: ", pointer.digest.short()),
    };
    let unknown = |p: &Platform| p.os == "unknown";
    match Image::open_manifest(store, pointer) {
        Ok(image) => check_image(store, &name, &image, problems),
        Err(error) if missing(&error) => {}
        // An attestation is for no platform, and has no config that is one of an image.
        Err(ImageError::Document { .. }) if pointer.platform.as_ref().is_some_and(unknown) => {}
        Err(error) => problems.push(problem(&format!("{name}image"), &error)),
    }
}

fn check_image(
    store: &(impl BlobStore + ?Sized),
    name: &str,
    image: &Image,
    problems: &mut Vec<Problem>,
) {
    let part = |part: &str| format!("{name}{part}");
    check_size(store, &part("manifest"), &image.descriptor, problems);
    let config = &image.manifest.value.config;
    check_size(store, &part("config"), config, problems);
    for (number, layer) in image.layers().iter().enumerate() {
        let part = part(&format!("layer {number}"));
        check_size(store, &part, &layer.blob, problems);
        match check_layer(store, layer) {
            Err(ImageError::Store(StoreError::Missing { .. })) if !name.is_empty() => {}
            Err(error) => problems.push(problem(&part, &error)),
            Ok(()) => {}
        }
    }
    let config = &image.config.value;
    let made = config.history.iter().filter(|h| !h.empty_layer).count();
    let layers = config.rootfs.diff_ids.len();
    if !config.history.is_empty() && made != layers {
        problems.push(problem(
            &part("config"),
            &format!("its history tells of {made} layers, but it has {layers}"),
        ));
    }
    if let Some(promised) = &image.descriptor.platform
        && !promised.serves(&config.platform())
    {
        problems.push(problem(
            &part("config"),
            &format!("it is for {}, its index says {promised}", config.platform()),
        ));
    }
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
    let mut archive = Hashing::new(compress::decoder(&mut blob, Bounds::NONE).map_err(damaged)?);
    drain(&mut archive).map_err(damaged)?;
    let (decoder, actual, _) = archive.finish();
    drop(decoder);
    drain(&mut blob).map_err(damaged)?;
    let DiffId(expected) = layer.diff_id.clone();
    if expected != actual {
        return Err(ImageError::DiffId { expected, actual });
    }
    Ok(())
}

fn problem(part: &str, message: &impl ToString) -> Problem {
    Problem {
        part: part.to_owned(),
        message: message.to_string(),
    }
}

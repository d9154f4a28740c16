//! Opening an image: from a tag's target through an index to a manifest and its config.

use super::Image;
use crate::digest::Digest;
use crate::layer::ApplyError;
use crate::layer::tar::TarError;
use crate::spec::{Descriptor, Document, ImageConfig, Index, Manifest, Platform, media};
use crate::store::{BlobStore, StoreError};

/// How deep indexes may be nested. Real ones have one level, containerd's exports two.
const DEEPEST_INDEX: usize = 4;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A blob is missing or damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document is not what its media type says.
    #[error("{what} {digest} cannot be understood: {reason}")]
    Document {
        /// What it should be.
        what: &'static str,
        /// The blob.
        digest: Digest,
        /// What is wrong with it.
        reason: String,
    },
    /// The image is for other platforms.
    #[error("there is no image for {wanted}, only for {}", list(available))]
    Platform {
        /// The platform that was asked for.
        wanted: Platform,
        /// The platforms that there are.
        available: Vec<Platform>,
    },
    /// A layer's blob is what its digest says, but not what the config says.
    #[error("it unpacks to {actual}, and its diff ID in the config is {expected}")]
    DiffId {
        /// What the config says.
        expected: Digest,
        /// The digest of what the blob unpacks to.
        actual: Digest,
    },
    /// A layer's archive is damaged or not honest.
    #[error("layer {digest}: {source}")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// What is wrong with it.
        source: TarError,
    },
    /// A layer does not fit on those below it.
    #[error("layer {digest}: {source}")]
    Apply {
        /// The layer's blob.
        digest: Digest,
        /// What is wrong with it.
        source: ApplyError,
    },
}

impl Image {
    /// Opens what `target` points at, an index or a manifest, for `platform`.
    pub fn open(
        store: &(impl BlobStore + ?Sized),
        target: &Descriptor,
        platform: &Platform,
    ) -> Result<Self, ImageError> {
        let descriptor = find_manifest(store, target, platform)?;
        let image = Self::open_manifest(store, &descriptor)?;
        let own = image.config.value.platform();
        // An index chose by its own list; a lone manifest is judged by what its config says.
        if !media::is_index(&target.media_type) && !own.serves(platform) {
            return Err(ImageError::Platform {
                wanted: platform.clone(),
                available: vec![own],
            });
        }
        Ok(image)
    }

    /// Opens the manifest that `descriptor` points at, for whatever platform it is.
    pub(super) fn open_manifest(
        store: &(impl BlobStore + ?Sized),
        descriptor: &Descriptor,
    ) -> Result<Self, ImageError> {
        let manifest: Document<Manifest> = document(store, descriptor, "manifest")?;
        let pointer = &manifest.value.config;
        let config: Document<ImageConfig> = document(store, pointer, "image config")?;
        let wrong = |reason: String| ImageError::Document {
            what: "image config",
            digest: pointer.digest.clone(),
            reason,
        };
        let (layers, diff_ids) = (
            manifest.value.layers.len(),
            config.value.rootfs.diff_ids.len(),
        );
        if layers != diff_ids {
            return Err(wrong(format!(
                "it has {diff_ids} diff IDs and its manifest {layers} layers"
            )));
        }
        Ok(Self {
            descriptor: descriptor.clone(),
            manifest,
            config,
        })
    }
}

/// The manifest for `platform` that `target` leads to. Attestations and other artifacts, which
/// are for platform `unknown`, are never chosen.
pub fn find_manifest(
    store: &(impl BlobStore + ?Sized),
    target: &Descriptor,
    platform: &Platform,
) -> Result<Descriptor, ImageError> {
    let mut available = Vec::new();
    search(store, target, platform, DEEPEST_INDEX, &mut available)?.ok_or_else(|| {
        available.sort();
        available.dedup();
        ImageError::Platform {
            wanted: platform.clone(),
            available,
        }
    })
}

fn search(
    store: &(impl BlobStore + ?Sized),
    target: &Descriptor,
    platform: &Platform,
    depth: usize,
    available: &mut Vec<Platform>,
) -> Result<Option<Descriptor>, ImageError> {
    if !media::is_index(&target.media_type) {
        return Ok(Some(target.clone()));
    }
    if depth == 0 {
        return Err(ImageError::Document {
            what: "index",
            digest: target.digest.clone(),
            reason: format!("indexes are nested more than {DEEPEST_INDEX} deep"),
        });
    }
    let index: Document<Index> = document(store, target, "index")?;
    for entry in &index.value.manifests {
        match &entry.platform {
            Some(other) if !other.serves(platform) => {
                if other.os != "unknown" {
                    available.push(other.clone());
                }
            }
            _ if is_artifact(entry) => {}
            _ => {
                if let Some(found) = search(store, entry, platform, depth - 1, available)? {
                    return Ok(Some(found));
                }
            }
        }
    }
    Ok(None)
}

fn is_artifact(entry: &Descriptor) -> bool {
    entry.artifact_type.is_some()
        || !(media::is_index(&entry.media_type) || media::is_manifest(&entry.media_type))
}

pub(super) fn document<T: serde::de::DeserializeOwned>(
    store: &(impl BlobStore + ?Sized),
    pointer: &Descriptor,
    what: &'static str,
) -> Result<Document<T>, ImageError> {
    let bytes = store.read(&pointer.digest)?;
    Document::parse(bytes).map_err(|e| ImageError::Document {
        what,
        digest: pointer.digest.clone(),
        reason: e.to_string(),
    })
}

fn list(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return "nothing at all".to_owned();
    }
    let texts: Vec<_> = platforms.iter().map(Platform::to_string).collect();
    texts.join(", ")
}

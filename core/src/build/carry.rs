//! Carrying a cache from machine to machine: the steps that an image or a directory knows.
//!
//! Inside an image they stand in its config, beside the layers that they made. In a directory,
//! an OCI image layout, they are the config of a manifest that names the layers of all steps.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StepReport;
use super::cache::{Cache, Entry};
use super::key::{CacheKey, KeyParts};
use crate::digest::{Digest, DigestError};
use crate::image::{Image, StoredLayer};
use crate::spec::{Descriptor, Document, Manifest, media};
use crate::store::{Store, StoreError};

/// The field of an image's config that holds the steps which made its layers.
pub const INLINE: &str = "coracle.cache.v1";

/// The media type of a list of steps.
pub const STEPS: &str = "application/vnd.coracle.cache.steps.v1+json";

/// A step and what it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its key.
    pub key: CacheKey,
    /// What it made.
    #[serde(flatten)]
    pub entry: Entry,
}

/// A step that made a layer of the image that it stands in.
#[derive(Serialize, Deserialize)]
struct Inline {
    key: CacheKey,
    /// Which layer of the image, from 0.
    layer: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
}

/// What [`INLINE`] says of an image with these layers: the steps that made them.
pub(super) fn inline(steps: &[StepReport], layers: &[StoredLayer]) -> Value {
    let of_layer = |step: &StepReport| {
        let layer = layers.iter().position(|l| l.blob.digest == step.layer)?;
        Some(Inline {
            key: step.key.clone(),
            layer,
            finished: step.finished.clone(),
        })
    };
    let steps: Vec<_> = steps.iter().filter_map(of_layer).collect();
    serde_json::to_value(steps).unwrap_or_default()
}

/// The steps that an image carries; none when it carries none that can be understood.
pub fn of_image(image: &Image) -> Vec<Step> {
    let Some(value) = image.config.value.extra.get(INLINE) else {
        return Vec::new();
    };
    let steps: Vec<Inline> = serde_json::from_value(value.clone()).unwrap_or_default();
    let layers = image.layers();
    let step = |inline: Inline| {
        let entry = Entry {
            layer: layers.get(inline.layer)?.clone(),
            finished: inline.finished,
        };
        let key = inline.key;
        Some(Step { key, entry })
    };
    steps.into_iter().filter_map(step).collect()
}

/// Puts a list of steps into the store, as a manifest that names their layers, and returns what
/// points at it. Nothing names that; it is there to be written somewhere else.
pub fn manifest(steps: &[Step], store: &dyn Store) -> Result<Descriptor, StoreError> {
    let unwritable = |e: serde_json::Error| StoreError::Damaged {
        what: "the list of steps".to_owned(),
        reason: e.to_string(),
    };
    let config = Document::write(steps.to_vec()).map_err(unwritable)?;
    store.put(config.bytes())?;
    let mut layers: BTreeMap<Digest, Descriptor> = BTreeMap::new();
    for step in steps {
        let blob = &step.entry.layer.blob;
        layers.insert(blob.digest.clone(), blob.clone());
    }
    let layers = layers.into_values().collect();
    let manifest = Document::write(Manifest::new(config.descriptor(STEPS), layers));
    let manifest = manifest.map_err(unwritable)?;
    store.put(manifest.bytes())?;
    Ok(manifest.descriptor(media::MANIFEST))
}

/// Steps from elsewhere, and a way to their layers.
pub struct Carried<'a> {
    /// What they made, by key.
    pub steps: BTreeMap<CacheKey, Entry>,
    /// Brings a blob into the store.
    pub fetch: Box<Fetch<'a>>,
}

/// Brings a blob into a store; false when it is not to be had, or damaged.
pub type Fetch<'a> = dyn Fn(&Descriptor, &dyn Store) -> Result<bool, StoreError> + Sync + 'a;

/// Keeps what `reader` gives as `blob`; false when it is something else.
pub fn keep(
    mut reader: impl Read,
    blob: &Descriptor,
    store: &dyn Store,
) -> Result<bool, StoreError> {
    let mut writer = store.create()?;
    io::copy(&mut reader, &mut writer)
        .map_err(|e| StoreError::io(format!("read {} of the cache", blob.digest), e))?;
    match writer.commit(Some(&blob.digest)) {
        Err(StoreError::Corrupt(DigestError::Mismatch { .. })) => Ok(false),
        committed => committed.map(|_| true),
    }
}

impl std::fmt::Debug for Carried<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carried")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// A cache that also knows steps from elsewhere. Their layers are brought into the store when a
/// step is found; one that is missing there or damaged is a step that is not known.
#[derive(Debug)]
pub struct CarriedCache<'a, C> {
    /// The cache of this machine. What is found elsewhere is kept here.
    pub own: &'a C,
    /// The steps from elsewhere.
    pub carried: Vec<Carried<'a>>,
    /// Where layers are kept.
    pub store: StoreOf,
}

/// A store, without what it looks like inside.
#[derive(Clone)]
pub struct StoreOf(pub Arc<dyn Store>);

impl std::fmt::Debug for StoreOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreOf")
    }
}

impl<C: Cache> CarriedCache<'_, C> {
    /// Whether the entry's layer is in the store, once it has been fetched from `carried`.
    fn fetch(&self, entry: &Entry, carried: &Carried<'_>) -> Result<bool, StoreError> {
        let store = &self.store.0;
        let blob = &entry.layer.blob;
        if store.size(&blob.digest)? == Some(blob.size) {
            return Ok(true);
        }
        (carried.fetch)(blob, &**store)
    }
}

impl<C: Cache> Cache for CarriedCache<'_, C> {
    fn get(&self, key: &CacheKey) -> Result<Option<Entry>, StoreError> {
        let own = self.own.get(key)?;
        if self.carried.is_empty() {
            return Ok(own);
        }
        if let Some(entry) = &own
            && self.store.0.size(&entry.layer.blob.digest)?.is_some()
        {
            return Ok(own);
        }
        for carried in &self.carried {
            if let Some(entry) = carried.steps.get(key)
                && self.fetch(entry, carried)?
            {
                self.own.put(key, entry)?;
                return Ok(Some(entry.clone()));
            }
        }
        Ok(own)
    }

    fn put(&self, key: &CacheKey, entry: &Entry) -> Result<(), StoreError> {
        self.own.put(key, entry)
    }

    fn last(&self, place: &str) -> Result<Option<KeyParts>, StoreError> {
        self.own.last(place)
    }

    fn remember(&self, place: &str, parts: &KeyParts) -> Result<(), StoreError> {
        self.own.remember(place, parts)
    }
}

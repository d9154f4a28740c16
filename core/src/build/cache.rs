//! The build cache: from a step's key to the layer that it made.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::key::{CacheKey, KeyParts};
use crate::image::StoredLayer;
use crate::store::StoreError;

/// What a step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The layer. Its blob is in the store, unless somebody collected it.
    pub layer: StoredLayer,
    /// When the step ran, RFC 3339; `None` when that does not matter to its result.
    pub finished: Option<String>,
}

/// Where results are kept, and what the last build of each step depended on.
///
/// A cache may forget at any time; it must never answer with another step's result.
pub trait Cache: Sync {
    /// The result of the step with this key.
    fn get(&self, key: &CacheKey) -> Result<Option<Entry>, StoreError>;

    /// Keeps a result.
    fn put(&self, key: &CacheKey, entry: &Entry) -> Result<(), StoreError>;

    /// What the step at this place of a Dockerfile depended on when it was last built.
    fn last(&self, place: &str) -> Result<Option<KeyParts>, StoreError>;

    /// Notes what the step at this place depends on now.
    fn remember(&self, place: &str, parts: &KeyParts) -> Result<(), StoreError>;
}

/// A cache in memory: for tests and for the browser.
#[derive(Debug, Default)]
pub struct MemoryCache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<CacheKey, Entry>,
    places: BTreeMap<String, KeyParts>,
}

impl MemoryCache {
    /// A cache of its own that knows the same.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.state();
        Self {
            state: Mutex::new(State {
                entries: state.entries.clone(),
                places: state.places.clone(),
            }),
        }
    }

    /// The layer of every result that it knows.
    pub fn layers(&self) -> Vec<StoredLayer> {
        let state = self.state();
        let layers = state.entries.values().map(|entry| entry.layer.clone());
        layers.collect()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache for MemoryCache {
    fn get(&self, key: &CacheKey) -> Result<Option<Entry>, StoreError> {
        Ok(self.state().entries.get(key).cloned())
    }

    fn put(&self, key: &CacheKey, entry: &Entry) -> Result<(), StoreError> {
        self.state().entries.insert(key.clone(), entry.clone());
        Ok(())
    }

    fn last(&self, place: &str) -> Result<Option<KeyParts>, StoreError> {
        Ok(self.state().places.get(place).cloned())
    }

    fn remember(&self, place: &str, parts: &KeyParts) -> Result<(), StoreError> {
        self.state().places.insert(place.to_owned(), parts.clone());
        Ok(())
    }
}

//! What a repository holds: its tags, its manifests, and the blobs that those name.
//!
//! A blob belongs to a repository when one of its manifests names it, or when it was uploaded or
//! mounted there a short while ago. So nobody reads through one repository what is in another,
//! and a client that is told "it is here" can rely on it: what a manifest names is not collected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use serde::Deserialize;

use super::Server;
use super::route::{Name, Version};
use crate::digest::Digest;
use crate::spec::{Descriptor, media};
use crate::store::{MOST_IN_MEMORY, StoreError};

/// A manifest or an index, as far as a registry has to understand it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Links {
    pub(super) schema_version: u32,
    pub(super) media_type: Option<String>,
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Option<Vec<Descriptor>>,
    pub(super) manifests: Option<Vec<Descriptor>>,
    pub(super) subject: Option<Descriptor>,
    pub(super) artifact_type: Option<String>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

impl Links {
    /// The blobs that it names, in order: the config, then the layers.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(self.layers.iter().flatten())
    }

    /// The manifests that it lists.
    pub(super) fn children(&self) -> &[Descriptor] {
        self.manifests.as_deref().unwrap_or_default()
    }
}

/// What the store's tags say about one repository.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Tags and what they point to, in order.
    pub(super) tags: BTreeMap<String, Descriptor>,
    /// The manifests that are kept by their digests.
    pub(super) untagged: Vec<Descriptor>,
}

impl Shelf {
    /// Everything that keeps a manifest in the repository.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Descriptor> {
        self.tags.values().chain(&self.untagged)
    }
}

/// How many parsed manifests are remembered; each is a few kilobytes.
const MOST_REMEMBERED: usize = 512;

impl Server {
    /// A repository's tags and manifests; `None` when the store knows nothing of it.
    pub(super) fn shelf(&self, name: &Name) -> Result<Option<Shelf>, StoreError> {
        let mut shelf = Shelf::default();
        let mut known = false;
        for (entry, target) in self.store.tags_from(&name.kept)? {
            let Some(rest) = entry.strip_prefix(&name.kept) else {
                continue;
            };
            if let Some(tag) = rest.strip_prefix(':') {
                shelf.tags.insert(tag.to_owned(), target);
                known = true;
            } else if rest.starts_with('@') {
                shelf.untagged.push(target);
                known = true;
            }
        }
        Ok(known.then_some(shelf))
    }

    /// Every repository with what is on its shelf, in order of name.
    pub(super) fn shelves(&self) -> Result<BTreeMap<String, Shelf>, StoreError> {
        let mut shelves: BTreeMap<String, Shelf> = BTreeMap::new();
        for (entry, target) in self.store.tags()? {
            let Some(name) = Name::of_entry(&entry) else {
                continue;
            };
            let shelf = shelves.entry(name.shown).or_default();
            match entry[name.kept.len()..].strip_prefix(':') {
                Some(tag) => drop(shelf.tags.insert(tag.to_owned(), target)),
                None => shelf.untagged.push(target),
            }
        }
        Ok(shelves)
    }

    /// Every manifest and index of a repository: what its entries point to, and what indexes
    /// among them list, as far as it is in the store.
    pub(super) fn manifests(
        &self,
        shelf: &Shelf,
    ) -> Result<Vec<(Descriptor, Arc<Links>)>, StoreError> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<Descriptor> = shelf.roots().cloned().collect();
        while let Some(next) = waiting.pop() {
            if !seen.insert(next.digest.clone()) {
                continue;
            }
            let Some(links) = self.links(&next)? else {
                continue;
            };
            waiting.extend(links.children().iter().cloned());
            found.push((next, links));
        }
        Ok(found)
    }

    /// The manifest of this version, if the repository has it.
    pub(super) fn find(
        &self,
        shelf: &Shelf,
        version: &Version,
    ) -> Result<Option<Descriptor>, StoreError> {
        match version {
            Version::Tag(tag) => Ok(shelf.tags.get(tag).cloned()),
            Version::Digest(digest) => {
                if let Some(root) = shelf.roots().find(|root| root.digest == *digest) {
                    return Ok(Some(root.clone()));
                }
                let manifests = self.manifests(shelf)?.into_iter();
                let mut found = manifests.map(|(descriptor, _)| descriptor);
                Ok(found.find(|descriptor| descriptor.digest == *digest))
            }
        }
    }

    /// The blob's size in bytes, if it belongs to the repository.
    pub(super) fn blob_in(&self, name: &Name, digest: &Digest) -> Result<Option<u64>, StoreError> {
        // Nothing that is not in the store is in a repository, and that is the cheaper question.
        let Some(size) = self.store.size(digest)? else {
            return Ok(None);
        };
        if self.uploads.is_pending(&name.kept, digest) {
            return Ok(Some(size));
        }
        let shelf = self.shelf(name)?.unwrap_or_default();
        Ok(self.naming(&shelf, digest)?.map(|_| size))
    }

    /// A manifest of the repository that names the blob, or is it.
    pub(super) fn naming(
        &self,
        shelf: &Shelf,
        digest: &Digest,
    ) -> Result<Option<Digest>, StoreError> {
        let named = |(descriptor, links): &(Descriptor, Arc<Links>)| {
            descriptor.digest == *digest || links.blobs().any(|blob| blob.digest == *digest)
        };
        let mut manifests = self.manifests(shelf)?.into_iter();
        Ok(manifests
            .find(named)
            .map(|(descriptor, _)| descriptor.digest))
    }

    /// What a manifest names; `None` when it is not in the store, or no manifest that is known.
    fn links(&self, descriptor: &Descriptor) -> Result<Option<Arc<Links>>, StoreError> {
        let known = || self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known =
            media::is_manifest(&descriptor.media_type) || media::is_index(&descriptor.media_type);
        match self.store.size(&descriptor.digest)? {
            Some(size) if is_known && size <= MOST_IN_MEMORY => {}
            _ => return Ok(None),
        }
        if let Some(links) = known().get(&descriptor.digest) {
            return Ok(Some(Arc::clone(links)));
        }
        let bytes = self.store.read(&descriptor.digest)?;
        let Ok(links) = serde_json::from_slice(&bytes).map(Arc::new) else {
            return Ok(None);
        };
        let mut known = known();
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(descriptor.digest.clone(), Arc::clone(&links));
        Ok(Some(links))
    }
}

//! Which blobs are still needed, and taking away those that are not.
//!
//! A blob is needed when a tag leads to it: from an index to its manifests, from a manifest to
//! its config and layers. Who writes blobs that no tag leads to yet [holds](BlobStore::hold) the
//! store, and a collection only begins when nobody does.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::{BlobStore, Hold, Store, StoreError};
use crate::digest::Digest;
use crate::spec::{Descriptor, Index, Manifest, media};

/// What a collection took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The blobs, in order.
    pub blobs: Vec<Digest>,
    /// Their sizes together, in bytes.
    pub bytes: u64,
}

/// Removes every blob that neither a tag nor one of `roots` leads to. `None` when somebody holds
/// the store, so that nothing was removed.
///
/// When a manifest that is needed cannot be read, nothing is removed: what it needs is unknown.
pub fn collect(store: &dyn Store, roots: &[Descriptor]) -> Result<Option<Collected>, StoreError> {
    let Some(alone) = store.alone()? else {
        return Ok(None);
    };
    collect_alone(store, roots, &alone).map(Some)
}

/// As [`collect`], for somebody who is alone already and stays so: to take away first the blobs,
/// and then what was made of them.
pub fn collect_alone(
    store: &dyn Store,
    roots: &[Descriptor],
    _alone: &Hold,
) -> Result<Collected, StoreError> {
    remove(store, unreachable(store, roots)?)
}

/// Removes those of `candidates` that no tag leads to, if nobody holds the store. What somebody
/// who failed half-way cleans up with.
pub(super) fn forget(store: &dyn Store, candidates: &BTreeSet<Digest>) -> Result<(), StoreError> {
    if let Some(_alone) = store.alone()? {
        let mut blobs = unreachable(store, &[])?;
        blobs.retain(|(digest, _)| candidates.contains(digest));
        remove(store, blobs)?;
    }
    Ok(())
}

/// Every blob that neither a tag nor one of `roots` leads to, with its size in bytes, in order.
pub fn unreachable(
    store: &dyn Store,
    roots: &[Descriptor],
) -> Result<Vec<(Digest, u64)>, StoreError> {
    let tags = store.tags()?.into_iter().map(|(_, target)| target);
    let needed = reachable(store, tags.chain(roots.iter().cloned()))?;
    let mut blobs = store.blobs()?;
    blobs.retain(|(digest, _)| !needed.contains(digest));
    Ok(blobs)
}

/// Every blob in the store that `roots` lead to, the roots themselves included.
///
/// What an index names need not be here: of an image for many platforms, most people have one.
pub fn reachable(
    store: &(impl BlobStore + ?Sized),
    roots: impl IntoIterator<Item = Descriptor>,
) -> Result<BTreeSet<Digest>, StoreError> {
    let mut needed = BTreeSet::new();
    // One image may call a blob a file that another one rightly calls a manifest, and must not
    // take away what that leads to.
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<Descriptor> = roots.into_iter().collect();
    while let Some(next) = waiting.pop() {
        let key = (next.digest.clone(), next.media_type.clone());
        if store.size(&next.digest)?.is_none() || !seen.insert(key) {
            continue;
        }
        if media::is_index(&next.media_type) {
            waiting.extend(document::<Index>(store, &next)?.manifests);
        } else if media::is_manifest(&next.media_type) {
            let manifest: Manifest = document(store, &next)?;
            // Whatever they call themselves: a config and a layer lead nowhere.
            for leaf in [manifest.config].into_iter().chain(manifest.layers) {
                if store.size(&leaf.digest)?.is_some() {
                    needed.insert(leaf.digest);
                }
            }
        }
        needed.insert(next.digest);
    }
    Ok(needed)
}

fn document<T: DeserializeOwned>(
    store: &(impl BlobStore + ?Sized),
    descriptor: &Descriptor,
) -> Result<T, StoreError> {
    let bytes = store.read(&descriptor.digest)?;
    serde_json::from_slice(&bytes).map_err(|e| StoreError::Damaged {
        what: format!("{} {}", descriptor.media_type, descriptor.digest),
        reason: e.to_string(),
    })
}

fn remove(store: &dyn Store, blobs: Vec<(Digest, u64)>) -> Result<Collected, StoreError> {
    let mut collected = Collected::default();
    for (digest, size) in blobs {
        store.delete(&digest)?;
        collected.bytes += size;
        collected.blobs.push(digest);
    }
    Ok(collected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Document;
    use crate::store::TagStore;
    use crate::store::memory::MemoryStore;

    /// Keeps an image whose blobs are all made of `name`, and says where its manifest is.
    fn image(store: &MemoryStore, name: &str) -> Descriptor {
        let blob = |media_type, content: String| {
            let digest = store.put(content.as_bytes()).unwrap();
            Descriptor::new(media_type, digest, content.len() as u64)
        };
        let config = blob(media::CONFIG, format!("config of {name}"));
        let layers = vec![
            blob(media::LAYER, format!("layer of {name}")),
            blob(media::LAYER, "a layer that all share".to_owned()),
        ];
        let manifest = Document::write(Manifest::new(config, layers)).unwrap();
        store.put(manifest.bytes()).unwrap();
        manifest.descriptor(media::MANIFEST)
    }

    #[test]
    fn what_no_tag_leads_to_is_collected_and_nothing_else() {
        let store = MemoryStore::new();
        let (a, b, c) = (image(&store, "a"), image(&store, "b"), image(&store, "c"));
        store.tag("x:a", &a).unwrap();
        // An index leads to what it names, even if half of that is elsewhere.
        let elsewhere = Descriptor::new(media::MANIFEST, Digest::of(b"elsewhere"), 9);
        let index = Document::write(Index::new(vec![elsewhere, b])).unwrap();
        store.put(index.bytes()).unwrap();
        let index = index.descriptor(media::INDEX);
        store.tag("x:b", &index).unwrap();
        let stray = store.put(b"stray").unwrap();
        let count = store.blobs().unwrap().len();

        let unneeded = unreachable(&store, std::slice::from_ref(&c)).unwrap();
        assert_eq!(unneeded, [(stray.clone(), 5)]);
        let collected = collect(&store, &[c]).unwrap().unwrap();
        assert_eq!((collected.blobs, collected.bytes), (vec![stray], 5));
        // Without the root, all of c but what it shares: manifest, config, one layer.
        let collected = collect(&store, &[]).unwrap().unwrap();
        assert_eq!(collected.blobs.len(), 3);
        assert_eq!(store.blobs().unwrap().len(), count - 4);
        store.untag("x:a").unwrap();
        store.untag("x:b").unwrap();
        collect(&store, &[]).unwrap().unwrap();
        assert_eq!(store.blobs().unwrap(), []);
    }

    #[test]
    fn an_image_cannot_take_away_what_another_one_needs() {
        let store = MemoryStore::new();
        let honest = image(&store, "honest");
        store.tag("x:honest", &honest).unwrap();
        let count = store.blobs().unwrap().len();
        // Neither as something that leads nowhere in an index, nor as a layer.
        let as_text = Descriptor::new("text/plain", honest.digest.clone(), honest.size);
        let index = Document::write(Index::new(vec![as_text])).unwrap();
        store.put(index.bytes()).unwrap();
        let index = index.descriptor(media::INDEX);
        store.tag("x:index", &index).unwrap();
        let as_layer = Descriptor::new(media::LAYER, honest.digest.clone(), honest.size);
        let as_index = Descriptor::new(media::INDEX, honest.digest, honest.size);
        let manifest = Document::write(Manifest::new(as_index, vec![as_layer])).unwrap();
        store.put(manifest.bytes()).unwrap();
        let manifest = manifest.descriptor(media::MANIFEST);
        for name in ["a:first", "x:manifest", "z:last"] {
            store.tag(name, &manifest).unwrap();
            collect(&store, &[]).unwrap().unwrap();
            assert_eq!(store.blobs().unwrap().len(), count + 2, "{name}");
        }
    }

    #[test]
    fn nothing_is_collected_while_somebody_holds_the_store() {
        let store = MemoryStore::new();
        store.put(b"stray").unwrap();
        let hold = store.hold().unwrap();
        assert_eq!(collect(&store, &[]).unwrap(), None);
        drop(hold);
        assert_eq!(collect(&store, &[]).unwrap().unwrap().bytes, 5);
    }

    #[test]
    fn nothing_is_collected_when_a_manifest_cannot_be_read() {
        let store = MemoryStore::new();
        store.put(b"stray").unwrap();
        let digest = store.put(b"not a manifest").unwrap();
        let target = Descriptor::new(media::MANIFEST, digest.clone(), 14);
        store.tag("x:a", &target).unwrap();
        let error = collect(&store, &[]).unwrap_err().to_string();
        assert!(error.contains(digest.as_str()), "{error}");
        assert_eq!(store.blobs().unwrap().len(), 2);
    }
}

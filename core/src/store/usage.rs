//! Who needs how many of the store's bytes: shared and unique sizes that add up.

use std::collections::BTreeMap;

use super::{Store, StoreError, gc};
use crate::digest::Digest;
use crate::spec::Descriptor;

/// How the bytes of all blobs are divided among those who need them.
///
/// Each blob is counted once: with the one who alone needs it, or as shared, or as loose. So
/// the unique sizes, the shared and the loose bytes together are the size of the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// What each of those who were asked about needs, in their order.
    pub parts: Vec<Part>,
    /// The bytes of all blobs that more than one of them needs, each blob once.
    pub shared: u64,
    /// The bytes of all blobs that none of them needs.
    pub loose: u64,
}

/// What one image, or whoever else needs blobs, needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Part {
    /// The bytes of blobs that others need, too.
    pub shared: u64,
    /// The bytes of blobs that nobody else needs: what is freed when it goes.
    pub unique: u64,
}

/// Divides the bytes of all blobs among `owners`, each of which needs what its descriptors lead
/// to.
pub fn usage(store: &dyn Store, owners: &[Vec<Descriptor>]) -> Result<Usage, StoreError> {
    let mut needed_by: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    for (number, roots) in owners.iter().enumerate() {
        for digest in gc::reachable(store, roots.iter().cloned())? {
            needed_by.entry(digest).or_default().push(number);
        }
    }
    let mut usage = Usage {
        parts: vec![Part::default(); owners.len()],
        ..Usage::default()
    };
    for (digest, size) in store.blobs()? {
        match needed_by.get(&digest).map_or(&[][..], Vec::as_slice) {
            [] => usage.loose += size,
            [one] => usage.parts[*one].unique += size,
            several => {
                usage.shared += size;
                for number in several {
                    usage.parts[*number].shared += size;
                }
            }
        }
    }
    Ok(usage)
}

impl Usage {
    /// The bytes of all blobs together.
    pub fn total(&self) -> u64 {
        let unique: u64 = self.parts.iter().map(|part| part.unique).sum();
        unique + self.shared + self.loose
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::{Document, Manifest, media};
    use crate::store::BlobStore as _;
    use crate::store::memory::MemoryStore;

    /// An image of these layers; each letter is a layer of its own size.
    fn image(store: &MemoryStore, layers: &str) -> Vec<Descriptor> {
        let blob = |letter: char| {
            let content = letter
                .to_string()
                .repeat(letter as usize - 'a' as usize + 1);
            let digest = store.put(content.as_bytes()).unwrap();
            Descriptor::new(media::LAYER, digest, content.len() as u64)
        };
        let config = store.put(b"").unwrap();
        let config = Descriptor::new(media::CONFIG, config, 0);
        let manifest = Manifest::new(config, layers.chars().map(blob).collect());
        let manifest = Document::write(manifest).unwrap();
        store.put(manifest.bytes()).unwrap();
        vec![manifest.descriptor(media::MANIFEST)]
    }

    #[test]
    fn each_blob_is_counted_once() {
        let store = MemoryStore::new();
        let images = [image(&store, "ab"), image(&store, "ac")];
        store.put(b"loose").unwrap();
        let usage = usage(&store, &images).unwrap();
        let manifest = |number: usize| images[number][0].size;
        assert_eq!((usage.shared, usage.loose), (1, 5));
        assert_eq!(usage.parts[0].shared, 1);
        assert_eq!(usage.parts[0].unique, manifest(0) + 2);
        assert_eq!(usage.parts[1].unique, manifest(1) + 3);
    }

    proptest! {
        #[test]
        fn the_parts_add_up(stacks in prop::collection::vec("[a-f]{0,5}", 0..6), loose in 0..9_usize) {
            let store = MemoryStore::new();
            let images: Vec<_> = stacks.iter().map(|stack| image(&store, stack)).collect();
            store.put(&vec![7; loose]).unwrap();
            let usage = usage(&store, &images).unwrap();
            let on_disk: u64 = store.blobs().unwrap().iter().map(|(_, size)| size).sum();
            prop_assert_eq!(usage.total(), on_disk);
            // What is unique is what is freed: everything else is needed by the others.
            for number in 0..images.len() {
                let mut others = images.concat();
                others.remove(number);
                let freed: u64 = gc::unreachable(&store, &others).unwrap().iter().map(|(_, size)| size).sum();
                let twins = images.iter().filter(|image| **image == images[number]).count();
                prop_assert_eq!(usage.parts[number].unique, if twins > 1 { 0 } else { freed - usage.loose });
            }
        }
    }
}

//! Every stack of layers that a tag leads to, for whatever platform.

use std::collections::BTreeSet;

use super::ImageError;
use super::chain_ids;
use super::open::document;
use crate::digest::ChainId;
use crate::spec::{Descriptor, ImageConfig, Index, Manifest, media};
use crate::store::BlobStore;

/// The chain ID of every layer of every image that `target` leads to and that is in the store,
/// also of those for other platforms.
pub fn all_chains(
    store: &(impl BlobStore + ?Sized),
    target: &Descriptor,
) -> Result<BTreeSet<ChainId>, ImageError> {
    let mut chains = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![target.clone()];
    while let Some(next) = waiting.pop() {
        if store.size(&next.digest)?.is_none() || !seen.insert(next.digest.clone()) {
            continue;
        }
        if media::is_index(&next.media_type) {
            let index = document::<Index>(store, &next, "index")?;
            waiting.extend(index.value.manifests);
            continue;
        }
        let config = document::<Manifest>(store, &next, "manifest")?.value.config;
        let is_image = [media::CONFIG, media::DOCKER_CONFIG].contains(&config.media_type.as_str());
        if is_image && store.size(&config.digest)?.is_some() {
            let config = document::<ImageConfig>(store, &config, "image config")?;
            chains.extend(chain_ids(&config.value.rootfs.diff_ids));
        }
    }
    Ok(chains)
}

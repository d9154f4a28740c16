//! Taking away what nothing needs any more: blobs that no tag and no build remembers, and
//! unpacked layers that no image has.

use std::collections::BTreeSet;

use coracle::build::cache_directory::CacheDirectory;
use coracle::digest::ChainId;
use coracle::event;
use coracle::image;
use coracle::linux::containers::Container;
use coracle::linux::snapshot::Snapshots;
use coracle::linux::userns;
use coracle::spec::Descriptor;
use coracle::store::{Store, gc};

use crate::containers;
use crate::context::Context;
use crate::failure::Failure;

/// To be called before anything that ends with [`collect`]: unpacked files belong to users whom
/// only a user namespace has, so an ordinary user must be in one.
pub(crate) fn enter(context: &Context) -> Result<(), Failure> {
    if context.root.join("snapshots").is_dir() {
        userns::reenter(&mut event::ignore)?;
    }
    Ok(())
}

/// Removes what is no longer needed. Returns the bytes of blobs and unpacked files together;
/// `None` when the store is in use, so that nothing was removed.
pub(crate) fn collect(store: &dyn Store, context: &Context) -> Result<Option<u64>, Failure> {
    // Nobody builds, loads or starts a container until the last snapshot is gone.
    let Some(alone) = store.alone()? else {
        return Ok(None);
    };
    let collected = gc::collect_alone(store, &roots(context)?, &alone)?;
    Ok(Some(collected.bytes + remove_snapshots(store, context)?))
}

/// What keeps blobs beside the tags: the build cache and the containers.
pub(crate) fn roots(context: &Context) -> Result<Vec<Descriptor>, Failure> {
    let mut roots = cache_roots(context)?;
    // A container keeps its image's layers, also when the image has lost its name.
    let containers = containers::all(context)?;
    roots.extend(containers.iter().map(|c| c.record.manifest.clone()));
    Ok(roots)
}

/// What build steps made is kept as long as the cache remembers the steps.
pub(crate) fn cache_roots(context: &Context) -> Result<Vec<Descriptor>, Failure> {
    let steps = match cache(context)? {
        Some(cache) => cache.steps()?,
        None => Vec::new(),
    };
    Ok(steps.into_iter().map(|(_, step)| step.layer.blob).collect())
}

/// The build cache, if there is one.
pub(crate) fn cache(context: &Context) -> Result<Option<CacheDirectory>, Failure> {
    let path = context.root.join("cache");
    if !path.is_dir() {
        return Ok(None);
    }
    Ok(Some(CacheDirectory::open(path)?))
}

/// The chains of all images, also of those for other platforms.
pub(crate) fn chains(store: &dyn Store) -> Result<BTreeSet<ChainId>, Failure> {
    let mut chains = BTreeSet::new();
    for (_, target) in store.tags()? {
        chains.extend(image::all_chains(store, &target)?);
    }
    Ok(chains)
}

/// A snapshot can always be made again from its layers, so only those of images are kept, and
/// those that a container stands on.
fn remove_snapshots(store: &dyn Store, context: &Context) -> Result<u64, Failure> {
    if !context.root.join("snapshots").is_dir() {
        return Ok(0);
    }
    let needed = chains(store)?;
    let containers = containers::all(context)?;
    let stood_on: BTreeSet<ChainId> = containers.iter().flat_map(Container::chains).collect();
    let snapshots = Snapshots::open(&context.root, &|name| std::env::var(name).ok())?;
    let mut usage = snapshots.usage()?;
    usage.retain(|(chain, _)| !needed.contains(chain) && !stood_on.contains(chain));
    let (chains, sizes): (Vec<_>, Vec<_>) = usage.into_iter().unzip();
    snapshots.remove(&chains)?;
    Ok(sizes.into_iter().sum())
}

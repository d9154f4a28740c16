//! Taking away what nothing needs any more: blobs that no tag and no build remembers, and
//! unpacked layers that no image has.

use std::collections::BTreeSet;

use coracle::build::cache_directory::CacheDirectory;
use coracle::digest::ChainId;
use coracle::event;
use coracle::linux::containers;
use coracle::linux::snapshot::Snapshots;
use coracle::linux::userns;
use coracle::store::{Store, gc};

use crate::commands::run;
use crate::context::Context;
use crate::failure::Failure;
use crate::names;

/// To be called before anything that ends with [`collect`]: unpacked files belong to users whom
/// only a user namespace has, so an ordinary user must be in one.
pub(crate) fn enter(context: &Context) -> Result<(), Failure> {
    if context.root.join("snapshots").is_dir() {
        userns::reenter(&mut event::ignore)?;
    }
    Ok(())
}

/// The IDs of the images whose containers run, each with its container's ID.
pub(crate) fn in_use(context: &Context) -> Result<Vec<(String, String)>, Failure> {
    let directory = context.root.join("containers");
    containers::sweep(&directory)
        .map_err(|e| Failure::io(format!("clean up {}", directory.display()), &e))?;
    let running = run::running(&directory, run::IMAGE_FILE);
    Ok(running
        .into_iter()
        .map(|(container, image)| (image, container))
        .collect())
}

/// Removes what is no longer needed. Returns the bytes of blobs and unpacked files together;
/// `None` when the store is in use, so that nothing was removed.
pub(crate) fn collect(store: &dyn Store, context: &Context) -> Result<Option<u64>, Failure> {
    let mut roots = Vec::new();
    let cache = context.root.join("cache");
    if cache.is_dir() {
        // What a build step made is kept as long as the cache remembers the step.
        let entries = CacheDirectory::open(cache)?.entries()?;
        roots.extend(entries.into_iter().map(|entry| entry.layer.blob));
    }
    let Some(collected) = gc::collect(store, &roots)? else {
        return Ok(None);
    };
    Ok(Some(collected.bytes + remove_snapshots(store, context)?))
}

/// A snapshot can always be made again from its layers, so only those of images are kept.
fn remove_snapshots(store: &dyn Store, context: &Context) -> Result<u64, Failure> {
    if !context.root.join("snapshots").is_dir() {
        return Ok(0);
    }
    let images = names::all(store, &context.platform, &mut |_, _| ())?;
    let needed: BTreeSet<ChainId> = images
        .iter()
        .flat_map(|named| named.image.chain_ids())
        .collect();
    let snapshots = Snapshots::open(&context.root, &|name| std::env::var(name).ok())?;
    let mut usage = snapshots.usage()?;
    usage.retain(|(chain, _)| !needed.contains(chain));
    let (chains, sizes): (Vec<_>, Vec<_>) = usage.into_iter().unzip();
    snapshots.remove(&chains)?;
    Ok(sizes.into_iter().sum())
}

//! `coracle system prune`: everything that nothing needs any more, at once.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use coracle::digest::Digest;
use coracle::linux::snapshot::disk_usage;
use coracle::reference::Reference;
use coracle::store::{Store, gc};
use serde_json::json;

use super::container_prune;
use super::prune::{agreed, in_use};
use crate::collect;
use crate::containers;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output::format::{self, Format, FormatOption};
use crate::output::{self, human};

/// Remove unused data
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle system prune
  coracle system prune --all --force

Removed are: containers that do not run; images that have lost their tag, with --all every
image that no container uses; build steps whose layers no image has, with --all the
whole build cache; blobs and unpacked layers that nothing needs after that. Nothing is
removed while a build, a load or a run is under way.

Fields of --format json: ContainersDeleted (their IDs), ImagesDeleted (objects with Untagged
or Deleted), CachesDeleted, SpaceReclaimed (bytes).

Chapter 04-image of the book explains which blobs may go."
)]
pub(crate) struct Options {
    /// Remove all unused images and the whole build cache, not just dangling ones
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Removes everything that may go.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let what = if options.all {
        "all containers that do not run, all images that no container uses, and the whole build cache"
    } else {
        "all containers that do not run, all images without a tag, and unused build cache"
    };
    if !options.force && !agreed(what)? {
        return Ok(0);
    }
    collect::enter(context)?;
    let store = context.store()?;
    // A build that is under way needs what its steps made; it is asked before anything is gone.
    drop(store.alone()?.ok_or_else(in_use)?);
    let before = files(context)?;
    let containers = container_prune::remove_stopped(context)?;
    let images = remove_images(&*store, context, options.all)?;
    let steps = remove_steps(&*store, context, options.all)?;
    let blobs = collect::collect(&*store, context)?.ok_or_else(in_use)?;
    let reclaimed = blobs + before.saturating_sub(files(context)?);
    let document = json!({
        "ContainersDeleted": containers,
        "ImagesDeleted": images.iter().map(|(verb, what)| json!({*verb: what})).collect::<Vec<_>>(),
        "CachesDeleted": steps,
        "SpaceReclaimed": reclaimed,
    });
    let text = format::document(&document, &format, || {
        let mut said = String::new();
        if !containers.is_empty() {
            let _ = writeln!(said, "Deleted Containers:\n{}\n", containers.join("\n"));
        }
        if !images.is_empty() {
            said.push_str("Deleted Images:\n");
        }
        for (verb, what) in &images {
            let _ = writeln!(said, "{}: {what}", verb.to_lowercase());
        }
        if !steps.is_empty() {
            said.push_str("\nDeleted build cache objects:\n");
        }
        for step in &steps {
            let _ = writeln!(said, "{}", step.short());
        }
        let gap = if said.is_empty() { "" } else { "\n" };
        let _ = writeln!(
            said,
            "{gap}Total reclaimed space: {}",
            human::size(reclaimed, 4)
        );
        said
    })?;
    output::print(&text)?;
    Ok(0)
}

/// Takes the tags of unused images away. Says `Untagged` or `Deleted` of each, as Docker does.
pub(super) fn remove_images(
    store: &dyn Store,
    context: &Context,
    all: bool,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let containers = containers::all(context)?;
    let mut said = Vec::new();
    for named in names::all(store, &context.platform, &mut |_, _| ())? {
        let id = named.image.id();
        let used = containers.iter().any(|c| c.record.image == *id);
        if used || (!all && !named.references.is_empty()) {
            continue;
        }
        for reference in &named.references {
            store.untag(&reference.canonical())?;
            said.push(("Untagged", Reference::familiar(reference)));
        }
        store.untag(named.target.digest.as_str())?;
        said.push(("Deleted", id.to_string()));
    }
    Ok(said)
}

/// Forgets build steps: those whose layers no image has, or all of them with everything else
/// that the cache keeps.
fn remove_steps(store: &dyn Store, context: &Context, all: bool) -> Result<Vec<Digest>, Failure> {
    let Some(cache) = collect::cache(context)? else {
        return Ok(Vec::new());
    };
    let tags = store.tags()?.into_iter().map(|(_, target)| target);
    let needed: BTreeSet<Digest> = gc::reachable(store, tags)?;
    let mut forgotten = Vec::new();
    for (key, step) in cache.steps()? {
        if all || !needed.contains(&step.layer.blob.digest) {
            cache.forget(&key)?;
            forgotten.push(key.0);
        }
    }
    if all {
        let directory = context.root.join("cache");
        fs::remove_dir_all(&directory)
            .map_err(|e| Failure::io(format!("remove {}", directory.display()), &e))?;
    }
    Ok(forgotten)
}

/// The bytes of files that are neither blobs nor snapshots.
pub(super) fn files(context: &Context) -> Result<u64, Failure> {
    let mut bytes = 0;
    for name in ["containers", "cache"] {
        let path = context.root.join(name);
        if path.is_dir() {
            bytes += disk_usage(&path)?;
        }
    }
    Ok(bytes)
}

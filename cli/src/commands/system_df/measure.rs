//! What there is below the state root, how large it is, and who needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use coracle::build::cache::Entry;
use coracle::build::key::CacheKey;
use coracle::digest::{ChainId, Digest};
use coracle::image::all_chains;
use coracle::linux::cache_mounts;
use coracle::linux::containers as engine;
use coracle::linux::snapshot::{disk_usage, inventory};
use coracle::spec::Descriptor;
use coracle::store::usage::{Part, usage};
use coracle::store::{Store, gc};

use crate::collect;
use crate::context::Context;
use crate::failure::Failure;
use crate::names::{self, Named};
use crate::output;

/// Everything that takes room.
pub(super) struct Measured {
    pub(super) images: Vec<Image>,
    pub(super) containers: Vec<Container>,
    pub(super) steps: Vec<Step>,
    pub(super) mounts: Vec<Mount>,
    pub(super) snapshots: Vec<Snapshot>,
    /// Blobs that several images need, or an image and the build cache.
    pub(super) shared: u64,
    /// Blobs that images need whose containers run.
    pub(super) active: u64,
    /// Blobs that only steps of the build cache need.
    pub(super) cache_blobs: u64,
    /// The build cache's own files.
    pub(super) cache_files: u64,
    /// Blobs that only containers need, because their images have lost their names.
    pub(super) kept: u64,
    /// Blobs that nobody needs: how many, and their bytes.
    pub(super) loose: (usize, u64),
}

/// An image.
pub(super) struct Image {
    pub(super) named: Named,
    pub(super) part: Part,
    /// How many of its containers run.
    pub(super) containers: usize,
}

/// The directory of a container.
pub(super) struct Container {
    pub(super) id: String,
    /// The image's ID; empty when the container died before it was written down.
    pub(super) image: String,
    pub(super) runs: bool,
    pub(super) bytes: u64,
    /// What keeps its image's blobs.
    manifest: Option<Descriptor>,
    /// What it stands on.
    chains: BTreeSet<ChainId>,
}

/// A step of the build cache.
pub(super) struct Step {
    pub(super) key: Digest,
    pub(super) layer: Digest,
    pub(super) bytes: u64,
    /// Whether an image has the layer, too.
    pub(super) shared: bool,
    /// When it was made or found last, in seconds since 1970.
    pub(super) used: i64,
}

/// A directory of `RUN --mount=type=cache`.
pub(super) struct Mount {
    pub(super) id: String,
    pub(super) bytes: u64,
    /// When a step took it last, in seconds since 1970.
    pub(super) used: i64,
}

/// An unpacked layer.
pub(super) struct Snapshot {
    pub(super) chain: ChainId,
    pub(super) bytes: u64,
    /// The images that have it.
    pub(super) images: Vec<String>,
    /// The IDs of the containers that stand on it, running or not.
    pub(super) containers: Vec<String>,
    /// Whether one of them runs.
    pub(super) active: bool,
}

impl Measured {
    pub(super) fn take(store: &dyn Store, context: &Context) -> Result<Self, Failure> {
        let containers = containers(&context.root.join("containers"))?;
        let named = names::all(store, &context.platform, &mut |name, error| {
            output::note(&format!("coracle: the image {name} is damaged: {error}\n"));
        })?;
        let users = |named: &Named| {
            let id = named.image.id().as_str();
            containers
                .iter()
                .filter(|c| c.runs && c.image == id)
                .count()
        };
        let targets = |wanted: &dyn Fn(&Named) -> bool| -> Vec<Descriptor> {
            let named = named.iter().filter(|n| wanted(n));
            named.map(|n| n.target.clone()).collect()
        };
        let cache = collect::cache_roots(context)?;
        let mut owners: Vec<_> = named.iter().map(|n| vec![n.target.clone()]).collect();
        owners.push(cache);
        let nameless = containers.iter().filter(|c| {
            let has_it = |n: &Named| n.image.id().as_str() == c.image;
            !named.iter().any(has_it)
        });
        owners.push(nameless.filter_map(|c| c.manifest.clone()).collect());
        let divided = usage(store, &owners)?;
        let active = usage(store, &[targets(&|n| users(n) > 0)])?;
        let needed = gc::reachable(store, targets(&|_| true))?;
        let cache_files = context.root.join("cache");
        Ok(Self {
            steps: steps(context, &needed)?,
            mounts: mounts(context)?,
            snapshots: snapshots(store, context, &named, &containers)?,
            shared: divided.shared,
            active: active.parts[0].unique,
            cache_blobs: divided.parts[named.len()].unique,
            kept: divided.parts[named.len() + 1].unique,
            cache_files: if cache_files.is_dir() {
                disk_usage(&cache_files)?
            } else {
                0
            },
            loose: (loose_count(store, &owners)?, divided.loose),
            images: named
                .into_iter()
                .zip(divided.parts)
                .map(|(named, part)| Image {
                    containers: users(&named),
                    named,
                    part,
                })
                .collect(),
            containers,
        })
    }

    /// The blobs that images need.
    pub(super) fn image_bytes(&self) -> u64 {
        let unique: u64 = self.images.iter().map(|image| image.part.unique).sum();
        unique + self.shared
    }
}

/// The directories of containers, and whether each is alive: then somebody has locked it.
fn containers(directory: &Path) -> Result<Vec<Container>, Failure> {
    let mut containers = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let runs = File::open(&path).is_ok_and(|d| d.try_lock_shared().is_err());
        // One that cannot be read takes room like the others.
        let container = engine::Container::read(&path).ok().flatten();
        let record = container.as_ref().map(|c| &c.record);
        containers.push(Container {
            id: entry.file_name().to_string_lossy().into_owned(),
            image: record.map(|r| r.image.to_string()).unwrap_or_default(),
            runs,
            bytes: disk_usage(&path)?,
            manifest: record.map(|r| r.manifest.clone()),
            chains: container
                .iter()
                .flat_map(engine::Container::chains)
                .collect(),
        });
    }
    containers.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(containers)
}

fn steps(context: &Context, needed: &BTreeSet<Digest>) -> Result<Vec<Step>, Failure> {
    let steps = match collect::cache(context)? {
        Some(cache) => cache.by_use()?,
        None => Vec::new(),
    };
    let step = |(used, key, entry): (SystemTime, CacheKey, Entry)| {
        let blob = entry.layer.blob;
        Step {
            key: key.0,
            shared: needed.contains(&blob.digest),
            bytes: blob.size,
            layer: blob.digest,
            used: seconds(used),
        }
    };
    Ok(steps.into_iter().map(step).collect())
}

fn mounts(context: &Context) -> Result<Vec<Mount>, Failure> {
    let directory = context.root.join("cache/mounts");
    let kept = cache_mounts::kept(&directory)
        .map_err(|e| Failure::io(format!("read {}", directory.display()), &e))?;
    let measured = kept.into_iter().map(|kept| {
        Ok(Mount {
            bytes: disk_usage(&kept.path)?,
            id: kept.id,
            used: seconds(kept.used),
        })
    });
    measured.collect()
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

fn snapshots(
    store: &dyn Store,
    context: &Context,
    images: &[Named],
    containers: &[Container],
) -> Result<Vec<Snapshot>, Failure> {
    let mut known: BTreeMap<ChainId, Vec<&Named>> = BTreeMap::new();
    for named in images {
        for chain in all_chains(store, &named.target)? {
            known.entry(chain).or_default().push(named);
        }
    }
    let mut snapshots = Vec::new();
    for kept in inventory(&context.root)? {
        let images = known.get(&kept.chain).map_or(&[][..], Vec::as_slice);
        let stands = |c: &&Container| c.chains.contains(&kept.chain);
        snapshots.push(Snapshot {
            bytes: disk_usage(&kept.path)?,
            images: images.iter().map(|named| named.call()).collect(),
            containers: containers
                .iter()
                .filter(stands)
                .map(|c| c.id.clone())
                .collect(),
            active: containers.iter().filter(stands).any(|c| c.runs),
            chain: kept.chain,
        });
    }
    Ok(snapshots)
}

/// How many blobs nobody needs.
fn loose_count(store: &dyn Store, owners: &[Vec<Descriptor>]) -> Result<usize, Failure> {
    let needed = gc::reachable(store, owners.iter().flatten().cloned())?;
    let blobs = store.blobs()?;
    let loose = blobs.iter().filter(|(digest, _)| !needed.contains(digest));
    Ok(loose.count())
}

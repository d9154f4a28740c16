//! `coracle builder prune`: the build cache within bounds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use coracle::build::key::CacheKey;
use coracle::digest::Digest;
use coracle::dockerfile::values;
use coracle::linux::cache_mounts::{self, Kept};
use coracle::linux::snapshot::disk_usage;
use coracle::store::{Store, gc};

use super::prune::{agreed, in_use};
use super::system_prune::files;
use crate::collect;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{self, human};

/// Remove build cache
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle builder prune
  coracle builder prune --force --keep-storage 2g
  coracle builder prune --filter until=48h

Without options every build step is forgotten with the layers that no image has, and the
directories of RUN --mount=type=cache are removed; the next build runs every step again.
With --filter until=TIME only what was not used for so long, a duration such as 48h. With
--keep-storage the least recently used goes first, until what is left takes no more room
than that. What a build uses at the moment stays. `coracle system df -v` shows all of it.

Chapter 08-cache of the book explains what the cache remembers."
)]
pub(crate) struct Options {
    /// Remove all unused build cache, not just dangling ones
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Provide filter values (e.g. "until=24h")
    #[arg(long, value_name = "filter")]
    pub(crate) filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Amount of disk space to keep for cache
    #[arg(
        long,
        value_name = "bytes",
        visible_aliases = ["reserved-space", "max-used-space"]
    )]
    pub(crate) keep_storage: Option<String>,
}

/// Removes what of the cache is out of bounds, and what was kept for that only.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let bounds = Bounds::read(options)?;
    if !options.force && !agreed(bounds.what())? {
        return Ok(0);
    }
    collect::enter(context)?;
    let store = context.store()?;
    // A build that is under way needs what its steps made; it is asked before anything is gone.
    drop(store.alone()?.ok_or_else(in_use)?);
    let before = files(context)?;
    let mut said = String::new();
    for removed in bounds.choose(things(&*store, context)?) {
        let gone = match &removed.what {
            What::Step(key) => {
                if let Some(cache) = collect::cache(context)? {
                    cache.forget(key)?;
                }
                true
            }
            What::Mount(kept) => cache_mounts::remove(kept)
                .map_err(|e| Failure::io(format!("remove {}", kept.path.display()), &e))?,
        };
        if gone {
            let _ = writeln!(said, "{}", removed.what.call());
        }
    }
    if bounds.is_everything() {
        // What the last builds depended on is of no use without their steps, and what their
        // files held is found again.
        for name in ["cache/places", "cache/contexts"] {
            let path = context.root.join(name);
            if path.is_dir() {
                std::fs::remove_dir_all(&path)
                    .map_err(|e| Failure::io(format!("remove {}", path.display()), &e))?;
            }
        }
    }
    let blobs = collect::collect(&*store, context)?.ok_or_else(in_use)?;
    let bytes = blobs + before.saturating_sub(files(context)?);
    if !said.is_empty() {
        said.insert_str(0, "Deleted build cache objects:\n");
        said.push('\n');
    }
    let _ = writeln!(said, "Total reclaimed space: {}", human::size(bytes, 4));
    output::print(&said)?;
    Ok(0)
}

/// Something of the cache that takes room by itself.
#[derive(Debug, Clone)]
struct Thing {
    used: SystemTime,
    /// The blob that it keeps, and which no image keeps; several steps may keep one.
    blob: Option<Digest>,
    /// The bytes of that blob, or of the directory.
    bytes: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Step(CacheKey),
    Mount(Kept),
}

impl What {
    fn call(&self) -> String {
        match self {
            Self::Step(key) => key.0.short().to_owned(),
            Self::Mount(kept) => format!("the cache {}", kept.id),
        }
    }
}

/// What may stay.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bounds {
    /// Only what was not used for so long may go.
    unused_for: Option<Duration>,
    /// So many bytes may stay.
    keep: Option<u64>,
}

impl Bounds {
    fn read(options: &Options) -> Result<Self, Failure> {
        let mut bounds = Self::default();
        for filter in &options.filter {
            let wrong = |why: String| {
                Failure::new(format!("--filter {filter}: {why}"))
                    .hint("The filter here is until=TIME, a duration such as 24h or 90m.")
            };
            match filter.split_once('=') {
                Some(("until" | "unused-for", text)) => {
                    let time = values::duration(text).map_err(|e| wrong(e.to_string()))?;
                    bounds.unused_for = Some(time);
                }
                _ => return Err(wrong("there is no such filter".to_owned())),
            }
        }
        if let Some(text) = &options.keep_storage {
            let size = values::size(text)
                .map_err(|e| Failure::new(format!("--keep-storage {text}: {e}")))?;
            bounds.keep = Some(size);
        }
        Ok(bounds)
    }

    fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    fn what(&self) -> &'static str {
        if self.is_everything() {
            "the whole build cache"
        } else {
            "what of the build cache is out of these bounds"
        }
    }

    /// What has to go, of things that are sorted by their last use.
    fn choose(&self, things: Vec<Thing>) -> Vec<Thing> {
        let mut keepers: BTreeMap<Digest, usize> = BTreeMap::new();
        for blob in things.iter().filter_map(|thing| thing.blob.clone()) {
            *keepers.entry(blob).or_default() += 1;
        }
        let mut total: u64 = 0;
        let mut counted = std::collections::BTreeSet::new();
        for thing in &things {
            if thing
                .blob
                .as_ref()
                .is_none_or(|blob| counted.insert(blob.clone()))
            {
                total += thing.bytes;
            }
        }
        let now = SystemTime::now();
        let old = |thing: &Thing| {
            let age = now.duration_since(thing.used).unwrap_or_default();
            self.unused_for.is_none_or(|least| age >= least)
        };
        let mut chosen = Vec::new();
        for thing in things {
            if !old(&thing) || self.keep.is_some_and(|keep| total <= keep) {
                continue;
            }
            let last = thing.blob.as_ref().is_none_or(|blob| {
                let left = keepers.entry(blob.clone()).or_insert(1);
                *left -= 1;
                *left == 0
            });
            if last {
                total -= thing.bytes;
            }
            chosen.push(thing);
        }
        chosen
    }
}

/// Everything that the cache keeps, the least recently used first.
fn things(store: &dyn Store, context: &Context) -> Result<Vec<Thing>, Failure> {
    let tags = store.tags()?.into_iter().map(|(_, target)| target);
    let needed = gc::reachable(store, tags)?;
    let mut things = Vec::new();
    if let Some(cache) = collect::cache(context)? {
        for (used, key, entry) in cache.by_use()? {
            let blob = entry.layer.blob;
            let own = !needed.contains(&blob.digest);
            things.push(Thing {
                used,
                bytes: if own { blob.size } else { 0 },
                blob: own.then_some(blob.digest),
                what: What::Step(key),
            });
        }
    }
    let mounts = context.root.join("cache/mounts");
    let kept = cache_mounts::kept(&mounts)
        .map_err(|e| Failure::io(format!("read {}", mounts.display()), &e))?;
    for kept in kept {
        things.push(Thing {
            used: kept.used,
            blob: None,
            bytes: disk_usage(&kept.path)?,
            what: What::Mount(kept),
        });
    }
    things.sort_by_key(|thing| thing.used);
    Ok(things)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step whose layer begins with this letter, last used so many hours ago.
    fn step(letter: &str, bytes: u64, hours: u64) -> Thing {
        let blob = Digest::of(&letter.as_bytes()[..1]);
        Thing {
            used: SystemTime::now() - Duration::from_hours(hours),
            blob: Some(blob),
            bytes,
            what: What::Step(CacheKey(Digest::of(letter.as_bytes()))),
        }
    }

    #[test]
    fn the_oldest_go_first_until_the_rest_has_room() {
        // The second and the third step made the same layer.
        let things = [
            step("a", 10, 9),
            step("b", 20, 8),
            step("b2", 20, 2),
            step("c", 30, 1),
        ];
        let check = |unused_for: Option<u64>, keep: Option<u64>, expected: &[usize]| {
            let bounds = Bounds {
                unused_for: unused_for.map(Duration::from_hours),
                keep,
            };
            let chosen = bounds.choose(things.to_vec());
            let chosen: Vec<_> = chosen.iter().map(|thing| thing.what.call()).collect();
            let expected: Vec<_> = expected.iter().map(|n| things[*n].what.call()).collect();
            assert_eq!(chosen, expected, "{unused_for:?} {keep:?}");
        };
        check(None, None, &[0, 1, 2, 3]);
        check(None, Some(60), &[]);
        check(None, Some(50), &[0]);
        // Forgetting one of two steps with one layer frees nothing yet.
        check(None, Some(40), &[0, 1, 2]);
        check(None, Some(0), &[0, 1, 2, 3]);
        check(Some(5), None, &[0, 1]);
        check(Some(5), Some(50), &[0]);
        check(Some(100), Some(0), &[]);
    }
}

//! What a build step sees mounted, made real: files written down, caches found and locked.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::agent::Agent;
use super::cache_mounts::{at, cache_directory, directory};
use super::root::RootDir;
use super::unpack::write_tree;
use crate::build::executor::{CacheMount, CacheSharing, RunMount};
use crate::runtime::options::{Bind, Tmpfs};
use crate::tree::Tree;

/// The mounts of a step as a container takes them.
#[derive(Debug, Default)]
pub(super) struct StepMounts {
    pub(super) binds: Vec<Bind>,
    pub(super) tmpfs: Vec<Tmpfs>,
    /// Caches are in use as long as these live.
    locks: Vec<File>,
    /// Agents answer as long as these live.
    agents: Vec<Agent>,
}

impl StepMounts {
    /// Makes `mounts` real: their files below `place`, which goes away with the container,
    /// their caches below `caches`. `wait` is called again and again while somebody else has a
    /// cache, and may give up. The error is a sentence.
    pub(super) fn make(
        mounts: &[RunMount],
        place: &Path,
        caches: &Path,
        wait: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<Self, String> {
        let mut made = Self::default();
        let found = made.caches(mounts, caches, wait)?;
        for (number, mount) in mounts.iter().enumerate() {
            let spot = place.join(format!("mount-{number}"));
            match mount {
                RunMount::File {
                    target,
                    content,
                    mode,
                    uid,
                    gid,
                } => {
                    let write = || {
                        fs::write(&spot, content)?;
                        fs::set_permissions(&spot, Permissions::from_mode(*mode))?;
                        chown(&spot, Some(*uid), Some(*gid))
                    };
                    write().map_err(at("write", &spot))?;
                    made.bind(&spot, target, true);
                }
                RunMount::Files {
                    target,
                    tree,
                    read_only,
                } => {
                    directory(&spot, 0o700).map_err(at("create directory", &spot))?;
                    let root = RootDir::open(&spot).map_err(|e| e.to_string())?;
                    write_tree(tree, &root).map_err(|e| e.to_string())?;
                    made.bind(&spot.join("content"), target, *read_only);
                }
                RunMount::Agent {
                    target,
                    socket,
                    mode,
                    uid,
                    gid,
                } => {
                    let name = format!("mount-{number}");
                    let owner = (*mode, *uid, *gid);
                    let agent = Agent::serve(place, &name, socket, owner);
                    made.agents.push(agent.map_err(at("serve", &spot))?);
                    made.bind(&spot, target, false);
                }
                RunMount::Cache { target, cache, .. } => {
                    if let Some(path) = found.get(&cache.id) {
                        made.bind(path, target, cache.read_only);
                    }
                }
                RunMount::Tmpfs { target, size } => made.tmpfs.push(Tmpfs {
                    target: target.clone(),
                    options: size
                        .map(|size| format!("size={size}"))
                        .into_iter()
                        .collect(),
                }),
            }
        }
        Ok(made)
    }

    /// Finds the caches and locks them, always in the order of their IDs: of two steps that need
    /// the same two, each could otherwise hold what the other waits for. A cache that a step
    /// mounts twice is locked once, as strictly as either asks.
    fn caches(
        &mut self,
        mounts: &[RunMount],
        caches: &Path,
        wait: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<BTreeMap<String, PathBuf>, String> {
        let mut wanted: BTreeMap<&str, (CacheMount, Option<&Tree>)> = BTreeMap::new();
        for mount in mounts {
            if let RunMount::Cache { cache, seed, .. } = mount {
                let new = || (cache.clone(), seed.as_ref());
                let (one, _) = wanted.entry(&cache.id).or_insert_with(new);
                if cache.sharing != CacheSharing::Shared {
                    one.sharing = cache.sharing;
                }
            }
        }
        let mut found = BTreeMap::new();
        for (id, (cache, seed)) in wanted {
            let (path, lock) = cache_directory(&cache, seed, caches, wait)?;
            found.insert(id.to_owned(), path);
            self.locks.push(lock);
        }
        Ok(found)
    }

    fn bind(&mut self, source: &Path, target: &str, read_only: bool) {
        self.binds.push(Bind {
            source: source.display().to_string(),
            target: target.to_owned(),
            read_only,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(id: &str, sharing: CacheSharing) -> CacheMount {
        CacheMount {
            id: id.to_owned(),
            sharing,
            read_only: false,
            mode: 0o750,
            uid: 0,
            gid: 0,
        }
    }

    #[test]
    fn caches_are_found_again_and_a_private_one_has_brothers() {
        // Ownership is set, which only root may do; uid 0 of a user namespace counts.
        if !nix::unistd::geteuid().is_root() {
            println!("SKIP caches_are_found_again: needs root to set owners");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let wait = &mut |id: &str| Err(format!("{id} is locked"));
        let mut get = |id, sharing| cache_directory(&cache(id, sharing), None, place.path(), wait);
        let mut get = |id, sharing| get(id, sharing).unwrap();
        let (first, lock) = get("/root/.cache", CacheSharing::Private);
        let (second, _brother) = get("/root/.cache", CacheSharing::Private);
        assert_ne!(first, second);
        drop(lock);
        let (again, _lock) = get("/root/.cache", CacheSharing::Private);
        assert_eq!(again, first);
        let (a, _a) = get("shared", CacheSharing::Shared);
        let (b, _b) = get("shared", CacheSharing::Shared);
        assert_eq!(a, b);
        assert_eq!(fs::metadata(a).unwrap().permissions().mode() & 0o777, 0o750);
        let wait = &mut |id: &str| Err(format!("{id} is in use"));
        let locked = cache("shared", CacheSharing::Locked);
        let error = cache_directory(&locked, None, place.path(), wait).unwrap_err();
        assert_eq!(error, "shared is in use");
    }

    #[test]
    fn a_cache_that_is_mounted_twice_does_not_wait_for_itself() {
        if !nix::unistd::geteuid().is_root() {
            println!("SKIP a_cache_that_is_mounted_twice: needs root to set owners");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let mount = |target: &str, id: &str, sharing| RunMount::Cache {
            target: target.to_owned(),
            cache: cache(id, sharing),
            seed: None,
        };
        let mounts = [
            mount("/z", "z", CacheSharing::Locked),
            mount("/one", "a", CacheSharing::Shared),
            mount("/two", "a", CacheSharing::Locked),
        ];
        let caches = place.path().join("caches");
        let wait = &mut |id: &str| Err(format!("{id} is in use"));
        let made = StepMounts::make(&mounts, place.path(), &caches, wait).unwrap();
        let source = |n: usize| &made.binds[n].source;
        assert_eq!(source(1), source(2));
        assert_ne!(source(0), source(1));
        // The stricter of the two counts.
        let shared = cache("a", CacheSharing::Shared);
        assert!(cache_directory(&shared, None, &caches, wait).is_err());
    }
}

//! What a build step sees mounted, made real: files written down, caches found and locked.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::root::RootDir;
use super::unpack::write_tree;
use crate::build::executor::{CacheMount, CacheSharing, RunMount};
use crate::digest::Digest;
use crate::runtime::options::{Bind, Tmpfs};

/// The mounts of a step as a container takes them.
#[derive(Debug, Default)]
pub(super) struct StepMounts {
    pub(super) binds: Vec<Bind>,
    pub(super) tmpfs: Vec<Tmpfs>,
    /// Caches are in use as long as these live.
    locks: Vec<File>,
}

impl StepMounts {
    /// Makes `mounts` real: their files below `place`, which goes away with the container,
    /// their caches below `caches`. The error is a sentence.
    pub(super) fn make(mounts: &[RunMount], place: &Path, caches: &Path) -> Result<Self, String> {
        let mut made = Self::default();
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
                RunMount::Cache { target, cache } => {
                    let (path, lock) = cache_directory(cache, caches)?;
                    made.bind(&path, target, cache.read_only);
                    made.locks.push(lock);
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

    fn bind(&mut self, source: &Path, target: &str, read_only: bool) {
        self.binds.push(Bind {
            source: source.display().to_string(),
            target: target.to_owned(),
            read_only,
        });
    }
}

/// The directory of a cache, locked as its sharing asks; made when it is not there.
fn cache_directory(cache: &CacheMount, caches: &Path) -> Result<(PathBuf, File), String> {
    directory(caches, 0o700).map_err(at("create directory", caches))?;
    let id = Digest::of(cache.id.as_bytes());
    for copy in 0.. {
        let path = match copy {
            0 => caches.join(id.hex()),
            // A private cache that is in use has a brother, and that perhaps another.
            n => caches.join(format!("{}-{n}", id.hex())),
        };
        let beside = path.with_extension("lock");
        let lock = File::create(&beside).map_err(at("create", &beside))?;
        let locked = match cache.sharing {
            CacheSharing::Shared => lock.lock_shared().map(|()| true),
            CacheSharing::Locked => lock.lock().map(|()| true),
            CacheSharing::Private => match lock.try_lock() {
                Ok(()) => Ok(true),
                Err(TryLockError::WouldBlock) => Ok(false),
                Err(TryLockError::Error(e)) => Err(e),
            },
        };
        if !locked.map_err(at("lock", &beside))? {
            continue;
        }
        if !path.is_dir() {
            let make = || {
                directory(&path, cache.mode)?;
                fs::set_permissions(&path, Permissions::from_mode(cache.mode))?;
                chown(&path, Some(cache.uid), Some(cache.gid))
            };
            make().map_err(at("create directory", &path))?;
        }
        return Ok((path, lock));
    }
    Err(format!("every copy of the cache {} is in use", cache.id))
}

fn directory(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

fn at(action: &str, path: &Path) -> impl FnOnce(io::Error) -> String {
    let text = format!("{action} {}", path.display());
    move |error| format!("{text}: {error}")
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
        let get = |id, sharing| cache_directory(&cache(id, sharing), place.path()).unwrap();
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
    }
}

//! The directories of `RUN --mount=type=cache`: found again, locked, listed and taken away.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::root::RootDir;
use super::unpack::write_tree;
use crate::build::executor::{CacheMount, CacheSharing};
use crate::digest::Digest;
use crate::tree::Tree;

/// A cache that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The ID by which steps name it; empty when it was never used to the end.
    pub id: String,
    /// Its directory.
    pub path: PathBuf,
    /// When a step took it last.
    pub used: SystemTime,
}

/// The caches below `caches`, least recently used first.
pub fn kept(caches: &Path) -> io::Result<Vec<Kept>> {
    let entries = match fs::read_dir(caches) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut kept = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            let lock = path.with_extension("lock");
            let used = fs::metadata(&lock).or_else(|_| fs::metadata(&path))?;
            kept.push(Kept {
                id: fs::read_to_string(lock).unwrap_or_default(),
                used: used.modified()?,
                path,
            });
        }
    }
    kept.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
    Ok(kept)
}

/// Takes a cache away, unless a step has it at the moment; then `false`.
pub fn remove(kept: &Kept) -> io::Result<bool> {
    let lock = kept.path.with_extension("lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    match options.open(&lock)?.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    // The lock stays: whoever waits for it has it open, and must not hold another one than the next.
    fs::remove_dir_all(&kept.path)?;
    Ok(true)
}

/// The directory of a cache, locked as its sharing asks; made when it is not there.
pub(super) fn cache_directory(
    cache: &CacheMount,
    seed: Option<&Tree>,
    caches: &Path,
    wait: &mut dyn FnMut(&str) -> Result<(), String>,
) -> Result<(PathBuf, File), String> {
    directory(caches, 0o700).map_err(at("create directory", caches))?;
    let id = Digest::of(cache.id.as_bytes());
    for copy in 0.. {
        let path = match copy {
            0 => caches.join(id.hex()),
            // A private cache that is in use has a brother, and that perhaps another.
            n => caches.join(format!("{}-{n}", id.hex())),
        };
        let beside = path.with_extension("lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let lock = options.open(&beside).map_err(at("create", &beside))?;
        let mut locked = try_lock(&lock, cache.sharing).map_err(at("lock", &beside))?;
        while !locked && cache.sharing != CacheSharing::Private {
            wait(&cache.id)?;
            locked = try_lock(&lock, cache.sharing).map_err(at("lock", &beside))?;
        }
        if !locked {
            continue;
        }
        if !path.is_dir() {
            if let Some(seed) = seed {
                make_of(seed, &path)?;
                fs::write(&beside, &cache.id).map_err(at("write", &beside))?;
                return Ok((path, lock));
            }
            let make = || {
                directory(&path, cache.mode)?;
                fs::set_permissions(&path, Permissions::from_mode(cache.mode))?;
                chown(&path, Some(cache.uid), Some(cache.gid))
            };
            make().map_err(at("create directory", &path))?;
        }
        // So that people can be told which cache this is, and when it was used last.
        fs::write(&beside, &cache.id).map_err(at("write", &beside))?;
        return Ok((path, lock));
    }
    Err(format!("every copy of the cache {} is in use", cache.id))
}

/// Makes a cache of the directory at `content` in `seed`, whole or not at all.
fn make_of(seed: &Tree, path: &Path) -> Result<(), String> {
    let beside = path.with_extension("new");
    // What a killed process left there is of no use.
    let _ = fs::remove_dir_all(&beside);
    directory(&beside, 0o700).map_err(at("create directory", &beside))?;
    let root = RootDir::open(&beside).map_err(|e| e.to_string())?;
    write_tree(seed, &root).map_err(|e| e.to_string())?;
    let content = beside.join("content");
    if !content.is_dir() {
        return Err(
            "what a cache is made of must be a directory, and the source is none".to_owned(),
        );
    }
    fs::rename(&content, path).map_err(at("rename to", path))?;
    fs::remove_dir_all(&beside).map_err(at("remove", &beside))
}

/// Whether the lock could be had at once.
fn try_lock(lock: &File, sharing: CacheSharing) -> io::Result<bool> {
    let tried = match sharing {
        CacheSharing::Shared => lock.try_lock_shared(),
        CacheSharing::Private | CacheSharing::Locked => lock.try_lock(),
    };
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

pub(super) fn directory(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

pub(super) fn at(action: &str, path: &Path) -> impl FnOnce(io::Error) -> String {
    let text = format!("{action} {}", path.display());
    move |error| format!("{text}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_listed_by_use_and_kept_while_they_are_in_use() {
        let place = tempfile::tempdir().unwrap();
        let cache = |id: &str| CacheMount {
            id: id.to_owned(),
            sharing: CacheSharing::Shared,
            read_only: false,
            mode: 0o755,
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
        };
        let wait = &mut |id: &str| Err(id.to_owned());
        assert_eq!(kept(&place.path().join("none")).unwrap(), []);
        let mut take = |id: &str| cache_directory(&cache(id), None, place.path(), wait).unwrap();
        let (_, first) = take("first");
        drop(take("second"));
        // Taken once more, the first is the one used last.
        std::thread::sleep(std::time::Duration::from_millis(20));
        drop(take("first"));
        let list = kept(place.path()).unwrap();
        let ids: Vec<_> = list.iter().map(|kept| kept.id.as_str()).collect();
        assert_eq!(ids, ["second", "first"]);
        assert!(remove(&list[0]).unwrap());
        assert!(!remove(&list[1]).unwrap(), "it was in use");
        drop(first);
        assert!(remove(&list[1]).unwrap());
        assert_eq!(kept(place.path()).unwrap(), []);
    }
}

//! The build cache on disk: one small file an entry, shared by processes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use super::cache::{Cache, Entry};
use super::key::{CacheKey, KeyParts};
use crate::digest::Digest;
use crate::store::StoreError;

/// A directory with `steps/` (key → entry) and `places/` (place → parts of the last build).
///
/// Files are written beside their place and renamed, so a reader sees whole files only. Nothing
/// is forced to the disk: a cache that a crash damaged forgets, and the step runs again.
#[derive(Debug, Clone)]
pub struct CacheDirectory {
    root: PathBuf,
}

impl CacheDirectory {
    /// Opens the cache at `root` and makes what is missing of it.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        for name in ["steps", "places"] {
            let path = root.join(name);
            fs::create_dir_all(&path).map_err(at("create directory", &path))?;
        }
        Ok(Self { root })
    }

    /// Every entry. A collection must keep the blobs that they name.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let steps = self.steps()?;
        Ok(steps.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Every step with the key that it is found by, in order of key.
    pub fn steps(&self) -> Result<Vec<(CacheKey, Entry)>, StoreError> {
        let directory = self.root.join("steps");
        let mut steps = Vec::new();
        for file in fs::read_dir(&directory).map_err(at("read directory", &directory))? {
            let file = file.map_err(at("read directory", &directory))?;
            let name = file.file_name();
            let key = format!("sha256:{}", name.to_string_lossy()).parse::<Digest>();
            if let (Ok(key), Some(entry)) = (key, read(&file.path())?) {
                steps.push((CacheKey(key), entry));
            }
        }
        steps.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(steps)
    }

    /// Every step with when it was made or found last, the least recently used first.
    pub fn by_use(&self) -> Result<Vec<(SystemTime, CacheKey, Entry)>, StoreError> {
        let mut steps = Vec::new();
        for (key, entry) in self.steps()? {
            let path = self.step(&key);
            let used = fs::metadata(&path).and_then(|meta| meta.modified());
            steps.push((used.map_err(at("look up", &path))?, key, entry));
        }
        // Of two that were used at the same time, the order of their keys decides.
        steps.sort_by_key(|(used, ..)| *used);
        Ok(steps)
    }

    /// Forgets a step. That it is not there is no error.
    pub fn forget(&self, key: &CacheKey) -> Result<(), StoreError> {
        let path = self.step(key);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(at("remove", &path)(e)),
            _ => Ok(()),
        }
    }

    fn step(&self, key: &CacheKey) -> PathBuf {
        self.root.join("steps").join(key.0.hex())
    }

    fn place(&self, place: &str) -> PathBuf {
        let name = Digest::of(place.as_bytes());
        self.root.join("places").join(name.hex())
    }
}

impl Cache for CacheDirectory {
    fn get(&self, key: &CacheKey) -> Result<Option<Entry>, StoreError> {
        let path = self.step(key);
        let Some((file, bytes)) = contents(&path)? else {
            return Ok(None);
        };
        let entry = serde_json::from_slice(&bytes).ok();
        if entry.is_some() {
            // That it was used is told by its time. If that cannot be set, it is only older.
            let _ = file.set_modified(SystemTime::now());
        }
        Ok(entry)
    }

    fn put(&self, key: &CacheKey, entry: &Entry) -> Result<(), StoreError> {
        let path = self.step(key);
        let bytes = serde_json::to_vec(entry).map_err(|e| at("write", &path)(e.into()))?;
        write(&path, &bytes)
    }

    fn last(&self, place: &str) -> Result<Option<KeyParts>, StoreError> {
        read(&self.place(place))
    }

    fn remember(&self, place: &str, parts: &KeyParts) -> Result<(), StoreError> {
        let path = self.place(place);
        let bytes = serde_json::to_vec(parts).map_err(|e| at("write", &path)(e.into()))?;
        // Mostly nothing has changed since the last build. To see that costs a tenth of a
        // replacement, for which ext4 has to find the new file its place on the disk at once.
        if contents(&path)?.is_some_and(|(_, there)| there == bytes) {
            return Ok(());
        }
        write(&path, &bytes)
    }
}

/// What a file holds; nothing when it is not there or damaged.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    let contents = contents(path)?;
    Ok(contents.and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok()))
}

/// An open file and its bytes; nothing when it is not there.
fn contents(path: &Path) -> Result<Option<(File, Vec<u8>)>, StoreError> {
    let read = || {
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok::<_, io::Error>((file, bytes))
    };
    match read() {
        Ok(contents) => Ok(Some(contents)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(at("read", path)(e)),
    }
}

/// Puts a small file in its place, all at once.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
    fs::write(&temporary, bytes).map_err(at("write", &temporary))?;
    fs::rename(&temporary, path).map_err(at("rename to", path))
}

fn at(action: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let action = format!("{action} {}", path.display());
    move |error| StoreError::io(action, error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::build::cache::MemoryCache;
    use crate::digest::DiffId;
    use crate::image::StoredLayer;
    use crate::spec::{Descriptor, media};

    /// Both caches answer alike.
    fn check(cache: &dyn Cache) {
        let parts = KeyParts {
            instruction: "RUN true".into(),
            ..KeyParts::default()
        };
        let digest = Digest::of(b"layer");
        let entry = Entry {
            layer: StoredLayer {
                blob: Descriptor::new(media::LAYER, digest.clone(), 5),
                diff_id: DiffId(digest),
            },
            finished: None,
        };
        let key = parts.key();
        assert_eq!(cache.get(&key).unwrap(), None);
        cache.put(&key, &entry).unwrap();
        assert_eq!(cache.get(&key).unwrap(), Some(entry));
        assert_eq!(cache.last("here").unwrap(), None);
        cache.remember("here", &parts).unwrap();
        assert_eq!(cache.last("here").unwrap(), Some(parts));
    }

    #[test]
    fn the_cache_in_memory_and_the_one_on_disk_are_twins() {
        check(&MemoryCache::default());
        let place = tempfile::tempdir().unwrap();
        check(&CacheDirectory::open(place.path()).unwrap());
    }

    #[test]
    fn what_was_found_last_is_what_was_used_last() {
        let place = tempfile::tempdir().unwrap();
        let cache = CacheDirectory::open(place.path()).unwrap();
        check(&cache);
        let (first, entry) = cache.steps().unwrap().remove(0);
        let second = CacheKey(Digest::of(b"second"));
        cache.put(&second, &entry).unwrap();
        let order = || -> Vec<_> {
            let steps = cache.by_use().unwrap().into_iter();
            steps.map(|(_, key, _)| key).collect()
        };
        let long_ago = SystemTime::UNIX_EPOCH;
        let set = |key: &CacheKey| {
            let file = fs::OpenOptions::new().write(true).open(cache.step(key));
            file.unwrap().set_modified(long_ago).unwrap();
        };
        set(&second);
        assert_eq!(order(), [second.clone(), first.clone()]);
        set(&first);
        cache.get(&second).unwrap();
        assert_eq!(order(), [first, second]);
    }

    #[test]
    fn what_a_place_remembers_is_written_when_it_changes() {
        let place = tempfile::tempdir().unwrap();
        let cache = CacheDirectory::open(place.path()).unwrap();
        let mut parts = KeyParts::default();
        let mut remember = |instruction: &str| {
            parts.instruction = instruction.to_owned();
            cache.remember("here", &parts).unwrap();
            assert_eq!(cache.last("here").unwrap().as_ref(), Some(&parts));
            // Kept open, so that no other file gets its number.
            let file = File::open(cache.place("here")).unwrap();
            (file.metadata().unwrap().ino(), file)
        };
        let (first, _open) = remember("RUN true");
        let (same, _open_too) = remember("RUN true");
        let (other, _) = remember("RUN false");
        assert_eq!(first, same);
        assert_ne!(first, other);
    }

    #[test]
    fn a_damaged_entry_is_forgotten_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let cache = CacheDirectory::open(place.path()).unwrap();
        check(&cache);
        let key = CacheKey(Digest::of(b"damaged"));
        fs::write(cache.step(&key), "{\"lay").unwrap();
        assert_eq!(cache.get(&key).unwrap(), None);
        assert_eq!(cache.entries().unwrap().len(), 1);
    }
}

//! A store in memory: for tests, for the browser, and as the oracle for the store on disk.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{BlobStore, BlobWriter, Hold, StoreError, TagStore, tag_target};
use crate::digest::{Algorithm, Digest, DigestError, Hasher, Verify};
use crate::spec::Descriptor;

/// Blobs and tags in maps. A clone is the same store, not a copy.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Told whenever somebody who was alone is so no longer.
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<Digest, Arc<[u8]>>,
    tags: BTreeMap<String, Descriptor>,
    holds: usize,
    alone: bool,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store of its own that holds the same. The bytes are shared, because they never change.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        {
            let (from, mut to) = (self.state(), copy.state());
            to.blobs.clone_from(&from.blobs);
            to.tags.clone_from(&from.tags);
        }
        copy
    }

    /// Holds the blobs of `other`, too. The bytes are shared.
    pub fn share_blobs(&self, other: &Self) {
        if Arc::ptr_eq(&self.shared, &other.shared) {
            return;
        }
        let (from, mut to) = (other.state(), self.state());
        for (digest, bytes) in &from.blobs {
            if !to.blobs.contains_key(digest) {
                to.blobs.insert(digest.clone(), Arc::clone(bytes));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// Puts other bytes under a digest: what a disk may do, and a test wants.
    #[cfg(test)]
    pub(crate) fn replace(&self, digest: &Digest, bytes: Vec<u8>) {
        self.state().blobs.insert(digest.clone(), bytes.into());
    }
}

impl Shared {
    /// A thread that panicked elsewhere leaves no half-done change here: each is one insertion.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobStore for MemoryStore {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        Ok(self.state().blobs.get(digest).map(|b| b.len() as u64))
    }

    fn open(&self, digest: &Digest) -> Result<Verify<Box<dyn Read + Send>>, StoreError> {
        let Some(bytes) = self.state().blobs.get(digest).cloned() else {
            return Err(StoreError::Missing {
                digest: digest.clone(),
            });
        };
        let size = bytes.len() as u64;
        let reader: Box<dyn Read + Send> = Box::new(Cursor::new(bytes));
        Ok(Verify::new(reader, digest.clone(), size))
    }

    fn open_range(
        &self,
        digest: &Digest,
        offset: u64,
        length: u64,
    ) -> Result<Box<dyn Read + Send>, StoreError> {
        let Some(bytes) = self.state().blobs.get(digest).cloned() else {
            return Err(StoreError::Missing {
                digest: digest.clone(),
            });
        };
        let mut cursor = Cursor::new(bytes);
        cursor.set_position(offset);
        Ok(Box::new(cursor.take(length)))
    }

    fn create(&self) -> Result<Box<dyn BlobWriter>, StoreError> {
        Ok(Box::new(MemoryWriter {
            store: self.clone(),
            bytes: Vec::new(),
            _hold: self.hold()?,
        }))
    }

    fn delete(&self, digest: &Digest) -> Result<(), StoreError> {
        self.state().blobs.remove(digest);
        Ok(())
    }

    fn blobs(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let size = |(digest, bytes): (&Digest, &Arc<[u8]>)| (digest.clone(), bytes.len() as u64);
        Ok(self.state().blobs.iter().map(size).collect())
    }

    fn hold(&self) -> Result<Hold, StoreError> {
        let mut state = self.state();
        while state.alone {
            let freed = &self.shared.freed;
            state = freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.holds += 1;
        Ok(Hold::new(Shares(Arc::clone(&self.shared))))
    }

    fn alone(&self) -> Result<Option<Hold>, StoreError> {
        let mut state = self.state();
        if state.alone || state.holds > 0 {
            return Ok(None);
        }
        state.alone = true;
        Ok(Some(Hold::new(Excludes(Arc::clone(&self.shared)))))
    }
}

impl TagStore for MemoryStore {
    fn resolve(&self, name: &str) -> Result<Option<Descriptor>, StoreError> {
        Ok(self.state().tags.get(name).cloned())
    }

    fn tag(&self, name: &str, target: &Descriptor) -> Result<(), StoreError> {
        let target = tag_target(self, name, target)?;
        let mut state = self.state();
        state.tags.remove(target.digest.as_str());
        state.tags.insert(name.to_owned(), target);
        Ok(())
    }

    fn untag(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.state().tags.remove(name).is_some())
    }

    fn tags(&self) -> Result<Vec<(String, Descriptor)>, StoreError> {
        let state = self.state();
        let tags = state.tags.iter();
        Ok(tags.map(|(name, to)| (name.clone(), to.clone())).collect())
    }
}

/// One hold, given back when dropped.
struct Shares(Arc<Shared>);

impl Drop for Shares {
    fn drop(&mut self) {
        self.0.state().holds -= 1;
    }
}

/// Being alone, ended when dropped.
struct Excludes(Arc<Shared>);

impl Drop for Excludes {
    fn drop(&mut self) {
        self.0.state().alone = false;
        self.0.freed.notify_all();
    }
}

struct MemoryWriter {
    store: MemoryStore,
    bytes: Vec<u8>,
    _hold: Hold,
}

impl Write for MemoryWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.bytes.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobWriter for MemoryWriter {
    fn commit(self: Box<Self>, expected: Option<&Digest>) -> Result<(Digest, u64), StoreError> {
        let algorithm = expected.map_or(Algorithm::Sha256, Digest::algorithm);
        let mut hasher = Hasher::new(algorithm);
        hasher.update(&self.bytes);
        let actual = hasher.finish();
        if let Some(expected) = expected.filter(|expected| **expected != actual) {
            return Err(StoreError::Corrupt(DigestError::Mismatch {
                expected: expected.clone(),
                actual,
            }));
        }
        let size = self.bytes.len() as u64;
        let mut state = self.store.state();
        state.blobs.insert(actual.clone(), self.bytes.into());
        Ok((actual, size))
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite;
    use super::MemoryStore;

    #[test]
    fn it_is_a_store() {
        suite::check_all(&|| Box::new(MemoryStore::new()));
    }
}

//! Unpacking the missing layers of a stack, several at a time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use super::temporary::Temporary;
use super::{SnapshotError, Snapshots};
use crate::digest::{ChainId, DigestError};
use crate::event::Event;
use crate::image::StoredLayer;
use crate::layer::Bounds;
use crate::layer::ahead::ahead;
use crate::linux::root::RootDir;
use crate::linux::unpack::{Report, Streamed, UnpackError, Whiteouts, stream, unpack};
use crate::store::BlobStore;

/// A layer and where it goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) layer: &'a StoredLayer,
    pub(super) chain: &'a ChainId,
}

impl Snapshots {
    /// Unpacks what is missing of `jobs`, lowest first, each into a directory of its own.
    ///
    /// Content is written by as many threads as there are processors. What depends on the layers
    /// below happens afterwards, in order: see [`crate::linux::unpack`].
    pub(super) fn fill(
        &self,
        jobs: &[Job<'_>],
        userxattr: bool,
        store: &dyn BlobStore,
        on: &mut dyn FnMut(Event),
    ) -> Result<Vec<PathBuf>, SnapshotError> {
        let places: Vec<_> = jobs.iter().map(|job| self.place(job.chain)).collect();
        let missing: Vec<usize> = (0..jobs.len()).filter(|i| !places[*i].is_dir()).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicUsize::new(0);
        let (done, results) = channel();
        let mut report = Report::default();
        std::thread::scope(|scope| {
            for _ in 0..threads.min(missing.len()) {
                let (done, next, missing) = (done.clone(), &next, &missing);
                scope.spawn(move || {
                    while let Some(i) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let result = self.stream_one(jobs[*i], store);
                        let failed = result.is_err();
                        // Nobody listens any more once another layer has failed.
                        if done.send((*i, result)).is_err() || failed {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let mut streamed: Vec<_> = jobs.iter().map(|_| None).collect();
            let mut lower: Vec<RootDir> = Vec::new();
            let mut settle = |i: usize| {
                while missing.contains(&i) && streamed[i].is_none() {
                    // A closed channel means that a thread died without a result.
                    let received: (usize, Result<_, _>) =
                        results.recv().map_err(|_| SnapshotError::Interrupted)?;
                    streamed[received.0] = Some(received.1?);
                }
                if let Some((temporary, layer)) = streamed[i].take() {
                    report.merge(self.settle_one(jobs[i], temporary, layer, userxattr, &lower)?);
                    on(event(jobs[i].layer, "unpacked"));
                } else {
                    on(event(jobs[i].layer, "exists"));
                }
                lower.insert(0, RootDir::open(&places[i])?); // Topmost first.
                Ok(())
            };
            let result: Result<(), SnapshotError> = (0..jobs.len()).try_for_each(&mut settle);
            if result.is_err() {
                next.store(missing.len(), Ordering::Relaxed); // The threads stop soon.
            }
            result
        })?;
        self.tell(report, on);
        Ok(places.into_iter().rev().collect())
    }

    fn stream_one(
        &self,
        job: Job<'_>,
        store: &dyn BlobStore,
    ) -> Result<(Temporary, Streamed), SnapshotError> {
        let temporary = Temporary::new(&self.directory)?;
        let root = RootDir::open(temporary.path())?;
        let streamed = read(job.layer, store, self.bounds, |archive| {
            stream(archive, &root, self.bounds)
        })?;
        Ok((temporary, streamed))
    }

    fn settle_one(
        &self,
        job: Job<'_>,
        temporary: Temporary,
        streamed: Streamed,
        userxattr: bool,
        lower: &[RootDir],
    ) -> Result<Report, SnapshotError> {
        let root = RootDir::open(temporary.path())?;
        let report = streamed
            .settle_overlay(&root, userxattr, lower)
            .map_err(|source| SnapshotError::unpack(job.layer, source))?;
        temporary.publish(&self.place(job.chain))?;
        Ok(report)
    }

    /// Lays the layer of `job` on what is in `into`: the copying way.
    pub(super) fn lay_on(
        &self,
        job: Job<'_>,
        into: &Path,
        store: &dyn BlobStore,
    ) -> Result<Report, SnapshotError> {
        let root = RootDir::open(into)?;
        read(job.layer, store, self.bounds, |archive| {
            unpack(archive, &root, Whiteouts::Apply, self.bounds)
        })
    }
}

/// Reads a layer's archive from the store, checked against its diff ID.
pub(super) fn read<T>(
    layer: &StoredLayer,
    store: &dyn BlobStore,
    bounds: Bounds,
    consume: impl FnOnce(&mut dyn std::io::Read) -> Result<T, UnpackError>,
) -> Result<T, SnapshotError> {
    let archive = layer.open(store, bounds)?;
    // The store checks the blob. When the blob is the archive, that is enough.
    let hash = !layer.is_uncompressed();
    let (result, digest) = ahead(archive, hash, |archive| consume(archive));
    let value = result.map_err(|source| SnapshotError::unpack(layer, source))?;
    match digest {
        Some(actual) if actual != layer.diff_id.0 => {
            Err(SnapshotError::WrongArchive(DigestError::Mismatch {
                expected: layer.diff_id.0.clone(),
                actual,
            }))
        }
        None if hash => Err(SnapshotError::Interrupted),
        _ => Ok(value),
    }
}

pub(super) fn event(layer: &StoredLayer, state: &'static str) -> Event {
    Event::Layer {
        digest: layer.blob.digest.clone(),
        state,
        size: layer.blob.size,
    }
}

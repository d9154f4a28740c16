//! The copying way: where overlayfs does not work, every snapshot is a whole file system.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fill::{Job, event};
use super::temporary::Temporary;
use super::{SnapshotError, Snapshots};
use crate::event::Event;
use crate::linux::root::RootDir;
use crate::linux::scan::scan_tree;
use crate::linux::unpack::{Report, write_tree};
use crate::store::BlobStore;

impl Snapshots {
    /// Makes one directory with everything, made from the nearest one that is there.
    pub(super) fn copy_stack(
        &self,
        jobs: &[Job<'_>],
        store: &dyn BlobStore,
        on: &mut dyn FnMut(Event),
    ) -> Result<Vec<PathBuf>, SnapshotError> {
        let places: Vec<_> = jobs.iter().map(|job| self.place(job.chain)).collect();
        let there = places.iter().rposition(|place| place.is_dir());
        let start = there.map_or(0, |i| i + 1);
        for job in &jobs[..start] {
            on(event(job.layer, "exists"));
        }
        let Some(top) = places.last().filter(|_| start < jobs.len()) else {
            return Ok(places.into_iter().next_back().into_iter().collect());
        };
        let temporary = Temporary::new(&self.directory)?;
        if let Some(i) = there {
            copy_tree(&places[i], temporary.path())?;
        }
        let mut report = Report::default();
        for job in &jobs[start..] {
            report.merge(self.lay_on(*job, temporary.path(), store)?);
            on(event(job.layer, "unpacked"));
        }
        self.tell(report, on);
        temporary.publish(top)?;
        Ok(vec![top.clone()])
    }
}

/// Copies a whole directory, with everything that a layer can tell.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let tree = scan_tree(&Arc::new(RootDir::open(from)?))?;
    write_tree(&tree, &RootDir::open(to)?).map_err(|e| SnapshotError::Io {
        action: format!("copy {} to {}", from.display(), to.display()),
        source: io::Error::other(e),
    })?;
    Ok(())
}

//! An image's root file system in a directory of its own: no snapshot, no mount, only files.

use super::SnapshotError;
use super::fill::{event, read};
use crate::event::Event;
use crate::image::StoredLayer;
use crate::layer::Bounds;
use crate::linux::root::RootDir;
use crate::linux::unpack::{Report, Stack};
use crate::store::BlobStore;

/// Writes what `layers`, lowest first, make into the empty directory `into`.
///
/// Every blob and diff ID is checked on the way. What is refused for want of privilege is in the
/// report. After an error the directory is unfinished, and can only be thrown away.
pub fn write_out(
    layers: &[StoredLayer],
    store: &dyn BlobStore,
    into: &RootDir,
    bounds: Bounds,
    on: &mut dyn FnMut(Event),
) -> Result<Report, SnapshotError> {
    let mut stack = Stack::new(into);
    for layer in layers {
        read(layer, store, bounds, |archive| stack.lay(archive, bounds))?;
        on(event(layer, "unpacked"));
    }
    stack.finish().map_err(|source| SnapshotError::Io {
        action: format!("set the directories' metadata in {}", into.path().display()),
        source: std::io::Error::other(source),
    })
}

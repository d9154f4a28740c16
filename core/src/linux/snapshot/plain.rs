//! An image's root file system in a directory of its own: no snapshot, no mount, only files.

use super::SnapshotError;
use super::fill::{event, read};
use crate::event::Event;
use crate::image::StoredLayer;
use crate::linux::root::RootDir;
use crate::linux::unpack::{Limits, Report, Whiteouts, unpack};
use crate::store::BlobStore;

/// Writes what `layers`, lowest first, make into the empty directory `into`.
///
/// Every blob and diff ID is checked on the way. What is refused for want of privilege is in the
/// report. After an error the directory holds the layers up to the one that failed.
pub fn write_out(
    layers: &[StoredLayer],
    store: &dyn BlobStore,
    into: &RootDir,
    limits: &Limits,
    on: &mut dyn FnMut(Event),
) -> Result<Report, SnapshotError> {
    let mut report = Report::default();
    for (number, layer) in layers.iter().enumerate() {
        // Below the first layer there is nothing that it could be laid on.
        let how = if number == 0 {
            Whiteouts::Overlay {
                userxattr: false,
                lower: &[],
            }
        } else {
            Whiteouts::Apply
        };
        let unpacked = read(layer, store, limits, |archive, limits| {
            unpack(archive, into, how, limits)
        })?;
        report.merge(unpacked);
        on(event(layer, "unpacked"));
    }
    Ok(report)
}

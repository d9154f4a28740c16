//! The archive form of a layer. The only file that knows what `.wh.` means.

use std::io::{self, Read};

use super::Whiteout;
use crate::path::RootedPath;
use crate::tree::{Kind, Meta};

/// One entry of a layer's archive, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Something of the layers below is hidden.
    Hide(Whiteout),
    /// Something is added. A regular file's `Kind::File` is empty here: its bytes are in the
    /// reader that comes with the entry, and `size` says how many there are.
    /// A hard link is always `Kind::HardLink`, also when its target is in the same archive,
    /// perhaps later.
    Add {
        /// Where.
        path: RootedPath,
        /// Owner, permissions, time.
        meta: Meta,
        /// What.
        kind: Kind,
        /// A regular file's size in bytes; 0 for everything else.
        size: u64,
    },
}

/// Reads an uncompressed archive entry by entry, in its order, without seeking.
///
/// `visit` may leave content unread. An error that it returns ends the reading.
pub fn read(
    archive: impl Read,
    visit: &mut dyn FnMut(Entry, &mut dyn Read) -> io::Result<()>,
) -> Result<(), TarError> {
    let _ = (archive, visit);
    unimplemented!()
}

/// Why an archive cannot be a layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// An entry is not one that a layer may have.
    #[error("entry {entry:?} {reason}")]
    Entry {
        /// The entry's name as the archive has it.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading failed, or the archive is cut off.
    #[error("read layer archive: {0}")]
    Io(#[from] io::Error),
}

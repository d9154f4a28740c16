//! Unpacking a layer's archive into a directory.
//!
//! It happens in two passes. The first goes through the archive once, in its order, and writes
//! content into a directory of the layer's own, where nothing of lower layers can mislead it.
//! The second does what can only be right once everything is known: whiteouts, which apply to
//! the layers below and never to the layer itself; hard links that came before their targets;
//! and the directories' own permissions and times, deepest first, because writing into a
//! directory changes its time and a read-only one could not be written into.

mod apply;
mod links;
mod overlay;
mod stream;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::meta::Refused;
use super::root::RootDir;
use super::scan::ScanError;
use super::sys::SysError;
use crate::layer::tar::TarError;
use crate::layer::{ApplyError, Bounds, Layer, TooMuch};
use crate::path::RootedPath;
use crate::tree::Tree;

/// What becomes of whiteouts, and with them of the layers below.
#[derive(Debug, Clone, Copy)]
pub enum Whiteouts<'a> {
    /// The directory holds this layer alone, empty before, and overlayfs will lay it on others.
    /// Whiteouts become overlayfs' own: a character device 0:0, an opaque directory.
    Overlay {
        /// Whether overlayfs' attributes are `user.overlay.…` instead of `trusted.overlay.…`.
        userxattr: bool,
        /// The unpacked layers below, topmost first. The metadata of parent directories that
        /// the archive does not mention comes from here, and hard links into lower layers are
        /// copies, because no file can have links in two of overlayfs' directories.
        lower: &'a [RootDir],
    },
    /// The directory holds everything below, already merged; whiteouts remove from it.
    Apply,
}

/// A directory for what is not in its place yet, inside the one that is unpacked into: only there
/// is it certain to be on the same file system.
const SCRATCH: &str = ".coracle-unpack";

/// What was unpacked, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of all files together.
    pub bytes: u64,
    /// What was refused for want of privilege: how often, and where first.
    pub refused: BTreeMap<Refused, (u64, RootedPath)>,
}

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The archive cannot be read, or is not one that a layer may be.
    #[error(transparent)]
    Archive(#[from] TarError),
    /// The system refused.
    #[error("unpack {path}: {source}")]
    System {
        /// The entry that was being unpacked.
        path: RootedPath,
        /// What the system said.
        source: SysError,
    },
    /// Writing a file's content failed.
    #[error("write {path} in {}: {source}", into.display())]
    Write {
        /// The file.
        path: RootedPath,
        /// The directory of the host that it is unpacked into.
        into: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path is longer than any system call takes.
    #[error("entry {start:?}… has a path of {length} bytes, and Linux knows none over 4095")]
    TooLong {
        /// How it begins.
        start: String,
        /// Its length in bytes.
        length: usize,
    },
    /// A hard link to something that neither the layer nor the layers below have.
    #[error("{path} is a hard link to {target}, which is in no layer below")]
    MissingLink {
        /// The link.
        path: RootedPath,
        /// Where it should lead.
        target: RootedPath,
    },
    /// The layer does not fit on the layers below.
    #[error(transparent)]
    Unfit(#[from] ApplyError),
    /// The layers below cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// An entry has the name that Coracle needs while it unpacks.
    #[error("{path} has a name that Coracle itself needs while it unpacks; no layer may have it")]
    Reserved {
        /// The entry.
        path: RootedPath,
    },
    /// There is more than any honest layer has.
    #[error("the layer is refused: {0}")]
    TooMuch(#[from] TooMuch),
}

/// Unpacks one layer's uncompressed `archive` into the directory `into`.
///
/// With [`Whiteouts::Apply`] the layer is complete in a hidden directory inside `into` before
/// anything that stood there is touched, so a damaged archive changes nothing.
///
/// Everything that the archive says is kept: owners, permissions with set-ID bits, times to the
/// nanosecond, attributes, devices. What the process has no privilege for is counted in the
/// report instead. A parent directory that is a symbolic link is followed inside `into`, as
/// containerd and umoci do; at an entry's last component, a link is replaced.
pub fn unpack(
    archive: impl Read,
    into: &RootDir,
    whiteouts: Whiteouts<'_>,
    bounds: Bounds,
) -> Result<Report, UnpackError> {
    match whiteouts {
        Whiteouts::Overlay { userxattr, lower } => {
            stream(archive, into, bounds)?.settle_overlay(into, userxattr, lower)
        }
        Whiteouts::Apply => apply::apply(archive, into, bounds),
    }
}

/// Writes a whole tree into the empty directory `into`.
pub fn write_tree(tree: &Tree, into: &RootDir) -> Result<Report, UnpackError> {
    let entries = tree
        .iter()
        .map(|(path, node)| (path.clone(), Arc::clone(node)));
    let layer = Layer {
        hides: Vec::new(),
        adds: entries.collect(),
    };
    stream::write_layer(&layer, into)?.settle_overlay(into, false, &[])
}

pub use apply::Stack;
pub(super) use stream::{Streamed, make, stream};

impl UnpackError {
    /// The system refused something about `path`.
    fn system(path: &RootedPath) -> impl FnOnce(SysError) -> Self + '_ {
        |source| Self::System {
            path: path.clone(),
            source,
        }
    }
}

impl Report {
    /// One sentence for each kind of thing that was refused, to be shown once.
    pub fn warnings(&self) -> Vec<String> {
        let sentence = |(kind, (count, first)): (&Refused, &(u64, RootedPath))| {
            let (what, why) = match kind {
                Refused::Owner => (
                    "kept your own owner",
                    "only root may give files to anybody, and a user namespace to the users that /etc/subuid and /etc/subgid grant it; layers made of them still tell the right owner",
                ),
                Refused::Forgotten => (
                    "kept your own owner, and layers made of them will tell that one",
                    "the right one is a number that nobody can have, or the file system has no room to note it",
                ),
                Refused::Attribute => (
                    "lack an extended attribute",
                    "this user or file system may not have it",
                ),
                Refused::Device => (
                    "were left out: devices",
                    "only root outside of user namespaces makes devices, and containers get theirs in /dev anyway",
                ),
                Refused::Overlay => (
                    "lack what overlayfs or Coracle would take for its own",
                    "an attribute `…overlay.…` or `user.coracle.…`, or a 0:0 device, in an archive would hide, redirect or give away files",
                ),
            };
            let entries = if *count == 1 { "entry" } else { "entries" };
            format!("{count} {entries} {what} (first {first}): {why}")
        };
        self.refused.iter().map(sentence).collect()
    }

    /// Adds what another layer's report says.
    pub fn merge(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
        for (kind, (count, first)) in other.refused {
            self.refused.entry(kind).or_insert((0, first)).0 += count;
        }
    }

    /// Counts something that was refused at `path`.
    fn refuse(&mut self, kind: Refused, path: &RootedPath) {
        let (count, _) = self.refused.entry(kind).or_insert((0, path.clone()));
        *count += 1;
    }
}

//! Layers: what changes between two file systems, as a value with two lists.

pub(crate) mod ahead;
mod apply;
pub mod bounds;
pub mod compress;
mod diff;
mod gather;
mod keep;
pub(crate) mod links;
pub mod tar;

use std::sync::Arc;

use crate::path::RootedPath;
use crate::tree::Node;

pub use apply::{ApplyError, apply};
pub use bounds::{Bounds, TooMuch};
pub use diff::diff;
pub use gather::{Span, gather, keep_inline};
pub use keep::keep_digest;

/// A set of changes to a file system.
///
/// Applying means: first hide, then add. A whiteout therefore never touches what its own layer
/// adds, whatever the order of the entries in the archive was.
/// Source: [image-spec, layer, "Whiteouts"](https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    /// What of the layers below is no longer seen.
    pub hides: Vec<Whiteout>,
    /// What is added, in path order, each path once. Two paths that share one `Arc` are hard
    /// links of each other.
    pub adds: Vec<(RootedPath, Arc<Node>)>,
}

/// What a layer hides of the layers below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whiteout {
    /// This path and everything below it.
    Path(RootedPath),
    /// Everything below this directory, but not the directory: it is *opaque*.
    Below(RootedPath),
}

impl Whiteout {
    /// The path that is hidden, or below which everything is.
    pub fn path(&self) -> &RootedPath {
        match self {
            Self::Path(path) | Self::Below(path) => path,
        }
    }
}

impl Layer {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.hides.is_empty() && self.adds.is_empty()
    }
}

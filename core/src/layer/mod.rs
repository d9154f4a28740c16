//! Layers: what changes between two file systems, as a value with two lists.

pub mod tar;

use std::sync::Arc;

use crate::path::RootedPath;
use crate::tree::Node;

/// A set of changes to a file system.
///
/// Applying means: first hide, then add. A whiteout therefore never touches what its own layer
/// adds, whatever the order of the entries in the archive was.
/// Source: [image-spec, layer, "Whiteouts"](https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    /// What of the layers below is no longer seen.
    pub hides: Vec<Whiteout>,
    /// What is added, in path order, each path once.
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

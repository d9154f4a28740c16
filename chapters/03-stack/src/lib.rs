//! A stack of layers and what is seen from above: each layer hides, and then adds.
//!
//! ```text
//!   archive ──entries──▶ names and nodes, in the archive's order
//!           ──layer────▶ two lists: what is hidden, what is added
//!   layers  ──view─────▶ what is seen, and which layer each path comes from
//! ```
//!
//! This is chapter 3 in its smallest honest form. Files are held in memory, a directory is nothing
//! but a name, and links are never followed. `coracle::layer` has none of these limits.

use std::collections::BTreeMap;

mod archive;
mod cost;
mod names;
mod scenes;
mod view;
mod words;

pub use archive::{entries, layer, pack};
pub use cost::{Cost, costs};
pub use names::{Meaning, classify, clean, parents};
pub use scenes::{SCENES, puzzles, solutions};
pub use view::{add, hide, in_archive_order, is_below, is_directory, view};
pub use words::{entry, word, words};

/// What can go wrong is told in words; nobody here decides anything by the kind of an error.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

// ANCHOR: layer
/// What a layer does to the layers below it: first it hides, then it adds.
#[derive(Debug, Default)]
pub struct Layer {
    /// What is no longer seen of the layers below.
    pub hides: Vec<Whiteout>,
    /// What is added, or replaces what was there.
    pub adds: Vec<(String, Node)>,
    /// How many bytes its archive has: what it costs to ship.
    pub shipped: u64,
}

/// What a layer hides.
#[derive(Debug, Clone, PartialEq)]
pub enum Whiteout {
    /// This path and everything below it.
    Path(String),
    /// Everything below this directory, and not the directory itself: it is opaque.
    Below(String),
}
// ANCHOR_END: layer

/// What stands at a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A directory. What it holds stands at paths of its own.
    Directory,
    /// A regular file and its bytes.
    File(Vec<u8>),
    /// A symbolic or hard link, and the name that it leads to.
    Link(String),
}

/// One entry of an archive, whatever its name means.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name as the archive has it: `./app/.wh.data.txt`.
    pub name: String,
    /// What it is.
    pub node: Node,
}

// ANCHOR: view
/// What is seen from above: each path, and what stands there. The root is always there, and is not
/// in the map.
pub type View = BTreeMap<String, Seen>;

/// What is seen at a path.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What stands there.
    pub node: Node,
    /// The layer that it comes from, counted from 0, the lowest.
    pub layer: usize,
}
// ANCHOR_END: view

//! An image is a tree of digests: an index names manifests, a manifest names a config and layers.
//!
//! ```text
//!   index.json        "app:1" ─▶ manifest ─┬─▶ config     how to run it, and which layers it has
//!   (the only file    "app:2" ─▶ manifest  ├─▶ layer
//!    that changes)                         └─▶ layer
//! ```
//!
//! This is chapter 4 in its smallest honest form. An image is for one platform, its layers are
//! not packed, and one process at a time changes the layout. `coracle::store` and
//! `coracle::image` have none of these limits.

mod documents;
mod image;
mod layout;
mod pack;

pub use documents::{Config, Descriptor, History, Index, Manifest, RootFs, Run, media};
pub use image::{build, config, manifest};
pub use layout::{Layout, Stored};
pub use pack::pack;

/// What can go wrong is told in words; nobody here decides anything by the kind of an error.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

//! The archive form of a layer: tar. The only place that knows what `.wh.` means.
//!
//! Reading understands ustar, PAX and GNU archives and passes every entry on as it comes,
//! without seeking. Writing gives the same bytes for the same layer on every platform.
//!
//! Sources: [image-spec, layer](https://github.com/opencontainers/image-spec/blob/main/layer.md),
//! POSIX.1-2017 `pax`, GNU tar's manual ("Basic Tar Format").

mod headers;
mod pax;
mod read;
mod write;

pub use headers::{Header, headers};
pub use read::{Entry, TarError, read, starts_like_an_archive};
pub use write::{write, write_files};

use crate::tree::Content;
use std::sync::Arc;

/// The prefix that makes an entry a whiteout.
const WHITEOUT: &[u8] = b".wh.";
/// The name that makes its directory opaque.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The prefix of names that AUFS kept for itself and that mean nothing in a layer.
const AUFS: &[u8] = b".wh..wh.";

/// The content of a file without bytes.
fn empty() -> Content {
    Content::Inline(Arc::from([]))
}

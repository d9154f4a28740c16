//! The digest is the name: compute it, trust nothing that does not match it, store nothing twice.
//!
//! ```text
//!   bytes ──digest_of──▶ sha256:2cf2…       the name of exactly these bytes
//!   bytes ────put──────▶ blobs/sha256/2cf2…  once, whoever brings them
//!   bytes ◀───get─────── blobs/sha256/2cf2…  or an error, if they are not what the name says
//! ```
//!
//! This is chapter 2 in its smallest honest form. Blobs are held in memory while they are written,
//! and there is one kind of digest. `coracle::digest` and `coracle::store` have neither limit.

mod digest;
mod names;
mod shelf;

pub use digest::{Digest, digest_of};
pub use names::{Names, chain_ids, names, packed};
pub use shelf::{Put, Shelf};

/// What can go wrong is told in words; nobody here decides anything by the kind of an error.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

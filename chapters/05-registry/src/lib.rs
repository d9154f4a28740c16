//! A registry is six addresses and a token: push what it lacks, pull what you lack, trust no one.
//!
//! ```text
//!   GET  /v2/NAME/manifests/TAG          HEAD /v2/NAME/blobs/DIGEST       is it there?
//!   PUT  /v2/NAME/manifests/TAG          GET  /v2/NAME/blobs/DIGEST
//!                                        POST /v2/NAME/blobs/uploads/     where may I send it?
//!                                        PUT  (there)?digest=DIGEST
//! ```
//!
//! This is chapter 5 in its smallest honest form. Requests go over TCP in the clear, one after the
//! other, and bodies are held in memory. `coracle::registry` has none of these limits.

mod client;
mod http;
mod lie;
mod reference;
mod shelf;
mod token;

pub use client::{Blob, Client, Fate};
pub use http::{Answer, Request, follow, read_answer};
pub use lie::lie;
pub use reference::{Reference, parse};
pub use shelf::Shelf;
pub use token::{Challenge, challenge};

/// What can go wrong is told in words; nobody here decides anything by the kind of an error.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

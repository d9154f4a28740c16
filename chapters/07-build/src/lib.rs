//! Steps become layers: the same Dockerfile and the same files give the same digests, everywhere.
//!
//! ```text
//!   Dockerfile ──▶ steps ─┬─ COPY, WORKDIR ──▶ a layer on the tree so far
//!                         └─ ENV, USER, CMD ─▶ a line of the config
//!                                                     │
//!                              layers + config ──▶ manifest ──▶ one digest
//! ```
//!
//! This is chapter 7 in its smallest honest form. It begins with no files at all (`FROM scratch`),
//! and runs no program: `RUN` needs Linux, and chapter 14. `coracle::build` has neither limit.

mod build;
mod context;
mod copy;
mod settings;

pub use build::{Built, Made, build};
pub use context::read;
pub use copy::{copy, landing, workdir};
pub use settings::setting;

/// What can go wrong is told in words; nobody here decides anything by the kind of an error.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

//! A step has a name before it runs: whoever has done that step once need not do it again.
//!
//! ```text
//!   what a step reads ─┐
//!   its own text ──────┼─key─▶ sha256:5f…   known ──▶ its result, at once
//!   the result below ──┘                    unknown ─▶ do it, and remember; why was it unknown?
//! ```
//!
//! This is chapter 8 in its smallest honest form. Nothing is run: the result of a step stands for
//! the layer that it would make. `coracle::build` keeps the real ones.

mod cache;
mod key;
mod order;
mod steps;
mod why;

pub use cache::{Cache, Outcome, build};
pub use key::key;
pub use order::{BAD, better};
pub use steps::{Step, read, steps};
pub use why::{Why, why};

/// What can go wrong is told in words; nobody here decides anything by the kind of an error.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

//! A text becomes typed steps, and what is wrong becomes an error with a place.
//!
//! ```text
//!   text ──logical_lines──▶ lines without breaks and comments
//!                             │
//!                          instruction ──▶ a typed step, or a problem
//!                                            │                 │
//!                                          makes             drawn with the line and a mark
//! ```
//!
//! This is chapter 6 in its smallest honest form. It knows the instructions that most Dockerfiles
//! consist of, and refuses the rest by name. `coracle::dockerfile` knows the whole language.

mod instruction;
mod lines;
mod makes;
mod problem;
mod words;

pub use instruction::{Command, Instruction, Step, command, instruction, parse};
pub use lines::{Logical, Place, logical_lines};
pub use makes::{Makes, makes};
pub use problem::{Problem, nearest};
pub use words::{Word, words};

//! Dockerfiles: text becomes typed instructions with byte spans. Parsing never fails.
//!
//! [`parse()`] reads a whole file: `lines` joins physical lines into logical ones, `raw` cuts those
//! into pieces, `instructions` gives the pieces their meaning. What is wrong becomes a diagnostic,
//! and the rest of the file is still understood. [`expand`] is the small shell language of `$x`,
//! [`ignore`] is `.dockerignore`, and [`json`] is what other programs read. [`stages`] tells which
//! stage reads which; [`lint`] finds what is wrong although it can be built; [`explain`] tells what
//! each line makes and what its result depends on.
//!
//! The language is BuildKit's; where the classic builder differs, BuildKit counts.

pub mod ast;
mod commands;
mod exec;
pub mod expand;
pub mod explain;
mod flags;
pub mod glob;
mod heredoc;
pub mod ignore;
mod instructions;
pub mod json;
mod keyword;
mod lines;
pub mod lint;
pub mod mount;
mod parse;
mod raw;
pub mod stages;
pub mod values;
mod words;

pub use ast::*;
pub use parse::{Parsed, parse};

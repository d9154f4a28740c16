//! The playground: everything that its page can do, as plain Rust.
//!
//! ```text
//!   wasm      the shell around all of it: text in, text out              (in the browser only)
//!   session   Session: a log of acts; its fold is the state
//!   commands  `coracle …` in the session's command line, in the CLI's words
//!   archives  saved images in, saved images out
//!   preview   what a build would do now, while somebody types
//!   look      looking closer: files, one file's life, overlay, digests, documents
//!   level     what must hold, and whether it does
//!   share     a session as the end of an address
//!   stack     stacks of layers as values: what each layer says, what is seen above it
//!   show      from the state to what the page draws of it
//!   state     what the log adds up to: project, images, registries, containers
//!   names     from what was typed to an image
//!   wanted    what a build is asked for
//!   texts     positions in texts, as browsers count them
//!   view      View: what the page draws, one plain value per call
//! ```
//!
//! A session's log is a script for a shell. Most of it can be run on a machine that has `coracle`,
//! too: `cat > Dockerfile <<'END'`, `coracle build -t app:v1 .`, and so on.

pub mod archives;
pub mod commands;
pub mod level;
pub mod look;
pub mod names;
pub mod preview;
pub mod session;
pub mod share;
mod show;
pub mod stack;
pub mod state;
pub mod texts;
pub mod view;
pub mod wanted;
#[cfg(target_arch = "wasm32")]
pub mod wasm;

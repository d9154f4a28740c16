//! The playground: everything that its page can do, as plain Rust.
//!
//! ```text
//!   wasm      the shell around all of it: text in, text out            (in the browser only)
//!   session   Session: a log of commands; its fold is the state
//!   view      View: what the page draws, one plain value per call
//! ```

pub mod look;
pub mod session;
pub mod view;
#[cfg(target_arch = "wasm32")]
pub mod wasm;

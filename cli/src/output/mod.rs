//! What commands print: results on standard output, and how wide it is.

pub(crate) mod format;
pub(crate) mod glob;
pub(crate) mod human;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod time;

use std::io::{self, Write as _};

use crate::failure::Failure;

/// Writes a result to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::writing(&e))
}

/// Writes something that is no result to standard error: a remark, a warning.
pub(crate) fn note(text: &str) {
    // When standard error is gone there is nobody left to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// How many columns there are to write in: `COLUMNS`, or what the terminal says, or 80.
pub(crate) fn width() -> usize {
    let from_environment = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let from_terminal = || {
        let size = rustix::termios::tcgetwinsize(io::stdout())
            .or_else(|_| rustix::termios::tcgetwinsize(io::stderr()));
        size.ok().map(|size| usize::from(size.ws_col))
    };
    from_environment
        .or_else(from_terminal)
        .filter(|width| *width > 0)
        .unwrap_or(80)
        .max(20)
}

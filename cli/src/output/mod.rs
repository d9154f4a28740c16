//! What commands print: results on standard output, and how wide it is.

pub(crate) mod file;
pub(crate) mod files;
pub(crate) mod format;
pub(crate) mod glob;
pub(crate) mod input;
pub(crate) mod template;
pub(crate) mod time;

pub(crate) use coracle::{human, table};
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

/// Text that stands out on a terminal, unless colours are not wanted there. Only for standard
/// output.
pub(crate) fn bold(text: &str) -> String {
    match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => text.to_owned(),
        _ => format!("\u{1b}[1m{text}\u{1b}[0m"),
    }
}

/// Breaks `text` between words into lines of at most `width` columns; later lines get `indent`.
/// Line breaks that are there stay.
pub(crate) fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let needed = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && needed > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join(&format!("\n{indent}"))
}

/// A warning as people read it, as wide as there is room.
pub(crate) fn warning(message: &str) -> String {
    format!("{}\n", wrap(&format!("WARNING: {message}"), width(), "  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_between_words_and_keeps_its_own_breaks() {
        assert_eq!(wrap("one two three", 7, "  "), "one two\n  three");
        assert_eq!(wrap("a\nb", 7, ""), "a\nb");
        assert_eq!(wrap("unbreakable", 3, ""), "unbreakable");
    }
}

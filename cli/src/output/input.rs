//! Files that are read, one of which may be standard input.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// How messages call a file; `-` is standard input.
pub(crate) fn name(path: &Path) -> String {
    if is_standard(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Opens a file for reading; `-` is standard input, unless that is a terminal.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if is_standard(path) {
        not_a_terminal()?;
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).map_err(|e| Failure::io(format!("open {}", path.display()), &e))?;
    Ok(Box::new(file))
}

/// The path of a file that somebody else will open; `-` is standard input.
pub(crate) fn path(path: &Path) -> Result<PathBuf, Failure> {
    if is_standard(path) {
        not_a_terminal()?;
        return Ok(PathBuf::from("/dev/stdin"));
    }
    Ok(path.to_owned())
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn not_a_terminal() -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return Err(
            Failure::new("there is nothing to read: standard input is a terminal")
                .hint("Name a file, or redirect one with < FILE."),
        );
    }
    Ok(())
}

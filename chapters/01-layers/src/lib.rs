//! A layer is a tar of changes: pack them, list them, unpack them, and never leave the root.
//!
//! ```text
//!   directory ──read──▶ entries ──changes──▶ the entries that differ ──pack──▶ archive
//!   directory ◀─unpack──────────────────────────────────────────────────────── archive
//! ```
//!
//! This is chapter 1 in its smallest honest form. Files are held in memory, names may have a
//! hundred bytes, and everything belongs to root. `coracle::layer` has none of these limits.

mod changes;
mod folder;
mod host;
mod pack;
mod unpack;

pub use changes::changes;
pub use folder::read;
pub use pack::{entries, header, list, pack};
pub use unpack::{clean, naive, place, unpack};

/// What can go wrong is told in words; nobody here decides anything by the kind of an error.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

// ANCHOR: entry
/// One entry of a layer: something that is added, or replaces what was there.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where, seen from the root, with slashes: `app/main.py`.
    pub name: String,
    /// Who may read, write and execute it: `0o644`.
    pub mode: u32,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A directory. What it holds are entries of their own.
    Directory,
    /// A regular file and its bytes.
    File(Vec<u8>),
    /// A symbolic link: a name that leads to another name, which need not exist.
    Symlink(String),
    /// A second name of a file that is there already.
    HardLink(String),
}
// ANCHOR_END: entry

impl Entry {
    /// A directory that everybody may enter.
    pub fn directory(name: &str) -> Self {
        Self::new(name, 0o755, Kind::Directory)
    }

    /// A file that everybody may read.
    pub fn file(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(name, 0o644, Kind::File(bytes.into()))
    }

    /// A symbolic link to `target`.
    pub fn symlink(name: &str, target: &str) -> Self {
        Self::new(name, 0o777, Kind::Symlink(target.to_owned()))
    }

    /// A hard link to `target`.
    pub fn hard_link(name: &str, target: &str) -> Self {
        Self::new(name, 0o644, Kind::HardLink(target.to_owned()))
    }

    fn new(name: &str, mode: u32, kind: Kind) -> Self {
        let name = name.to_owned();
        Self { name, mode, kind }
    }
}

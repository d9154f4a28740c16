//! A base image from this machine's own binaries: a shell, the common tools, the libraries they need, and a little furniture.

mod add;
mod collect;
mod directories;
mod elf;
mod furniture;
mod host;
mod libraries;
mod program;

use std::io;
use std::path::PathBuf;

use serde::Serialize;

pub use furniture::PATH;

use crate::tree::{Timestamp, Tree};

/// What a base is made of.
#[derive(Debug, Clone)]
pub struct BaseOptions {
    /// Programs, files and directories that come along, besides the usual ones. A word without a
    /// slash is a program's name; a file brings the libraries it needs, a script its interpreter,
    /// a Python its standard library; a directory comes with all that is below it.
    pub add: Vec<PathBuf>,
    /// Where the machine's files are: `/`, or a directory that stands for it.
    pub root: PathBuf,
    /// The time that every entry gets.
    pub mtime: Timestamp,
}

impl Default for BaseOptions {
    fn default() -> Self {
        Self {
            add: Vec::new(),
            root: PathBuf::from("/"),
            mtime: Timestamp::default(),
        }
    }
}

/// Makes the base: its files, whose bytes stay where they are until somebody reads them, and a
/// report of what came and why.
///
/// Everything belongs to root and carries one time, so that the same machine gives the same tree,
/// whoever asks. No program is run, and nothing outside `options.root` is read.
pub fn tree(options: &BaseOptions) -> Result<(Tree, Report), BaseError> {
    collect::collect(options)
}

/// What is in a base, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The program that `sh` is: `/usr/bin/dash`.
    pub shell: String,
    /// The processor that the programs are for, as image platforms name it: `amd64`.
    pub architecture: String,
    /// The names that a shell in the base finds along its `PATH`, sorted.
    pub programs: Vec<String>,
    /// The usual programs that this machine does not have.
    pub absent: Vec<String>,
    /// Every regular file, by path.
    pub files: Vec<BaseFile>,
    /// The bytes of all regular files; hard links count once.
    pub bytes: u64,
    /// What was asked for in a directory and did not come, or came and lacks something.
    pub notes: Vec<Note>,
}

/// A file of a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaseFile {
    /// Where it stands, in the base and (if it is not ours) on this machine.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Why it is there: `library libselinux.so.1, needed by /usr/bin/ls`.
    pub because: String,
}

/// Something that a person should know about one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The path.
    pub path: String,
    /// A sentence about it, without the path.
    pub message: String,
}

/// Why there is no base.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaseError {
    /// The machine has no `sh` where shells are.
    #[error(
        "no program `sh` in {}; a base needs a shell: install one (dash, bash or busybox), or name a directory that has one as the root",
        looked.join(", ")
    )]
    NoShell {
        /// Where it was looked for.
        looked: Vec<String>,
    },
    /// Something that was asked for is not there.
    #[error("add {path}: nothing is there{hint}")]
    Missing {
        /// What was asked for.
        path: String,
        /// What to do, with its punctuation.
        hint: String,
    },
    /// Something that was asked for cannot be part of a base.
    #[error("add {path}: {reason}")]
    Unsuitable {
        /// What was asked for.
        path: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A program needs a library that is nowhere.
    #[error(
        "{needed_by} needs the library {library}, which is not on this machine (looked in {}); install the package that has it, or add its directory to /etc/ld.so.conf",
        looked.join(", ")
    )]
    LibraryNotFound {
        /// The name of the library.
        library: String,
        /// The program or library that needs it.
        needed_by: String,
        /// The directories that were searched, in order.
        looked: Vec<String>,
    },
    /// A program or script cannot start without another file, and that is not there.
    #[error(
        "{program} is started by {interpreter}, which is not on this machine; install the package that has it"
    )]
    InterpreterNotFound {
        /// The program or script.
        program: String,
        /// The loader, or what the `#!` line names.
        interpreter: String,
    },
    /// A program is for another processor than the shell.
    #[error(
        "add {path}: it is a program for {found}, and this base is for {expected}; it could not run there"
    )]
    OtherArchitecture {
        /// The program.
        path: String,
        /// Its processor.
        found: String,
        /// The processor of the base.
        expected: String,
    },
    /// A file begins as ELF and does not go on so.
    #[error("read {path} as an ELF file: {reason}; the file is damaged, install it again")]
    Elf {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The machine did not let us read.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried: `read`, `list`.
        action: &'static str,
        /// The path.
        path: String,
        /// What the machine said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;

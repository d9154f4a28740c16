//! A small deterministic shell that works on a tree: RUN without a process.
//!
//! It understands the everyday part of a POSIX shell and some forty commands, and refuses
//! everything else by name: what it does, it does as busybox would, and what it cannot do, it
//! never passes over in silence. There is no clock, no network and no kernel behind it.
//! Source: [POSIX, Shell Command Language](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html).
//!
//! ```text
//! script ─ parse ─▶ syntax tree ─ expand words ─▶ command ─▶ calls on the tree ─▶ output, code
//! ```

mod arithmetic;
mod commands;
mod executor;
mod expand;
mod files;
pub mod fixtures;
mod lexer;
mod mounts;
mod packages;
mod parse;
mod pattern;
mod programs;
mod regex;
mod run;
mod streams;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use executor::SimExecutor;

use crate::accounts::Identity;
use crate::path::RootedPath;
use crate::tree::{Timestamp, Tree};

/// What a script works on and what it can call.
pub struct Shell<'a> {
    /// The file system.
    pub tree: &'a mut Tree,
    /// The variables. All are handed on to commands.
    pub env: BTreeMap<String, String>,
    /// The current directory.
    pub cwd: RootedPath,
    /// Who runs it.
    pub user: Identity,
    /// The time that everything that is changed bears.
    pub time: Timestamp,
    /// The permission bits that new files do not get.
    pub umask: u32,
    /// Places where nothing can be written.
    pub read_only: Vec<RootedPath>,
    /// What was done to the tree besides what can be seen of it.
    pub journal: Journal,
    /// Commands that are taken to have run: their names, and the absolute paths of the files that
    /// they are taken to write. Without files, they do nothing.
    pub pretend: &'a BTreeMap<String, Vec<String>>,
    /// Whether a command works although no file in the tree is behind it.
    pub all_commands: bool,
    /// Asked first for every command; `None` says that it is somebody else's.
    pub other: &'a mut dyn FnMut(&mut Call<'_>) -> Option<i32>,
}

/// What a file system on layers notes: overlayfs copies a file up as soon as somebody opens it for
/// writing, and a directory that is made where another one was hides what that one held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// Files that were opened for writing, or whose owner, mode or time was set.
    pub written: BTreeSet<RootedPath>,
    /// Directories that were made.
    pub made: BTreeSet<RootedPath>,
}

/// A command as somebody outside of the shell may answer it.
pub struct Call<'c> {
    /// Its name and its arguments.
    pub args: &'c [String],
    /// What it can read.
    pub stdin: &'c [u8],
    /// The file system.
    pub tree: &'c mut Tree,
    /// The current directory.
    pub cwd: &'c RootedPath,
    /// The variables.
    pub env: &'c BTreeMap<String, String>,
    /// The time that everything that is changed bears.
    pub time: Timestamp,
    /// What it writes to standard output.
    pub out: Vec<u8>,
    /// What it writes to standard error.
    pub err: Vec<u8>,
}

/// Something that the simulated shell does not do, and so refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unsupported {
    /// A sentence that names it.
    pub message: String,
    /// The command that one may pretend to have run; none when it is not about a command.
    pub command: Option<String>,
    /// Where in the script, in bytes, when that is known.
    pub at: Option<usize>,
}

/// The commands of a script, line by line, each with its heredocs and without comments. What
/// cannot be understood is one command, up to the end.
pub fn lines(script: &str) -> Vec<&str> {
    parse::lines(script)
}

impl Shell<'_> {
    /// Runs a script to its end and gives its exit code. `out` is given all that is written, with
    /// 1 for standard output and 2 for standard error.
    pub fn run(&mut self, script: &str, out: &mut dyn FnMut(u8, &str)) -> Result<i32, Unsupported> {
        self.run_args(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], out)
    }

    /// Runs a program with its arguments, as the exec form of RUN does.
    pub fn run_args(
        &mut self,
        args: &[String],
        out: &mut dyn FnMut(u8, &str),
    ) -> Result<i32, Unsupported> {
        run::Runner::new(self, out).program(args)
    }
}

impl Unsupported {
    fn construct(what: impl std::fmt::Display, at: usize) -> Self {
        Self {
            message: format!("the simulated shell does not understand {what}"),
            command: None,
            at: Some(at),
        }
    }

    fn command(name: &str, what: impl std::fmt::Display) -> Self {
        Self {
            message: format!("the simulated shell does not run {what}"),
            command: Some(name.to_owned()),
            at: None,
        }
    }

    /// What helps, as a sentence without the words of any one program.
    pub fn remedy(&self) -> Option<String> {
        let name = self.command.as_ref()?;
        Some(format!(
            "One may pretend that {name} has run, as doing nothing or as writing given files."
        ))
    }
}

impl std::fmt::Debug for Shell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shell = f.debug_struct("Shell");
        shell.field("cwd", &self.cwd).field("user", &self.user);
        shell.finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

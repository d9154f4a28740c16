//! `cargo x …`: the project's own commands; no dependency, so it is ready in seconds.

// A command that a person runs talks to that person.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod allowed;
mod bench;
mod command;
mod course;
mod failures;
mod fixtures;
mod fuzz;
mod host;
mod playground;
mod report;
mod setup;
mod suites;
mod svg;
mod tally;
mod test;
mod wasm;

const USAGE: &str = "\
Usage:  cargo x COMMAND

The course:
  list                           the chapters, and how far you are
  start NN [--force]             write your copy of a chapter into workshop/
  check NN [--task K] [--watch]  say which of its tasks are done
       [--solution]                of the chapter's own code instead of yours
  diff NN                        compare your code with the chapter's
  next                           the next thing to do
  book [--serve [PORT] | --open] write the book to target/site/book, and show it
  playground [--serve [PORT] | --open]
                                 write the page and the book to target/site, and show them

The project:
  test [--no-setup] [SUITE...]   run every suite, or the named ones; install first what they need
  test --list                    name the suites
  fuzz [TARGET...]               feed the targets of tests/fuzz with what breaks promises
       [--minutes N|--seconds N]   for so long each; without it, a minute
  fuzz --list                    name the targets
  bench [ROW...] [--runs N] [--out FILE]
                                 measure Coracle beside its peers; --list names the rows
  picture TITLE                  draw the terminal session on standard input as SVG

Logs are kept whole in target/x-test.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.split_first() {
        Some((&"list", rest)) => course::list(&project(), rest),
        Some((&"start", rest)) => course::start(&project(), rest),
        Some((&"check", rest)) => course::check(&project(), rest),
        Some((&"diff", rest)) => course::diff(&project(), rest),
        Some((&"next", rest)) => course::next(&project(), rest),
        Some((&"book", rest)) => site(&project(), rest),
        Some((&"playground", rest)) => playground::main(&project(), rest),
        Some((&"test", rest)) => test::main(&project(), rest),
        Some((&"fuzz", rest)) => fuzz::main(&project(), rest),
        Some((&"bench", rest)) => bench::main(&project(), rest),
        Some((&"picture", rest)) => svg::main(rest),
        Some((&("help" | "--help" | "-h"), _)) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Some((unknown, _)) => {
            eprintln!("cargo x has no command {unknown:?}.\n\n{USAGE}");
            ExitCode::from(2)
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Book and page are written by a package of their own, so that this one stays small.
fn site(project: &Path, words: &[&str]) -> ExitCode {
    let mut cargo = Command::new("cargo");
    let run = ["run", "--quiet", "--package", "coracle-site", "--"];
    cargo.current_dir(project).args(run).args(words);
    match cargo.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace: the parent of this package's.
fn project() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package
        .parent()
        .map_or_else(|| PathBuf::from("."), PathBuf::from)
}

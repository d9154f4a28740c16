//! The book of Coracle: mdBook as a library, with directives that cannot drift from the code.
//!
//! ```text
//!   book       loads, expands, checks and writes the book
//!   page       one page: finds the directives and what they stand for
//!     code       {{#code FILE:ANCHOR}}        lines of a compiled file
//!     code       {{#file FILE}}           a whole file that a session uses
//!     session    {{#session CHAPTER/NAME}}    a terminal session that a test executes
//!     quiz       {{#quiz CHAPTER}}            questions with folded answers
//!     borrows    {{#borrows CHAPTER}}         what a chapter takes from earlier ones
//!     scene      {{#layers NAME}}             layers and what is seen, drawn by the engine
//!     play       {{#play ELEMENT NAME}}   an element of the playground, and its table without script
//!     levels     {{#levels}}              the playground's levels that belong to the page
//!     diagram    {{#diagram NAME}}            a picture from a text
//!     map        {{#map}}                 the modules of core, from the architecture test's table
//!     errors     {{#errors}}              what can go wrong, from the words that the program says
//!     glossary   [[term]]                     a link to the sentence that says what it means
//!   check      what holds for the whole: links, reading time, one sentence a line
//!   places     the files and names that a page speaks of are there
//!   spelling   every word is in a dictionary, or in a list
//!   playground the page: engine, sources and libraries put together
//!   serve      book or page at an address of this machine
//! ```

// A command that a person runs talks to that person.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod book;
mod borrows;
mod check;
mod code;
mod diagram;
mod errors;
mod glossary;
mod html;
mod levels;
mod map;
mod page;
mod places;
mod play;
mod playground;
mod quiz;
mod scene;
mod serve;
mod session;
mod spelling;

/// What goes wrong is said in sentences, which name the file.
type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
Usage:  cargo x book [--serve [PORT] | --open | --spelling]
        cargo x playground [--serve [PORT] | --open]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => book::build(&project()).map(|index| println!("written: {}", index.display())),
        ["--open"] => book::build(&project()).and_then(|index| open(index.as_ref())),
        ["--serve", port @ ..] => book::build(&project())
            .and_then(|_| serve::serve(&project().join(book::TARGET), serve::port(port)?)),
        ["--playground", engine] => playground::build(&project(), Path::new(engine)),
        ["--site"] => {
            playground::site(&project()).map(|index| println!("written: {}", index.display()))
        }
        ["--site", "--open"] => playground::site(&project())
            .and_then(|_| serve::serve_and_open(&project().join(playground::SITE))),
        ["--site", "--serve", port @ ..] => playground::site(&project())
            .and_then(|_| serve::serve(&project().join(playground::SITE), serve::port(port)?)),
        ["--spelling"] => spelling::problems(&project()).and_then(|problems| {
            if problems.is_empty() {
                Ok(())
            } else {
                Err(problems.join("\n"))
            }
        }),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace: the grandparent of this package's.
fn project() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_owned()
}

/// Shows a file or an address in the browser that the desktop has.
fn open(what: &OsStr) -> Result<()> {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let run = std::process::Command::new(opener).arg(what).status();
    match run {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!(
            "open {} in a browser: {opener} cannot",
            what.display()
        )),
    }
}

/// The text of a file of the project.
fn read(project: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(project.join(path)).map_err(|error| format!("read {path}: {error}"))
}

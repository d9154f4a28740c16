//! `layers`: packs, lists and unpacks layers.

// This program talks to the person who runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use ch01_layers::{Entry, Result, changes, list, naive, pack, read, unpack};

const HELP: &str = "\
Usage:  layers COMMAND

  pack DIR ARCHIVE           pack everything that DIR holds
  changes OLD NEW ARCHIVE    pack only what NEW has and OLD has not, or otherwise
  list ARCHIVE               print a line for each entry
  unpack ARCHIVE DIR         unpack into DIR, and nowhere else

For experiments:
  evil ARCHIVE               write an archive with a name that leads out
  naive ARCHIVE DIR          unpack without a check; only for archives of your own

Try:  pack a directory, and another version of it with `changes`; compare the sizes.
      Unpack an evil archive, first with `naive`, then with `unpack`.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("layers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String> {
    match words {
        ["pack", directory, archive] => {
            let entries = read(Path::new(directory))?;
            save(archive, &pack(&entries)?, entries.len())
        }
        ["changes", old, new, archive] => {
            let changed = changes(&read(Path::new(old))?, &read(Path::new(new))?);
            save(archive, &pack(&changed)?, changed.len())
        }
        ["list", archive] => list(&open(archive)?),
        ["unpack", archive, directory] => {
            unpack(&open(archive)?, Path::new(directory))
                .map_err(|error| format!("{archive}: {error}"))?;
            Ok(String::new())
        }
        ["evil", archive] => {
            let entries = [
                Entry::file("hello", "hi\n"),
                Entry::file("../surprise", "boo\n"),
            ];
            save(archive, &pack(&entries)?, entries.len())
        }
        ["naive", archive, directory] => {
            let written = naive(&open(archive)?, Path::new(directory))?;
            let lines = written
                .iter()
                .map(|path| format!("wrote {}\n", path.display()));
            Ok(lines.collect())
        }
        ["help" | "--help" | "-h"] => Ok(format!("{HELP}\n")),
        [] => Err(format!("what shall I do?\n\n{HELP}").into()),
        _ => Err(format!(
            "{:?} is not a command, or lacks a word.\n\n{HELP}",
            words.join(" ")
        )
        .into()),
    }
}

fn open(archive: &str) -> Result<Vec<u8>> {
    Ok(fs::read(archive).map_err(|error| format!("read {archive}: {error}"))?)
}

fn save(archive: &str, bytes: &[u8], entries: usize) -> Result<String> {
    fs::write(archive, bytes).map_err(|error| format!("write {archive}: {error}"))?;
    Ok(format!(
        "{archive}: {entries} entries, {} bytes\n",
        bytes.len()
    ))
}

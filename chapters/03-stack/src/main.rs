//! `stack`: shows what is seen of a stack of layers, and what it costs.

// This program talks to the person who runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use ch03_stack::{
    Entry, Layer, Result, View, Whiteout, costs, entry, in_archive_order, layer, pack, puzzles,
    solutions, view, word,
};

const HELP: &str = "\
Usage:  stack COMMAND        layers are archives (tar), the lowest first

  show LAYER...              print what is seen, and which layer it comes from
  cost LAYER...              print what each layer ships, and what of it is seen
  hides LAYER                print what a layer hides of those below it
  scenes [solved]            print six stacks to think about, or what is seen of them

For experiments:
  make LAYER ENTRY...        write an archive: app/ is a directory, app/a=1 a file and
                             its text, app/data:20000 a file of that size, app/.wh.a a
                             whiteout, and app/.wh..wh..opq makes app/ opaque
  naive LAYER...             show what a first draft sees: entry by entry, as they come

Try:  hide a large file in a second layer, and look at the cost;
      put a file and its whiteout into one layer, and compare `show` with `naive`.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("stack: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String> {
    match words {
        ["show", files @ ..] if !files.is_empty() => Ok(shown(&view(&layers(files)?), files)),
        ["cost", files @ ..] if !files.is_empty() => cost(files),
        ["hides", file] => Ok(read(file)?.hides.iter().map(hidden).collect()),
        ["scenes"] => Ok(puzzles()),
        ["scenes", "solved"] => solutions(),
        ["make", file, words @ ..] if !words.is_empty() => make(file, words),
        ["naive", files @ ..] if !files.is_empty() => naive(files),
        ["help" | "--help" | "-h"] => Ok(format!("{HELP}\n")),
        [] => Err(format!("what shall I do?\n\n{HELP}").into()),
        _ => Err(format!(
            "{:?} is not a command, or lacks a word.\n\n{HELP}",
            words.join(" ")
        )
        .into()),
    }
}

fn shown(view: &View, files: &[&str]) -> String {
    if view.is_empty() {
        return "nothing is seen\n".to_owned();
    }
    let mut seen: Vec<_> = view.iter().collect();
    seen.sort_by_key(|(path, _)| path.split('/').collect::<Vec<_>>());
    let width = files.iter().map(|file| file.len()).max().unwrap_or(0);
    let line = |(path, seen): &(&String, &ch03_stack::Seen)| {
        format!("{:width$}  {}\n", files[seen.layer], word(path, &seen.node))
    };
    seen.iter().map(line).collect()
}

fn cost(files: &[&str]) -> Result<String> {
    let costs = costs(&layers(files)?);
    let mut out = format!("{:>8} {:>8}  layer\n", "shipped", "seen");
    for (cost, file) in costs.iter().zip(files) {
        let _ = writeln!(out, "{:>8} {:>8}  {file}", cost.shipped, cost.seen);
    }
    let shipped: u64 = costs.iter().map(|cost| cost.shipped).sum();
    let seen: u64 = costs.iter().map(|cost| cost.seen).sum();
    let _ = writeln!(out, "{shipped:>8} {seen:>8}  in all");
    Ok(out)
}

fn hidden(whiteout: &Whiteout) -> String {
    match whiteout {
        Whiteout::Path(path) => format!("{path} and all below it\n"),
        Whiteout::Below(directory) => format!("all below {directory}/, which itself stays\n"),
    }
}

fn make(file: &str, words: &[&str]) -> Result<String> {
    let entries: Result<Vec<Entry>> = words.iter().map(|word| entry(word)).collect();
    let bytes = pack(&entries?)?;
    fs::write(file, &bytes).map_err(|error| format!("write {file}: {error}"))?;
    let entries = match words {
        [_] => "1 entry".to_owned(),
        _ => format!("{} entries", words.len()),
    };
    Ok(format!("{file}: {entries}, {} bytes\n", bytes.len()))
}

fn naive(files: &[&str]) -> Result<String> {
    let mut view = View::new();
    for (number, file) in files.iter().enumerate() {
        in_archive_order(&mut view, &open(file)?, number)
            .map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(shown(&view, files))
}

fn layers(files: &[&str]) -> Result<Vec<Layer>> {
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &str) -> Result<Layer> {
    Ok(layer(&open(file)?).map_err(|error| format!("{file}: {error}"))?)
}

fn open(file: &str) -> Result<Vec<u8>> {
    Ok(fs::read(file).map_err(|error| format!("read {file}: {error}"))?)
}

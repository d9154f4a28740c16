//! `cache`: builds without building, and tells which steps would be done and why.

// This program talks to the person who runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use ch08_cache::{BAD, Cache, Result, Why, better, build, read, steps};

const HELP: &str = "\
Usage:  cache COMMAND

  build MEMORY DIR      tell which steps of DIR/Dockerfile are known to the file MEMORY, which
                        must be done and why, and remember them all
  bad                   print the Dockerfile of task 4
  better                print it as you have ordered it

Try:  build twice; change a file in between; put a line in front of all others.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cache: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String> {
    match words {
        ["build", memory, folder] => {
            let folder = Path::new(folder);
            let file = folder.join("Dockerfile");
            let text = fs::read_to_string(&file);
            let text = text.map_err(|error| format!("read {}: {error}", file.display()))?;
            let mut cache = remembered(memory)?;
            let out = told(&steps(&text, &read(folder)?)?, &mut cache);
            fs::write(memory, serde_json::to_vec(&cache)?)?;
            Ok(out)
        }
        ["bad"] => Ok(BAD.to_owned()),
        ["better"] => Ok(better().to_owned()),
        ["help" | "--help" | "-h"] => Ok(format!("{HELP}\n")),
        [] => Err(format!("what shall I do?\n\n{HELP}").into()),
        _ => Err(format!(
            "{:?} is not a command, or lacks a word.\n\n{HELP}",
            words.join(" ")
        )
        .into()),
    }
}

fn remembered(memory: &str) -> Result<Cache> {
    match fs::read(memory) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)
            .map_err(|error| format!("{memory} is no memory of mine: {error}"))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Cache::default()),
        Err(error) => Err(format!("read {memory}: {error}").into()),
    }
}

fn told(steps: &[ch08_cache::Step], cache: &mut Cache) -> String {
    let mut out = String::new();
    for outcome in build(steps, cache) {
        let what = match &outcome.done {
            None => "cached",
            Some(_) => "done",
        };
        let _ = writeln!(out, "{what:<7} {}", outcome.text);
        let reason = match outcome.done {
            None => continue,
            Some(Why::FirstTime) => "there was no such step before".to_owned(),
            Some(Why::Text(then)) => format!("it was: {then}"),
            Some(Why::Setting(name)) => format!("{name} is another one"),
            Some(Why::Files(paths)) => format!("changed: {}", paths.join(" ")),
            Some(Why::Below) => "what lies below it is another".to_owned(),
            Some(Why::Lost) => "nothing changed, but it is not remembered".to_owned(),
        };
        let _ = writeln!(out, "          {reason}");
    }
    out
}

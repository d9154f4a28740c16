//! `digests`: names bytes, keeps them once, and notices when they change.

// This program talks to the person who runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use ch02_digests::{Digest, Put, Result, Shelf, digest_of, names, packed};

const HELP: &str = "\
Usage:  digests COMMAND

  of FILE...                print the digest of each file
  put SHELF FILE...         keep files on a shelf, each content once
  ls SHELF                  print what is on it
  get SHELF DIGEST FILE     write a blob to a file, if it is what its name says
  names FILE...             print the three names of each layer of a pile, the lowest first

For experiments:
  pack LEVEL FILE PACKED    pack a file by gzip, with level 1 to 9
  flip SHELF DIGEST         change one bit of a blob, as a bad disk would

Try:  put the same file under two names; flip a bit, and get the blob;
      pack one file with two levels, and compare the names.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("digests: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String> {
    match words {
        ["of", files @ ..] if !files.is_empty() => {
            let line = |file: &&str| Ok(format!("{}  {file}\n", digest_of(&open(file)?)));
            files.iter().map(line).collect()
        }
        ["put", shelf, files @ ..] if !files.is_empty() => put(shelf, files),
        ["ls", shelf] => {
            let blobs = Shelf::open(Path::new(shelf))?.list()?;
            let line = |(digest, size): &(Digest, u64)| format!("{size:>8}  {digest}\n");
            Ok(blobs.iter().map(line).collect())
        }
        ["get", shelf, digest, file] => {
            let bytes = Shelf::open(Path::new(shelf))?.get(&Digest::parse(digest)?)?;
            fs::write(file, bytes).map_err(|error| format!("write {file}: {error}"))?;
            Ok(String::new())
        }
        ["names", files @ ..] if !files.is_empty() => table(files),
        ["pack", level, file, target] => {
            let level = level.parse().ok().filter(|level| (1..=9).contains(level));
            let bytes = packed(&open(file)?, level.ok_or("the level is 1 to 9")?)?;
            fs::write(target, bytes).map_err(|error| format!("write {target}: {error}"))?;
            Ok(String::new())
        }
        ["flip", shelf, digest] => flip(&Shelf::open(Path::new(shelf))?, &Digest::parse(digest)?),
        ["help" | "--help" | "-h"] => Ok(format!("{HELP}\n")),
        [] => Err(format!("what shall I do?\n\n{HELP}").into()),
        _ => Err(format!(
            "{:?} is not a command, or lacks a word.\n\n{HELP}",
            words.join(" ")
        )
        .into()),
    }
}

fn put(shelf: &str, files: &[&str]) -> Result<String> {
    let shelf = Shelf::open(Path::new(shelf))?;
    let (mut out, mut given, mut written) = (String::new(), 0, 0);
    for file in files {
        let bytes = open(file)?;
        given += bytes.len();
        let (what, digest) = match shelf.put(&bytes)? {
            Put::New(digest) => {
                written += bytes.len();
                ("new", digest)
            }
            Put::Here(digest) => ("already here", digest),
        };
        let _ = writeln!(out, "{}  {file}: {what}", short(&digest));
    }
    let _ = writeln!(out, "{written} of {given} bytes written");
    Ok(out)
}

fn table(files: &[&str]) -> Result<String> {
    let blobs: Result<Vec<Vec<u8>>> = files.iter().map(|file| open(file)).collect();
    let mut out = format!("{:14}{:14}{:14}layer\n", "digest", "diff ID", "chain ID");
    for (file, names) in files.iter().zip(names(&blobs?)?) {
        let (digest, diff_id, chain_id) = (&names.digest, &names.diff_id, &names.chain_id);
        let _ = writeln!(
            out,
            "{}  {}  {}  {file}",
            short(digest),
            short(diff_id),
            short(chain_id)
        );
    }
    Ok(out)
}

fn flip(shelf: &Shelf, digest: &Digest) -> Result<String> {
    let mut bytes = shelf.read(digest)?;
    let first = bytes.first_mut().ok_or("there is no bit in it")?;
    *first ^= 1;
    fs::write(shelf.path(digest), bytes)?;
    Ok(String::new())
}

/// The first twelve digits: enough for people, never for programs.
fn short(digest: &Digest) -> &str {
    &digest.hex()[..12]
}

fn open(file: &str) -> Result<Vec<u8>> {
    Ok(fs::read(file).map_err(|error| format!("read {file}: {error}"))?)
}

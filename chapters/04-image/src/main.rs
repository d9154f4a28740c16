//! `image`: builds images of directories, names them, and collects what nobody names.

// This program talks to the person who runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use ch04_image::{Descriptor, Layout, Manifest, Result, build, media, pack};

const HELP: &str = "\
Usage:  image COMMAND

  build LAYOUT NAME DIR...     make an image with a layer for each directory, the lowest first
  ls LAYOUT                    print the names, and what they point to
  tag LAYOUT NAME NEW          give what NAME points to another name; a name that is taken moves
  untag LAYOUT NAME            take a name away
  tree LAYOUT NAME             print what NAME leads to
  cat LAYOUT NAME              print the documents of an image
  gc LAYOUT [--dry-run]        remove the blobs that no name leads to

For experiments:
  only LAYOUT NAME             remove every blob but those that NAME leads to

Try:  build version 1 and version 2 on the same base; move a tag, and move it back;
      take a name away, and see what `gc --dry-run` would remove.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("image: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String> {
    let open = |layout: &str| Layout::open(Path::new(layout));
    match words {
        ["build", layout, name, directories @ ..] if !directories.is_empty() => {
            built(&open(layout)?, name, directories)
        }
        ["ls", layout] => {
            let tags = open(layout)?.tags()?;
            let line = |(name, entry): &(String, Descriptor)| {
                format!("{}  {name}\n", entry.digest.short())
            };
            Ok(tags.iter().map(line).collect())
        }
        ["tag", layout, name, new] => {
            let layout = open(layout)?;
            layout.tag(new, &layout.resolve(name)?)?;
            Ok(String::new())
        }
        ["untag", layout, name] => {
            open(layout)?.untag(name)?;
            Ok(String::new())
        }
        ["tree", layout, name] => tree(&open(layout)?, name),
        ["cat", layout, name] => documents(&open(layout)?, name),
        ["gc", layout] => garbage(&open(layout)?, true),
        ["gc", layout, "--dry-run"] => garbage(&open(layout)?, false),
        ["only", layout, name] => only(&open(layout)?, name),
        ["help" | "--help" | "-h"] => Ok(format!("{HELP}\n")),
        [] => Err(format!("what shall I do?\n\n{HELP}").into()),
        _ => Err(format!(
            "{:?} is not a command, or lacks a word.\n\n{HELP}",
            words.join(" ")
        )
        .into()),
    }
}

fn built(layout: &Layout, name: &str, directories: &[&str]) -> Result<String> {
    let layer = |directory: &&str| Ok((pack(Path::new(directory))?, format!("pack {directory}")));
    let layers = directories.iter().map(layer).collect::<Result<Vec<_>>>()?;
    let command = ["python".to_owned(), "app.py".to_owned()];
    let (manifest, written) = build(layout, &command, &layers)?;
    layout.tag(name, &manifest)?;
    Ok(format!(
        "{}  {name}: {written} bytes written\n",
        manifest.digest.short()
    ))
}

fn tree(layout: &Layout, name: &str) -> Result<String> {
    let mut out = format!("{name}\n");
    for part in layout.walk(&layout.resolve(name)?)? {
        let (indent, what) = match part.media_type.as_str() {
            media::MANIFEST => ("", "manifest"),
            media::CONFIG => ("  ", "config"),
            _ => ("  ", "layer"),
        };
        let _ = writeln!(
            out,
            "  {indent}{what} {}, {} bytes",
            part.digest.short(),
            part.size
        );
    }
    Ok(out)
}

fn documents(layout: &Layout, name: &str) -> Result<String> {
    let bytes = layout.read(&layout.resolve(name)?)?;
    let manifest: Manifest = serde_json::from_slice(&bytes)?;
    let mut out = String::new();
    for document in [bytes, layout.read(&manifest.config)?] {
        let value: serde_json::Value = serde_json::from_slice(&document)?;
        let _ = writeln!(out, "{}", serde_json::to_string_pretty(&value)?);
    }
    Ok(out)
}

fn only(layout: &Layout, name: &str) -> Result<String> {
    let needed = layout.walk(&layout.resolve(name)?)?;
    let mut out = String::new();
    for digest in layout.blobs()? {
        if !needed.iter().any(|part| part.digest == digest) {
            layout.remove(&digest)?;
            let _ = writeln!(out, "{} removed", digest.short());
        }
    }
    Ok(out)
}

fn garbage(layout: &Layout, remove: bool) -> Result<String> {
    let garbage = layout.garbage()?;
    let mut out = String::new();
    for digest in &garbage {
        if remove {
            layout.remove(digest)?;
        }
        let _ = writeln!(out, "{}", digest.short());
    }
    let verb = if remove {
        "removed"
    } else {
        "would be removed"
    };
    let _ = writeln!(out, "{} blobs {verb}", garbage.len());
    Ok(out)
}

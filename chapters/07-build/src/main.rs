//! `builder`: builds images from Dockerfiles, without running anything.

// This program talks to the person who runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use ch07_build::{Built, Made, Result, build, read};
use coracle::tree::{Node, Timestamp, Tree};
use serde_json::json;

const HELP: &str = "\
Usage:  builder COMMAND

  image DIR                  build the image of DIR/Dockerfile, and print what each step made
  save DIR LAYOUT NAME       the same, and write it as an OCI image layout

For experiments:
  at SECONDS DIR             build it as if every file had been written at that time

Try:  build twice; change one file, and see which layers become others;
      save an image, and load it: coracle copy oci:LAYOUT:NAME ...";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("builder: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String> {
    match words {
        ["image", folder] => Ok(told(&built(folder, None)?)),
        ["at", seconds, folder] => Ok(told(&built(folder, Some(seconds.parse()?))?)),
        ["save", folder, layout, name] => {
            let built = built(folder, None)?;
            save(&built, Path::new(layout), name)?;
            Ok(told(&built))
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

fn built(folder: &str, time: Option<i64>) -> Result<Built> {
    let folder = Path::new(folder);
    let file = folder.join("Dockerfile");
    let text = fs::read_to_string(&file).map_err(|e| format!("read {}: {e}", file.display()))?;
    let context = read(folder)?;
    match time {
        Some(seconds) => build(&text, &written_at(seconds, &context)),
        None => build(&text, &context),
    }
}

/// The same files, with another time.
fn written_at(seconds: i64, context: &Tree) -> Tree {
    let mut tree = Tree::new();
    for (path, node) in context.iter() {
        let mut node = Node::clone(node);
        node.meta.mtime = Timestamp { seconds, nanos: 0 };
        tree.insert(path.clone(), Arc::new(node));
    }
    tree
}

fn told(built: &Built) -> String {
    let mut out = String::new();
    for (text, made) in &built.steps {
        let made = match made {
            Made::Layer(digest) => digest.short(),
            Made::Config => "config",
        };
        let _ = writeln!(out, "{made:<12}  {text}");
    }
    let _ = writeln!(out, "{}  is the image", built.config.digest().short());
    out
}

fn save(built: &Built, layout: &Path, name: &str) -> Result<()> {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let documents = [built.config.bytes(), built.manifest.bytes()];
    for blob in built.layers.iter().map(Vec::as_slice).chain(documents) {
        let digest = coracle::digest::Digest::of(blob);
        fs::write(blobs.join(digest.hex()), blob)?;
    }
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": built.manifest.digest().as_str(),
            "size": built.manifest.bytes().len(),
            "annotations": { "org.opencontainers.image.ref.name": name },
        }],
    });
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    Ok(fs::write(layout.join("index.json"), index.to_string())?)
}

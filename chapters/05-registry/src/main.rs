//! `registry`: pushes images to a registry and pulls them from there.

// This program talks to the person who runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use ch05_registry::{Blob, Client, Fate, Result, Shelf, lie, parse};
use coracle::digest::Digest;
use serde_json::json;

const HELP: &str = "\
Usage:  registry COMMAND

  name NAME                  print what a name means
  push SHELF NAME TO         send an image of a shelf to a registry
  pull SHELF FROM NAME       fetch an image from a registry, and call it NAME

A registry of your own:  coracle registry serve     (at localhost:5000)
REGISTRY_USER=NAME:PASSWORD logs in where a registry asks for it.
REGISTRY_CONNECT=HOST=ADDRESS,... asks for a host at another address.

For experiments:
  make SHELF NAME FILE...    an image with a layer for each file
  lie PORT                   serve an image of which a blob is not what its digest says
  trust FROM                 fetch an image and believe what comes

Try:  push two versions that share a file; pull one of them onto an empty shelf, twice;
      pull from a registry that lies.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("registry: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String> {
    let open = |shelf: &str| Shelf::open(Path::new(shelf));
    match words {
        ["name", name] => {
            let name = parse(name)?;
            Ok(format!(
                "registry    {}\nrepository  {}\ntag         {}\n",
                name.registry, name.repository, name.tag
            ))
        }
        ["push", shelf, name, to] => {
            let fates = client()?.push(&open(shelf)?, name, &parse(to)?)?;
            Ok(told(&fates, "sent"))
        }
        ["pull", shelf, from, name] => {
            let fates = client()?.pull(&open(shelf)?, &parse(from)?, name)?;
            Ok(told(&fates, "fetched"))
        }
        ["make", shelf, name, files @ ..] if !files.is_empty() => make(&open(shelf)?, name, files),
        ["lie", port] => {
            let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
            lie(&listener);
            Ok(String::new())
        }
        ["trust", from] => trust(from),
        ["help" | "--help" | "-h"] => Ok(format!("{HELP}\n")),
        [] => Err(format!("what shall I do?\n\n{HELP}").into()),
        _ => Err(format!(
            "{:?} is not a command, or lacks a word.\n\n{HELP}",
            words.join(" ")
        )
        .into()),
    }
}

/// Who we are, and where hosts are, as the environment says.
fn client() -> Result<Client> {
    let pairs = |name: &str, between: char| -> Result<Vec<(String, String)>> {
        let text = std::env::var(name).unwrap_or_default();
        let pair = |pair: &str| match pair.split_once(between) {
            Some((one, other)) => Ok((one.to_owned(), other.to_owned())),
            None => Err(format!("{name}: {pair:?} has no {between:?} in it").into()),
        };
        text.split_terminator(',').map(pair).collect()
    };
    Ok(Client {
        user: pairs("REGISTRY_USER", ':')?.pop(),
        connect_to: pairs("REGISTRY_CONNECT", '=')?,
    })
}

fn told(fates: &[(Blob, Fate)], moved: &str) -> String {
    let mut out = String::new();
    let mut bytes = 0;
    for (blob, fate) in fates {
        let what = match fate {
            Fate::AlreadyExists => "already exists".to_owned(),
            Fate::Moved => {
                bytes += blob.size;
                format!("{moved}, {} bytes", blob.size)
            }
        };
        let _ = writeln!(out, "{}  {what}", blob.digest.short());
    }
    let _ = writeln!(out, "{bytes} bytes {moved}");
    out
}

fn make(shelf: &Shelf, name: &str, files: &[&str]) -> Result<String> {
    let mut layers = Vec::new();
    for file in files {
        let bytes = fs::read(file).map_err(|error| format!("read {file}: {error}"))?;
        let digest = shelf.put(&bytes)?;
        layers.push(json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": digest.as_str(), "size": bytes.len(),
        }));
    }
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = config.to_string().into_bytes();
    let digest = shelf.put(&config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest.as_str(), "size": config.len(),
        },
        "layers": layers,
    });
    shelf.tag(name, &shelf.put(manifest.to_string().as_bytes())?)?;
    Ok(String::new())
}

fn trust(from: &str) -> Result<String> {
    let (client, from) = (client()?, parse(from)?);
    let manifest = client.fetch(&from, &format!("manifests/{}", from.tag))?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest)?;
    let mut out = String::new();
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        let digest: Digest = layer["digest"].as_str().unwrap_or_default().parse()?;
        let bytes = client.fetch(&from, &format!("blobs/{digest}"))?;
        let _ = writeln!(
            out,
            "{}  {}",
            digest.short(),
            String::from_utf8_lossy(&bytes)
        );
    }
    Ok(out)
}

//! `coracle cp`: files between a container and this machine.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coracle::layer::tar;
use coracle::linux::archive::read_files;
use coracle::linux::containers::{Copied, Ending, Owner, Place, put, take, view};
use coracle::linux::root::RootDir;

use crate::bounds;
use crate::commands::completion;
use crate::containers::{self, Held};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Copy files/folders between a container and the local filesystem
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-
       coracle cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    after_help = "\
Examples:
  coracle cp job:/etc/os-release .
  coracle cp ./site/. web:/srv/site
  coracle cp job:/var/log - | tar -t
  tar -c *.txt | coracle cp - job:/data

A file goes into a directory that is there, or becomes the file of that name; the directory
above it must be there. A directory goes into one that is there, or becomes it; with /. at
the end of SRC_PATH only what is in it goes. With - an archive is written or read. Paths in
the container begin at its root. A relative path with a colon is written ./a:b.

The container need not run. What it has mounted from this machine is copied like the rest;
/proc, /sys and /dev are not there. Links at the end of SRC_PATH are copied as links, at the
end of DEST_PATH followed, in the container never out of it.

Copies are root's in the container and yours here, unless --archive keeps their owners.

Chapter 13-overlay of the book explains where changes are kept."
)]
pub(crate) struct Options {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    pub(crate) archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    pub(crate) follow_link: bool,
    /// Suppress progress output during copy (there is none)
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// From where
    #[arg(value_name = "SRC_PATH", add = completion::containers())]
    pub(crate) source: PathBuf,
    /// To where
    #[arg(value_name = "DEST_PATH", add = completion::containers())]
    pub(crate) destination: PathBuf,
}

/// One end of a copy.
#[derive(Debug, PartialEq)]
enum End<'a> {
    /// A path in a container.
    Container(&'a str, &'a [u8]),
    /// A path of this machine.
    Here(&'a Path),
    /// Standard input or output.
    Stream,
}

/// Copies.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let owner = if options.archive {
        Owner::Kept
    } else {
        Owner::Here
    };
    match (end(&options.source), end(&options.destination)) {
        (End::Container(name, path), to) => {
            if to == End::Stream {
                output::file::refuse_terminal(None, "coracle cp CONTAINER:PATH - > FILE")?;
            }
            let held = containers::hold(context, name)?;
            let from = inside(&held, path)?;
            let copied = take(&from, options.follow_link)?;
            match to {
                End::Container(..) => Err(both("containers")),
                End::Stream => {
                    let files = copied.named();
                    output::file::stream(None, |out| tar::write_files(&files, out))
                }
                End::Here(path) => Ok(put(&copied, &destination(path)?, owner)?),
            }
        }
        (from, End::Container(name, path)) => {
            let held = containers::hold(context, name)?;
            let copied = match from {
                End::Stream => {
                    Copied::of_archive(read_files(io::stdin(), bounds::of_environment()?)?)
                }
                End::Here(path) => take(&source(path, options.follow_link)?, false)?,
                End::Container(..) => return Err(both("containers")),
            };
            let to = inside(&held, path)?;
            Ok(put(&copied, &to, owner)?)
        }
        _ => Err(both("on this machine")),
    }?;
    Ok(0)
}

/// A container's name before the first colon, unless what stands before it is a path.
fn end(typed: &Path) -> End<'_> {
    if typed == Path::new("-") {
        return End::Stream;
    }
    let bytes = typed.as_os_str().as_bytes();
    let colon = bytes.iter().position(|b| *b == b':');
    let (name, path) = match colon {
        Some(colon) => (&bytes[..colon], &bytes[colon + 1..]),
        None => return End::Here(typed),
    };
    match std::str::from_utf8(name) {
        Ok(name) if !name.starts_with('.') && !name.contains('/') && !name.is_empty() => {
            End::Container(name, path)
        }
        _ => End::Here(typed),
    }
}

fn both(where_: &str) -> Failure {
    Failure::new(format!(
        "cp copies between a container and this machine, and both paths are {where_}"
    ))
    .hint("Write the container's as NAME:PATH, the other one plainly.")
}

fn inside(held: &Held, path: &[u8]) -> Result<Place, Failure> {
    let root = Arc::new(view(&held.container, true)?);
    Ok(Place::new(&root, path))
}

/// A place of this machine that is read. Links on the way are the caller's own.
fn source(path: &Path, follow: bool) -> Result<Place, Failure> {
    let refused = |e: io::Error| Failure::io(format!("copy {}", path.display()), &e);
    let ending = ending(path);
    // Without the ending, which would follow a link.
    let plain: PathBuf = path.components().collect();
    let is_link = fs::symlink_metadata(&plain).map_err(refused)?.is_symlink();
    let whole = path.file_name().is_none() || ending != Ending::Name || (is_link && follow);
    if !whole {
        return below(path, ending);
    }
    // What a link leads to keeps the name that was typed.
    let real = fs::canonicalize(path).map_err(refused)?;
    let mut place = below(&real, ending)?;
    if let Some(name) = path.file_name().filter(|_| is_link) {
        place.name = Some(name.as_bytes().to_vec());
    }
    Ok(place)
}

/// A place of this machine that is written. A link at its end is followed, wherever it leads.
fn destination(path: &Path) -> Result<Place, Failure> {
    match fs::canonicalize(path) {
        Ok(real) => below(&real, ending(path)),
        Err(_) => below(path, ending(path)),
    }
}

/// A place as seen from the directory that holds it.
fn below(path: &Path, ending: Ending) -> Result<Place, Failure> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    };
    let name = path.file_name().unwrap_or_default();
    let root = Arc::new(RootDir::open(parent)?);
    let mut place = Place::new(&root, name.as_bytes());
    place.ending = ending;
    Ok(place)
}

fn ending(path: &Path) -> Ending {
    Ending::of(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_makes_a_container_unless_it_stands_in_a_path() {
        let check = |typed: &str, expected: End<'_>| assert_eq!(end(Path::new(typed)), expected);
        check("-", End::Stream);
        check("a", End::Here(Path::new("a")));
        check("web:/etc", End::Container("web", b"/etc"));
        check("web:", End::Container("web", b""));
        check("web:a:b", End::Container("web", b"a:b"));
        check("./a:b", End::Here(Path::new("./a:b")));
        check("/a:b", End::Here(Path::new("/a:b")));
        check("d/a:b", End::Here(Path::new("d/a:b")));
        check(":b", End::Here(Path::new(":b")));
    }
}

//! `coracle copy`: an image from one place to another, past the store.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use coracle::event::{Event, ignore};
use coracle::layer::Bounds;
use coracle::reference::Reference;
use coracle::registry::Pieces;
use coracle::registry::copy::{Copied, CopyOptions, Place, copy};
use coracle::store::archive::{self, Format, Save};
use coracle::store::layout::Layout;
use serde_json::json;

use super::build::platform;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::format::{self, FormatOption};
use crate::progress::{Direction, ExplainHttpOption, Transfers};
use crate::registries::{self, JOBS, Registries, RegistryOptions};

/// Copy an image between registries, layouts and archives
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] SOURCE DESTINATION",
    after_help = "\
Examples:
  coracle copy debian:12 localhost:5000/debian:12
  coracle copy localhost:5000/app:2 oci:layout:2
  coracle copy oci-archive:app.tar quay.io/team/app:2
  coracle copy --platform linux/arm64 debian:12 docker-archive:d.tar:debian

A place is NAME[:TAG|@DIGEST] or docker://NAME in a registry, oci:DIRECTORY[:TAG] for an OCI
layout, oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME] for a saved image.

Everything is copied byte for byte, so that every digest stays: all platforms, unless one is
chosen, and between registries and layouts also what refers to the image, such as
signatures and bills of material. The images here are neither read nor changed.

Fields: Digest, Referrers (how many other manifests went along), Moved and Size (bytes of
blobs that were moved, and of all).

Where registries are and whom they trust is told in `coracle pull --help`.

Chapter 05-registry of the book explains what is copied, and in which order."
)]
pub(crate) struct Options {
    /// Where the image is
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// Where it shall be
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: String,
    #[command(flatten)]
    pub(crate) explain: ExplainHttpOption,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Copy the image for this platform alone (os/arch[/variant])
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// What was typed for a place.
#[derive(Debug, PartialEq)]
enum Typed {
    Registry(Reference),
    Layout(PathBuf, Option<String>),
    Archive(Format, PathBuf, Option<String>),
}

/// Copies it, and prints its digest.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = format::Format::parse(options.format.format.as_deref())?;
    let from = typed(&options.source)?;
    let to = typed(&options.destination)?;
    let named: Vec<_> = [&from, &to]
        .into_iter()
        .filter_map(|place| match place {
            Typed::Registry(reference) => Some(reference.repository.registry()),
            _ => None,
        })
        .collect();
    let registries = Registries::read(&options.registry, &named)?;
    let source = Source::open(&from, context)?;
    let sink = Sink::open(&to)?;
    let copy_options = CopyOptions {
        platform: options.platform.as_deref().map(platform).transpose()?,
        jobs: if options.explain.style.is_some() {
            1
        } else {
            JOBS
        },
        pieces: Pieces::default(),
    };
    let mut transfers = Transfers::new(Direction::Copy, options.explain.style, options.quiet);
    let mut on = |event: Event| transfers.event(&event);
    let copied = registries.with_client(|client| {
        copy(
            client,
            &source.place(),
            &sink.place(),
            &copy_options,
            &mut on,
        )
    })?;
    transfers.end();
    let copied = copied?;
    sink.finish(&copied, context)?;
    if copied.referrers > 0 && !options.quiet {
        output::note(&format!("with {} that refer to it\n", copied.referrers));
    }
    let document = json!({
        "Digest": copied.target.digest,
        "Referrers": copied.referrers,
        "Moved": copied.moved,
        "Size": copied.size,
    });
    let text = || format!("{}\n", copied.target.digest);
    output::print(&format::document(&document, &format, text)?)?;
    Ok(0)
}

fn typed(text: &str) -> Result<Typed, Failure> {
    let registry = |text: &str| Ok(Typed::Registry(registries::reference(text)?));
    let Some((kind, rest)) = text.split_once(':') else {
        return registry(text);
    };
    let place = |rest: &str| -> Result<(PathBuf, Option<String>), Failure> {
        let (path, name) = match rest.split_once(':') {
            Some((path, name)) => (path, Some(name.to_owned())),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err(Failure::new(format!("{text}: there is no path in it")));
        }
        Ok((path.into(), name.filter(|name| !name.is_empty())))
    };
    match kind {
        "docker" => registry(rest.trim_start_matches("//")),
        "oci" => place(rest).map(|(path, name)| Typed::Layout(path, name)),
        "oci-archive" => place(rest).map(|(path, name)| Typed::Archive(Format::Oci, path, name)),
        "docker-archive" => {
            place(rest).map(|(path, name)| Typed::Archive(Format::Docker, path, name))
        }
        _ => registry(text),
    }
}

/// Where an image is taken from, opened.
enum Source {
    Registry(Reference),
    Layout {
        layout: Layout,
        name: Option<String>,
        _unpacked: Option<Scratch>,
    },
}

impl Source {
    fn open(typed: &Typed, context: &Context) -> Result<Self, Failure> {
        match typed {
            Typed::Registry(reference) => Ok(Self::Registry(reference.clone())),
            Typed::Layout(path, name) => {
                let marker = path.join("oci-layout");
                if !marker.is_file() {
                    let path = path.display();
                    return Err(Failure::new(format!(
                        "{path} is no OCI layout: it has no file oci-layout"
                    )));
                }
                Ok(Self::Layout {
                    layout: Layout::open(path)?,
                    name: name.clone(),
                    _unpacked: None,
                })
            }
            Typed::Archive(_, path, name) => {
                let scratch = Scratch::new(&std::env::temp_dir())?;
                let layout = Layout::open(&scratch.path)?;
                let bounds = Bounds::default();
                archive::load_path(path, &layout, &context.platform, bounds, &mut ignore)
                    .map_err(|e| Failure::from(e).about(&path.display().to_string()))?;
                // A name that is one, and not only a tag, was kept in its whole form.
                let name = name.as_ref().map(|name| match name.parse::<Reference>() {
                    Ok(reference) if name.contains([':', '/']) => reference.canonical(),
                    _ => name.clone(),
                });
                Ok(Self::Layout {
                    layout,
                    name,
                    _unpacked: Some(scratch),
                })
            }
        }
    }

    fn place(&self) -> Place<'_> {
        match self {
            Self::Registry(reference) => Place::Registry(reference.clone()),
            Self::Layout { layout, name, .. } => Place::Layout {
                store: layout,
                name: name.clone(),
            },
        }
    }
}

/// Where an image is taken to, opened.
enum Sink {
    Registry(Reference),
    Layout {
        layout: Layout,
        name: Option<String>,
        /// What is made of the layout in the end.
        archive: Option<(Format, PathBuf, Scratch)>,
    },
}

impl Sink {
    fn open(typed: &Typed) -> Result<Self, Failure> {
        match typed {
            Typed::Registry(reference) if reference.digest.is_some() => Err(Failure::new(format!(
                "{}: the destination has a tag; its digest is what is copied",
                reference.familiar()
            ))),
            Typed::Registry(reference) => Ok(Self::Registry(reference.clone())),
            Typed::Layout(path, name) => Ok(Self::Layout {
                layout: Layout::open(path)?,
                name: name.clone(),
                archive: None,
            }),
            Typed::Archive(format, path, name) => {
                let beside = path.parent().filter(|p| !p.as_os_str().is_empty());
                let scratch = Scratch::new(beside.unwrap_or(Path::new(".")))?;
                Ok(Self::Layout {
                    layout: Layout::open(&scratch.path)?,
                    name: name.clone(),
                    archive: Some((*format, path.clone(), scratch)),
                })
            }
        }
    }

    fn place(&self) -> Place<'_> {
        match self {
            Self::Registry(reference) => Place::Registry(reference.clone()),
            Self::Layout { layout, name, .. } => Place::Layout {
                store: layout,
                name: name.clone(),
            },
        }
    }

    fn finish(&self, copied: &Copied, context: &Context) -> Result<(), Failure> {
        let Self::Layout {
            layout,
            name,
            archive: Some((format, path, _)),
        } = self
        else {
            return Ok(());
        };
        let tag = name.as_deref().map(registries::reference).transpose()?;
        let save = Save {
            target: copied.target.clone(),
            tags: tag.into_iter().collect(),
        };
        output::file::write(path, |out| {
            archive::save(layout, &[save], *format, &context.platform, out)
        })
    }
}

/// A directory for a while.
#[derive(Debug)]
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(within: &Path) -> Result<Self, Failure> {
        let path = within.join(format!(".coracle-copy-{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| Failure::io(format!("make directory {}", path.display()), &e))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in a place that is cleaned up by others.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let check = |text: &str, expected: Typed| assert_eq!(typed(text).unwrap(), expected);
        let registry = |text: &str| Typed::Registry(text.parse().unwrap());
        check("debian", registry("debian"));
        check("debian:12", registry("debian:12"));
        check("localhost:5000/a:1", registry("localhost:5000/a:1"));
        check("docker://quay.io/a", registry("quay.io/a"));
        check("oci:dir", Typed::Layout("dir".into(), None));
        check("oci:a/b:v1", Typed::Layout("a/b".into(), Some("v1".into())));
        check(
            "docker-archive:x.tar:debian:12",
            Typed::Archive(Format::Docker, "x.tar".into(), Some("debian:12".into())),
        );
        check(
            "oci-archive:x.tar",
            Typed::Archive(Format::Oci, "x.tar".into(), None),
        );
        assert!(typed("oci:").is_err() && typed("UPPER/Case").is_err());
    }
}

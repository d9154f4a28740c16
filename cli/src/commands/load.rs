//! `coracle load`: images from an archive.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use coracle::event::Event;
use coracle::reference::Reference;
use coracle::store::StoreError;
use coracle::store::archive::{self, ArchiveError, Loaded};
use serde_json::json;

use crate::bounds::BoundsOptions;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output::format::{Format, FormatOption, Listing, Row};
use crate::output::{self, human};

/// Load an image from a tar archive or STDIN
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle load -i python.tar.gz
  coracle load < saved.tar
  coracle load -i ./oci-layout/

What docker save, Podman, Skopeo and containerd write is understood: docker archives, OCI
archives and OCI layout directories, plain or packed with gzip, zstd, xz or bzip2. Every digest
is checked before anything is tagged.

An archive or layer of more than --max-bytes (unpacked), --max-ratio (times its packed size)
or --max-entries is refused: it looks like an attack on the disk or the memory. Give a larger
number to one that you trust.

Fields: Id (the digest of the config), Tags.

Chapter 04-image of the book explains what is in such an archive."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Read from tar archive file or OCI layout directory, instead of STDIN
    #[arg(short, long, value_name = "string")]
    pub(crate) input: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) bounds: BoundsOptions,
    /// Suppress the load output
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Loads the images and says which they are.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let input = options
        .input
        .as_ref()
        .filter(|path| path.as_os_str() != "-");
    if input.is_none() && io::stdin().is_terminal() {
        return Err(
            Failure::new("there is nothing to load: standard input is a terminal")
                .hint("Name an archive with -i FILE, or redirect one: coracle load < FILE"),
        );
    }
    let store = context.store()?;
    let before = store.tags()?;
    let mut on = |event: Event| {
        if !options.quiet {
            tell(&event);
        }
    };
    let bounds = options.bounds.bounds();
    let loaded = match input {
        Some(path) => archive::load_path(path, &*store, &context.platform, bounds, &mut on),
        None => archive::load(io::stdin(), &*store, &context.platform, bounds, &mut on),
    }
    .map_err(|error| {
        let name = input.map_or("standard input".into(), |path| path.display().to_string());
        match error {
            // The store's other errors name the path themselves.
            ArchiveError::Store(error) if !matches!(error, StoreError::Corrupt(_)) => {
                Failure::from(error)
            }
            error => Failure::from(error).about(&format!("load {name}")),
        }
    })?;
    names::keep_replaced(&*store, &before)?;
    let listing = Listing {
        columns: "{{.Id}}\t{{.Tags}}",
        headers: &[("Id", "ID"), ("Tags", "TAGS")],
        rows: loaded.iter().map(row).collect(),
    };
    let text = match (&format, options.quiet) {
        (Format::Table(None), true) => String::new(),
        (Format::Table(None), false) => loaded.iter().map(said).collect(),
        _ => listing.render(&format)?,
    };
    output::print(&text)?;
    Ok(0)
}

/// Docker's words.
fn said(image: &Loaded) -> String {
    if image.tags.is_empty() {
        return format!("Loaded image ID: {}\n", image.id);
    }
    let tags = image
        .tags
        .iter()
        .map(|tag| format!("Loaded image: {}\n", tag.familiar()));
    tags.collect()
}

fn row(image: &Loaded) -> Row {
    let tags: Vec<_> = image.tags.iter().map(Reference::familiar).collect();
    Row {
        shown: json!({"Id": image.id, "Tags": tags.join(", ")}),
        document: json!({"Id": image.id, "Tags": tags}),
    }
}

fn tell(event: &Event) {
    match event {
        Event::Layer {
            digest,
            state,
            size,
        } => {
            output::note(&format!(
                "{}: {state} {}\n",
                digest.short(),
                human::size(*size, 3)
            ));
        }
        Event::Warning { message } => output::note(&output::warning(message)),
        _ => {}
    }
}

//! `coracle import`: an archive of a root file system becomes an image.

use std::path::PathBuf;

use coracle::build::plan::change;
use coracle::image::{Draft, store_archive};
use coracle::layer::compress;
use coracle::reference::Reference;
use coracle::spec::{History, ImageConfig};
use serde_json::json;

use crate::bounds::BoundsOptions;
use crate::commands::base::source_date_epoch;
use crate::commands::build::platform;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output::format::{self, Format, FormatOption};
use crate::output::{self, input, time};

/// Import the contents from a tarball to create a filesystem image
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] FILE|- [REPOSITORY[:TAG]]",
    after_help = "\
Examples:
  coracle import rootfs.tar.gz app:1
  tar -C rootfs -c . | coracle import -c 'CMD [\"/bin/sh\"]' - app:1
  coracle import -c 'ENV A=b' -c 'WORKDIR /srv' -m 'by hand' rootfs.tar app

The archive may be plain or packed with gzip, zstd, xz or bzip2. It becomes the image's only layer
as it is, so that the diff ID is the digest of the unpacked archive, here as in Docker.
Without a name the image is listed as <none>.

An archive or layer of more than --max-bytes (unpacked), --max-ratio (times its packed size)
or --max-entries is refused: it looks like an attack on the disk or the memory. Give a larger
number to one that you trust.

--change takes CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER,
VOLUME and WORKDIR, as they stand in a Dockerfile. Set SOURCE_DATE_EPOCH to give the image
another time than now.

Standard output gets the image's ID. Fields of --format json: Id, Tags, DiffID, Size (bytes
of the layer).

Chapter 04-image of the book explains what an image is."
)]
pub(crate) struct Options {
    /// The archive; - is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What to call the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) name: Option<String>,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    pub(crate) change: Vec<String>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    #[command(flatten)]
    pub(crate) bounds: BoundsOptions,
    /// Set commit message for imported image
    #[arg(short, long, value_name = "string")]
    pub(crate) message: Option<String>,
    /// Set platform if the image is for another one (os/arch[/variant])
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
}

/// Makes the image and tags it.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let file = &options.file;
    let typed = file.to_string_lossy();
    if typed.starts_with("http://") || typed.starts_with("https://") {
        return Err(Failure::new(format!(
            "import {typed}: Docker has this, Coracle does not (yet); it comes with pull and push (chapter 05-registry)"
        ))
        .hint("Fetch the file and import it: curl -sSf URL | coracle import - NAME"));
    }
    let name = options.name.as_ref().map(|name| name.parse::<Reference>());
    let name = name.transpose()?;
    let config = config(options, context)?;
    let archive = input::open(file)?;
    let about = |failure: Failure| failure.about(&format!("import {}", input::name(file)));
    let store = context.store()?;
    let _hold = store.hold()?;
    let bounds = options.bounds.bounds();
    let archive = compress::decoder(archive, bounds).map_err(|e| about(e.into()))?;
    let layer = store_archive(&*store, archive, bounds).map_err(|e| about(e.into()))?;
    let mut draft = Draft {
        config,
        layers: Vec::new(),
    };
    let comment = options.message.clone();
    let history = History {
        created: draft.config.created.clone(),
        comment: Some(comment.unwrap_or_else(|| format!("Imported from {typed}"))),
        ..History::default()
    };
    draft.push(layer.clone(), history);
    let image = draft.commit(&*store)?;
    match &name {
        Some(name) => names::set_tag(&*store, name, &image.descriptor)?,
        None => names::keep_untagged(&*store, &image.descriptor)?,
    }
    let document = json!({
        "Id": image.id(),
        "Tags": name.iter().map(Reference::familiar).collect::<Vec<_>>(),
        "DiffID": layer.diff_id,
        "Size": layer.blob.size,
    });
    output::print(&format::document(&document, &format, || {
        format!("{}\n", image.id())
    })?)?;
    Ok(0)
}

/// The config of the image, without its layer.
fn config(options: &Options, context: &Context) -> Result<ImageConfig, Failure> {
    let platform = match &options.platform {
        Some(typed) => platform(typed)?,
        None => context.platform.clone(),
    };
    let created = match source_date_epoch()? {
        Some(seconds) => time::Moment { seconds, nanos: 0 },
        None => time::now(),
    };
    let mut config = change(&ImageConfig::scratch(&platform), &options.change)
        .map_err(|e| Failure::new(format!("--change {e}")))?;
    config.created = Some(created.rfc3339());
    Ok(config)
}

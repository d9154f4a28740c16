//! `coracle layer ls`: what a layer says, read from its archive.

use std::path::PathBuf;

use coracle::image;
use coracle::layer::{compress, gather, keep_digest};

use crate::bounds::BoundsOptions;
use crate::failure::{Failure, Outcome};
use crate::output::format::{Format, FormatOption};
use crate::output::{self, files, input};

/// List what a layer hides and adds
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] TAR|-",
    after_help = "\
Examples:
  coracle layer ls layer.tar
  coracle layer ls --format json - < layer.tar.gz
  coracle layer ls --format '{{.type}} {{.path}}' layer.tar

The archive may be plain or packed with gzip, zstd, xz or bzip2. What it hides of the layers below
comes first, then what it adds in path order. Of two entries with one path the last counts,
as when a layer is applied.

An archive or layer of more than --max-bytes (unpacked), --max-ratio (times its packed size)
or --max-entries is refused: it looks like an attack on the disk or the memory. Give a larger
number to one that you trust.

The fields of --format json are those of coracle image ls-files, one object a line; layer
is null.

Chapter 01-layers of the book explains layers and whiteouts."
)]
pub(crate) struct Options {
    /// The layer's archive; - is standard input
    #[arg(value_name = "TAR")]
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    #[command(flatten)]
    pub(crate) bounds: BoundsOptions,
}

/// Lists the entries.
pub(crate) fn run(options: &Options) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let name = input::name(&options.archive);
    let about = |failure: Failure| failure.about(&name);
    let bounds = options.bounds.bounds();
    let archive = compress::decoder(input::open(&options.archive)?, bounds)
        .map_err(|e| about(Failure::from(e)))?;
    let layer = gather(archive, bounds, &mut keep_digest).map_err(|e| about(e.into()))?;
    let rows = image::layer_rows(&layer, None)?;
    output::print(&files::listing(&rows, false)?.render(&format)?)?;
    Ok(0)
}

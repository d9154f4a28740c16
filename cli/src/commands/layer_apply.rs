//! `coracle layer apply`: layers laid on each other in a directory.

use std::fs;
use std::path::{Path, PathBuf};

use coracle::layer::{Bounds, compress};
use coracle::linux::root::RootDir;
use coracle::linux::unpack::{Report, Stack};
use serde_json::json;

use crate::bounds::BoundsOptions;
use crate::failure::{Failure, Outcome};
use crate::output::format::{self, Format, FormatOption};
use crate::output::{self, input};

/// Apply layers to a directory, lowest first
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] TAR|- [TAR...] DIR",
    after_help = "\
Examples:
  coracle layer apply base.tar app.tar.gz rootfs
  coracle layer diff before after | coracle layer apply - copy-of-before

DIR is made if it is not there. What it holds is taken for the lowest layer: whiteouts
remove from it. The archives may be plain or packed with gzip, zstd, xz or bzip2. Nothing outside
of DIR is ever touched, whatever paths and links an archive holds, and a damaged archive
changes nothing.

As root everything is kept: owners, permissions, times, attributes, devices. An ordinary
user owns every file that is written, without set-ID bits where the owner is another one,
and makes no devices; what could not be kept is said once.

An archive or layer of more than --max-bytes (unpacked), --max-ratio (times its packed size)
or --max-entries is refused: it looks like an attack on the disk or the memory. Give a larger
number to one that you trust.

Nothing is printed without --format. Fields of --format json: Directory, Layers, Entries,
Bytes, Refused (sentences about what could not be kept).

Chapter 03-stack of the book explains how layers are stacked."
)]
pub(crate) struct Options {
    /// The layers' archives, lowest first, and the directory; - is standard input
    #[arg(value_name = "TAR DIR", required = true, num_args = 2..)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    #[command(flatten)]
    pub(crate) bounds: BoundsOptions,
    /// Suppress the warnings about what could not be kept
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Applies the layers.
pub(crate) fn run(options: &Options) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let [archives @ .., directory] = options.paths.as_slice() else {
        return Ok(0);
    };
    fs::create_dir_all(directory)
        .map_err(|e| Failure::io(format!("make the directory {}", directory.display()), &e))?;
    let root = RootDir::open(directory)?;
    let bounds = options.bounds.bounds();
    let mut stack = Stack::new(&root);
    let mut lay = |archive: &PathBuf| {
        lay(archive, bounds, &mut stack).map_err(|failure| failure.about(&input::name(archive)))
    };
    let laid = archives.iter().try_for_each(&mut lay);
    let report = stack.finish();
    laid?;
    finish(&report?, archives.len(), directory, options.quiet, &format)
}

fn lay(archive: &Path, bounds: Bounds, stack: &mut Stack<'_>) -> Result<(), Failure> {
    let reader = compress::decoder(input::open(archive)?, bounds)?;
    Ok(stack.lay(reader, bounds)?)
}

/// Says what was written, and what could not be kept.
pub(crate) fn finish(
    report: &Report,
    layers: usize,
    directory: &Path,
    quiet: bool,
    format: &Format,
) -> Outcome {
    let refused = report.warnings();
    if !quiet {
        for sentence in &refused {
            output::note(&format!("WARNING: {sentence}\n"));
        }
    }
    let document = json!({
        "Directory": directory.to_string_lossy(),
        "Layers": layers,
        "Entries": report.entries,
        "Bytes": report.bytes,
        "Refused": refused,
    });
    output::print(&format::document(&document, format, String::new)?)?;
    Ok(0)
}

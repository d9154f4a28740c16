//! `coracle image ls-files`: what is in an image, or in one of its layers.

use coracle::image;

use crate::bounds::BoundsOptions;
use crate::commands::completion;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output::format::{Format, FormatOption};
use crate::output::{self, files};

/// List the files of an image, or of one of its layers
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE",
    after_help = "\
Examples:
  coracle image ls-files base
  coracle image ls-files --layer 1 app
  coracle image ls-files --format '{{.path}} {{.sha256}}' app

Without --layer: the tree that a container sees, all layers applied. With --layer N,
counted from 0, the lowest: what that layer itself says, whiteouts first.

Fields of --format json, one object a line in path order; a field that does not apply is
left out: path; path_hex, target_hex: the bytes in hex, where they are not UTF-8; type: dir, file, symlink, char, block, fifo, and in a layer hardlink (to a
file of a lower layer), whiteout, opaque; mode: four octal digits as text; uid, gid; size in
bytes; sha256: hex digits, of a file; target: of a symlink, or the first path of a file with
several; mtime: seconds since 1970 as text, with decimals; xattrs: name to value in hex;
major, minor: of a device; layer: the number of the layer it comes from.

Chapters 01-layers and 03-stack of the book explain layers and whiteouts."
)]
pub(crate) struct Options {
    /// The image
    #[arg(value_name = "IMAGE", add = completion::images())]
    pub(crate) image: String,
    /// Only this layer, counted from 0, with its whiteouts
    #[arg(long, value_name = "int")]
    pub(crate) layer: Option<usize>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    #[command(flatten)]
    pub(crate) bounds: BoundsOptions,
}

/// Lists the files.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let store = context.store()?;
    let named = names::find(&*store, &context.platform, &options.image)?.named;
    let layers = named.image.layers();
    let bounds = options.bounds.bounds();
    let files = match options.layer {
        None => image::files(&store, &layers, bounds)?,
        Some(number) => image::layer_files(&store, &layers, number, bounds)?.ok_or_else(|| {
            Failure::new(format!(
                "{} has no layer {number}: it has {}, counted from 0",
                named.call(),
                layers.len()
            ))
        })?,
    };
    let listing = files::listing(&files, true)?;
    output::print(&listing.render(&format)?)?;
    Ok(0)
}

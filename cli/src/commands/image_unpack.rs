//! `coracle image unpack`: an image's root file system as plain files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use coracle::event;
use coracle::image::Image;
use coracle::linux::root::RootDir;
use coracle::linux::snapshot::write_out;
use coracle::path::RootedPath;

use crate::bounds::BoundsOptions;
use crate::commands::build::platform;
use crate::commands::layer_apply;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output::format::{Format, FormatOption};

/// Write the root file system of an image into a directory
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE DIR",
    after_help = "\
Examples:
  coracle image unpack python:3.12 rootfs
  coracle image unpack --platform linux/arm64 app rootfs

DIR is made if it is not there, and must be empty. Every digest is checked on the way. When
something fails, what was written is taken away again.

As root everything is kept: owners, permissions, times, attributes, devices. An ordinary
user owns every file that is written, without set-ID bits where the owner is another one,
and makes no devices; what could not be kept is said once, and whose a file should be is
noted for layer diff (attributes user.coracle.…; of links and pipes on their directory). The
files are yours to read and remove, unlike those of a user namespace: to run the image, use
coracle run instead.

An archive or layer of more than --max-bytes (unpacked), --max-ratio (times its packed size)
or --max-entries is refused: it looks like an attack on the disk or the memory. Give a larger
number to one that you trust.

Nothing is printed without --format. Fields of --format json: Directory, Layers, Entries,
Bytes, Refused (sentences about what could not be kept).

Chapter 11-rootfs of the book explains what a root file system needs."
)]
pub(crate) struct Options {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// The directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    #[command(flatten)]
    pub(crate) bounds: BoundsOptions,
    /// Unpack the image for this platform (os/arch[/variant])
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    /// Suppress the warnings about what could not be kept
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Unpacks the image.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let store = context.store()?;
    let named = names::find(&*store, &context.platform, &options.image)?.named;
    let image = match &options.platform {
        Some(typed) => Image::open(&*store, &named.target, &platform(typed)?)?,
        None => named.image,
    };
    let layers = image.layers();
    let bounds = options.bounds.bounds();
    let made = make_empty(&options.directory)?;
    let root = RootDir::open(&options.directory)?;
    let report = write_out(&layers, &*store, &root, bounds, &mut event::ignore);
    if report.is_err() {
        // The error that led here is the one to report.
        let _ = root.remove(&RootedPath::root());
        if made {
            let _ = fs::remove_dir(&options.directory);
        }
    }
    let directory = &options.directory;
    layer_apply::finish(&report?, layers.len(), directory, options.quiet, &format)
}

/// Sees to it that there is an empty directory; whether it had to be made.
fn make_empty(path: &Path) -> Result<bool, Failure> {
    let refused = |e: io::Error| Failure::io(format!("make the directory {}", path.display()), &e);
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(false),
            Some(_) => Err(Failure::new(format!("{} is not empty", path.display()))
                .hint("Name a directory that is not there yet, or an empty one.")),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path).map_err(refused)?;
            Ok(true)
        }
        Err(e) => Err(refused(e)),
    }
}

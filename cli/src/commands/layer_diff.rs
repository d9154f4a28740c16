//! `coracle layer diff`: the difference of two trees, written as a layer.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;

use coracle::digest::{Digest, Hashing};
use coracle::layer::{Layer, diff, tar};
use coracle::linux::archive::read_tree;
use serde_json::json;

use crate::bounds::BoundsOptions;
use crate::failure::{Failure, Outcome};
use crate::output::format::{self, Format, FormatOption};
use crate::output::{self, input};

/// Write the difference of two trees as a layer
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] OLD NEW",
    after_help = "\
Examples:
  coracle layer diff rootfs-before rootfs-after -o change.tar
  coracle layer diff base.tar app.tar | gzip > change.tar.gz
  coracle layer diff \"$(mktemp -d)\" rootfs -o everything.tar

OLD and NEW are directories, or archives of whole trees: plain or packed with gzip, zstd, xz
or bzip2; - is standard input. Applied to OLD, the layer gives NEW: content, owners,
permissions, times to the nanosecond, extended attributes, hard links.

The archive is sorted and normalised: the same two trees give the same bytes everywhere.
Owners are the numbers that you see; where image unpack or layer apply could not give a file
to its owner, they noted whose it is (attributes user.coracle.…), and that counts. Sockets
are left out.

An archive or layer of more than --max-bytes (unpacked), --max-ratio (times its packed size)
or --max-entries is refused: it looks like an attack on the disk or the memory. Give a larger
number to one that you trust.

With -o, standard output gets the digest, which is the layer's diff ID. Fields of --format
json: Digest, Size (bytes), Adds, Hides (how many entries).

Chapter 01-layers of the book explains what a layer is."
)]
pub(crate) struct Options {
    /// The tree to start from
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The tree to come to
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    #[command(flatten)]
    pub(crate) bounds: BoundsOptions,
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    pub(crate) output: Option<PathBuf>,
}

/// Reads both trees and writes what differs.
pub(crate) fn run(options: &Options) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let file = options
        .output
        .as_ref()
        .filter(|path| path.as_os_str() != "-");
    if file.is_none() && io::stdout().is_terminal() {
        return Err(Failure::new("an archive is nothing for a terminal")
            .hint("Name a file with -o FILE, or redirect: coracle layer diff OLD NEW > FILE"));
    }
    if file.is_none() && options.format.format.is_some() {
        return Err(Failure::new(
            "--format needs -o FILE: standard output is the archive",
        ));
    }
    let bounds = options.bounds.bounds();
    let old = read_tree(&input::path(&options.old)?, bounds)?;
    let new = read_tree(&input::path(&options.new)?, bounds)?;
    let layer = diff(&old, &new);
    let Some(path) = file else {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = tar::write(&layer, &mut out).and_then(|()| out.flush());
        written.map_err(|e| Failure::writing(&e))?;
        return Ok(0);
    };
    let mut made = None;
    output::file::write(path, |out| {
        made = Some(write(&layer, out)?);
        Ok::<_, Failure>(())
    })?;
    let Some((digest, size)) = made else {
        return Ok(0);
    };
    let document = json!({
        "Digest": digest,
        "Size": size,
        "Adds": layer.adds.len(),
        "Hides": layer.hides.len(),
    });
    output::print(&format::document(&document, &format, || {
        format!("{digest}\n")
    })?)?;
    Ok(0)
}

fn write(layer: &Layer, out: &mut dyn Write) -> Result<(Digest, u64), Failure> {
    let mut out = Hashing::new(out);
    tar::write(layer, &mut out).map_err(|e| Failure::io("write the layer", &e))?;
    let (_, digest, size) = out.finish();
    Ok((digest, size))
}

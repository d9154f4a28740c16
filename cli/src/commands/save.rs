//! `coracle save`: images to an archive that every other tool can load.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use coracle::store::archive::{self, ArchiveError, Save};

use crate::commands::completion;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output;

/// Save one or more images to a tar archive (streamed to STDOUT by default)
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE [IMAGE...]",
    after_help = "\
Examples:
  coracle save -o base.tar base
  coracle save base app:2 | gzip > both.tar.gz
  coracle save --oci -o base-oci.tar base

The docker form is an OCI layout with a manifest.json beside it, as docker save writes it
since version 25. Docker, containerd, Podman, Buildah and Skopeo load it, umoci as well once
it is unpacked. With --oci there is no manifest.json: for tools that know nothing but the
OCI's layout. Docker before version 25 does not load that, and Podman only with one tag in
it. Layers are written byte for byte as they are stored, so every digest stays.

Chapter 04-image of the book explains what is in such an archive."
)]
pub(crate) struct Options {
    /// The images
    #[arg(value_name = "IMAGE", required = true, add = completion::images())]
    pub(crate) images: Vec<String>,
    /// Form of the archive: docker or oci
    #[arg(long, value_name = "string", default_value = "docker")]
    pub(crate) format: Form,
    /// Write an OCI archive: the same as --format oci
    #[arg(long, conflicts_with = "format")]
    pub(crate) oci: bool,
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    pub(crate) output: Option<PathBuf>,
}

/// Which archive to write, by our names and Podman's.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Form {
    #[value(alias = "docker-archive")]
    Docker,
    #[value(alias = "oci-archive")]
    Oci,
}

/// Writes the archive. A file appears when it is whole, or not at all.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    output::file::refuse_terminal(options.output.as_deref(), "coracle save IMAGE > FILE")?;
    let store = context.store()?;
    let mut images: Vec<Save> = Vec::new();
    for typed in &options.images {
        let found = names::find(&*store, &context.platform, typed)?;
        let tag = found
            .reference
            .filter(|reference| reference.digest.is_none());
        let target = found.named.target;
        match images
            .iter_mut()
            .find(|save| save.target.digest == target.digest)
        {
            Some(same) => same.tags.extend(tag),
            None => images.push(Save {
                target,
                tags: tag.into_iter().collect(),
            }),
        }
    }
    let format = match options.format {
        Form::Docker if !options.oci => archive::Format::Docker,
        _ => archive::Format::Oci,
    };
    let write = |out: &mut dyn Write| -> Result<(), ArchiveError> {
        archive::save(&*store, &images, format, &context.platform, out)
    };
    if let Some(path) = &options.output {
        output::file::write(path, write)?;
        return Ok(0);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush().map_err(ArchiveError::Write));
    match written {
        Err(ArchiveError::Write(error)) => return Err(Failure::writing(&error)),
        other => other?,
    }
    Ok(0)
}

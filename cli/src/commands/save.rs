//! `coracle save`: images to an archive that every other tool can load.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use coracle::digest::Digest;
use coracle::reference::Reference;
use coracle::store::Store;
use coracle::store::archive::{self, ArchiveError, Save};
use serde_json::json;

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

Fields of --format json, which needs -o and goes with --oci, one object a line: Id (the
digest of the config), Tags.

Chapter 04-image of the book explains what is in such an archive."
)]
pub(crate) struct Options {
    /// The images
    #[arg(value_name = "IMAGE", required = true, add = completion::images())]
    pub(crate) images: Vec<String>,
    /// Form of the archive: docker (default) or oci; or json, to say what was saved
    #[arg(long, value_name = "string")]
    pub(crate) format: Option<Form>,
    /// Write an OCI archive: the same as --format oci
    #[arg(long)]
    pub(crate) oci: bool,
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    pub(crate) output: Option<PathBuf>,
}

/// Which archive to write, by our names and Podman's.
#[derive(Debug, Clone, Copy, PartialEq, clap::ValueEnum)]
pub(crate) enum Form {
    #[value(alias = "docker-archive")]
    Docker,
    #[value(alias = "oci-archive")]
    Oci,
    /// The usual one, and one JSON object a line about the images.
    Json,
}

/// Writes the archive. A file appears when it is whole, or not at all.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    output::file::refuse_terminal(options.output.as_deref(), "coracle save IMAGE > FILE")?;
    if options.format == Some(Form::Docker) && options.oci {
        return Err(Failure::new(
            "--format docker and --oci contradict each other",
        ));
    }
    if options.format == Some(Form::Json) && options.output.is_none() {
        return Err(Failure::new(
            "--format json needs -o FILE: standard output is the archive",
        ));
    }
    let store = context.store()?;
    let images = found(options, context, &*store)?;
    let (ids, images): (Vec<_>, Vec<_>) = images.into_iter().unzip();
    let format = if options.oci || options.format == Some(Form::Oci) {
        archive::Format::Oci
    } else {
        archive::Format::Docker
    };
    let write = |out: &mut dyn Write| -> Result<(), ArchiveError> {
        archive::save(&*store, &images, format, &context.platform, out)
    };
    if let Some(path) = &options.output {
        output::file::write(path, write)?;
        if options.format == Some(Form::Json) {
            let lines = ids.iter().zip(&images).map(|(id, image)| {
                let tags: Vec<_> = image.tags.iter().map(Reference::familiar).collect();
                format!("{}\n", json!({"Id": id, "Tags": tags}))
            });
            output::print(&lines.collect::<String>())?;
        }
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

/// The images that were named, each once with all the tags that were typed, and their IDs.
fn found(
    options: &Options,
    context: &Context,
    store: &dyn Store,
) -> Result<Vec<(Digest, Save)>, Failure> {
    let mut images: Vec<(Digest, Save)> = Vec::new();
    for typed in &options.images {
        let found = names::find(store, &context.platform, typed)?;
        let tag = found
            .reference
            .filter(|reference| reference.digest.is_none());
        let target = found.named.target;
        let same = |(_, save): &&mut (Digest, Save)| save.target.digest == target.digest;
        if let Some((_, save)) = images.iter_mut().find(same) {
            save.tags.extend(tag);
        } else {
            let tags = tag.into_iter().collect();
            images.push((found.named.image.id().clone(), Save { target, tags }));
        }
    }
    Ok(images)
}

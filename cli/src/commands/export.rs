//! `coracle export`: a container's file system as an archive.

use std::path::PathBuf;
use std::sync::Arc;

use coracle::layer::tar;
use coracle::linux::containers::view;
use coracle::linux::scan::scan_tree;

use crate::commands::completion;
use crate::containers;
use crate::context::Context;
use crate::failure::Outcome;
use crate::output;

/// Export a container's filesystem as a tar archive
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] CONTAINER",
    after_help = "\
Examples:
  coracle export -o rootfs.tar job
  coracle export job | tar -t
  coracle export job | coracle import - flat:1

The archive holds the image's files with the container's changes, in one piece and sorted:
no layers, no history, no whiteouts. What is mounted into the container is not part of it.
The same files give the same bytes.

Chapter 13-overlay of the book explains where changes are kept."
)]
pub(crate) struct Options {
    /// The container
    #[arg(value_name = "CONTAINER", add = completion::containers())]
    pub(crate) container: String,
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    pub(crate) output: Option<PathBuf>,
}

/// Writes the archive. A file appears when it is whole, or not at all.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let usage = "coracle export CONTAINER > FILE";
    output::file::refuse_terminal(options.output.as_deref(), usage)?;
    let held = containers::hold(context, &options.container)?;
    let root = Arc::new(view(&held.container, false)?);
    let tree = scan_tree(&root)?;
    let files: Vec<_> = tree
        .iter()
        .filter(|(path, _)| !path.is_root())
        .map(|(path, node)| (path.clone(), Arc::clone(node)))
        .collect();
    output::file::stream(options.output.as_deref(), |out| {
        tar::write_files(&files, out)
    })?;
    Ok(0)
}

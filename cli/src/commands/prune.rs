//! `coracle image prune`: room on the disk.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _};

use coracle::store::Store;

use crate::collect;
use crate::commands::system_prune;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{self, human};

/// Remove unused images
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle image prune
  coracle image prune --all --force

Without --all: the images that have lost their tag. With it: all images that no container
uses.

Chapter 04-image of the book explains which blobs may go."
)]
pub(crate) struct ImageOptions {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// Removes images, and then whatever nothing needs any more.
pub(crate) fn images(options: &ImageOptions, context: &Context) -> Outcome {
    let what = if options.all {
        "all images that no container uses"
    } else {
        "all images without a tag"
    };
    if !options.force && !agreed(what)? {
        return Ok(0);
    }
    collect::enter(context)?;
    let store = context.store()?;
    let mut said = String::new();
    for (verb, what) in system_prune::remove_images(&*store, context, options.all)? {
        let _ = writeln!(said, "{verb}: {what}");
    }
    reclaimed(said, &*store, context)
}

fn reclaimed(mut said: String, store: &dyn Store, context: &Context) -> Outcome {
    let bytes = collect::collect(store, context)?.ok_or_else(in_use)?;
    let _ = writeln!(said, "Total reclaimed space: {}", human::size(bytes, 4));
    output::print(&said)?;
    Ok(0)
}

/// Why nothing was removed.
pub(super) fn in_use() -> Failure {
    Failure::new("the store is in use, by a build for example; nothing could be removed")
        .hint("Try again when it has ended.")
}

/// Asks, as Docker does. Without a terminal there is nobody to ask, and nothing is removed.
pub(super) fn agreed(what: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(format!(
            "this would remove {what}, and there is no terminal to ask you at"
        ))
        .hint("Say --force to go ahead."));
    }
    output::note(&format!(
        "WARNING! This will remove {what}.\nAre you sure you want to continue? [y/N] "
    ));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| Failure::io("read your answer", &e))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

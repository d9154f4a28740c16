//! `coracle container prune`: removes every container that does not run.

use std::fmt::Write as _;

use coracle::linux::containers::ContainerDirectory;
use coracle::linux::snapshot::disk_usage;
use coracle::runtime::Status;

use super::prune::agreed;
use crate::containers;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{self, human};

/// Remove all stopped containers
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle container prune
  coracle container prune --force

Containers that were created and never ran go, too.

Chapter 18-engine of the book explains the states of a container."
)]
pub(crate) struct Options {
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// Removes them, and says how much room that makes.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    if !options.force && !agreed("all containers that do not run")? {
        return Ok(0);
    }
    coracle::linux::userns::reenter(&mut coracle::event::ignore)?;
    let directory = containers::directory(context);
    let used = || {
        if directory.is_dir() {
            disk_usage(&directory)
        } else {
            Ok(0)
        }
    };
    let before = used()?;
    let removed = remove_stopped(context)?;
    let mut said = String::new();
    if !removed.is_empty() {
        let _ = writeln!(said, "Deleted Containers:\n{}\n", removed.join("\n"));
    }
    let reclaimed = before.saturating_sub(used()?);
    let _ = writeln!(said, "Total reclaimed space: {}", human::size(reclaimed, 4));
    output::print(&said)?;
    Ok(0)
}

/// Removes every container that does not run. Returns their IDs.
///
/// The caller is root, or in a user namespace.
pub(super) fn remove_stopped(context: &Context) -> Result<Vec<String>, Failure> {
    let mut removed = Vec::new();
    for container in containers::all(context)? {
        if matches!(container.status, Status::Running { .. }) {
            continue;
        }
        let failed = |e| Failure::io(format!("remove {}", container.path.display()), &e);
        // One that another command has in hand is left to it.
        if let Some(directory) = ContainerDirectory::open(&container.path).map_err(failed)? {
            directory.remove().map_err(failed)?;
            removed.push(container.record.id);
        }
    }
    Ok(removed)
}

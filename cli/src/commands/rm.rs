//! `coracle rm`: removes containers.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use coracle::event;
use coracle::linux::containers::{self as engine, Container, ContainerDirectory};
use coracle::linux::userns;
use coracle::runtime::Status;

use crate::commands::completion;
use crate::containers::{self, Held};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Remove one or more containers
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    after_help = "\
Examples:
  coracle rm job
  coracle rm -f web 0e5574283393
  coracle rm $(coracle ps -aq)

A container that runs is ended first with --force (SIGKILL), and refused without.
Standard output gets each name as it was given.

Chapter 18-engine of the book explains what there is of a container that does not run."
)]
pub(crate) struct Options {
    /// The containers, by name or ID
    #[arg(value_name = "CONTAINER", required = true, add = completion::containers())]
    pub(crate) containers: Vec<String>,
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove anonymous volumes associated with the container (it has none, so far)
    #[arg(short, long)]
    pub(crate) volumes: bool,
}

/// How long a container that was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Removes what can be removed, and says what could not.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    if options.force {
        // Before any namespace is entered: from here, everything in a container can be ended.
        for typed in &options.containers {
            end(context, typed)?;
        }
    }
    userns::reenter(&mut event::ignore)?;
    let mut failed = false;
    for typed in &options.containers {
        match remove(context, typed, options.force) {
            Ok(()) => output::print(&format!("{typed}\n"))?,
            Err(failure) => {
                failure.report(false);
                failed = true;
            }
        }
    }
    Ok(u8::from(failed))
}

/// Kills the container if it runs, and waits until it is gone.
fn end(context: &Context, typed: &str) -> Result<(), Failure> {
    let running = |container: Container| match container.status {
        Status::Running { process, .. } => Some(process),
        _ => None,
    };
    // What is not there is said later, with all the rest.
    let Some(process) = containers::find(context, typed).ok().and_then(running) else {
        return Ok(());
    };
    engine::kill(process)?;
    let begin = Instant::now();
    while containers::find(context, typed).ok().and_then(running) == Some(process) {
        if begin.elapsed() > PATIENCE {
            return Err(Failure::new(format!(
                "the container {typed} was killed, and is still not gone"
            ))
            .hint("A process that waits for the disk or the network ends when that answers; try again then."));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn remove(context: &Context, typed: &str, force: bool) -> Result<(), Failure> {
    if force && let Some(directory) = damaged(context, typed)? {
        return remove_directory(directory);
    }
    match containers::hold(context, typed)? {
        Held {
            directory: Some(directory),
            ..
        } => remove_directory(directory),
        Held { container, .. } => Err(Failure::new(format!(
            "the container {} runs",
            container.record.name
        ))
        .hint("Wait until it has ended, or end it and remove it with --force.")),
    }
}

fn remove_directory(directory: ContainerDirectory) -> Result<(), Failure> {
    let path = directory.path.clone();
    directory
        .remove()
        .map_err(|e| Failure::io(format!("remove {}", path.display()), &e))
}

/// The directory of a container whose record cannot be read, by the beginning of its ID.
fn damaged(context: &Context, typed: &str) -> Result<Option<ContainerDirectory>, Failure> {
    let entries = fs::read_dir(containers::directory(context));
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_it = !typed.is_empty() && name.to_string_lossy().starts_with(typed);
        if is_it && Container::read(&entry.path()).is_err() {
            return ContainerDirectory::open(&entry.path())
                .map_err(|e| Failure::io(format!("lock {}", entry.path().display()), &e));
        }
    }
    Ok(None)
}

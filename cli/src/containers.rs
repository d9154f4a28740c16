//! From what was typed to a container: by name, by ID, or with a good reason why not.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use coracle::diagnostic::did_you_mean;
use coracle::event;
use coracle::linux::containers::{self, Container, ContainerDirectory};
use coracle::linux::userns;
use coracle::runtime::Status;

use crate::context::Context;
use crate::failure::Failure;
use crate::output;

/// Where containers are kept.
pub(crate) fn directory(context: &Context) -> PathBuf {
    context.root.join("containers")
}

/// Every container, newest first. One that is damaged is told, and the rest still listed.
pub(crate) fn all(context: &Context) -> Result<Vec<Container>, Failure> {
    let (found, damaged) = containers::list(&directory(context))?;
    for error in damaged {
        output::note(&format!("coracle: {error}\n"));
    }
    Ok(found)
}

/// The container that `typed` means: a name wins over an ID, and any unique beginning of an ID
/// will do, as in Docker.
pub(crate) fn find(context: &Context, typed: &str) -> Result<Container, Failure> {
    let found = all(context)?;
    // Docker's API writes names with a slash in front.
    let name = typed.strip_prefix('/').unwrap_or(typed);
    if let Some(container) = found.iter().find(|c| c.record.name == name) {
        return Ok(container.clone());
    }
    let begins = |c: &&Container| !typed.is_empty() && c.record.id.starts_with(typed);
    match found.iter().filter(begins).collect::<Vec<_>>().as_slice() {
        [container] => Ok((*container).clone()),
        [] => Err(not_found(&found, typed)),
        several => {
            let ids: Vec<_> = several.iter().map(|c| &c.record.id[..12]).collect();
            Err(Failure::new(format!(
                "the ID {typed} is not unique, {} containers begin with it: {}",
                ids.len(),
                ids.join(", ")
            ))
            .hint("Give more digits, or the name."))
        }
    }
}

fn not_found(found: &[Container], typed: &str) -> Failure {
    let failure = Failure::new(format!("there is no container {typed} here"));
    let names = found.iter().map(|c| c.record.name.as_str());
    match did_you_mean(typed, names) {
        Some(near) => failure.hint(format!("Did you mean {near}?")),
        None if found.is_empty() => failure.hint("There are no containers at all."),
        None => failure.hint("`coracle ps -a` lists what there is."),
    }
}

/// A container that this process may look into and change.
#[derive(Debug)]
pub(crate) struct Held {
    /// The container as it stands now.
    pub(crate) container: Container,
    /// Its directory, locked; `None` of a container that runs, because whoever attends to it has
    /// it locked.
    pub(crate) directory: Option<ContainerDirectory>,
}

/// How often a directory that another command has locked is tried again, and how long apart.
const TRIES: u32 = 50;
const APART: Duration = Duration::from_millis(100);

/// Finds a container and takes hold of it.
///
/// An ordinary user is moved to where the container's files are theirs: into its user namespace
/// when it runs, into one of the same kind otherwise. So it is the first thing a command does.
pub(crate) fn hold(context: &Context, typed: &str) -> Result<Held, Failure> {
    let container = find(context, typed)?;
    if let Status::Running { process, .. } = &container.status {
        userns::join(process.pid)?;
    } else {
        userns::reenter(&mut event::ignore)?;
    }
    for _ in 0..TRIES {
        // Again each time: it may have been started, ended or removed.
        let Some(container) = Container::read(&container.path)? else {
            return Err(not_found(&[], typed));
        };
        if matches!(container.status, Status::Running { .. }) {
            return Ok(Held {
                container,
                directory: None,
            });
        }
        let opened = ContainerDirectory::open(&container.path)
            .map_err(|e| Failure::io(format!("lock {}", container.path.display()), &e))?;
        if let Some(directory) = opened {
            // Read once more: between reading and locking it may have run.
            let container = Container::read(&container.path)?;
            let container = container.ok_or_else(|| not_found(&[], typed))?;
            return Ok(Held {
                container,
                directory: Some(directory),
            });
        }
        thread::sleep(APART);
    }
    Err(Failure::new(format!(
        "the container {} is in use by another command",
        container.record.name
    ))
    .hint("Wait until that has ended, and try again."))
}

/// Docker's rule for the names of containers.
pub(crate) fn container_name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && text.len() > 1 && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err(
        "a name is two or more letters, digits, _, . and -, and begins with a letter or digit"
            .to_owned(),
    )
}

/// The command line that a container runs, as tables show it.
pub(crate) fn command(container: &Container) -> String {
    let config = &container.record.config;
    let words = config.entrypoint.iter().chain(&config.cmd);
    words.map(String::as_str).collect::<Vec<_>>().join(" ")
}

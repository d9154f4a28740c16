//! `coracle rename`: gives a container another name.

use crate::commands::completion;
use crate::containers::{self, container_name};
use crate::context::Context;
use crate::failure::{Failure, Outcome};

/// Rename a container
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "CONTAINER NEW_NAME",
    after_help = "\
Example:
  coracle rename brave_keel web"
)]
pub(crate) struct Options {
    /// The container
    #[arg(value_name = "CONTAINER", add = completion::containers())]
    pub(crate) container: String,
    /// What it is called from now on
    #[arg(value_name = "NEW_NAME", value_parser = container_name)]
    pub(crate) name: String,
}

/// Writes the new name down.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let mut container = containers::find(context, &options.container)?;
    let others = containers::all(context)?;
    if let Some(other) = others.iter().find(|c| c.record.name == options.name) {
        return Err(Failure::new(format!(
            "the name {} is in use by the container {}",
            options.name,
            &other.record.id[..12]
        ))
        .hint("Choose another name, or rename that one first."));
    }
    container.record.name.clone_from(&options.name);
    container.record.write(&container.path)?;
    Ok(0)
}

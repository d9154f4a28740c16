//! `coracle create`: a container that does not run yet.

use coracle::event::Event;
use coracle::runtime::Status;

use crate::commands::run::{self, ContainerOptions, Made, Telling};
use crate::context::Context;
use crate::failure::{OWN_FAILURE, Outcome};
use crate::output;

/// Create a new container
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    disable_help_flag = true,
    after_help = "\
Examples:
  coracle create --name job base echo hello
  coracle start -a job
  coracle cp $(coracle create base):/etc/os-release .

Standard output gets the container's ID. It is listed by ps -a, run by start -a, and
removed by rm.

Chapter 18-engine of the book explains what there is of a container that does not run."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) container: ContainerOptions,
}

/// Makes the container and prints its ID.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    create(&options.container, context).map_err(|failure| failure.code(OWN_FAILURE))
}

fn create(options: &ContainerOptions, context: &Context) -> Outcome {
    let telling = Telling {
        explain: None,
        quiet: options.quiet,
        terminal: false,
    };
    let mut on = |event: Event| telling.tell(&event);
    let Made {
        mut container,
        mut directory,
    } = run::make(options, context, None, &mut on)?;
    // From here on it is there, also with --rm: that is for when it has run.
    container.set_status(Status::new())?;
    directory.stay();
    output::print(&format!("{}\n", container.record.id))?;
    Ok(0)
}

//! `coracle start`: runs a container that is there.

use coracle::event::Event;
use coracle::linux::containers as engine;

use crate::commands::completion;
use crate::commands::run::{self, Error, Telling};
use crate::containers::{self, Held};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::progress::ExplainOption;

/// Start a stopped container
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] CONTAINER",
    after_help = "\
Examples:
  coracle start -a job
  coracle start -ai shell

The container's command runs once more, on the file system that it left. Only in the
foreground: containers in the background come with the engine.

The exit codes are those of coracle run.

Chapter 18-engine of the book explains what there is of a container that does not run."
)]
pub(crate) struct Options {
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    pub(crate) attach: bool,
    #[command(flatten)]
    pub(crate) explain: ExplainOption,
    /// Attach container's STDIN
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// The container
    #[arg(value_name = "CONTAINER", add = completion::containers())]
    pub(crate) container: String,
}

/// Runs the container to its end. The exit code is the command's.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    run::code(start(options, context))
}

fn start(options: &Options, context: &Context) -> Result<u8, Error> {
    if !options.attach && !options.interactive {
        return Err(Failure::new(
            "start in the background: Docker has this, Coracle does not (yet); it comes with the engine (chapter 18-engine)",
        )
        .hint("coracle start -a runs the container in the foreground.")
        .into());
    }
    let Held {
        mut container,
        directory,
    } = containers::hold(context, &options.container)?;
    let Some(directory) = directory else {
        return Err(Failure::new(format!(
            "the container {} runs already",
            container.record.name
        ))
        .hint("Attaching to one that runs comes with the engine (chapter 18-engine).")
        .into());
    };
    let telling = Telling {
        explain: options.explain.style,
        quiet: false,
        terminal: container.record.tty,
    };
    let mut on = |event: Event| telling.tell(&event);
    let input = options.interactive && container.record.interactive;
    let streams = run::streams(container.record.tty, input);
    let request = run::request(&container, streams, options.explain.is_asked())?;
    let exit = engine::run(&mut container, &request, &mut on).map_err(Error::Life)?;
    if container.record.remove {
        let path = directory.path.clone();
        directory
            .remove()
            .map_err(|e| Failure::io(format!("remove {}", path.display()), &e))?;
    }
    Ok(exit.code())
}

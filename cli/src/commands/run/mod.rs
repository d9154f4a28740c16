//! `coracle run`: a process in a container of its own.

mod arguments;
mod container;
mod nickname;
mod options;

use coracle::event::Event;
use coracle::linux::containers::{self, LifeError};
use coracle::linux::runtime::Streams;

pub(crate) use self::arguments::ContainerOptions;
pub(crate) use self::container::{Made, make, request};
use crate::context::Context;
use crate::failure::{Failure, OWN_FAILURE, Outcome};
use crate::output;
use crate::progress::{self, Explain, ExplainOption};

/// Create and run a new container from an image
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    disable_help_flag = true,
    after_help = "\
Examples:
  coracle run --rm base echo hello
  coracle run --rm -it base sh
  coracle run --rm --explain base true
  coracle run -u 1000 --read-only --tmpfs /tmp -v ./data:/data base ls -l /data
  coracle run --name web --network host -e PORT=8080 app

The container runs in the foreground, and stays when its command has ended, unless --rm is
given: ps -a lists it, start -a runs it again, diff, cp, export and commit look at what it
changed, rm removes it. Containers in the background (-d, logs, exec) come with the engine.
The network is none (only a loopback interface) or host; bridges and ports come later.

The exit code is the command's; 128 and the signal's number when a signal ended it; 127
when the command is not in the image, 126 when it cannot be executed, 125 when Coracle
could not start the container.

Chapter 14-run of the book explains what happens; --explain tells it call by call."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) container: ContainerOptions,
    #[command(flatten)]
    pub(crate) explain: ExplainOption,
    /// Proxy received signals to the process
    #[arg(
        long,
        value_name = "bool",
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub(crate) sig_proxy: bool,
}

/// Runs the container to its end. The exit code is the command's.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    code(start(options, context))
}

/// Why there is no exit code of the command's own.
pub(crate) enum Error {
    /// Something that comes before the container.
    Own(Failure),
    /// The container did not start; its exit code says how far it came.
    Life(LifeError),
}

impl<E: Into<Failure>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Own(error.into())
    }
}

/// The exit code of a command that runs a container, as Docker chooses it.
pub(crate) fn code(ended: Result<u8, Error>) -> Outcome {
    match ended {
        Ok(code) => Ok(code),
        Err(Error::Own(failure)) => Err(failure.code(OWN_FAILURE)),
        Err(Error::Life(error)) => {
            let code = match &error {
                LifeError::Run(error) => error.exit_code(),
                _ => OWN_FAILURE,
            };
            Err(Failure::from(error).code(code))
        }
    }
}

fn start(options: &Options, context: &Context) -> Result<u8, Error> {
    if !options.sig_proxy {
        return Err(
            Failure::new("--sig-proxy=false: Docker has this, Coracle does not (yet)").into(),
        );
    }
    let asked = &options.container;
    let telling = Telling {
        explain: options.explain.style,
        quiet: asked.quiet,
        terminal: asked.tty,
    };
    let mut on = |event: Event| telling.tell(&event);
    let Made {
        mut container,
        mut directory,
    } = make(asked, context, options.explain.style, &mut on)?;
    let request = request(
        &container,
        streams(asked.tty, asked.interactive),
        options.explain.is_asked(),
    )?;
    if !asked.rm {
        directory.stay();
    }
    let exit = containers::run(&mut container, &request, &mut on).map_err(Error::Life)?;
    Ok(exit.code())
}

/// Where a container's standard streams lead when it runs in the foreground.
pub(crate) fn streams(terminal: bool, input: bool) -> Streams {
    if terminal {
        Streams::Terminal { input }
    } else {
        Streams::Inherit { input }
    }
}

/// How a person is told what happens while a container starts.
pub(crate) struct Telling {
    /// How each request to the kernel is told, if it is.
    pub(crate) explain: Option<Explain>,
    /// Whether warnings are left out.
    pub(crate) quiet: bool,
    /// Whether the person's terminal is handed to the container.
    pub(crate) terminal: bool,
}

impl Telling {
    /// Standard output is the command's; what we have to say goes to standard error.
    pub(crate) fn tell(&self, event: &Event) {
        let text = match event {
            Event::Explain(explanation) => match self.explain {
                Some(style) => progress::explained(explanation, style, output::width()),
                None => return,
            },
            Event::Warning { message } if !self.quiet => output::warning(message),
            _ => return,
        };
        // A terminal that is handed to the container no longer turns a line feed into a new line.
        output::note(&if self.terminal {
            text.replace('\n', "\r\n")
        } else {
            text
        });
    }
}

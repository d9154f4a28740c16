//! `coracle run`: a process in a container of its own.

mod container;
mod options;

use std::fs;
use std::path::{Path, PathBuf};

use coracle::event::Event;
use coracle::image::Image;
use coracle::linux::containers::{self, ContainerDirectory};
use coracle::linux::runtime::{self, Request, RunError, Streams};
use coracle::linux::userns;
use coracle::runtime::RunOptions;
use coracle::store::Store;

pub(crate) use self::container::{IMAGE_FILE, LOWER_FILE, running};
use self::container::{container_name, prepare, take_name, write_new};
use self::options::Surroundings;
use crate::commands::build::platform;
use crate::commands::completion;
use crate::context::Context;
use crate::failure::{Failure, OWN_FAILURE, Outcome};
use crate::names;
use crate::output;
use crate::progress::{self, Explain};

/// Create and run a new container from an image
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    disable_help_flag = true,
    after_help = "\
Examples:
  coracle run base echo hello
  coracle run -it base sh
  coracle run --explain base true
  coracle run -u 1000 --read-only --tmpfs /tmp -v ./data:/data base ls -l /data
  coracle run --network host -e PORT=8080 app

Containers run in the foreground and are removed when they end, with or without --rm;
those that stay (-d, ps, logs, exec) come with the engine. The network is none (only a
loopback interface) or host; bridges and ports come later.

The exit code is the command's; 128 and the signal's number when a signal ended it; 127
when the command is not in the image, 126 when it cannot be executed, 125 when Coracle
could not start the container.

Chapter 14-run of the book explains what happens; --explain tells it call by call."
)]
pub(crate) struct Options {
    /// Add Linux capabilities
    #[arg(long, value_name = "list")]
    pub(crate) cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "list")]
    pub(crate) cap_drop: Vec<String>,
    /// Write the container ID to the file
    #[arg(long, value_name = "string")]
    pub(crate) cidfile: Option<PathBuf>,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "string")]
    pub(crate) entrypoint: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "list")]
    pub(crate) env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Tell each request to the kernel, why it is made, and the chapter that teaches it
    #[arg(
        long,
        value_name = "json",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text",
        hide_possible_values = true
    )]
    pub(crate) explain: Option<Explain>,
    /// Print usage
    #[arg(long, action = clap::ArgAction::Help, hide = true)]
    help: Option<bool>,
    /// Container host name
    #[arg(short = 'h', long, value_name = "string")]
    pub(crate) hostname: Option<String>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long)]
    pub(crate) init: bool,
    /// Keep STDIN open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Attach a filesystem mount to the container
    #[arg(long, value_name = "mount")]
    pub(crate) mount: Vec<String>,
    /// Assign a name to the container
    #[arg(long, value_name = "string", value_parser = container_name)]
    pub(crate) name: Option<String>,
    /// Connect a container to a network: none or host
    #[arg(
        long,
        visible_alias = "net",
        value_name = "network",
        default_value = "none"
    )]
    pub(crate) network: String,
    /// Run the image for this platform (os/arch[/variant])
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    /// Give extended privileges to this container: every capability, every system call
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Pull image before running: there is no registry yet, so an image must be here
    #[arg(long, value_name = "string", default_value = "missing", value_parser = ["always", "missing", "never"])]
    pub(crate) pull: String,
    /// Suppress warnings
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Automatically remove the container when it exits (it always is, so far)
    #[arg(long)]
    pub(crate) rm: bool,
    /// Security Options
    #[arg(long, value_name = "list")]
    pub(crate) security_opt: Vec<String>,
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
    /// Mount a tmpfs directory
    #[arg(long, value_name = "list")]
    pub(crate) tmpfs: Vec<String>,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Ulimit options
    #[arg(long, value_name = "ulimit")]
    pub(crate) ulimit: Vec<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long, value_name = "string")]
    pub(crate) user: Option<String>,
    /// Bind mount a directory or file of this machine
    #[arg(short, long, value_name = "list")]
    pub(crate) volume: Vec<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "string")]
    pub(crate) workdir: Option<String>,
    /// The image, and behind it the command and its arguments, whatever they look like
    #[arg(value_name = "IMAGE", required = true, trailing_var_arg = true, num_args = 1.., add = completion::images())]
    pub(crate) words: Vec<String>,
}

/// Runs the container to its end. The exit code is the command's.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    match start(options, context) {
        Ok(code) => Ok(code),
        Err(Error::Own(failure)) => Err(failure.code(OWN_FAILURE)),
        Err(Error::Run(error)) => {
            let code = error.exit_code();
            Err(Failure::from(error).code(code))
        }
    }
}

/// Why there is no exit code of the command's own.
enum Error {
    /// Something that comes before the container.
    Own(Failure),
    /// The container did not start; its exit code says how far it came.
    Run(RunError),
}

impl<E: Into<Failure>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Own(error.into())
    }
}

fn start(options: &Options, context: &Context) -> Result<u8, Error> {
    let run_options = read_options(options)?;
    make_sources(&run_options)?;
    // From here on we are root: the machine's, or that of a user namespace of our own.
    userns::reenter(&mut |event| tell(&event, options))?;
    let store = context.store()?;
    let image = image(options, context, &*store)?;
    let containers = context.root.join("containers");
    containers::sweep(&containers)
        .map_err(|e| Failure::io(format!("clean up {}", containers.display()), &e))?;
    let home = ContainerDirectory::make(&containers)
        .map_err(|e| Failure::io(format!("make a directory in {}", containers.display()), &e))?;
    if let Some(name) = &options.name {
        take_name(&containers, &home, name)?;
    }
    if let Some(path) = &options.cidfile {
        write_new(path, &home.id)?;
    }
    let streams = if options.tty {
        Streams::Terminal {
            input: options.interactive,
        }
    } else {
        Streams::Inherit {
            input: options.interactive,
        }
    };
    let mut on = |event: Event| tell(&event, options);
    let request = prepare(&image, &run_options, &home, context, &*store, &mut on)?;
    let request = Request {
        streams,
        explain: options.explain.is_some(),
        ..request
    };
    let exit = runtime::run(&request, &mut on).map_err(Error::Run)?;
    Ok(exit.code())
}

fn read_options(options: &Options) -> Result<RunOptions, Failure> {
    if options.pull == "always" {
        return Err(Failure::new(
            "--pull always: Docker has this, Coracle does not (yet); it comes with pull and push (chapter 05-registry)",
        ));
    }
    if !options.sig_proxy {
        return Err(Failure::new(
            "--sig-proxy=false: Docker has this, Coracle does not (yet)",
        ));
    }
    let directory =
        std::env::current_dir().map_err(|e| Failure::io("find out which directory this is", &e))?;
    let around = Surroundings {
        variable: &|name| std::env::var(name).ok(),
        directory: &directory,
    };
    options::run_options(options, &around)
}

/// Makes the directories that `--volume` names and that are not there, as Docker does. (`--mount`
/// has refused them.) Before the user namespace is entered, so that they are the user's own.
fn make_sources(options: &RunOptions) -> Result<(), Failure> {
    for bind in &options.binds {
        if !Path::new(&bind.source).exists() {
            fs::create_dir_all(&bind.source)
                .map_err(|e| Failure::io(format!("make the directory {}", bind.source), &e))?;
        }
    }
    Ok(())
}

fn image(options: &Options, context: &Context, store: &dyn Store) -> Result<Image, Failure> {
    let wanted = match &options.platform {
        None => context.platform.clone(),
        Some(text) => platform(text)?,
    };
    let typed = options.words.first().map_or("", String::as_str);
    let found = names::find(store, &wanted, typed)?;
    Ok(Image::open(store, &found.named.target, &wanted)?)
}

/// Standard output is the command's; what we have to say goes to standard error.
fn tell(event: &Event, options: &Options) {
    let text = match event {
        Event::Explain(explanation) => match options.explain {
            Some(style) => progress::explained(explanation, style, output::width()),
            None => return,
        },
        Event::Warning { message } if !options.quiet => output::warning(message),
        _ => return,
    };
    // A terminal that is handed to the container no longer turns a line feed into a new line.
    output::note(&if options.tty {
        text.replace('\n', "\r\n")
    } else {
        text
    });
}

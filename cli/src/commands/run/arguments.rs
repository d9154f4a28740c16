//! What can be said about a container that is about to be made: by `run` and by `create`.

use std::path::PathBuf;

use coracle::runtime::RunOptions;

use super::options::{Surroundings, run_options};
use crate::commands::completion;
use crate::containers::container_name;
use crate::failure::Failure;
use crate::registries::missing::When;

/// The options that `run` and `create` have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct ContainerOptions {
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
    /// Set meta data on a container
    #[arg(short, long, value_name = "list")]
    pub(crate) label: Vec<String>,
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
    /// Pull image before running: always, missing or never
    #[arg(
        long,
        value_name = "string",
        default_value = "missing",
        hide_possible_values = true
    )]
    pub(crate) pull: When,
    /// Suppress warnings
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Automatically remove the container when it exits
    #[arg(long)]
    pub(crate) rm: bool,
    /// Security Options
    #[arg(long, value_name = "list")]
    pub(crate) security_opt: Vec<String>,
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

impl ContainerOptions {
    /// The image as it was typed.
    pub(crate) fn image(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What the runtime is asked for.
    pub(super) fn read(&self) -> Result<RunOptions, Failure> {
        let directory = std::env::current_dir()
            .map_err(|e| Failure::io("find out which directory this is", &e))?;
        let around = Surroundings {
            variable: &|name| std::env::var(name).ok(),
            directory: &directory,
        };
        run_options(self, &around)
    }
}

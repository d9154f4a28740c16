//! `coracle run`: a process in a container of its own.

mod options;

use std::path::PathBuf;

use crate::progress::Explain;

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
    #[arg(long, value_name = "string")]
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
    #[arg(value_name = "IMAGE", required = true, trailing_var_arg = true, num_args = 1..)]
    pub(crate) words: Vec<String>,
}

//! Every command and option of the program, as clap sees them, and the way from one to its code.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{completion, version};
use crate::failure::Outcome;

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "coracle",
    about = "The smallest Docker that one person can build by hand",
    version
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Where everything is kept: images, snapshots, containers, cache (or set CORACLE_ROOT)
    #[arg(
        long,
        global = true,
        value_name = "directory",
        env = "CORACLE_ROOT",
        hide_env = true
    )]
    root: Option<PathBuf>,
    /// Tell the causes below an error, too
    #[arg(short = 'D', long, global = true)]
    pub(crate) debug: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Completion(completion::Options),
    Version(version::Options),
}

/// The whole command line as a value, for help and completion.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Understands what was typed.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Outcome {
    match cli.command {
        Command::Completion(options) => completion::run(&options),
        Command::Version(options) => version::run(&options),
    }
}

//! The `coracle` command: Docker's words, with the reason of everything told.
//!
//! Parse, do one command, exit. What a command does lives in the library `coracle`; this crate
//! reads what was typed, prints what came out, and chooses the exit code.
//!
//! ```text
//!  main        the order of things: re-execution, parsing, the command, the exit code
//!  app         every command and option of the whole program, as clap sees them
//!  usage       Docker's shape of help and of usage errors
//!  docker      what Docker has and Coracle does not, so that nobody reads "unknown"
//!  context     where the state is, and what is common to all commands
//!  failure     an error as a person sees it, with its exit code
//!  names       from what was typed to an image, and what was probably meant
//!  containers  from what was typed to a container, and how one gets hold of it
//!  registries/ where registries are, and who one is there
//!  collect     taking away what nothing needs any more
//!  commands/   one file a command: its options, and `run`
//!  output/     tables, sizes and ages as Docker prints them, JSON, Go templates
//!  progress/   readers of the event stream: plain, terminal, JSON, --explain
//! ```

mod app;
mod bounds;
mod collect;
mod commands;
mod containers;
mod context;
mod docker;
mod failure;
mod names;
mod output;
mod progress;
mod registries;
mod usage;

use std::process::ExitCode;

use crate::failure::Failure;

fn main() -> ExitCode {
    coracle::linux::dispatch();
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = coracle::linux::doctor::answer(&arguments) {
        return ExitCode::from(code);
    }
    if commands::completion::answer(&arguments) {
        return ExitCode::SUCCESS;
    }
    let code = match app::parse(&arguments) {
        Ok(cli) => {
            let debug = cli.global.debug;
            app::run(cli).unwrap_or_else(|failure| failure.report(debug))
        }
        Err(error) => usage::report(&error, &arguments)
            .unwrap_or_else(|failure: Failure| failure.report(false)),
    };
    ExitCode::from(code)
}

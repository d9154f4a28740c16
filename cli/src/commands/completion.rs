//! `coracle completion`: a script that teaches a shell the commands, options and image names.
//!
//! The script asks `coracle` itself at each press of the tab key, so names are those of the
//! moment, and an update needs no new script.

use std::ffi::{OsStr, OsString};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use crate::app;
use crate::containers;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output;

/// Generate the autocompletion script for the specified shell
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "SHELL",
    after_help = "\
SHELL is one of bash, elvish, fish, powershell, zsh. Commands, options and the names of
images and containers are completed.

Examples:
  source <(coracle completion bash)
  coracle completion zsh > \"${fpath[1]}/_coracle\"
  coracle completion fish > ~/.config/fish/completions/coracle.fish
  coracle completion powershell | Out-String | Invoke-Expression"
)]
pub(crate) struct Options {
    /// For which shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    pub(crate) shell: String,
}

/// The variable by which a script says that it wants to know how a line goes on.
const ASKED: &str = "CORACLE_COMPLETE";

/// Prints the script.
pub(crate) fn run(options: &Options) -> Outcome {
    let shells = Shells::builtins();
    let shell = shells
        .completer(&options.shell)
        .ok_or_else(|| Failure::new(format!("{} cannot be taught", options.shell)))?;
    let mut script = Vec::new();
    shell
        .write_registration(ASKED, "coracle", "coracle", "coracle", &mut script)
        .map_err(|e| Failure::io("write the script", &e))?;
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

/// Answers a script that asks how a line goes on; `false` when nobody does.
pub(crate) fn answer(arguments: &[OsString]) -> bool {
    let asked = CompleteEnv::with_factory(app::command)
        .var(ASKED)
        .try_complete(arguments.iter().cloned(), None);
    // A line that cannot be completed is left as it is.
    asked.unwrap_or(true)
}

/// Completes the names of images; to be added to an argument that is one, or a list of them.
pub(crate) fn images() -> ArgValueCompleter {
    ArgValueCompleter::new(complete_images)
}

/// Completes the names of containers.
pub(crate) fn containers() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy();
        let names = container_names().unwrap_or_default().into_iter();
        names
            .filter(|name| name.starts_with(&*current))
            .map(CompletionCandidate::new)
            .collect::<Vec<_>>()
    })
}

fn container_names() -> Option<Vec<String>> {
    let context = Context::new(None).ok()?;
    let found = containers::all(&context).ok()?;
    Some(found.into_iter().map(|c| c.record.name).collect())
}

fn complete_images(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let names = all_names().unwrap_or_default().into_iter();
    names
        .filter(|name| name.starts_with(&*current))
        .map(CompletionCandidate::new)
        .collect()
}

/// Every tag, in short. Nobody wants an error, or a new store, at the press of a tab key.
fn all_names() -> Option<Vec<String>> {
    let context = Context::new(None).ok()?;
    if !context.root.join("store").is_dir() {
        return None;
    }
    let tags = context.store().ok()?.tags().ok()?;
    let references = tags
        .iter()
        .filter_map(|(name, _)| names::reference_of(name));
    Some(references.map(|reference| reference.familiar()).collect())
}

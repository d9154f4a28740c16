//! `coracle completion`: a script that teaches a shell the commands and options.

use clap_complete::Shell;

use crate::app;
use crate::failure::Outcome;
use crate::output;

/// Generate the autocompletion script for the specified shell
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "SHELL",
    after_help = "\
SHELL is one of bash, elvish, fish, powershell, zsh.

Examples:
  source <(coracle completion bash)
  coracle completion zsh > \"${fpath[1]}/_coracle\"
  coracle completion fish > ~/.config/fish/completions/coracle.fish
  coracle completion powershell | Out-String | Invoke-Expression"
)]
pub(crate) struct Options {
    /// For which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Prints the script.
pub(crate) fn run(options: &Options) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut app::command(), "coracle", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

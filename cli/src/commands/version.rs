//! `coracle version`: what this program is.

use serde_json::json;

use crate::failure::Outcome;
use crate::output::format::{self, Format};
use crate::output::{self};

/// Show the Coracle version information
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle version
  coracle version --format json
  coracle version --format '{{.Version}}'

JSON: Version, Os, Arch, Kernel."
)]
pub(crate) struct Options {
    /// Format output: 'json', or a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
}

/// Prints the version, and the kernel that it runs on.
pub(crate) fn run(options: &Options) -> Outcome {
    let kernel = rustix::system::uname();
    let version = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "Os": std::env::consts::OS,
        "Arch": std::env::consts::ARCH,
        "Kernel": kernel.release().to_string_lossy(),
    });
    let format = Format::parse(options.format.as_deref())?;
    let text = match format::document(&version, &format)? {
        Some(text) => text,
        None => format!(
            "Coracle\n Version:   {}\n OS/Arch:   {}/{}\n Kernel:    {}\n",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH,
            kernel.release().to_string_lossy(),
        ),
    };
    output::print(&text)?;
    Ok(0)
}

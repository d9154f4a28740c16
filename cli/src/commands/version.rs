//! `coracle version`: what this program is.

use serde_json::json;

use crate::context::go_architecture;
use crate::failure::Outcome;
use crate::output;
use crate::output::format::{self, Format};

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
        "Arch": go_architecture(std::env::consts::ARCH),
        "Kernel": kernel.release().to_string_lossy(),
    });
    let format = Format::parse(options.format.as_deref())?;
    let text = format::document(&version, &format, || {
        let field = |name: &str| version[name].as_str().unwrap_or_default().to_owned();
        format!(
            "Coracle\n Version:   {}\n OS/Arch:   {}/{}\n Kernel:    {}\n",
            field("Version"),
            field("Os"),
            field("Arch"),
            field("Kernel"),
        )
    })?;
    output::print(&text)?;
    Ok(0)
}

//! `coracle logout`: forgetting the credentials for a registry.

use crate::failure::Outcome;
use crate::output;
use crate::registries::{self, Registries, RegistryOptions};

/// Log out from a registry
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] [SERVER]",
    after_help = "\
Examples:
  coracle logout
  coracle logout quay.io

Without a server, Docker Hub is meant. The credentials go from every file and helper where
`coracle login --help` says that they are looked for."
)]
pub(crate) struct Options {
    /// The registry: a host, with a port if need be
    #[arg(value_name = "SERVER", default_value = "docker.io")]
    pub(crate) server: String,
    /// Path of the file with credentials (or set REGISTRY_AUTH_FILE)
    #[arg(long, value_name = "path")]
    pub(crate) authfile: Option<std::path::PathBuf>,
}

/// Forgets them.
pub(crate) fn run(options: &Options) -> Outcome {
    let registry = registries::registry(&options.server)?;
    let registry_options = RegistryOptions {
        authfile: options.authfile.clone(),
        ..RegistryOptions::default()
    };
    let registries = Registries::read(&registry_options, &[])?;
    let text = if registries.keeper.erase(&registry)? {
        format!("Removing login credentials for {registry}\n")
    } else {
        format!("Not logged in to {registry}\n")
    };
    output::print(&text)?;
    Ok(0)
}

//! `coracle manifest inspect`: what a registry has under a name, without fetching it.

use std::io::Write as _;

use coracle::event::Event;
use coracle::registry::pull::look_up;

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::progress::{Direction, ExplainHttpOption, Transfers};
use crate::registries::{self, Registries, RegistryOptions};

/// Display an image manifest, or manifest list
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] MANIFEST",
    after_help = "\
Examples:
  coracle manifest inspect debian:12
  coracle manifest inspect --raw localhost:5000/app | sha256sum

What is printed is the registry's: the manifest of an image, or the index of one for several
platforms. With --raw it is printed byte for byte, so that its SHA-256 is its digest.

Chapter 05-registry of the book explains both."
)]
pub(crate) struct Options {
    /// The image
    #[arg(value_name = "MANIFEST")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) explain: ExplainHttpOption,
    /// Print the bytes as they are
    #[arg(long)]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// Prints it.
pub(crate) fn run(options: &Options) -> Outcome {
    let reference = registries::reference(&options.name)?;
    let registries = Registries::read(&options.registry, &[reference.repository.registry()])?;
    let mut transfers = Transfers::new(Direction::Pull, options.explain.style, true);
    let mut on = |event: Event| transfers.event(&event);
    let found = registries.with_client(|client| look_up(client, &reference, &mut on))?;
    let (_, bytes) = found?;
    if options.raw {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(&bytes).and_then(|()| out.flush());
        written.map_err(|e| Failure::writing(&e))?;
        return Ok(0);
    }
    let document: serde_json::Value = serde_json::from_slice(&bytes)?;
    output::print(&format!("{document:#}\n"))?;
    Ok(0)
}

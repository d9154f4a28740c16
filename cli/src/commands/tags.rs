//! `coracle tags`: the tags of a repository in a registry.

use coracle::event::Event;
use coracle::registry::pull::list_tags;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::format::{Format, FormatOption, Listing, Row};
use crate::progress::{Direction, ExplainHttpOption, Transfers};
use crate::registries::{self, Registries, RegistryOptions};

/// List the tags of a repository in a registry
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] REPOSITORY",
    after_help = "\
Examples:
  coracle tags debian
  coracle tags localhost:5000/team/app
  coracle tags --format json quay.io/team/app

A registry is a server; a repository is a collection of related images on it, and each tag
names one of them. Docker has no word for this list.

Fields: Repository, Tag.

Chapter 05-registry of the book explains how long lists come."
)]
pub(crate) struct Options {
    /// The repository
    #[arg(value_name = "REPOSITORY")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) explain: ExplainHttpOption,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// Prints them.
pub(crate) fn run(options: &Options) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let reference = registries::reference(&options.name)?;
    if reference.tag.is_some() || reference.digest.is_some() {
        let repository = reference.repository.familiar();
        return Err(
            Failure::new(format!("{} names one image of a repository", options.name))
                .hint(format!("Write coracle tags {repository}")),
        );
    }
    let repository = &reference.repository;
    let registries = Registries::read(&options.registry, &[repository.registry()])?;
    let mut transfers = Transfers::new(Direction::Pull, options.explain.style, true);
    let mut on = |event: Event| transfers.event(&event);
    let tags = registries.with_client(|client| list_tags(client, repository, &mut on))??;
    let rows = tags.iter().map(|tag| {
        let document = json!({"Repository": repository.familiar(), "Tag": tag.as_str()});
        Row {
            shown: document.clone(),
            document,
        }
    });
    let listing = Listing {
        columns: "{{.Repository}}\t{{.Tag}}",
        headers: &[("Repository", "REPOSITORY"), ("Tag", "TAG")],
        rows: rows.collect(),
    };
    output::print(&listing.render(&format)?)?;
    Ok(0)
}

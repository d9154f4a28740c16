//! `coracle diff`: what a container changed in its file system.

use std::fmt::Write as _;

use coracle::linux::containers::{Change, changes};
use serde_json::json;

use crate::commands::completion;
use crate::containers;
use crate::context::Context;
use crate::failure::Outcome;
use crate::output;
use crate::output::format::{Format, FormatOption, Listing, Row};

/// Inspect changes to files or directories on a container's filesystem
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "CONTAINER",
    after_help = "\
Examples:
  coracle diff job
  coracle diff --format json job

A line for each path: A added, C changed, D deleted. Of a directory, C means that something
in it was added or deleted. What is mounted into the container is not part of it.

Fields: Kind, Path. In JSON, Kind is Docker's number: 0 changed, 1 added, 2 deleted; a path
that is not UTF-8 has its bytes replaced.

Chapter 13-overlay of the book explains where changes are kept."
)]
pub(crate) struct Options {
    /// The container
    #[arg(value_name = "CONTAINER", add = completion::containers())]
    pub(crate) container: String,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Lists the changes, by path.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let held = containers::hold(context, &options.container)?;
    let found = changes(&held.container)?;
    let text = if options.format.format.is_none() {
        let mut lines = String::new();
        for change in &found {
            let _ = writeln!(lines, "{} {}", change.kind.letter(), path(change));
        }
        lines
    } else {
        let listing = Listing {
            columns: "{{.Kind}}\t{{.Path}}",
            headers: &[("Kind", "KIND"), ("Path", "PATH")],
            rows: found.iter().map(row).collect(),
        };
        listing.render(&format)?
    };
    output::print(&text)?;
    Ok(0)
}

fn row(change: &Change) -> Row {
    Row {
        shown: json!({ "Kind": change.kind.letter().to_string(), "Path": path(change) }),
        document: json!({ "Kind": change.kind.number(), "Path": path(change) }),
    }
}

fn path(change: &Change) -> String {
    format!("/{}", change.path.to_text())
}

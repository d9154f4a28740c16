//! `coracle reference parse`: what a name means, part by part.

use coracle::reference::{Parts, Reference, ReferenceError};

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::format::{self, Format, FormatOption};
use crate::output::table::table;

/// Show what an image reference means, part by part
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] NAME",
    after_help = "\
Examples:
  coracle reference parse python
  coracle reference parse --format json localhost:5000/team/app:2
  coracle reference parse -- -wrong-

Fields: registry, repository, tag, digest (null when not given), familiar (the shortest
form), canonical (the whole form, with the tag that is meant when none is given).

Chapter 05-registry of the book explains registry, repository and tag."
)]
pub(crate) struct Options {
    /// What to take apart
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Takes the reference apart, or says which character is wrong.
pub(crate) fn run(options: &Options) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let reference: Reference = options.name.parse().map_err(|error: ReferenceError| {
        let picture = error.diagnostic().render("NAME", &error.text);
        Failure::new(format!("{:?} does not name an image", error.text)).hint(picture.trim_end())
    })?;
    let parts = Parts::from(reference);
    let text = format::document(&serde_json::to_value(&parts)?, &format, || {
        let row = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        table(&[
            row("registry", &parts.registry),
            row("repository", &parts.repository),
            row("tag", parts.tag.as_deref().unwrap_or("-")),
            row("digest", parts.digest.as_deref().unwrap_or("-")),
            row("familiar", &parts.familiar),
            row("canonical", &parts.canonical),
        ])
    })?;
    output::print(&text)?;
    Ok(0)
}

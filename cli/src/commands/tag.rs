//! `coracle tag`: one more name for an image.

use coracle::reference::Reference;
use serde_json::json;

use crate::commands::completion;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output;
use crate::output::format::{self, Format, FormatOption};

/// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    after_help = "\
Examples:
  coracle tag app:2 app:latest
  coracle tag 0e5574283393 registry.example:5000/team/app:2

A tag is a name that can be moved; nothing is copied. An image that loses its last tag
stays, and `coracle images` shows it as <none>.

Nothing is printed without --format. Fields of --format json: Id (the digest of the
config), Tag.

Chapter 04-image of the book explains tags, and how to roll back with one."
)]
pub(crate) struct Options {
    /// The image, by name or ID
    #[arg(value_name = "SOURCE_IMAGE", add = completion::images())]
    pub(crate) source: String,
    /// Its new name
    #[arg(value_name = "TARGET_IMAGE")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Points the tag at the image.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let name: Reference = options.target.parse()?;
    if name.digest.is_some() {
        return Err(Failure::new(format!(
            "{} has a digest; a tag is a name and a tag only, its digest is what it points at",
            options.target
        )));
    }
    let store = context.store()?;
    let found = names::find(&*store, &context.platform, &options.source)?;
    names::set_tag(&*store, &name, &found.named.target)?;
    let document = json!({"Id": found.named.image.id(), "Tag": name.familiar()});
    output::print(&format::document(&document, &format, String::new)?)?;
    Ok(0)
}

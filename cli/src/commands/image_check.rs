//! `coracle image check`: reads an image to the last byte and compares it with what names it.

use coracle::image;
use coracle::spec::media;
use serde_json::json;

use crate::commands::completion;
use crate::context::Context;
use crate::failure::Outcome;
use crate::names;
use crate::output;
use crate::output::format::{Format, FormatOption, Listing, Row};

/// Check every digest, size and diff ID of one or more images
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE [IMAGE...]",
    after_help = "\
Examples:
  coracle image check base
  coracle image check --format json base

Every blob is read and compared with the digest that names it, also what is here of other
platforms; of those, some may be elsewhere. The exit code is 1 when something is wrong.

Fields: Image, Ok, Problems (each with part and message).

Chapter 02-digests of the book explains why this is enough."
)]
pub(crate) struct Options {
    /// The images
    #[arg(value_name = "IMAGE", required = true, add = completion::images())]
    pub(crate) images: Vec<String>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Checks the images and says what is wrong with each.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let store = context.store()?;
    let mut rows = Vec::new();
    let mut all_right = true;
    for typed in &options.images {
        let target = names::target(&*store, &context.platform, typed)?;
        // An image for another machine can be checked here as well: for the platform that its
        // index promises, which the config may not keep.
        let platform = match names::open_any(&*store, &target, &context.platform) {
            Ok(image) => match image.descriptor.platform {
                Some(promised) if media::is_index(&target.media_type) => promised,
                _ => image.config.value.platform(),
            },
            Err(_) => context.platform.clone(),
        };
        let problems = image::check(&*store, &target, &platform);
        all_right &= problems.is_empty();
        let messages: Vec<_> = problems
            .iter()
            .map(|p| format!("{}: {}", p.part, p.message))
            .collect();
        let document = json!({"Image": typed, "Ok": problems.is_empty(), "Problems": problems});
        let mut shown = document.clone();
        shown["Found"] = match messages.len() {
            0 => "everything is as its digest says".into(),
            _ => messages.join("; ").into(),
        };
        rows.push(Row { shown, document });
    }
    let listing = Listing {
        columns: "{{.Image}}\t{{.Found}}",
        headers: &[("Image", "IMAGE"), ("Ok", "OK"), ("Found", "FOUND")],
        rows,
    };
    output::print(&listing.render(&format)?)?;
    Ok(u8::from(!all_right))
}

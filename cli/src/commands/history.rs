//! `coracle history`: where an image comes from, line by line.

use coracle::image::{self, HistoryRow};
use serde_json::json;

use crate::commands::completion;
use crate::context::Context;
use crate::failure::Outcome;
use crate::names::{self, Named};
use crate::output::format::{Format, FormatOption, Listing, Row};
use crate::output::{self, human, time};

/// Show the history of an image
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE",
    after_help = "\
Examples:
  coracle history base
  coracle history --layers --no-trunc python:3.12
  coracle history --format '{{.CreatedBy}}' base

The first line's ID is the image's; every other line has the chain ID of the layers up
to there, which is the name of its snapshot. Lines above the first layer have none.

Fields: ID, CreatedAt, CreatedSince, CreatedBy, Size, Comment, Layer, DiffID, ChainID.
In JSON, CreatedAt is RFC 3339, Size is bytes as stored, and Layer is null for a line
that changed metadata only.

Chapter 04-image of the book explains what an image is."
)]
pub(crate) struct Options {
    /// The image
    #[arg(value_name = "IMAGE", add = completion::images())]
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Print sizes and dates in human readable format
    #[arg(
        short = 'H',
        long,
        value_name = "bool",
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub(crate) human: bool,
    /// Show the digest of each line's layer
    #[arg(long)]
    pub(crate) layers: bool,
    /// Don't truncate output
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Prints the lines, newest first.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let store = context.store()?;
    let named = names::find(&*store, &context.platform, &options.image)?.named;
    let rows: Vec<Row> = image::history(&named.image)
        .iter()
        .enumerate()
        .map(|(i, line)| row(&named, i == 0, line, options))
        .collect();
    if options.quiet && options.format.format.is_none() {
        let ids = rows.iter().filter_map(|row| row.shown["ID"].as_str());
        output::print(&ids.flat_map(|id| [id, "\n"]).collect::<String>())?;
        return Ok(0);
    }
    let columns = if options.layers {
        "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Layer}}"
    } else if options.human {
        "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
    } else {
        "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
    };
    let listing = Listing {
        columns,
        headers: &[
            ("ID", "IMAGE"),
            ("CreatedAt", "CREATED AT"),
            ("CreatedSince", "CREATED"),
            ("CreatedBy", "CREATED BY"),
            ("Size", "SIZE"),
            ("Comment", "COMMENT"),
            ("Layer", "LAYER"),
            ("DiffID", "DIFF ID"),
            ("ChainID", "CHAIN ID"),
        ],
        rows,
    };
    output::print(&listing.render(&format)?)?;
    Ok(0)
}

fn row(named: &Named, is_newest: bool, line: &HistoryRow, options: &Options) -> Row {
    let history = &line.history;
    let created = history.created.as_deref().and_then(time::Moment::parse);
    let since = time::since(created);
    let by = history.created_by.clone().unwrap_or_default();
    let comment = history.comment.clone().unwrap_or_default();
    let size = line.layer.as_ref().map_or(0, |layer| layer.blob.size);
    let id = if is_newest {
        Some(named.image.id())
    } else {
        line.chain_id.as_ref().map(|chain| &chain.0)
    };
    let layer = line.layer.as_ref().map(|layer| &layer.blob.digest);
    let diff_id = line.layer.as_ref().map(|layer| &layer.diff_id.0);
    let chain_id = line.chain_id.as_ref().map(|chain| &chain.0);
    let short = |digest: Option<&coracle::digest::Digest>| match digest {
        None => "-".to_owned(),
        Some(digest) if options.no_trunc => digest.to_string(),
        Some(digest) => digest.short().to_owned(),
    };
    Row {
        shown: json!({
            "ID": short(id),
            "CreatedAt": history.created.clone().unwrap_or("N/A".to_owned()),
            "CreatedSince": since,
            "CreatedBy": human::instruction(&by, options.no_trunc),
            "Size": if options.human { human::size(size, 3) } else { size.to_string() },
            "Comment": comment,
            "Layer": short(layer),
            "DiffID": short(diff_id),
            "ChainID": short(chain_id),
        }),
        document: json!({
            "ID": id,
            "CreatedAt": created.map(time::Moment::rfc3339),
            "CreatedSince": since,
            "CreatedBy": by,
            "Size": size,
            "Comment": comment,
            "Layer": layer,
            "DiffID": diff_id,
            "ChainID": chain_id,
        }),
    }
}

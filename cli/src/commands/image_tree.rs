//! `coracle image tree`: the layers of all images, and who shares them.

use coracle::digest::Digest;
use coracle::image::{self, Branch};
use coracle::reference::Reference;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names::{self, Named};
use crate::output::format::{Format, FormatOption, Listing, Row};
use crate::output::{self, human};

/// Show layers as a tree, and which images share them
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] [IMAGE]",
    after_help = "\
Examples:
  coracle image tree
  coracle image tree python:3.12
  coracle image tree --format '{{.ChainID}} {{.SharedBy}}'

Each line is a layer on those that stand above it on the page; images that share a layer
share all of those, too. Without IMAGE: all layers of all images, and at each the images
that end there. With it: the layers of that image, and at each the other images that have it.

A layer's ID is its chain ID, which names its snapshot. Fields: ChainID, Parent (null for a
lowest layer), Depth, DiffID, Digest, Size (bytes as stored), CreatedBy, Images (those that
end here), SharedBy (all that have it). Images without a tag are named by their ID; images
without layers are not in the tree.

Chapter 03-stack of the book explains how layers are stacked."
)]
pub(crate) struct Options {
    /// Only the layers of this image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Don't truncate output
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

/// Prints the tree.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let store = context.store()?;
    let only = match &options.image {
        None => None,
        Some(typed) => Some(names::find(&*store, &context.platform, typed)?.named),
    };
    let mut damaged = false;
    let images = names::all(&*store, &context.platform, &mut |name, error| {
        output::note(&format!("coracle: the image {name} is damaged: {error}\n"));
        damaged = true;
    })?;
    let format = options.format.format.as_deref();
    print(&images, only.as_ref(), format, options.no_trunc)?;
    Ok(u8::from(damaged))
}

/// Prints the tree of these images; with `only`, no more of it than the layers of that one.
pub(crate) fn print(
    images: &[Named],
    only: Option<&Named>,
    format: Option<&str>,
    no_trunc: bool,
) -> Result<(), Failure> {
    let format = Format::parse(format)?;
    let mut picture = Picture {
        images,
        only: only.and_then(|only| {
            let is_it = |named: &Named| named.target.digest == only.target.digest;
            images.iter().position(is_it)
        }),
        no_trunc,
        rows: Vec::new(),
    };
    let forest = image::forest(images.iter().map(|named| &named.image));
    picture.draw(&forest, None, &mut Vec::new());
    let listing = Listing {
        columns: if only.is_some() {
            "{{.Layer}}\t{{.Size}}\t{{.CreatedBy}}\t{{.AlsoIn}}"
        } else {
            "{{.Layer}}\t{{.Size}}\t{{.CreatedBy}}\t{{.Images}}"
        },
        headers: &[
            ("Layer", "LAYER"),
            ("ChainID", "CHAIN ID"),
            ("Parent", "PARENT"),
            ("Depth", "DEPTH"),
            ("DiffID", "DIFF ID"),
            ("Digest", "DIGEST"),
            ("Size", "SIZE"),
            ("CreatedBy", "CREATED BY"),
            ("Images", "IMAGES"),
            ("SharedBy", "SHARED BY"),
            ("AlsoIn", "ALSO IN"),
        ],
        rows: picture.rows,
    };
    output::print(&listing.render(&format)?)
}

/// A tree that is being drawn, line by line.
struct Picture<'a> {
    images: &'a [Named],
    /// The image that the tree is about, by its place.
    only: Option<usize>,
    no_trunc: bool,
    rows: Vec<Row>,
}

impl Picture<'_> {
    /// Draws a level and what stands on it. `last` says of each level below whether it has no
    /// more branches, so that nothing has to be drawn beside it.
    fn draw(&mut self, branches: &[Branch], parent: Option<&Branch>, last: &mut Vec<bool>) {
        let only = self.only;
        let wanted =
            |branch: &&Branch| only.is_none_or(|number| branch.shared_by.contains(&number));
        let branches: Vec<_> = branches.iter().filter(wanted).collect();
        for (number, branch) in branches.iter().enumerate() {
            last.push(number + 1 == branches.len());
            self.row(branch, parent, last);
            self.draw(&branch.above, Some(branch), last);
            last.pop();
        }
    }

    fn row(&mut self, branch: &Branch, parent: Option<&Branch>, last: &[bool]) {
        let calls = |numbers: &[usize]| -> Vec<String> {
            let names = numbers.iter().map(|number| &self.images[*number]);
            names.flat_map(calls).collect()
        };
        let others = branch.shared_by.iter().copied();
        let others: Vec<_> = others.filter(|n| Some(*n) != self.only).collect();
        let (ends, all) = (calls(&branch.ends), calls(&branch.shared_by));
        let short = |digest: &Digest| {
            let short = if self.no_trunc {
                digest.as_str()
            } else {
                digest.short()
            };
            short.to_owned()
        };
        let by = branch.created_by.clone().unwrap_or_default();
        let (chain, size) = (&branch.chain_id.0, branch.layer.blob.size);
        let parent = parent.map(|parent| &parent.chain_id.0);
        let (diff_id, digest) = (&branch.layer.diff_id.0, &branch.layer.blob.digest);
        let row = Row {
            shown: json!({
                "Layer": format!("{}{}", lines(last), short(chain)),
                "ChainID": short(chain),
                "Parent": parent.map(short).unwrap_or_default(),
                "Depth": last.len() - 1,
                "DiffID": short(diff_id),
                "Digest": short(digest),
                "Size": human::size(size, 3),
                "CreatedBy": human::instruction(&by, self.no_trunc),
                "Images": ends.join(", "),
                "SharedBy": all.join(", "),
                "AlsoIn": calls(&others).join(", "),
            }),
            document: json!({
                "ChainID": chain,
                "Parent": parent,
                "Depth": last.len() - 1,
                "DiffID": diff_id,
                "Digest": digest,
                "Size": size,
                "CreatedBy": by,
                "Images": ends,
                "SharedBy": all,
            }),
        };
        self.rows.push(row);
    }
}

/// All that an image is called; its ID when it has no tag.
fn calls(named: &Named) -> Vec<String> {
    if named.references.is_empty() {
        return vec![named.call()];
    }
    named.references.iter().map(Reference::familiar).collect()
}

/// The lines that lead to a branch.
fn lines(last: &[bool]) -> String {
    let Some((own, below)) = last.split_last() else {
        return String::new();
    };
    // What stands on nothing has no line, and there is none beside it.
    let Some(below) = below.get(1..) else {
        return String::new();
    };
    let beside = below.iter().map(|last| if *last { "   " } else { "│  " });
    let end = if *own { "└─ " } else { "├─ " };
    beside.chain([end]).collect()
}

//! `coracle inspect`: everything about an image, in Docker's shape and a little more.

use coracle::digest::ChainId;
use coracle::image::StoredLayer;
use coracle::spec::{Document, RunConfig};
use serde_json::{Map, Value, json};

use crate::commands::completion;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names::{self, Named};
use crate::output;
use crate::output::format::{self, Format};

/// Display detailed information on one or more images
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] IMAGE [IMAGE...]",
    after_help = "\
Examples:
  coracle inspect base
  coracle inspect --format '{{json .Config.Env}}' base
  coracle inspect --format '{{range .RootFS.Layers}}{{println .}}{{end}}' base

Without --format: a JSON array, indented. With --format json: each image's document on
a line of its own.

Fields, as Docker's: Id (the digest of the config), RepoTags, RepoDigests, Created,
Author, Comment, Architecture, Variant, Os, Size (bytes of the layers as stored), Config,
RootFS.Type, RootFS.Layers (diff IDs). And beyond Docker's: Manifest (MediaType, Digest,
Size) and Layers, lowest first, each with MediaType, Digest, Size, DiffID, ChainID.

Chapter 04-image of the book explains them."
)]
pub(crate) struct Options {
    /// The images
    #[arg(value_name = "IMAGE", required = true, add = completion::images())]
    pub(crate) images: Vec<String>,
    /// Format output using a custom template:
    /// 'json': one JSON document a line;
    /// 'TEMPLATE': by a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Only inspect objects of the given type
    #[arg(long = "type", value_name = "string", value_parser = ["image"])]
    pub(crate) kind: Option<String>,
}

/// Prints the documents. When one of several images is not there, nothing is printed.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.as_deref())?;
    let store = context.store()?;
    let mut documents = Vec::new();
    for typed in &options.images {
        let named = names::find(&*store, &context.platform, typed)?.named;
        documents.push(document(&named)?);
    }
    let mut text = String::new();
    if let Format::Table(_) = format {
        text = format!("{:#}\n", Value::Array(documents));
    } else {
        for document in &documents {
            text.push_str(&format::document(document, &format, String::new)?);
        }
    }
    output::print(&text)?;
    Ok(0)
}

fn document(named: &Named) -> Result<Value, Failure> {
    let image = &named.image;
    let config = &image.config.value;
    let tagged = named.references.iter().filter(|r| r.tag.is_some());
    let tags: Vec<_> = tagged
        .map(coracle::reference::Reference::familiar)
        .collect();
    let mut digests: Vec<_> = named
        .references
        .iter()
        .map(|r| format!("{}@{}", r.repository.familiar(), named.target.digest))
        .collect();
    digests.dedup();
    let layers = image.layers();
    let size: u64 = layers.iter().map(|layer| layer.blob.size).sum();
    let last = config.history.last();
    Ok(json!({
        "Id": image.id(),
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": last.and_then(|line| line.comment.as_deref()).unwrap_or_default(),
        "Created": config.created,
        "DockerVersion": "",
        "Author": config.author.as_deref().unwrap_or_default(),
        "Config": run_config(&config.config)?,
        "Architecture": config.architecture,
        "Variant": config.variant.as_deref().unwrap_or_default(),
        "Os": config.os,
        "Size": size,
        "RootFS": {
            "Type": config.rootfs.kind,
            "Layers": config.rootfs.diff_ids,
        },
        "Manifest": {
            "MediaType": image.descriptor.media_type,
            "Digest": image.descriptor.digest,
            "Size": image.descriptor.size,
        },
        "Layers": layers.iter().zip(image.chain_ids()).map(layer).collect::<Vec<_>>(),
    }))
}

fn layer((stored, chain_id): (&StoredLayer, ChainId)) -> Value {
    json!({
        "MediaType": stored.blob.media_type,
        "Digest": stored.blob.digest,
        "Size": stored.blob.size,
        "DiffID": stored.diff_id,
        "ChainID": chain_id,
    })
}

/// The config with the fields that Docker always prints; what is empty is an empty text, list
/// or map here.
fn run_config(config: &RunConfig) -> Result<Value, Failure> {
    let written = Document::write(config)?;
    let mut shown: Map<String, Value> = serde_json::from_slice(written.bytes())?;
    for name in ["User", "WorkingDir"] {
        shown.entry(name).or_insert_with(|| "".into());
    }
    for name in ["Env", "Cmd", "Entrypoint", "OnBuild"] {
        shown.entry(name).or_insert_with(|| json!([]));
    }
    for name in ["Labels", "Volumes", "ExposedPorts"] {
        shown.entry(name).or_insert_with(|| json!({}));
    }
    Ok(Value::Object(shown))
}

//! `coracle inspect`: everything about a container or an image, in Docker's shape and a little
//! more.

use coracle::digest::ChainId;
use coracle::image::StoredLayer;
use coracle::spec::{Document, RunConfig};
use serde_json::{Map, Value, json};

use super::container_inspect;
use crate::commands::completion;
use crate::containers;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names::{self, Named};
use crate::output;
use crate::output::format::{self, Format};

/// Display detailed information on one or more containers or images
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] NAME|ID [NAME|ID...]",
    after_help = "\
Examples:
  coracle inspect base
  coracle inspect --format '{{json .Config.Env}}' base
  coracle inspect --format '{{range .RootFS.Layers}}{{println .}}{{end}}' base

Without --format: a JSON array, indented. With --format json: each document on a line of
its own. Of a container and an image with one name, the container is meant; --type decides.

Fields of a container, as Docker's: Id, Created, Path, Args, State (Status, Running, Paused,
Restarting, Dead, Pid, ExitCode, Error, StartedAt, FinishedAt), Image (the ID of its image),
ResolvConfPath, HostnamePath, HostsPath, Name, RestartCount, Driver, Platform, HostConfig
(Binds, NetworkMode, AutoRemove, ReadonlyRootfs, Init), GraphDriver (Name, Data), Mounts
(Type, Source, Destination, Mode, RW, Propagation), Config, NetworkSettings.Networks.

Fields of an image, as Docker's: Id (the digest of the config), RepoTags, RepoDigests, Created,
Author, Comment, Architecture, Variant, Os, Size (bytes of the layers as stored), Config,
RootFS.Type, RootFS.Layers (diff IDs). And beyond Docker's: Manifest (MediaType, Digest,
Size) and Layers, lowest first, each with MediaType, Digest, Size, DiffID, ChainID.

Chapter 04-image of the book explains them."
)]
pub(crate) struct Options {
    /// The containers and images
    #[arg(value_name = "NAME", required = true, add = completion::images())]
    pub(crate) names: Vec<String>,
    /// Format output using a custom template:
    /// 'json': one JSON document a line;
    /// 'TEMPLATE': by a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Only inspect objects of the given type
    #[arg(long = "type", value_name = "string")]
    pub(crate) kind: Option<ObjectType>,
}

/// What a name may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ObjectType {
    Container,
    Image,
}

/// As [`run`], for a command that is about one kind only.
pub(crate) fn run_as(kind: ObjectType, mut options: Options, context: &Context) -> Outcome {
    options.kind = Some(kind);
    run(&options, context)
}

/// Prints the documents. When one of several is not there, nothing is printed.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.as_deref())?;
    let mut documents = Vec::new();
    for typed in &options.names {
        documents.push(find(options.kind, typed, context)?);
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

fn find(kind: Option<ObjectType>, typed: &str, context: &Context) -> Result<Value, Failure> {
    match (kind, containers::find(context, typed)) {
        (None | Some(ObjectType::Container), Ok(container)) => {
            container_inspect::document(&container)
        }
        (Some(ObjectType::Container), Err(failure)) => Err(failure),
        _ => {
            let store = context.store()?;
            document(&names::find(&*store, &context.platform, typed)?.named)
        }
    }
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
pub(super) fn run_config(config: &RunConfig) -> Result<Value, Failure> {
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

//! `coracle commit`: what a container changed becomes a layer of a new image.

use coracle::build::plan::change;
use coracle::image::{Draft, Image, store_layer};
use coracle::linux::containers::{self as engine, Container};
use coracle::reference::Reference;
use coracle::runtime::Status;
use coracle::spec::{History, ImageConfig};
use coracle::store::Store;
use serde_json::json;

use crate::commands::base::source_date_epoch;
use crate::commands::completion;
use crate::containers;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output::format::{self, Format, FormatOption};
use crate::output::{self, time};

/// Create a new image from a container's changes
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    after_help = "\
Examples:
  coracle commit job app:2
  coracle commit -m 'by hand' -c 'CMD [\"/start\"]' job app

The new image has its image's layers and one more, which holds what the container changed;
a container that changed nothing adds none. The image says of itself what the container was
run with: command, variables, user, working directory. --change takes what import takes.
What is mounted into the container is not part of it. Set SOURCE_DATE_EPOCH to give the
image another time than now.

A container that runs is not paused meanwhile: that comes with control groups (chapter
15-limits). Commit it when it writes nothing.

Standard output gets the image's ID. Fields of --format json: Id, Tags, DiffID (null when
there is no new layer), Size (bytes of the layer).

Chapter 13-overlay of the book explains how changes become a layer."
)]
pub(crate) struct Options {
    /// Author
    #[arg(short, long, value_name = "string")]
    pub(crate) author: Option<String>,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    pub(crate) change: Vec<String>,
    /// The container
    #[arg(value_name = "CONTAINER", add = completion::containers())]
    pub(crate) container: String,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Commit message
    #[arg(short, long, value_name = "string")]
    pub(crate) message: Option<String>,
    /// What to call the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) name: Option<String>,
}

/// Makes the image and tags it.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let name = options.name.as_ref().map(|name| name.parse::<Reference>());
    let name = name.transpose()?;
    let held = containers::hold(context, &options.container)?;
    let container = &held.container;
    if matches!(container.status, Status::Running { .. }) {
        output::note(&output::warning(&format!(
            "{} runs and is not paused; what it writes at this moment may be in the image by half",
            container.record.name
        )));
    }
    let store = context.store()?;
    let _hold = store.hold()?;
    let (image, layer) = commit(options, container, &*store, context)?;
    match &name {
        Some(name) => names::set_tag(&*store, name, &image.descriptor)?,
        None => names::keep_untagged(&*store, &image.descriptor)?,
    }
    let layer = layer.then(|| image.layers().pop()).flatten();
    let document = json!({
        "Id": image.id(),
        "Tags": name.iter().map(Reference::familiar).collect::<Vec<_>>(),
        "DiffID": layer.as_ref().map(|layer| &layer.diff_id),
        "Size": layer.as_ref().map_or(0, |layer| layer.blob.size),
    });
    output::print(&format::document(&document, &format, || {
        format!("{}\n", image.id())
    })?)?;
    Ok(0)
}

/// The new image, and whether it has a layer more.
fn commit(
    options: &Options,
    container: &Container,
    store: &dyn Store,
    context: &Context,
) -> Result<(Image, bool), Failure> {
    let record = &container.record;
    let before = names::open_any(store, &record.manifest, &context.platform)?;
    let mut draft = Draft::from_image(&before);
    let config = ImageConfig {
        config: record.config.clone(),
        ..draft.config.clone()
    };
    draft.config =
        change(&config, &options.change).map_err(|e| Failure::new(format!("--change {e}")))?;
    let created = match source_date_epoch()? {
        Some(seconds) => time::Moment { seconds, nanos: 0 },
        None => time::now(),
    };
    let created = Some(created.rfc3339());
    draft.config.created.clone_from(&created);
    draft.config.author.clone_from(&options.author);
    let history = History {
        created,
        created_by: Some(containers::command(container)),
        author: options.author.clone(),
        comment: options.message.clone(),
        ..History::default()
    };
    let changes = engine::layer(container)?;
    let changed = !changes.is_empty();
    if changed {
        draft.push(store_layer(store, &changes)?, history);
    } else {
        draft.note(history);
    }
    Ok((draft.commit(store)?, changed))
}

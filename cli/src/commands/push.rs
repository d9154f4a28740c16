//! `coracle push`: images to a registry.

use std::path::PathBuf;

use coracle::event::Event;
use coracle::reference::Reference;
use coracle::registry::Pieces;
use coracle::registry::push::{PushOptions, Pushed, push};
use coracle::spec::Descriptor;
use coracle::store::Store;
use serde_json::json;

use super::build::platform;
use super::completion;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output;
use crate::output::format::{self, Format, FormatOption};
use crate::progress::{Direction, Explain, ExplainHttpOption, Transfers};
use crate::registries::{self, JOBS, Registries, RegistryOptions};

/// Upload an image to a registry
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] NAME[:TAG]",
    after_help = "\
Examples:
  coracle tag app:2 localhost:5000/team/app:2
  coracle push localhost:5000/team/app:2
  coracle push --all-tags quay.io/team/app
  coracle push --digestfile digest quay.io/team/app:2

The image's name says where it goes: in quay.io/team/app:2 the registry, which is a server,
is quay.io, and the repository, which is a collection of images on it, team/app.
`coracle tag` gives an image another name.

What the repository has is not sent, and what another repository there has is mounted
from it. Of an image for several platforms all are sent, if all are here; otherwise this
machine's alone. The tag is set last.

Fields: Name, Digest (what the tag points to there), Sent and Size (bytes of blobs that were
sent, and of all).

Where registries are and whom they trust is told in `coracle pull --help`, who may push in
`coracle login --help`.

Chapter 05-registry of the book explains what happens; --explain tells it request by
request."
)]
pub(crate) struct Options {
    /// The image
    #[arg(value_name = "NAME", add = completion::images())]
    pub(crate) name: String,
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Write the digest that the registry has to the file
    #[arg(long, value_name = "path")]
    pub(crate) digestfile: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) explain: ExplainHttpOption,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Push the image for this platform alone (os/arch[/variant])
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// Sends the images and says which they are.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let reference = registries::reference(&options.name)?;
    if reference.digest.is_some() {
        return Err(
            Failure::new(format!("push {}: it is pushed by its tag", options.name))
                .hint("Leave the digest out, or give the image a tag with `coracle tag`."),
        );
    }
    let store = context.store()?;
    let images = if options.all_tags {
        all_tags(&*store, &reference, options)?
    } else {
        vec![(reference.clone(), target(&*store, context, &reference)?)]
    };
    let registries = Registries::read(&options.registry, &[reference.repository.registry()])?;
    let push_options = PushOptions {
        platform: options.platform.as_deref().map(platform).transpose()?,
        ..usual(context, options.explain.style)
    };
    let told = (options.explain.style, options.quiet);
    if !options.quiet {
        let repository = &reference.repository;
        output::note(&format!("The push refers to repository [{repository}]\n"));
    }
    let mut digests = Vec::new();
    for (reference, target) in &images {
        let pushed = one(&registries, &*store, reference, target, &push_options, told)?;
        let document = json!({
            "Name": reference.canonical(),
            "Digest": pushed.target.digest,
            "Sent": pushed.sent,
            "Size": pushed.size,
        });
        let text = || said(reference, &pushed, options.quiet);
        output::print(&format::document(&document, &format, text)?)?;
        digests.push(pushed.target.digest.to_string());
    }
    if let Some(path) = &options.digestfile {
        output::file::write(path, |out| out.write_all(digests.join("\n").as_bytes()))?;
    }
    Ok(0)
}

/// Sends what a build has just tagged.
pub(super) fn built(
    context: &Context,
    store: &dyn Store,
    tags: &[Reference],
    explain: Option<Explain>,
    quiet: bool,
) -> Result<(), Failure> {
    for reference in tags {
        let registry = reference.repository.registry();
        let registries = Registries::read(&RegistryOptions::default(), &[registry])?;
        let target = target(store, context, reference)?;
        let options = usual(context, explain);
        let pushed = one(
            &registries,
            store,
            reference,
            &target,
            &options,
            (explain, quiet),
        )?;
        if !quiet {
            output::note(&said(reference, &pushed, false));
        }
    }
    Ok(())
}

/// Sends something that has no tag here, under a name.
pub(super) fn untagged(
    context: &Context,
    store: &dyn Store,
    reference: &Reference,
    target: &Descriptor,
    told: (Option<Explain>, bool),
) -> Result<Pushed, Failure> {
    let registry = reference.repository.registry();
    let registries = Registries::read(&RegistryOptions::default(), &[registry])?;
    let options = usual(context, told.0);
    one(&registries, store, reference, target, &options, told)
}

fn usual(context: &Context, explain: Option<Explain>) -> PushOptions {
    PushOptions {
        platform: None,
        own: context.platform.clone(),
        // Explanations are read one after the other.
        jobs: if explain.is_some() { 1 } else { JOBS },
        pieces: Pieces::default(),
    }
}

fn one(
    registries: &Registries,
    store: &dyn Store,
    reference: &Reference,
    target: &Descriptor,
    options: &PushOptions,
    (explain, quiet): (Option<Explain>, bool),
) -> Result<Pushed, Failure> {
    let mut transfers = Transfers::new(Direction::Push, explain, quiet);
    let mut on = |event: Event| transfers.event(&event);
    let pushed = registries
        .with_client(|client| push(client, store, target, reference, options, &mut on))?;
    transfers.end();
    Ok(pushed?)
}

/// What the tag points at here.
fn target(
    store: &dyn Store,
    context: &Context,
    reference: &Reference,
) -> Result<Descriptor, Failure> {
    if let Some(target) = store.resolve(&reference.canonical())? {
        return Ok(target);
    }
    // An ID names an image, and not where it shall go.
    let found = names::find(store, &context.platform, &reference.familiar());
    match found {
        Err(failure) => Err(failure),
        Ok(found) => Err(Failure::new(format!(
            "there is no tag {}, only an image with that ID",
            reference.familiar()
        ))
        .hint(format!(
            "Give it a name that says where it goes: coracle tag {} REGISTRY/REPOSITORY:TAG",
            found.named.image.id().short()
        ))),
    }
}

fn all_tags(
    store: &dyn Store,
    reference: &Reference,
    options: &Options,
) -> Result<Vec<(Reference, Descriptor)>, Failure> {
    if reference.tag.is_some() {
        return Err(Failure::new(format!(
            "{} names one tag, and --all-tags means all of its repository",
            options.name
        )));
    }
    let mut images = Vec::new();
    for (name, target) in store.tags()? {
        let known = names::reference_of(&name)
            .filter(|known| known.repository == reference.repository && known.digest.is_none());
        images.extend(known.map(|known| (known, target)));
    }
    if images.is_empty() {
        let name = reference.repository.familiar();
        return Err(
            Failure::new(format!("there is no image of the repository {name} here"))
                .hint("`coracle images` lists what there is."),
        );
    }
    Ok(images)
}

/// Docker's words.
fn said(reference: &Reference, pushed: &Pushed, quiet: bool) -> String {
    if quiet {
        return format!("{}\n", reference.canonical());
    }
    let tag = reference.tag_or_default();
    let tag = tag.as_ref().map_or("", |tag| tag.as_str());
    let target = &pushed.target;
    format!("{tag}: digest: {} size: {}\n", target.digest, target.size)
}

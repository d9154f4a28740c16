//! `coracle pull`: images from a registry.

use std::sync::mpsc::{Receiver, channel};
use std::thread::ScopedJoinHandle;

use coracle::event::{self, Event};
use coracle::image::StoredLayer;
use coracle::linux::snapshot::{SnapshotError, Snapshots};
use coracle::linux::userns;
use coracle::reference::Reference;
use coracle::registry::pull::{PullOptions, Pulled, list_tags, pull};
use coracle::spec::Platform;
use coracle::store::Store;
use serde_json::json;

use super::build::platform;
use crate::bounds::BoundsOptions;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output;
use crate::output::format::{self, Format, FormatOption};
use crate::progress::{Direction, ExplainHttpOption, Transfers};
use crate::registries::{self, JOBS, Registries, RegistryOptions};

/// Download an image from a registry
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
    after_help = "\
Examples:
  coracle pull debian:12
  coracle pull quay.io/team/app:2
  coracle pull localhost:5000/app@sha256:2c26b46b68ff...
  coracle pull --platform linux/arm64 debian:12
  coracle pull --explain localhost:5000/app

A registry is a server that keeps and shares images; a repository is a collection of related
images on it. In quay.io/team/app:2 the registry is quay.io, the repository team/app, and 2
the tag of one image in it. Without a registry, Docker Hub is meant.

What is here already is not fetched. Every layer is checked while it is written, against its
digest and against what the image says is in it; the tag is set last. When it is
interrupted, the layers that came whole stay, and the next pull goes on with the others.

Layers are unpacked as they arrive, so that the first container starts at once; those for
another platform are not, because nothing can run them here.

Registries on this machine are spoken to in the clear, all others by TLS. A certificate
of a private authority belongs into certs.d/HOST:PORT/ca.crt in ~/.config/coracle,
~/.config/containers, /etc/coracle, /etc/containers or /etc/docker. Proxies are those of
HTTPS_PROXY, HTTP_PROXY and NO_PROXY. With CORACLE_OFFLINE=1 only this machine is asked.

~/.config/coracle/registries.toml, or /etc/coracle/registries.toml, or the file that
CORACLE_REGISTRIES names, says more:

  [registry.\"docker.io\"]
  mirrors = [\"mirror.example:5000\"]    # asked first
  [registry.\"mirror.example:5000\"]
  ca = \"/etc/ssl/example-ca.pem\"       # trusted there
  [registry.\"old.example:5000\"]
  insecure = true     # any certificate, or none at all
  [registry.\"10.0.0.7:5000\"]
  plain-http = true   # in the clear
  [registry.\"localhost:5443\"]
  tls = true          # TLS on the loopback

Fields: Name, Digest (what the tag points to), Id (the digest of the config), Received and
Size (bytes of blobs that came, and of all).

Chapter 05-registry of the book explains what happens; --explain tells it request by
request."
)]
pub(crate) struct Options {
    /// The image
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Download all tagged images in the repository
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    #[command(flatten)]
    pub(crate) bounds: BoundsOptions,
    #[command(flatten)]
    pub(crate) explain: ExplainHttpOption,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Get the image for this platform (os/arch[/variant])
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// Fetches the images and says which they are.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let reference = registries::reference(&options.name)?;
    if options.all_tags && (reference.tag.is_some() || reference.digest.is_some()) {
        return Err(Failure::new(format!(
            "{} names one image, and --all-tags means all of its repository",
            options.name
        ))
        .hint(format!(
            "Write coracle pull --all-tags {}",
            reference.repository.familiar()
        )));
    }
    let wanted = match &options.platform {
        None => context.platform.clone(),
        Some(text) => platform(text)?,
    };
    let unpack = wanted == context.platform && may_unpack(options.quiet);
    let registry = reference.repository.registry();
    let registries = Registries::read(&options.registry, &[registry])?;
    let references = if options.all_tags {
        all_tags(&registries, &reference, options)?
    } else {
        vec![reference]
    };
    for reference in &references {
        let pulled = one(&registries, reference, (&wanted, unpack), options, context)?;
        let document = json!({
            "Name": pulled.reference.canonical(),
            "Digest": pulled.target.digest,
            "Id": pulled.image.id(),
            "Received": pulled.received,
            "Size": pulled.size,
        });
        let text = || said(&pulled, options.quiet);
        output::print(&format::document(&document, &format, text)?)?;
    }
    Ok(0)
}

fn all_tags(
    registries: &Registries,
    reference: &Reference,
    options: &Options,
) -> Result<Vec<Reference>, Failure> {
    let mut transfers = Transfers::new(Direction::Pull, options.explain.style, options.quiet);
    let mut on = |event: Event| transfers.event(&event);
    let repository = &reference.repository;
    let tags = registries.with_client(|client| list_tags(client, repository, &mut on))??;
    if tags.is_empty() {
        return Err(Failure::new(format!(
            "the repository {} has no tags",
            repository.familiar()
        )));
    }
    let tagged = tags.into_iter().map(|tag| Reference {
        tag: Some(tag),
        ..reference.clone()
    });
    Ok(tagged.collect())
}

fn one(
    registries: &Registries,
    reference: &Reference,
    (platform, unpack): (&Platform, bool),
    options: &Options,
    context: &Context,
) -> Result<Pulled, Failure> {
    let store = context.store()?;
    let before = store.tags()?;
    let explain = options.explain.style;
    let pull_options = PullOptions {
        platform: platform.clone(),
        // Explanations are read one after the other.
        jobs: if explain.is_some() { 1 } else { JOBS },
        bounds: options.bounds.bounds(),
    };
    if !options.quiet {
        let version = match (&reference.digest, reference.tag_or_default()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.map(|tag| tag.to_string()).unwrap_or_default(),
        };
        let path = reference.repository.path();
        output::note(&format!("{version}: Pulling from {path}\n"));
    }
    let mut transfers = Transfers::new(Direction::Pull, explain, options.quiet);
    let mut on = |event: Event| transfers.event(&event);
    let (pulled, unpacked) = std::thread::scope(|scope| {
        let (arrived, layers) = channel();
        let store = &*store;
        let unpacking = unpack.then(|| scope.spawn(move || unpack_all(&layers, store, context)));
        let mut tell_arrived = |layers: &[StoredLayer]| {
            let _ = arrived.send(layers.to_vec()); // Whoever cannot unpack does not listen.
        };
        let pulled = registries.with_client(|client| {
            pull(
                client,
                reference,
                store,
                &pull_options,
                &mut tell_arrived,
                &mut on,
            )
        });
        drop(arrived);
        (pulled, unpacking.map(ScopedJoinHandle::join))
    });
    transfers.end();
    let pulled = pulled??;
    names::keep_replaced(&*store, &before)?;
    let notes = match unpacked {
        None => Vec::new(),
        Some(Ok(Ok(warnings))) => warnings,
        Some(Ok(Err(error))) => vec![not_unpacked(&error)],
        Some(Err(_)) => vec![not_unpacked(&"the thread that does it died")],
    };
    for note in notes.iter().filter(|_| !options.quiet) {
        output::note(&output::warning(note));
    }
    Ok(pulled)
}

/// Unpacks layers while others still come, so that the first container need not wait for it.
/// Returns what has to be said about it.
fn unpack_all(
    arrived: &Receiver<Vec<StoredLayer>>,
    store: &dyn Store,
    context: &Context,
) -> Result<Vec<String>, SnapshotError> {
    let environment = |name: &str| std::env::var(name).ok();
    let snapshots = Snapshots::open(&context.root, &environment)?;
    let mut warnings = Vec::new();
    let mut on = |event: Event| {
        if let Event::Warning { message } = event {
            warnings.push(message);
        }
    };
    while let Ok(layers) = arrived.recv() {
        // Only the newest list counts; the others are its beginnings.
        let layers = arrived.try_iter().last().unwrap_or(layers);
        if !layers.is_empty() {
            snapshots.ensure(&layers, store, &mut on)?;
        }
    }
    Ok(warnings)
}

/// Moves this command to where layers can be unpacked for containers: only root can, of the
/// machine or of a user namespace.
fn may_unpack(quiet: bool) -> bool {
    let moved = userns::reenter(&mut event::ignore);
    if let (Err(error), false) = (&moved, quiet) {
        output::note(&output::warning(&not_unpacked(error)));
    }
    moved.is_ok()
}

fn not_unpacked(why: &dyn std::fmt::Display) -> String {
    format!("the image is not unpacked for containers yet: {why}")
}

/// Docker's words.
fn said(pulled: &Pulled, quiet: bool) -> String {
    let name = pulled.reference.canonical();
    if quiet {
        return format!("{name}\n");
    }
    let status = if pulled.was_here {
        "Image is up to date for"
    } else {
        "Downloaded newer image for"
    };
    let familiar = pulled.reference.familiar();
    let digest = &pulled.target.digest;
    format!("Digest: {digest}\nStatus: {status} {familiar}\n{name}\n")
}

//! Making a container: its directory, its root, its bundle, and what is written down about it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use coracle::event::Event;
use coracle::image::Image;
use coracle::linux::containers::{self, Container, ContainerDirectory, Record};
use coracle::linux::runtime::{Request, Streams};
use coracle::linux::snapshot::Snapshots;
use coracle::linux::userns;
use coracle::runtime::{Place, RunOptions, Status, bundle, effective, spec};
use coracle::store::Store;

use super::arguments::ContainerOptions;
use super::nickname;
use crate::commands::build::platform;
use crate::containers as all_containers;
use crate::context::Context;
use crate::failure::Failure;
use crate::names;
use crate::progress::Explain;
use crate::registries::missing::{self, Told};

/// A container that was just made, its directory locked.
pub(crate) struct Made {
    /// The container.
    pub(crate) container: Container,
    /// Its directory, which goes away with this value unless it is told to stay.
    pub(crate) directory: ContainerDirectory,
}

/// Makes a container of the image that the options name.
///
/// An ordinary user is moved into a user namespace first.
pub(crate) fn make(
    options: &ContainerOptions,
    context: &Context,
    explain: Option<Explain>,
    on: &mut dyn FnMut(Event),
) -> Result<Made, Failure> {
    let run_options = options.read()?;
    make_sources(&run_options)?;
    // From here on we are root: the machine's, or that of a user namespace of our own.
    userns::reenter(on)?;
    let store = context.store()?;
    let image = image(options, context, &*store, explain)?;
    let others = all_containers::all(context)?;
    let taken = others.iter().map(|c| c.record.name.as_str());
    let name = match &options.name {
        Some(name) => name.clone(),
        None => nickname::pick(&taken.collect::<BTreeSet<_>>())?,
    };
    let parent = all_containers::directory(context);
    let directory = ContainerDirectory::make(&parent)
        .map_err(|e| Failure::io(format!("make a directory in {}", parent.display()), &e))?;
    let record = prepare(
        &name,
        &image,
        &run_options,
        options,
        &directory,
        context,
        on,
    )?;
    only_one(&record, context)?;
    if let Some(path) = &options.cidfile {
        write_new(path, &directory.id)?;
    }
    let container = Container {
        record,
        status: Status::new(),
        path: directory.path.clone(),
    };
    Ok(Made {
        container,
        directory,
    })
}

/// What the runtime is asked for.
pub(crate) fn request(
    container: &Container,
    streams: Streams,
    explain: bool,
) -> Result<Request, Failure> {
    Ok(Request {
        bundle: container.path.clone(),
        root: container.record.root.clone(),
        spec: bundle::read(&container.path)?,
        init: container.record.init,
        streams,
        explain,
    })
}

/// Unpacks the image if need be, makes the container's bundle and root, and writes it down.
fn prepare(
    name: &str,
    image: &Image,
    run: &RunOptions,
    options: &ContainerOptions,
    directory: &ContainerDirectory,
    context: &Context,
    on: &mut dyn FnMut(Event),
) -> Result<Record, Failure> {
    let store = context.store()?;
    let environment = |name: &str| std::env::var(name).ok();
    let snapshots = Snapshots::open(&context.root, &environment)?;
    // Until it is written down what this container stands on, no collection may take it away.
    let _hold = store.hold()?;
    let lower = snapshots.ensure(&image.layers(), &*store, on)?;
    // What is thrown away with the container need not survive a crash of the machine.
    let root = snapshots.prepare(&lower, &directory.path, options.rm, on)?;
    let place = Place {
        id: directory.id.clone(),
        bundle: directory.path.display().to_string(),
        architecture: context.platform.architecture.clone(),
    };
    let config = &image.config.value.config;
    bundle::write(config, run, &place, &bundle::HostFiles::read())?;
    let record = Record {
        id: directory.id.clone(),
        name: name.to_owned(),
        created: containers::now(),
        image: image.id().clone(),
        manifest: image.descriptor.clone(),
        image_name: options.image().to_owned(),
        config: effective(config, run),
        hostname: spec::hostname(run, &place),
        root,
        lower,
        binds: run.binds.clone(),
        network: run.network,
        read_only: run.read_only,
        init: run.init,
        tty: run.tty,
        interactive: options.interactive,
        remove: options.rm,
    };
    record.write(&directory.path)?;
    Ok(record)
}

/// Whether no other container has the name.
fn only_one(record: &Record, context: &Context) -> Result<(), Failure> {
    // Written first and looked for then: of two that are made at once, at least one sees the
    // other.
    let others = all_containers::all(context)?;
    let same = |c: &&Container| c.record.name == record.name && c.record.id != record.id;
    match others.iter().find(same) {
        None => Ok(()),
        Some(other) => Err(Failure::new(format!(
            "the name {} is in use by the container {}",
            record.name,
            &other.record.id[..12]
        ))
        .hint(format!(
            "Remove it (coracle rm {0}) or rename it (coracle rename {0} NEW), or choose another name.",
            record.name
        ))),
    }
}

/// Makes the directories that `--volume` names and that are not there, as Docker does. (`--mount`
/// has refused them.) Before the user namespace is entered, so that they are the user's own.
fn make_sources(options: &RunOptions) -> Result<(), Failure> {
    for bind in &options.binds {
        if !Path::new(&bind.source).exists() {
            fs::create_dir_all(&bind.source)
                .map_err(|e| Failure::io(format!("make the directory {}", bind.source), &e))?;
        }
    }
    Ok(())
}

fn image(
    options: &ContainerOptions,
    context: &Context,
    store: &dyn Store,
    explain: Option<Explain>,
) -> Result<Image, Failure> {
    let wanted = match &options.platform {
        None => context.platform.clone(),
        Some(text) => platform(text)?,
    };
    let told = Told {
        explain,
        quiet: options.quiet,
    };
    missing::image(
        store,
        &wanted,
        (options.image(), names::find),
        options.pull,
        told,
    )
}

/// Writes a file that must not be there yet, as Docker does with `--cidfile`.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = fs::File::create_new(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(format!(
            "--cidfile {}: it is there already; remove it, or name another file",
            path.display()
        )),
        _ => Failure::io(format!("write {}", path.display()), &e),
    })?;
    file.write_all(text.as_bytes())
        .map_err(|e| Failure::io(format!("write {}", path.display()), &e))
}

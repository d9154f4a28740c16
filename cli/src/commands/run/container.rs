//! A container's directory: its bundle, its root, its name.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use coracle::event::Event;
use coracle::image::Image;
use coracle::linux::containers::ContainerDirectory;
use coracle::linux::runtime::{Request, Streams};
use coracle::linux::snapshot::Snapshots;
use coracle::runtime::bundle::{self, HostFiles};
use coracle::runtime::{Place, RunOptions};
use coracle::store::Store;

use crate::context::Context;
use crate::failure::Failure;

/// The file of a container's directory that names its image; `coracle rmi` reads it.
pub(crate) const IMAGE_FILE: &str = "image";

/// The file of a container's directory that lists the unpacked layers it stands on.
pub(crate) const LOWER_FILE: &str = "lower";

/// The file of a container's directory that holds its name, if it was given one.
const NAME_FILE: &str = "name";

/// Unpacks the image if need be, and makes the container's bundle and root.
pub(super) fn prepare(
    image: &Image,
    options: &RunOptions,
    home: &ContainerDirectory,
    context: &Context,
    store: &dyn Store,
    on: &mut dyn FnMut(Event),
) -> Result<Request, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let snapshots = Snapshots::open(&context.root, &environment)?;
    // Until it is written down what this container stands on, no collection may take it away.
    let hold = store.hold()?;
    let lower = snapshots.ensure(&image.layers(), store, on)?;
    note(&home.path, IMAGE_FILE, image.id().as_str())?;
    let paths = lower.iter().map(|path| format!("{}\n", path.display()));
    note(&home.path, LOWER_FILE, &paths.collect::<String>())?;
    drop(hold);
    let root = snapshots.prepare(&lower, &home.path, true, on)?;
    let place = Place {
        id: home.id.clone(),
        bundle: home.path.display().to_string(),
        architecture: context.platform.architecture.clone(),
    };
    let spec = bundle::write(
        &image.config.value.config,
        options,
        &place,
        &HostFiles::read(),
    )?;
    Ok(Request {
        bundle: home.path.clone(),
        root,
        spec,
        init: options.init,
        streams: Streams::Inherit { input: false },
        explain: false,
    })
}

/// Docker's rule for the names of containers.
pub(super) fn container_name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && text.len() > 1 && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err(
        "a name is two or more letters, digits, _, . and -, and begins with a letter or digit"
            .to_owned(),
    )
}

/// Gives the container its name, unless another one that runs has it.
pub(super) fn take_name(
    containers: &Path,
    home: &ContainerDirectory,
    name: &str,
) -> Result<(), Failure> {
    note(&home.path, NAME_FILE, name)?;
    // Written first and looked for then: of two that start at once, at least one sees the other.
    for (id, theirs) in running(containers, NAME_FILE) {
        if theirs == name && id != home.id {
            return Err(Failure::new(format!(
                "the name {name} is in use by the container {}",
                &id[..12]
            ))
            .hint("Wait until it ends, or choose another name."));
        }
    }
    Ok(())
}

/// The IDs of the containers that run, with what a file of their directories says.
pub(crate) fn running(containers: &Path, file: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(containers).into_iter().flatten().flatten();
    let told = |entry: fs::DirEntry| {
        let id = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path().join(file)).ok()?;
        (id.len() == 64).then_some((id, text))
    };
    entries.filter_map(told).collect()
}

fn note(home: &Path, file: &str, text: &str) -> Result<(), Failure> {
    let path = home.join(file);
    fs::write(&path, text).map_err(|e| Failure::io(format!("write {}", path.display()), &e))
}

/// Writes a file that must not be there yet, as Docker does with `--cidfile`.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
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

//! Images that are not here when they are needed: fetched, unless somebody says otherwise.

use coracle::event::Event;
use coracle::image::Image;
use coracle::layer::Bounds;
use coracle::reference::Reference;
use coracle::registry::pull::{PullOptions, Pulled, pull};
use coracle::spec::Platform;
use coracle::store::Store;

use super::{JOBS, Registries, RegistryOptions};
use crate::failure::Failure;
use crate::names::{self, Found};
use crate::output;
use crate::progress::{Direction, Explain, Transfers};

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum When {
    /// Every time.
    Always,
    /// When it is not here.
    Missing,
    /// Not at all.
    Never,
}

/// How a person is told about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// Whether each request is told, with its reason.
    pub(crate) explain: Option<Explain>,
    /// Whether progress is left out.
    pub(crate) quiet: bool,
}

/// What looks for an image that was typed.
pub(crate) type Find = fn(&dyn Store, &Platform, &str) -> Result<Found, Failure>;

/// The image that was typed, for a platform, fetched if `find` does not find it here. What it was
/// found by, when it was a reference and not an ID, is known to whoever typed it.
pub(crate) fn image(
    store: &dyn Store,
    platform: &Platform,
    (typed, find): (&str, Find),
    when: When,
    told: Told,
) -> Result<Image, Failure> {
    let here = || -> Result<Image, Failure> {
        let found = find(store, platform, typed)?;
        Ok(Image::open(store, &found.named.target, platform)?)
    };
    let reference = typed.parse::<Reference>();
    let failure = match here() {
        here if when == When::Never => return here,
        Ok(image) if when == When::Missing => return Ok(image),
        Ok(_) => None,
        Err(failure) => Some(failure),
    };
    let is_missing = failure.is_some();
    // An ID is not to be had anywhere else.
    let by_id = |store: &dyn Store| {
        let found = find(store, platform, typed);
        found.is_ok_and(|found| found.reference.is_none())
    };
    let reference = match reference {
        Ok(reference) if is_missing || !by_id(store) => reference,
        _ => return failure.map_or_else(here, Err),
    };
    if is_missing && !told.quiet {
        let name = Reference {
            tag: reference.tag_or_default(),
            ..reference.clone()
        };
        output::note(&format!(
            "Unable to find image '{}' locally\n",
            name.familiar()
        ));
    }
    match fetch(store, platform, &reference, told) {
        Ok(pulled) => Ok(pulled.image),
        Err(error) => {
            let why = error.message.unwrap_or_default();
            Err(match failure {
                Some(failure) => failure.hint(format!("It cannot be pulled either: {why}")),
                None => Failure::new(why).about(&format!("--pull always {typed}")),
            })
        }
    }
}

fn fetch(
    store: &dyn Store,
    platform: &Platform,
    reference: &Reference,
    told: Told,
) -> Result<Pulled, Failure> {
    let registry = reference.repository.registry();
    let registries = Registries::read(&RegistryOptions::default(), &[registry])?;
    let before = store.tags()?;
    let options = PullOptions {
        platform: platform.clone(),
        jobs: if told.explain.is_some() { 1 } else { JOBS },
        bounds: Bounds::default(),
    };
    let mut transfers = Transfers::new(Direction::Pull, told.explain, told.quiet);
    let mut on = |event: Event| transfers.event(&event);
    let pulled = registries
        .with_client(|client| pull(client, reference, store, &options, &mut |_| (), &mut on))?;
    transfers.end();
    let pulled = pulled?;
    names::keep_replaced(store, &before)?;
    Ok(pulled)
}

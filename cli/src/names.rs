//! From what was typed to an image: by reference, by ID, or with a good reason why not.

use std::collections::BTreeMap;

use coracle::diagnostic::did_you_mean;
use coracle::digest::Digest;
use coracle::image::{Image, ImageError};
use coracle::reference::Reference;
use coracle::spec::{Descriptor, Platform};
use coracle::store::{Store, StoreError};

use crate::failure::Failure;

/// An image in the store, with everything that points at it.
#[derive(Debug)]
pub(crate) struct Named {
    /// What the tags point at: a manifest, or an index.
    pub(crate) target: Descriptor,
    /// The image for this machine; for another platform if there is none for this one.
    pub(crate) image: Image,
    /// Its tags as whole references, in order; empty for an image that has lost its tag.
    pub(crate) references: Vec<Reference>,
}

impl Named {
    /// What to call it in a message: its first tag, or its ID.
    pub(crate) fn call(&self) -> String {
        match self.references.first() {
            Some(reference) => reference.familiar(),
            None => self.image.id().short().to_owned(),
        }
    }
}

/// What a person typed, found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The image.
    pub(crate) named: Named,
    /// The reference that was typed, when it was a reference and not an ID.
    pub(crate) reference: Option<Reference>,
}

/// Every image in the store, in order of first tag. An image that cannot be opened is given to
/// `damaged` with its name, and the rest is still listed.
pub(crate) fn all(
    store: &dyn Store,
    platform: &Platform,
    damaged: &mut dyn FnMut(&str, ImageError),
) -> Result<Vec<Named>, StoreError> {
    let mut by_target: BTreeMap<Digest, Vec<(String, Descriptor)>> = BTreeMap::new();
    for (name, target) in store.tags()? {
        by_target
            .entry(target.digest.clone())
            .or_default()
            .push((name, target));
    }
    let mut images = Vec::new();
    for names in by_target.into_values() {
        let Some((first, target)) = names.first() else {
            continue;
        };
        match open_any(store, target, platform) {
            Ok(image) => images.push(Named {
                target: target.clone(),
                image,
                references: names
                    .iter()
                    .filter_map(|(name, _)| reference_of(name))
                    .collect(),
            }),
            Err(error) => damaged(first, error),
        }
    }
    images.sort_by(|a, b| a.references.cmp(&b.references));
    Ok(images)
}

/// A tag's name as a reference; `None` for the digest under which an image without a tag is kept,
/// although `sha256:…` could be read as a repository with a tag.
pub(crate) fn reference_of(name: &str) -> Option<Reference> {
    match name.parse::<Digest>() {
        Ok(_) => None,
        Err(_) => name.parse().ok(),
    }
}

/// Opens the image for `platform`, or for the first one that there is.
pub(crate) fn open_any(
    store: &dyn Store,
    target: &Descriptor,
    platform: &Platform,
) -> Result<Image, ImageError> {
    match Image::open(store, target, platform) {
        Err(ImageError::Platform { available, .. }) if !available.is_empty() => {
            Image::open(store, target, &available[0])
        }
        other => other,
    }
}

/// Finds the image that `typed` means. A reference that exists wins over an ID that begins with
/// the same letters, as in Docker.
pub(crate) fn find(store: &dyn Store, platform: &Platform, typed: &str) -> Result<Found, Failure> {
    let reference = typed.parse::<Reference>();
    if let Ok(reference) = &reference
        && let Some(named) = tagged(store, platform, reference)?
    {
        return Ok(Found {
            named,
            reference: Some(reference.clone()),
        });
    }
    let images = all(store, platform, &mut |_, _| ())?;
    if let Ok(reference) = &reference
        && let Some(position) = images.iter().position(|image| is_digest(image, reference))
    {
        return Ok(Found {
            named: take(images, position),
            reference: Some(reference.clone()),
        });
    }
    let with_id: Vec<usize> = (0..images.len())
        .filter(|i| has_id(&images[*i], typed))
        .collect();
    match (with_id.as_slice(), reference) {
        ([position], _) => Ok(Found {
            named: take(images, *position),
            reference: None,
        }),
        ([], _) if typed.parse::<Digest>().is_ok() => Err(Failure::new(format!(
            "there is no image with the ID {typed} here"
        ))
        .hint("`coracle images --no-trunc` lists what there is.")),
        ([], Ok(reference)) => Err(not_found(&images, &reference)),
        ([], Err(error)) => Err(error.into()),
        (several, _) => {
            let ids: Vec<_> = several
                .iter()
                .map(|i| images[*i].image.id().short())
                .collect();
            Err(Failure::new(format!(
                "the ID {typed} is not unique, {} images begin with it: {}",
                ids.len(),
                ids.join(", ")
            ))
            .hint("Give more digits, or a name and tag."))
        }
    }
}

/// What the reference or ID `typed` points at, also when the image cannot be opened.
pub(crate) fn target(
    store: &dyn Store,
    platform: &Platform,
    typed: &str,
) -> Result<Descriptor, Failure> {
    if let Ok(reference) = typed.parse::<Reference>()
        && let Some(target) = store.resolve(&reference.canonical())?
    {
        return Ok(target);
    }
    Ok(find(store, platform, typed)?.named.target)
}

fn take(mut images: Vec<Named>, position: usize) -> Named {
    images.swap_remove(position)
}

/// The image with this very tag. No other image is opened, however many there are.
fn tagged(
    store: &dyn Store,
    platform: &Platform,
    reference: &Reference,
) -> Result<Option<Named>, Failure> {
    let tags = store.tags()?;
    let canonical = reference.canonical();
    let Some((_, target)) = tags.iter().find(|(name, _)| *name == canonical) else {
        return Ok(None);
    };
    let image = open_any(store, target, platform).map_err(|error| {
        let typed = reference.familiar();
        Failure::from(error).hint(format!(
            "The image {typed} is damaged. `coracle image check {typed}` says more; build or load it again."
        ))
    })?;
    let same = tags.iter().filter(|(_, t)| t.digest == target.digest);
    Ok(Some(Named {
        target: target.clone(),
        image,
        references: same.filter_map(|(name, _)| reference_of(name)).collect(),
    }))
}

/// Whether a reference means this image by its digest, and has one of its repositories.
fn is_digest(image: &Named, reference: &Reference) -> bool {
    let Some(digest) = &reference.digest else {
        return false;
    };
    let is_it = image.target.digest == *digest || image.image.descriptor.digest == *digest;
    let mut references = image.references.iter();
    is_it && references.any(|other| other.repository == reference.repository)
}

/// Whether `typed` begins the image's ID, with or without `sha256:`. A whole manifest digest
/// means the image, too.
fn has_id(image: &Named, typed: &str) -> bool {
    let digits = typed.strip_prefix("sha256:").unwrap_or(typed);
    !digits.is_empty()
        && (image.image.id().hex().starts_with(digits)
            || image.image.descriptor.digest.hex() == digits
            || image.target.digest.hex() == digits)
}

/// Says what exactly is not there: no image at all, no such repository, or only no such tag.
fn not_found(images: &[Named], wanted: &Reference) -> Failure {
    let all = || images.iter().flat_map(|image| &image.references);
    let familiar = wanted.familiar();
    if images.is_empty() {
        return Failure::new(format!("there is no image {familiar}; there are no images here at all"))
            .hint("`coracle base` makes one from this machine's own programs, `coracle pull` fetches one, `coracle load` reads an archive.");
    }
    let repository = wanted.repository.familiar();
    let tags: Vec<String> = all()
        .filter(|reference| reference.repository == wanted.repository)
        .filter_map(|reference| Some(reference.tag.as_ref()?.as_str().to_owned()))
        .collect();
    if tags.is_empty() {
        let failure = Failure::new(format!("there is no image {familiar} here"));
        let names: Vec<_> = all()
            .map(|reference| reference.repository.familiar())
            .collect();
        let Some(near) = did_you_mean(&repository, names.iter().map(String::as_str)) else {
            return failure.hint("`coracle images` lists what there is.");
        };
        let near = all().filter(|reference| reference.repository.familiar() == near);
        let near: Vec<_> = near.map(Reference::familiar).collect();
        return failure.hint(format!("Did you mean {}?", near.join(" or ")));
    }
    let message = match (&wanted.digest, wanted.tag_or_default()) {
        (Some(digest), _) => {
            format!(
                "there is no image {familiar}: {repository} is here, but not with the digest {digest}"
            )
        }
        (None, tag) => format!(
            "there is no image {familiar}: {repository} is here, but it has no tag {}",
            tag.as_ref().map(ToString::to_string).unwrap_or_default()
        ),
    };
    let wanted_tag = wanted
        .tag_or_default()
        .map(|tag| tag.to_string())
        .unwrap_or_default();
    let near = did_you_mean(&wanted_tag, tags.iter().map(String::as_str))
        .map(|near| format!(" Did you mean {repository}:{near}?"))
        .unwrap_or_default();
    Failure::new(message).hint(format!("Its tags are: {}.{near}", tags.join(", ")))
}

/// Points the tag `name` at `target`. An image that loses its last name by that is kept under
/// its digest, where `coracle images` shows it as `<none>`.
///
/// The old image gets its new name before the tag moves, so a crash in between loses nothing.
pub(crate) fn set_tag(
    store: &dyn Store,
    name: &Reference,
    target: &Descriptor,
) -> Result<(), StoreError> {
    let name = name.canonical();
    let tags = store.tags()?;
    let before = tags
        .iter()
        .find(|(other, _)| *other == name)
        .map(|(_, old)| old);
    if let Some(old) = before.filter(|old| old.digest != target.digest) {
        let others = tags
            .iter()
            .filter(|(other, t)| *other != name && t.digest == old.digest);
        if others.count() == 0 {
            store.tag(old.digest.as_str(), old)?;
        }
    }
    store.tag(&name, target)?;
    store.untag(target.digest.as_str())?;
    Ok(())
}

/// Keeps an image under its digest, unless it has a name.
pub(crate) fn keep_untagged(store: &dyn Store, target: &Descriptor) -> Result<(), StoreError> {
    if !store.tags()?.iter().any(|(_, t)| t.digest == target.digest) {
        store.tag(target.digest.as_str(), target)?;
    }
    Ok(())
}

/// Keeps every image under its digest that had a name in `before` and has none any more.
pub(crate) fn keep_replaced(
    store: &dyn Store,
    before: &[(String, Descriptor)],
) -> Result<(), StoreError> {
    for (_, old) in before {
        keep_untagged(store, old)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use coracle::image::Draft;
    use coracle::spec::ImageConfig;
    use coracle::store::TagStore as _;
    use coracle::store::memory::MemoryStore;

    use super::*;

    fn platform() -> Platform {
        Platform::linux("amd64")
    }

    /// An image whose ID depends on `author`.
    fn image(store: &dyn Store, author: &str) -> Image {
        let mut config = ImageConfig::scratch(&platform());
        config.author = Some(author.to_owned());
        let draft = Draft {
            config,
            layers: vec![],
        };
        draft.commit(store).unwrap()
    }

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn store() -> MemoryStore {
        let store = MemoryStore::new();
        for name in ["python:3.12", "python:3.11", "localhost:5000/team/app:v1"] {
            let image = image(&store, name);
            set_tag(&store, &reference(name), &image.descriptor).unwrap();
        }
        store
    }

    #[test]
    fn images_are_found_by_reference_id_and_digest() {
        let store = store();
        let found = find(&store, &platform(), "docker.io/library/python:3.12").unwrap();
        let id = found.named.image.id().clone();
        let digest = found.named.target.digest.clone();
        for typed in [
            "python:3.12".to_owned(),
            id.to_string(),
            id.hex().to_owned(),
            id.short().to_owned(),
            format!("python@{digest}"),
            digest.to_string(),
        ] {
            let found = find(&store, &platform(), &typed).unwrap();
            assert_eq!(*found.named.image.id(), id, "{typed}");
        }
    }

    #[test]
    fn what_is_not_there_is_said_exactly() {
        let store = store();
        let check = |typed: &str, expected: &str| {
            let error = find(&store, &platform(), typed).unwrap_err();
            assert_eq!(error.message.unwrap(), expected);
        };
        check(
            "python:3.21",
            "there is no image python:3.21: python is here, but it has no tag 3.21\nIts tags are: 3.11, 3.12. Did you mean python:3.11?",
        );
        check(
            "python",
            "there is no image python: python is here, but it has no tag latest\nIts tags are: 3.11, 3.12.",
        );
        check(
            "pyhton:3.12",
            "there is no image pyhton:3.12 here\nDid you mean python:3.11 or python:3.12?",
        );
        check(
            "debian",
            "there is no image debian here\n`coracle images` lists what there is.",
        );
        check(
            "Python:3.12",
            "\"Python:3.12\" does not name an image: character 1: repository names are lower-case; did you mean python:3.12?",
        );
        let error = find(&MemoryStore::new(), &platform(), "base").unwrap_err();
        assert!(
            error
                .message
                .unwrap()
                .starts_with("there is no image base; there are no images here at all")
        );
    }

    #[test]
    fn an_image_that_loses_its_tag_is_kept_and_found_by_its_id() {
        let store = store();
        let old = find(&store, &platform(), "python:3.12").unwrap().named;
        let new = image(&store, "new");
        set_tag(&store, &reference("python:3.12"), &new.descriptor).unwrap();
        let found = find(&store, &platform(), old.image.id().hex())
            .unwrap()
            .named;
        assert!(found.references.is_empty());
        // Given a tag again, it is no longer kept under its digest.
        set_tag(&store, &reference("old:1"), &old.target).unwrap();
        assert_eq!(store.resolve(old.target.digest.as_str()).unwrap(), None);
        assert_eq!(
            find(&store, &platform(), "old:1")
                .unwrap()
                .named
                .references
                .len(),
            1
        );
    }
}

//! From what was typed to an image: by reference or by ID, or with a good reason why not.

use std::collections::BTreeMap;

use coracle::diagnostic::did_you_mean;
use coracle::digest::Digest;
use coracle::image::Image;
use coracle::reference::Reference;
use coracle::spec::Descriptor;
use coracle::store::TagStore;
use coracle::store::memory::MemoryStore;

use crate::state::{self, platform};

/// An image with all its names.
#[derive(Debug, Clone)]
pub struct Named {
    /// What the tags point at.
    pub target: Descriptor,
    /// The image.
    pub image: Image,
    /// Its tags, in order; empty for an image that has lost its tag.
    pub references: Vec<Reference>,
}

impl Named {
    /// What to call it: its first tag, or its ID.
    pub fn call(&self) -> String {
        match self.references.first() {
            Some(reference) => reference.familiar(),
            None => self.image.id().short().to_owned(),
        }
    }
}

/// Every image of a store, in order of first tag. What cannot be opened is left out.
pub fn all(store: &MemoryStore) -> Vec<Named> {
    let mut by_target: BTreeMap<Digest, (Descriptor, Vec<Reference>)> = BTreeMap::new();
    for (name, target) in store.tags().unwrap_or_default() {
        let entry = by_target.entry(target.digest.clone());
        let (_, names) = entry.or_insert_with(|| (target, Vec::new()));
        // An image without a tag is kept under its digest, which is no name.
        if name.parse::<Digest>().is_err() {
            names.extend(name.parse::<Reference>());
        }
    }
    let opened = by_target.into_values().filter_map(|(target, references)| {
        let image = open(store, &target)?;
        Some(Named {
            target,
            image,
            references,
        })
    });
    let mut images: Vec<_> = opened.collect();
    images.sort_by(|a, b| a.references.cmp(&b.references));
    images
}

/// Opens an image for the platform of everything here, or for the first that there is.
fn open(store: &MemoryStore, target: &Descriptor) -> Option<Image> {
    match Image::open(store, target, &platform()) {
        Err(coracle::image::ImageError::Platform { available, .. }) => {
            Image::open(store, target, available.first()?).ok()
        }
        opened => opened.ok(),
    }
}

/// The image that a reference names, if it is here.
pub fn tagged(store: &MemoryStore, reference: &Reference) -> Option<Image> {
    let target = store.resolve(&reference.canonical()).ok()??;
    open(store, &target)
}

/// The image that a registry has under a reference.
pub fn shelved(store: &MemoryStore, reference: &Reference) -> Option<Image> {
    let target = store.resolve(&state::shelved(reference)).ok()??;
    open(store, &target)
}

/// Finds the image that `typed` means: a reference wins over an ID that begins so, as in Docker.
pub fn find(store: &MemoryStore, typed: &str) -> Result<(Named, Option<Reference>), String> {
    let images = all(store);
    let reference = typed.parse::<Reference>();
    if let Ok(reference) = &reference {
        let canonical = reference.canonical();
        let is_it = |named: &&Named| {
            let by_digest = reference.digest.as_ref() == Some(&named.target.digest);
            by_digest || named.references.iter().any(|r| r.canonical() == canonical)
        };
        if let Some(named) = images.iter().find(is_it) {
            return Ok((named.clone(), Some(reference.clone())));
        }
    }
    let digits = typed.strip_prefix("sha256:").unwrap_or(typed);
    let is_id = |digest: &Digest| !digits.is_empty() && digest.hex().starts_with(digits);
    let with_id: Vec<_> = images
        .iter()
        .filter(|named| is_id(named.image.id()) || is_id(&named.target.digest))
        .collect();
    match (with_id.as_slice(), reference) {
        ([named], _) => Ok(((*named).clone(), None)),
        ([], Err(error)) => Err(error.to_string()),
        ([], Ok(reference)) => Err(not_found(&images, &reference)),
        (several, _) => Err(format!(
            "{} images have an ID that begins with {typed}; type more of it",
            several.len()
        )),
    }
}

fn not_found(images: &[Named], reference: &Reference) -> String {
    let wanted = reference.familiar();
    let names: Vec<_> = images
        .iter()
        .flat_map(|named| named.references.iter().map(Reference::familiar))
        .collect();
    let near = did_you_mean(&wanted, names.iter().map(String::as_str));
    let near = near.map(|near| format!("; did you mean {near}?"));
    format!(
        "there is no image {wanted} here{}\n`coracle images` lists what there is.",
        near.unwrap_or_default()
    )
}

//! A build's cache in a registry: found by its name, its layers fetched when a step is found.

use coracle::build::carry::{self, Carried, STEPS, Step};
use coracle::event;
use coracle::image::{Image, ImageError, find_manifest};
use coracle::reference::Reference;
use coracle::registry::error::RegistryError;
use coracle::registry::pull::{fetch_blob, look_up};
use coracle::spec::{Descriptor, Document, ImageConfig, Manifest, Platform};
use coracle::store::{Store, StoreError};

use crate::failure::Failure;
use crate::registries::{Registries, RegistryOptions};

/// The steps that `reference` names: a cache that a build has put there, or those that an image
/// carries. `None` when there is nothing of that name.
pub(super) fn open<'a>(
    store: &dyn Store,
    reference: &Reference,
    platform: &Platform,
) -> Result<Option<Carried<'a>>, Failure> {
    let registry = reference.repository.registry();
    let registries = Registries::read(&RegistryOptions::default(), &[registry])?;
    let from = From {
        registries,
        reference: reference.clone(),
    };
    let Some(target) = from.look_up(store, reference)? else {
        return Ok(None);
    };
    let pointer = from.choose(store, &target, platform)?;
    let wrong = |error: serde_json::Error| {
        Failure::new(format!(
            "--cache-from {}: {} cannot be read: {error}",
            reference.familiar(),
            pointer.digest
        ))
    };
    let manifest = Document::<Manifest>::parse(store.read(&pointer.digest)?).map_err(wrong)?;
    let config = &manifest.value.config;
    if !from.fetch(config, store)? {
        let digest = config.digest.clone();
        return Err(StoreError::Missing { digest }.into());
    }
    let config = store.read(&config.digest)?;
    let steps: Vec<Step> = if manifest.value.config.media_type == STEPS {
        serde_json::from_slice(&config).map_err(wrong)?
    } else {
        carry::of_image(&Image {
            descriptor: pointer.clone(),
            config: Document::<ImageConfig>::parse(config).map_err(wrong)?,
            manifest,
        })
    };
    Ok(Some(Carried {
        steps: steps.into_iter().map(|s| (s.key, s.entry)).collect(),
        fetch: Box::new(move |blob, store| from.fetch(blob, store)),
    }))
}

/// Where a cache comes from.
struct From {
    registries: Registries,
    reference: Reference,
}

impl From {
    /// What the name points to, put into the store; `None` when the registry has none of it.
    fn look_up(
        &self,
        store: &dyn Store,
        reference: &Reference,
    ) -> Result<Option<Descriptor>, Failure> {
        let found = self
            .registries
            .with_client(|client| look_up(client, reference, &mut event::ignore))?;
        match found {
            Ok((target, bytes)) => {
                store.put(&bytes)?;
                Ok(Some(target))
            }
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The manifest for the platform, of an image that has several.
    fn choose(
        &self,
        store: &dyn Store,
        target: &Descriptor,
        platform: &Platform,
    ) -> Result<Descriptor, Failure> {
        loop {
            match find_manifest(store, target, platform) {
                Err(ImageError::Store(StoreError::Missing { digest })) => {
                    let by_digest = Reference {
                        digest: Some(digest.clone()),
                        ..self.reference.clone()
                    };
                    if self.look_up(store, &by_digest)?.is_none() {
                        return Err(StoreError::Missing { digest }.into());
                    }
                }
                found => return Ok(found?),
            }
        }
    }

    /// Brings a blob into the store, unless it is there; false when the registry does not have it,
    /// or has something else under its name.
    fn fetch(&self, blob: &Descriptor, store: &dyn Store) -> Result<bool, StoreError> {
        if store.size(&blob.digest)? == Some(blob.size) {
            return Ok(true);
        }
        let repository = &self.reference.repository;
        let why = match self
            .registries
            .with_client(|client| fetch_blob(client, repository, blob, store, &mut event::ignore))
        {
            Ok(Ok(())) => return Ok(true),
            Ok(Err(
                RegistryError::NotFound { .. }
                | RegistryError::Content { .. }
                | RegistryError::Store(StoreError::Corrupt(_)),
            )) => return Ok(false),
            Ok(Err(RegistryError::Store(error))) => return Err(error),
            Ok(Err(error)) => error.to_string(),
            Err(failure) => failure.message.unwrap_or_default(),
        };
        let action = format!(
            "fetch {} of the cache {}",
            blob.digest.short(),
            self.reference.familiar()
        );
        Err(StoreError::io(action, std::io::Error::other(why)))
    }
}

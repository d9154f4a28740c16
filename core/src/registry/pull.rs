//! Fetching an image: from its name to a tag in the store, which is the last thing that is set.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::blobs::progress;
use super::client::Client;
use super::error::{RegistryError, named};
use super::exchange::{Remote, Tell};
use super::manifests::Fetched;
use super::parallel::each;
use crate::digest::{DiffId, Digest, DigestError, Hashing};
use crate::event::{Event, Transfer};
use crate::image::{Image, ImageError, StoredLayer, find_manifest};
use crate::layer::ahead::Beside;
use crate::layer::{Bounds, compress};
use crate::reference::{Reference, Repository, Tag};
use crate::spec::{Descriptor, Document, ImageConfig, Manifest, Platform, media};
use crate::store::{Store, StoreError};

/// How an image is fetched.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// Of an image for several platforms, which.
    pub platform: Platform,
    /// How many layers are fetched at a time.
    pub jobs: usize,
    /// What a layer may unpack to.
    pub bounds: Bounds,
}

/// An image that was fetched, and is tagged now.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// Under which name the store has it.
    pub reference: Reference,
    /// What the tag points to: a manifest, or an index of several platforms.
    pub target: Descriptor,
    /// The image for the platform.
    pub image: Image,
    /// Whether the store had all of it under this name before.
    pub was_here: bool,
    /// How many bytes of blobs came.
    pub received: u64,
    /// How many bytes its blobs have together, those that were here included.
    pub size: u64,
}

/// Fetches what `reference` names, and tags it in `store`.
///
/// A mirror that fails is passed over with a warning. Layers are fetched side by side, each checked
/// against its digest while it is written and against the diff ID that the config promises. When
/// anything is wrong nothing is tagged; what came whole stays, so that the next pull goes on there.
///
/// `arrived` is told which layers are in the store, lowest first and without a gap, each time when
/// there are more: they can be unpacked while the others still come.
pub fn pull(
    client: &Client<'_>,
    reference: &Reference,
    store: &dyn Store,
    options: &PullOptions,
    arrived: &mut dyn FnMut(&[StoredLayer]),
    on: &mut dyn FnMut(Event),
) -> Result<Pulled, RegistryError> {
    let mut tell = Tell::new(on);
    // From the first blob to the tag, no collection may take away what has no name yet.
    let _hold = store.hold()?;
    let reference = wanted(reference);
    client.first_that_works(&reference.repository, &mut tell, &mut |remote, tell| {
        let pull = Pull {
            client,
            remote,
            store,
            options,
            received: AtomicU64::new(0),
        };
        pull.image(&reference, arrived, tell)
    })
}

/// All tags of a repository, in the registry's order.
pub fn list_tags(
    client: &Client<'_>,
    repository: &Repository,
    on: &mut dyn FnMut(Event),
) -> Result<Vec<Tag>, RegistryError> {
    let mut tell = Tell::new(on);
    client.first_that_works(repository, &mut tell, &mut |remote, tell| {
        client.tags(remote, tell)
    })
}

/// What a tag or digest points to in a registry, as it is there: its descriptor and its bytes.
pub fn look_up(
    client: &Client<'_>,
    reference: &Reference,
    on: &mut dyn FnMut(Event),
) -> Result<(Descriptor, Vec<u8>), RegistryError> {
    let mut tell = Tell::new(on);
    let wanted = wanted(reference);
    client.first_that_works(&wanted.repository, &mut tell, &mut |remote, tell| {
        let fetched = client.manifest(remote, &version(&wanted), tell)?;
        Ok((fetched.descriptor, fetched.bytes))
    })
}

/// Fetches one blob into `store`, checked against its digest while it is written.
pub fn fetch_blob(
    client: &Client<'_>,
    repository: &Repository,
    blob: &Descriptor,
    store: &dyn Store,
    on: &mut dyn FnMut(Event),
) -> Result<(), RegistryError> {
    let mut tell = Tell::new(on);
    client.first_that_works(repository, &mut tell, &mut |remote, tell| {
        let mut writer = store.create()?;
        client.fetch_blob(remote, blob, 0, tell, &mut |bytes| {
            let written = writer.write_all(bytes);
            let writing = |e| StoreError::io(format!("write blob {}", blob.digest), e);
            Ok(written.map_err(writing)?)
        })?;
        Ok(writer.commit(Some(&blob.digest)).map(drop)?)
    })
}

impl Client<'_> {
    /// Does `work` by the first way to a registry that leads there: its mirrors, then itself.
    pub(super) fn first_that_works<T>(
        &self,
        repository: &Repository,
        tell: &mut Tell<'_>,
        work: &mut dyn FnMut(&Remote, &mut Tell<'_>) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let endpoints = self.around.hosts.to_fetch(repository.registry());
        let last = endpoints.len().saturating_sub(1);
        for (i, endpoint) in endpoints.into_iter().enumerate() {
            let is_mirror = endpoint.registry != repository.registry();
            let remote = Remote {
                endpoint,
                repository: repository.clone(),
            };
            match work(&remote, tell) {
                Err(error)
                    if i < last
                        && (is_mirror || matches!(error, RegistryError::Transport { .. })) =>
                {
                    let base = &remote.endpoint.base;
                    let message = format!("{base} does not help, so the next is asked: {error}");
                    tell.say(Event::Warning { message });
                }
                result => return result,
            }
        }
        // There is always the registry itself.
        Err(RegistryError::Unsupported {
            what: repository.to_string(),
            why: "there is no way to it".to_owned(),
        })
    }
}

/// The name under which the image is kept: with a digest, the tag does not count.
fn wanted(reference: &Reference) -> Reference {
    let mut wanted = reference.clone();
    wanted.tag = match wanted.digest {
        Some(_) => None,
        None => wanted.tag_or_default(),
    };
    wanted
}

/// The tag or digest that is asked for.
fn version(reference: &Reference) -> String {
    match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.to_string(),
        (None, None) => Tag::latest().to_string(),
    }
}

/// A pull under way.
struct Pull<'p> {
    client: &'p Client<'p>,
    remote: &'p Remote,
    store: &'p dyn Store,
    options: &'p PullOptions,
    received: AtomicU64,
}

impl Pull<'_> {
    fn image(
        &self,
        reference: &Reference,
        arrived: &mut dyn FnMut(&[StoredLayer]),
        tell: &mut Tell<'_>,
    ) -> Result<Pulled, RegistryError> {
        let name = reference.canonical();
        let target = self.target(&version(reference), tell)?;
        let was_tagged = self
            .store
            .resolve(&name)?
            .is_some_and(|t| t.digest == target.digest);
        let manifest = self.choose(&target, tell)?;
        let bytes = self.document(&manifest, tell)?;
        let manifest = self.manifest(&manifest, bytes)?;
        let config = self.config(&manifest, tell)?;
        let own = config.platform();
        // An index chose by its own list; a lone manifest is judged by what its config says.
        if !media::is_index(&target.media_type) && !own.serves(&self.options.platform) {
            return Err(ImageError::Platform {
                wanted: self.options.platform.clone(),
                available: vec![own],
            }
            .into());
        }
        let layers = manifest.layers.iter().zip(&config.rootfs.diff_ids);
        let layers: Vec<_> = layers
            .map(|(blob, diff_id)| StoredLayer {
                blob: blob.clone(),
                diff_id: diff_id.clone(),
            })
            .collect();
        let was_here = self.layers(&layers, arrived, tell)? && was_tagged;
        let image = Image::open(self.store, &target, &self.options.platform)?;
        self.store.tag(&name, &target)?;
        let sizes = manifest.layers.iter().map(|layer| layer.size);
        Ok(Pulled {
            reference: reference.clone(),
            target,
            image,
            was_here,
            received: self.received.load(Ordering::Relaxed),
            size: sizes.sum::<u64>() + manifest.config.size,
        })
    }

    /// What the tag or digest points at, in the store. A manifest that is here is not fetched.
    fn target(&self, version: &str, tell: &mut Tell<'_>) -> Result<Descriptor, RegistryError> {
        let digest: Option<Digest> = match version.parse() {
            Ok(digest) => Some(digest),
            Err(_) => self.client.head(self.remote, version, tell)?,
        };
        if let Some(digest) = &digest
            && let Some(here) = self.here(digest)?
        {
            return Ok(here);
        }
        let fetched = match &digest {
            Some(digest) => self.client.manifest_of(self.remote, digest, None, tell),
            None => self.client.fetch(self.remote, version, None, tell),
        };
        let Fetched { descriptor, bytes } = fetched?;
        self.keep(&descriptor.digest, &bytes)?;
        Ok(descriptor)
    }

    /// The descriptor of a manifest or index that some tag here points at.
    fn here(&self, digest: &Digest) -> Result<Option<Descriptor>, RegistryError> {
        let tags = self.store.tags()?.into_iter().map(|(_, target)| target);
        let known = tags.into_iter().find(|target| target.digest == *digest);
        match known {
            Some(target) if self.store.size(digest)? == Some(target.size) => Ok(Some(target)),
            _ => Ok(None),
        }
    }

    /// The manifest for our platform. Indexes inside of an index are fetched as they are needed.
    fn choose(
        &self,
        target: &Descriptor,
        tell: &mut Tell<'_>,
    ) -> Result<Descriptor, RegistryError> {
        loop {
            match find_manifest(self.store, target, &self.options.platform) {
                Err(ImageError::Store(StoreError::Missing { digest })) => {
                    let fetched = self.client.manifest_of(self.remote, &digest, None, tell)?;
                    self.keep(&digest, &fetched.bytes)?;
                }
                found => return Ok(found?),
            }
        }
    }

    /// A manifest's bytes, from the store or the registry.
    fn document(
        &self,
        pointer: &Descriptor,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<u8>, RegistryError> {
        if self.store.size(&pointer.digest)? == Some(pointer.size) {
            return Ok(self.store.read(&pointer.digest)?);
        }
        let size = Some(pointer.size);
        let fetched = self
            .client
            .manifest_of(self.remote, &pointer.digest, size, tell)?;
        if fetched.descriptor.media_type != pointer.media_type {
            return Err(self.unsupported(format!(
                "the index calls it {}, and the registry {}; one of them is wrong",
                pointer.media_type, fetched.descriptor.media_type
            )));
        }
        self.keep(&pointer.digest, &fetched.bytes)?;
        Ok(fetched.bytes)
    }

    fn manifest(&self, pointer: &Descriptor, bytes: Vec<u8>) -> Result<Manifest, RegistryError> {
        let document = Document::<Manifest>::parse(bytes);
        let manifest = document.map_err(|e| ImageError::Document {
            what: "manifest",
            digest: pointer.digest.clone(),
            reason: e.to_string(),
        })?;
        let manifest = manifest.value;
        let kind = &manifest.config.media_type;
        if kind != media::CONFIG && kind != media::DOCKER_CONFIG {
            return Err(self.unsupported(format!(
                "it is no image but another artifact, of the kind {kind}; `coracle copy` takes it as it is"
            )));
        }
        Ok(manifest)
    }

    fn config(
        &self,
        manifest: &Manifest,
        tell: &mut Tell<'_>,
    ) -> Result<ImageConfig, RegistryError> {
        let pointer = &manifest.config;
        if pointer.size > crate::store::MOST_IN_MEMORY {
            return Err(StoreError::TooLarge {
                digest: pointer.digest.clone(),
            }
            .into());
        }
        if self.store.size(&pointer.digest)? != Some(pointer.size) {
            self.fetch(pointer, None, tell)?;
        }
        let wrong = |reason: String| ImageError::Document {
            what: "image config",
            digest: pointer.digest.clone(),
            reason,
        };
        let document = Document::<ImageConfig>::parse(self.store.read(&pointer.digest)?);
        let config = document.map_err(|e| wrong(e.to_string()))?.value;
        let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            let reason = format!("it has {diff_ids} diff IDs and its manifest {layers} layers");
            return Err(wrong(reason).into());
        }
        Ok(config)
    }

    /// Fetches the layers that are not here. Whether all were is the answer.
    fn layers(
        &self,
        layers: &[StoredLayer],
        arrived: &mut dyn FnMut(&[StoredLayer]),
        tell: &mut Tell<'_>,
    ) -> Result<bool, RegistryError> {
        let mut under_way = BTreeSet::new();
        let mut missing = Vec::new();
        for layer in layers {
            let blob = &layer.blob;
            let state = if self.store.size(&blob.digest)? == Some(blob.size) {
                Transfer::Present
            } else {
                if under_way.insert(blob.digest.clone()) {
                    missing.push(layer);
                }
                Transfer::Waiting
            };
            tell.say(progress(blob, state));
        }
        let mut tell_arrived = |under_way: &BTreeSet<Digest>| {
            let is_under_way = |layer: &StoredLayer| under_way.contains(&layer.blob.digest);
            let here = layers.iter().position(is_under_way);
            arrived(&layers[..here.unwrap_or(layers.len())]);
        };
        tell_arrived(&under_way);
        let mut on = |event: Event| {
            let received = match &event {
                Event::Transfer {
                    digest,
                    state: Transfer::Received,
                    ..
                } => under_way.remove(digest),
                _ => false,
            };
            tell.say(event);
            if received {
                tell_arrived(&under_way);
            }
        };
        each(
            self.options.jobs,
            &missing,
            &mut Tell::new(&mut on),
            &|layer, tell| {
                self.fetch(&layer.blob, Some(&layer.diff_id), tell)?;
                tell.say(progress(&layer.blob, Transfer::Received));
                Ok(())
            },
        )?;
        Ok(missing.is_empty())
    }

    /// Fetches a blob into the store; a layer is unpacked meanwhile, to see what is in it.
    fn fetch(
        &self,
        blob: &Descriptor,
        diff_id: Option<&DiffId>,
        tell: &mut Tell<'_>,
    ) -> Result<(), RegistryError> {
        let mut there = 0;
        let unpacked = match self.keep_blob(blob, diff_id, &mut there, tell) {
            // What was wrong may be what an earlier pull had left; it is gone now.
            Err(RegistryError::Content {
                source: source @ DigestError::Mismatch { .. },
                ..
            }) if there > 0 => {
                let digest = blob.digest.short();
                let message =
                    format!("{digest}: fetched anew, as its beginning was damaged: {source}");
                tell.say(Event::Warning { message });
                self.keep_blob(blob, diff_id, &mut there, tell)?
            }
            done => done?,
        };
        match diff_id {
            None => Ok(()),
            Some(diff_id) => self.check_layer(blob, diff_id, unpacked),
        }
    }

    /// Brings a blob into the store, of which the beginning may be `there`, and unpacks it beside
    /// if it is a layer.
    fn keep_blob(
        &self,
        blob: &Descriptor,
        diff_id: Option<&DiffId>,
        there: &mut u64,
        tell: &mut Tell<'_>,
    ) -> Result<Option<Digest>, RegistryError> {
        let (writer, unpacked) = std::thread::scope(|scope| {
            let mut beside = diff_id.map(|_| Beside::new(scope, self.options.bounds));
            let mut seen = |bytes: &[u8]| beside.iter_mut().for_each(|beside| beside.take(bytes));
            let (mut writer, count) = self.store.resume(blob, &mut seen)?;
            *there = count;
            self.client
                .fetch_blob(self.remote, blob, count, tell, &mut |bytes| {
                    let written = writer.write_all(bytes);
                    written
                        .map_err(|e| StoreError::io(format!("write blob {}", blob.digest), e))?;
                    if let Some(beside) = &mut beside {
                        beside.take(bytes);
                    }
                    self.received
                        .fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    Ok(())
                })?;
            Ok::<_, RegistryError>((writer, beside.and_then(Beside::finish)))
        })?;
        writer
            .commit(Some(&blob.digest))
            .map_err(|error| match error {
                StoreError::Corrupt(source) => RegistryError::Content {
                    what: format!(
                        "blob {} of {}",
                        blob.digest.short(),
                        self.remote.repository.familiar()
                    ),
                    source,
                },
                other => other.into(),
            })?;
        Ok(unpacked)
    }

    /// Whether a layer that was fetched unpacks to what the config promises.
    fn check_layer(
        &self,
        blob: &Descriptor,
        expected: &DiffId,
        unpacked: Option<Digest>,
    ) -> Result<(), RegistryError> {
        let actual = match unpacked {
            Some(digest) => Ok(digest),
            // It is not packed, or cannot be unpacked: then this says why not.
            None => self.unpack(blob),
        };
        let result = match actual {
            Ok(actual) if actual == expected.0 => return Ok(()),
            Ok(actual) => Err(RegistryError::WrongLayer {
                layer: blob.digest.clone(),
                expected: expected.clone(),
                actual: DiffId(actual),
            }),
            Err(error) => Err(error),
        };
        // The next pull must not find it and take it for good.
        self.store.delete(&blob.digest)?;
        result
    }

    fn unpack(&self, blob: &Descriptor) -> Result<Digest, RegistryError> {
        let stored = self.store.open(&blob.digest)?;
        let unpack = |source: std::io::Error| match source.get_ref() {
            Some(e) if e.is::<DigestError>() => StoreError::reading(&blob.digest, source).into(),
            _ => RegistryError::Unpack {
                layer: blob.digest.clone(),
                reason: source.to_string(),
            },
        };
        let archive = compress::decoder(stored, self.options.bounds).map_err(unpack)?;
        let mut archive = Hashing::new(archive);
        std::io::copy(&mut archive, &mut std::io::sink()).map_err(unpack)?;
        let (_, digest, _) = archive.finish();
        Ok(digest)
    }

    fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let mut writer = self.store.create()?;
        let written = writer.write_all(bytes);
        written.map_err(|e| StoreError::io(format!("write blob {digest}"), e))?;
        writer.commit(Some(digest))?;
        Ok(())
    }

    fn unsupported(&self, why: String) -> RegistryError {
        RegistryError::Unsupported {
            what: named(&self.remote.repository, "")
                .trim_end_matches(':')
                .to_owned(),
            why,
        }
    }
}

//! From one place to another without a store between: registries, layouts, archives.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::blobs::progress;
use super::client::Client;
use super::error::RegistryError;
use super::exchange::{Remote, Tell};
use super::manifests::Fetched;
use super::parallel::each;
use super::push::{Parts, parts, state, subject};
use super::upload::{Pieces, Sent};
use crate::event::Event;
use crate::image::find_manifest;
use crate::reference::{Reference, Repository};
use crate::spec::{Descriptor, Platform, media};
use crate::store::memory::MemoryStore;
use crate::store::{BlobStore as _, Store, StoreError};

/// Where an image is, or shall be.
#[derive(Clone)]
pub enum Place<'p> {
    /// In a registry.
    Registry(Reference),
    /// In an OCI layout, under a name.
    Layout {
        /// The layout.
        store: &'p dyn Store,
        /// The name. Without one, the only image there is, or one that gets no name.
        name: Option<String>,
    },
}

/// How it is copied.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// The one platform to copy; without, everything.
    pub platform: Option<Platform>,
    /// How many blobs are copied at a time.
    pub jobs: usize,
    /// How large blobs are cut.
    pub pieces: Pieces,
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// What the name points to, in both places.
    pub target: Descriptor,
    /// How many other manifests refer to it, and went along.
    pub referrers: usize,
    /// How many bytes of blobs were moved.
    pub moved: u64,
    /// How many bytes its blobs have together.
    pub size: u64,
}

/// Copies what `from` names to `to`, byte for byte, and what refers to it as well: signatures,
/// bills of material, whatever artifacts there are.
pub fn copy(
    client: &Client<'_>,
    from: &Place<'_>,
    to: &Place<'_>,
    options: &CopyOptions,
    on: &mut dyn FnMut(Event),
) -> Result<Copied, RegistryError> {
    let mut tell = Tell::new(on);
    let (source, found) = Source::open(client, from, &mut tell)?;
    let target = match &options.platform {
        Some(platform) => source.choose(&found, platform, &mut tell)?,
        None => found.descriptor.clone(),
    };
    let mut all = source.parts(&target, &mut tell)?;
    let referrers = source.with_referrers(&mut all, &mut tell)?;
    let _hold = match to {
        Place::Layout { store, .. } => Some(store.hold()?),
        Place::Registry(_) => None,
    };
    let sink = Sink::open(client, to, &source, &mut tell)?;
    let moved = AtomicU64::new(0);
    each(options.jobs, &all.blobs, &mut tell, &|blob, tell| {
        let sent = sink.blob(&source, blob, options.pieces, tell)?;
        if sent == Sent::Whole {
            moved.fetch_add(blob.size, Ordering::Relaxed);
        }
        tell.say(progress(blob, state(&sent)));
        Ok(())
    })?;
    // The name comes last, when everything that it leads to is there.
    all.manifests
        .sort_by_key(|m| m.descriptor.digest == target.digest);
    for manifest in &all.manifests {
        let is_target = manifest.descriptor.digest == target.digest;
        sink.manifest(manifest, is_target, &mut tell)?;
    }
    Ok(Copied {
        target,
        referrers,
        moved: moved.load(Ordering::Relaxed),
        size: all.blobs.iter().map(|blob| blob.size).sum(),
    })
}

/// Where it is copied from.
enum Source<'s> {
    Registry(&'s Client<'s>, Remote),
    Layout(&'s dyn Store),
}

impl<'s> Source<'s> {
    /// The place, and what the name means there.
    fn open(
        client: &'s Client<'s>,
        place: &Place<'s>,
        tell: &mut Tell<'_>,
    ) -> Result<(Self, Fetched), RegistryError> {
        match place {
            Place::Registry(reference) => {
                let version = match (&reference.digest, reference.tag_or_default()) {
                    (Some(digest), _) => digest.to_string(),
                    (None, tag) => tag.map(|tag| tag.to_string()).unwrap_or_default(),
                };
                let repository = &reference.repository;
                client.first_that_works(repository, tell, &mut |remote, tell| {
                    let found = client.manifest(remote, &version, tell)?;
                    Ok((Self::Registry(client, remote.clone()), found))
                })
            }
            Place::Layout { store, name } => {
                let descriptor = in_layout(*store, name.as_deref())?;
                let bytes = store.read(&descriptor.digest)?;
                Ok((Self::Layout(*store), Fetched { descriptor, bytes }))
            }
        }
    }

    fn read(&self, pointer: &Descriptor, tell: &mut Tell<'_>) -> Result<Vec<u8>, RegistryError> {
        match self {
            Self::Registry(client, remote) => {
                let size = Some(pointer.size);
                Ok(client
                    .manifest_of(remote, &pointer.digest, size, tell)?
                    .bytes)
            }
            Self::Layout(store) => Ok(store.read(&pointer.digest)?),
        }
    }

    fn parts(&self, target: &Descriptor, tell: &mut Tell<'_>) -> Result<Parts, RegistryError> {
        parts(target, &mut |pointer| self.read(pointer, tell))
    }

    /// The manifest for a platform.
    fn choose(
        &self,
        found: &Fetched,
        platform: &Platform,
        tell: &mut Tell<'_>,
    ) -> Result<Descriptor, RegistryError> {
        // Indexes are small, and the store knows how to look into them.
        let indexes = MemoryStore::new();
        indexes.put(&found.bytes)?;
        loop {
            match find_manifest(&indexes, &found.descriptor, platform) {
                Err(crate::image::ImageError::Store(StoreError::Missing { digest })) => {
                    let pointer = Descriptor::new(media::INDEX, digest, 0);
                    let bytes = match self {
                        Self::Registry(client, remote) => {
                            client
                                .manifest_of(remote, &pointer.digest, None, tell)?
                                .bytes
                        }
                        Self::Layout(store) => store.read(&pointer.digest)?,
                    };
                    indexes.put(&bytes)?;
                }
                chosen => return Ok(chosen?),
            }
        }
    }

    /// Adds what refers to any of the manifests, and what refers to that. How many is the answer.
    fn with_referrers(&self, all: &mut Parts, tell: &mut Tell<'_>) -> Result<usize, RegistryError> {
        let mut known: BTreeSet<_> = all
            .manifests
            .iter()
            .map(|m| m.descriptor.digest.clone())
            .collect();
        let mut blobs: BTreeSet<_> = all.blobs.iter().map(|b| b.digest.clone()).collect();
        let mut at = 0;
        let mut count = 0;
        while at < all.manifests.len() {
            let referrers = self.referrers(&all.manifests[at].descriptor, tell)?;
            for referrer in referrers {
                if known.contains(&referrer.digest) {
                    continue;
                }
                let more = self.parts(&plain(&referrer), tell)?;
                count += 1;
                for manifest in more.manifests {
                    if known.insert(manifest.descriptor.digest.clone()) {
                        all.manifests.push(manifest);
                    }
                }
                let new = more.blobs.into_iter();
                all.blobs
                    .extend(new.filter(|blob| blobs.insert(blob.digest.clone())));
            }
            at += 1;
        }
        Ok(count)
    }

    fn referrers(
        &self,
        of: &Descriptor,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let store = match self {
            Self::Registry(client, remote) => return client.referrers(remote, &of.digest, tell),
            Self::Layout(store) => store,
        };
        let mut found = Vec::new();
        for (_, entry) in store.tags()? {
            let is_document =
                media::is_manifest(&entry.media_type) || media::is_index(&entry.media_type);
            if is_document && subject(&store.read(&entry.digest)?).as_ref() == Some(&of.digest) {
                found.push(entry);
            }
        }
        Ok(found)
    }

    /// A repository that the destination may mount from.
    fn lender(&self, to: &Repository) -> Option<&Repository> {
        match self {
            Self::Registry(_, remote)
                if remote.endpoint.registry == to.registry() && remote.repository != *to =>
            {
                Some(&remote.repository)
            }
            _ => None,
        }
    }
}

/// Where it is copied to.
enum Sink<'s> {
    Registry {
        client: &'s Client<'s>,
        remote: Remote,
        tag: Option<String>,
    },
    Layout {
        store: &'s dyn Store,
        name: Option<String>,
    },
}

impl<'s> Sink<'s> {
    fn open(
        client: &'s Client<'s>,
        place: &Place<'s>,
        source: &Source<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<Self, RegistryError> {
        Ok(match place {
            Place::Registry(reference) => Self::Registry {
                client,
                remote: match source {
                    Source::Registry(_, remote)
                        if remote.endpoint.registry == reference.repository.registry() =>
                    {
                        Remote {
                            endpoint: remote.endpoint.clone(),
                            repository: reference.repository.clone(),
                        }
                    }
                    _ => client.reach(&reference.repository, tell)?,
                },
                tag: reference.tag_or_default().map(|tag| tag.to_string()),
            },
            Place::Layout { store, name } => Self::Layout {
                store: *store,
                name: name.clone(),
            },
        })
    }

    fn blob(
        &self,
        source: &Source<'_>,
        blob: &Descriptor,
        pieces: Pieces,
        tell: &mut Tell<'_>,
    ) -> Result<Sent, RegistryError> {
        match self {
            Self::Registry { client, remote, .. } => {
                let lender = source.lender(&remote.repository);
                let read = |offset: u64| match source {
                    Source::Registry(client, from) => client.open_blob(from, blob, offset),
                    Source::Layout(store) => {
                        let rest = blob.size.saturating_sub(offset);
                        Ok(store.open_range(&blob.digest, offset, rest)?)
                    }
                };
                client.give_blob(remote, blob, lender, &read, pieces, tell)
            }
            Self::Layout { store, .. } => {
                if store.size(&blob.digest)? == Some(blob.size) {
                    return Ok(Sent::Present);
                }
                fill(*store, source, blob, tell)?;
                Ok(Sent::Whole)
            }
        }
    }

    fn manifest(
        &self,
        manifest: &Fetched,
        is_target: bool,
        tell: &mut Tell<'_>,
    ) -> Result<(), RegistryError> {
        match self {
            Self::Registry {
                client,
                remote,
                tag,
            } => {
                let tag = tag.as_deref().filter(|_| is_target);
                client.give_manifest(remote, tag, manifest, tell)
            }
            Self::Layout { store, name } => {
                store.put(&manifest.bytes)?;
                let descriptor = plain(&manifest.descriptor);
                match name {
                    Some(name) if is_target => store.tag(name, &descriptor)?,
                    _ if is_target || subject(&manifest.bytes).is_some() => {
                        store.tag(descriptor.digest.as_str(), &descriptor)?;
                    }
                    _ => {}
                }
                Ok(())
            }
        }
    }
}

/// Brings a blob into a layout.
fn fill(
    store: &dyn Store,
    source: &Source<'_>,
    blob: &Descriptor,
    tell: &mut Tell<'_>,
) -> Result<(), RegistryError> {
    let refused = |e| StoreError::io(format!("write blob {}", blob.digest), e);
    let mut writer = store.create()?;
    match source {
        Source::Registry(client, remote) => {
            client.fetch_blob(remote, blob, 0, tell, &mut |bytes| {
                Ok(writer.write_all(bytes).map_err(refused)?)
            })?;
        }
        Source::Layout(from) => {
            let mut content = from.open(&blob.digest)?;
            std::io::copy(&mut content, &mut writer).map_err(refused)?;
        }
    }
    writer.commit(Some(&blob.digest))?;
    Ok(())
}

/// What a name means in a layout: the whole name, or the tag at its end.
fn in_layout(store: &dyn Store, name: Option<&str>) -> Result<Descriptor, RegistryError> {
    let tags = store.tags()?;
    let is_meant = |known: &str| match name {
        None => true,
        Some(name) => {
            let last = known.rsplit([':', '/']).next();
            known == name || last == Some(name)
        }
    };
    let mut found: Vec<_> = tags.iter().filter(|(known, _)| is_meant(known)).collect();
    if name.is_none() {
        // What refers to the image is no second image.
        found.retain(|(_, entry)| {
            let bytes = store.read(&entry.digest).unwrap_or_default();
            subject(&bytes).is_none()
        });
    }
    found.dedup_by(|a, b| a.1.digest == b.1.digest);
    if let [(_, descriptor)] = found[..] {
        return Ok(plain(descriptor));
    }
    let names: Vec<_> = tags.iter().map(|(name, _)| name.as_str()).collect();
    let meant = match (name, found.len()) {
        (Some(name), 0) => format!("it has no image {name:?}"),
        (Some(name), n) => format!("it has {n} images {name:?}"),
        (None, n) => format!("it has {n} images, and none was chosen"),
    };
    Err(RegistryError::Unsupported {
        what: "the layout".to_owned(),
        why: format!("{meant}; its names are: {}", names.join(", ")),
    })
}

/// The descriptor without what only the list that it comes from has to say.
fn plain(descriptor: &Descriptor) -> Descriptor {
    let mut plain = descriptor.clone();
    plain.platform = None;
    plain.annotations.clear();
    plain.artifact_type = None;
    plain
}

impl std::fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(reference) => write!(f, "Registry({reference})"),
            Self::Layout { name, .. } => write!(f, "Layout({name:?})"),
        }
    }
}

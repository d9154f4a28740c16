//! Giving an image to a registry: blobs, then manifests, then the tag.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use super::blobs::progress;
use super::client::Client;
use super::error::RegistryError;
use super::exchange::{Remote, Tell};
use super::manifests::{Fetched, referrers_tag};
use super::parallel::each;
use super::upload::{Pieces, Sent};
use crate::digest::Digest;
use crate::event::{Event, Transfer};
use crate::image::find_manifest;
use crate::reference::{Reference, Repository};
use crate::spec::{Descriptor, Document, Index, Manifest, Platform, media};
use crate::store::{Store, StoreError, gc};

/// How an image is sent.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// Of an image for several platforms, the one to send alone; without, all of them.
    pub platform: Option<Platform>,
    /// The platform that is sent alone when the others are not all here.
    pub own: Platform,
    /// How many blobs are sent at a time.
    pub jobs: usize,
    /// How large blobs are cut.
    pub pieces: Pieces,
}

/// An image that a registry has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What the tag points to there.
    pub target: Descriptor,
    /// How many bytes of blobs were sent.
    pub sent: u64,
    /// How many bytes its blobs have together.
    pub size: u64,
}

/// Sends the image that `target` points to, and tags it there as `to` says.
///
/// What the repository has is not sent; what another repository on the registry has, as far as
/// the tags of the store tell, is mounted from there.
pub fn push(
    client: &Client<'_>,
    store: &dyn Store,
    target: &Descriptor,
    to: &Reference,
    options: &PushOptions,
    on: &mut dyn FnMut(Event),
) -> Result<Pushed, RegistryError> {
    let mut tell = Tell::new(on);
    let _hold = store.hold()?;
    let target = to_send(store, target, options, &mut tell)?;
    let parts = parts(&target, &mut |pointer| Ok(store.read(&pointer.digest)?))?;
    let remote = client.reach(&to.repository, &mut tell)?;
    let lenders = lenders(store, &to.repository)?;
    for blob in &parts.blobs {
        tell.say(progress(blob, Transfer::Waiting));
    }
    let sent = AtomicU64::new(0);
    each(options.jobs, &parts.blobs, &mut tell, &|blob, tell| {
        let source = |offset: u64| {
            let rest = blob.size.saturating_sub(offset);
            Ok(store.open_range(&blob.digest, offset, rest)?)
        };
        let lender = lenders.get(&blob.digest);
        let became = client.give_blob(&remote, blob, lender, &source, options.pieces, tell)?;
        tell.say(progress(blob, state(&became)));
        if became == Sent::Whole {
            sent.fetch_add(blob.size, Ordering::Relaxed);
        }
        Ok(())
    })?;
    let tag = to.tag_or_default().map(|tag| tag.to_string());
    for manifest in &parts.manifests {
        let is_last = manifest.descriptor.digest == target.digest;
        let tag = tag.as_deref().filter(|_| is_last);
        client.give_manifest(&remote, tag, manifest, &mut tell)?;
    }
    Ok(Pushed {
        target,
        sent: sent.load(Ordering::Relaxed),
        size: parts.blobs.iter().map(|blob| blob.size).sum(),
    })
}

/// What became of a blob, as an event.
pub(super) fn state(sent: &Sent) -> Transfer {
    match sent {
        Sent::Present => Transfer::Present,
        Sent::Whole => Transfer::Sent,
        Sent::Mounted(from) => Transfer::Mounted {
            from: from.path().to_owned(),
        },
    }
}

/// What an image consists of.
pub(super) struct Parts {
    /// Manifests and indexes, each behind what it names.
    pub(super) manifests: Vec<Fetched>,
    /// Configs and layers, each once.
    pub(super) blobs: Vec<Descriptor>,
}

/// Everything that `target` leads to; `read` gives the bytes of a manifest or index.
pub(super) fn parts(
    target: &Descriptor,
    read: &mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, RegistryError>,
) -> Result<Parts, RegistryError> {
    let mut parts = Parts {
        manifests: Vec::new(),
        blobs: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    collect(target, read, &mut parts, &mut seen, 0)?;
    Ok(parts)
}

/// How deep an index may stand in an index.
const DEEPEST: usize = 4;

fn collect(
    pointer: &Descriptor,
    read: &mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, RegistryError>,
    parts: &mut Parts,
    seen: &mut BTreeSet<Digest>,
    depth: usize,
) -> Result<(), RegistryError> {
    if !seen.insert(pointer.digest.clone()) {
        return Ok(());
    }
    let kind = &pointer.media_type;
    if !media::is_index(kind) && !media::is_manifest(kind) {
        parts.blobs.push(pointer.clone());
        return Ok(());
    }
    let wrong = |why: String| RegistryError::Unsupported {
        what: format!("the manifest {}", pointer.digest),
        why,
    };
    if depth > DEEPEST {
        return Err(wrong(format!(
            "indexes are nested more than {DEEPEST} deep"
        )));
    }
    let bytes = read(pointer)?;
    let inside = if media::is_index(kind) {
        let index: Index = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        index.manifests
    } else {
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        [vec![manifest.config], manifest.layers].concat()
    };
    for part in &inside {
        collect(part, read, parts, seen, depth + 1)?;
    }
    let descriptor = pointer.clone();
    parts.manifests.push(Fetched { descriptor, bytes });
    Ok(())
}

/// What is sent: all of it, or one platform when that is wanted or when not all are here.
fn to_send(
    store: &dyn Store,
    target: &Descriptor,
    options: &PushOptions,
    tell: &mut Tell<'_>,
) -> Result<Descriptor, RegistryError> {
    if let Some(platform) = &options.platform {
        return Ok(find_manifest(store, target, platform)?);
    }
    let all = parts(target, &mut |pointer| Ok(store.read(&pointer.digest)?));
    let missing = match all {
        Err(RegistryError::Store(StoreError::Missing { digest })) => Some(digest),
        Err(error) => return Err(error),
        Ok(parts) => {
            let mut blobs = parts.blobs.iter();
            let missing = blobs.find_map(|blob| match store.size(&blob.digest) {
                Ok(Some(_)) => None,
                Ok(None) => Some(Ok(blob.digest.clone())),
                Err(error) => Some(Err(error)),
            });
            missing.transpose()?
        }
    };
    match missing {
        Some(digest) if media::is_index(&target.media_type) => {
            let chosen = find_manifest(store, target, &options.own)?;
            tell.say(Event::Warning {
                message: format!(
                    "of this image not every platform is here ({} is missing), so {} is sent alone, under the digest {}",
                    digest.short(),
                    options.own,
                    chosen.digest
                ),
            });
            Ok(chosen)
        }
        Some(digest) => Err(StoreError::Missing { digest }.into()),
        None => Ok(target.clone()),
    }
}

/// Which other repository on the same registry has a blob, as far as the tags here tell.
fn lenders(store: &dyn Store, to: &Repository) -> Result<BTreeMap<Digest, Repository>, StoreError> {
    let mut lenders = BTreeMap::new();
    for (name, target) in store.tags()? {
        let Ok(reference) = name.parse::<Reference>() else {
            continue;
        };
        let other = reference.repository;
        if other.registry() != to.registry() || other == *to || name.starts_with("sha256:") {
            continue;
        }
        for digest in gc::reachable(store, [target])? {
            lenders.entry(digest).or_insert_with(|| other.clone());
        }
    }
    Ok(lenders)
}

impl Client<'_> {
    /// Gives a manifest to the repository, under its digest or a tag. What refers to another one
    /// is entered into the list of that one's referrers, where the registry does not keep it
    /// itself.
    ///
    /// Source: [distribution-spec, pushing manifests with subject](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-manifests-with-subject).
    pub(super) fn give_manifest(
        &self,
        remote: &Remote,
        tag: Option<&str>,
        manifest: &Fetched,
        tell: &mut Tell<'_>,
    ) -> Result<(), RegistryError> {
        let reference = tag.unwrap_or(manifest.descriptor.digest.as_str());
        let listed = self.put_manifest(remote, reference, manifest, tell)?;
        match subject(&manifest.bytes) {
            Some(subject) if !listed => self.list_referrer(remote, &subject, manifest, tell),
            _ => Ok(()),
        }
    }

    fn list_referrer(
        &self,
        remote: &Remote,
        subject: &Digest,
        manifest: &Fetched,
        tell: &mut Tell<'_>,
    ) -> Result<(), RegistryError> {
        let tag = referrers_tag(subject);
        let mut list = match self.manifest(remote, &tag, tell) {
            Ok(fetched) => {
                serde_json::from_slice(&fetched.bytes).unwrap_or_else(|_| Index::new(Vec::new()))
            }
            Err(RegistryError::NotFound { .. }) => Index::new(Vec::new()),
            Err(error) => return Err(error),
        };
        let known = |entry: &Descriptor| entry.digest == manifest.descriptor.digest;
        if list.manifests.iter().any(known) {
            return Ok(());
        }
        list.manifests.push(referrer(manifest));
        let wrong = |e: serde_json::Error| RegistryError::Unsupported {
            what: format!("the list of what refers to {subject}"),
            why: e.to_string(),
        };
        let list = Document::write(list).map_err(wrong)?;
        let list = Fetched {
            descriptor: list.descriptor(media::INDEX),
            bytes: list.bytes().to_vec(),
        };
        self.put_manifest(remote, &tag, &list, tell)?;
        Ok(())
    }
}

/// What a manifest refers to, if it does.
pub(super) fn subject(bytes: &[u8]) -> Option<Digest> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    value["subject"]["digest"].as_str()?.parse().ok()
}

/// The entry of a list of referrers: with the kind and the annotations of the artifact.
fn referrer(manifest: &Fetched) -> Descriptor {
    let mut entry = manifest.descriptor.clone();
    let value: serde_json::Value =
        serde_json::from_slice(&manifest.bytes).unwrap_or(serde_json::Value::Null);
    let kind = value["artifactType"]
        .as_str()
        .filter(|kind| !kind.is_empty());
    let kind = kind.or(value["config"]["mediaType"].as_str());
    entry.artifact_type = kind.map(str::to_owned);
    if let Ok(annotations) = serde_json::from_value(value["annotations"].clone()) {
        entry.annotations = annotations;
    }
    entry
}

//! Writes images as an archive. The same images give the same bytes, always.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use serde::Serialize;

use super::docker::Item;
use super::{ArchiveError, blob_path};
use crate::digest::{Digest, DigestError};
use crate::reference::Reference;
use crate::spec::{Descriptor, Document, Index, Manifest, Platform, media};
use crate::store::{CONTAINERD_NAME, REF_NAME, Store, StoreError, gc, without_names};

/// Which archive to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// What `docker save` writes since version 25: an OCI layout, and a `manifest.json` beside it
    /// for everybody older.
    #[default]
    Docker,
    /// An OCI image layout and nothing else.
    Oci,
}

/// An image to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Save {
    /// A manifest or an index in the store.
    pub target: Descriptor,
    /// Its tags, perhaps none.
    pub tags: Vec<Reference>,
}

/// Writes `images` with everything that they lead to. Blobs are written as they are in the store
/// and checked on the way.
///
/// `manifest.json` has room for one platform only; `platform` chooses it.
pub fn save(
    store: &dyn Store,
    images: &[Save],
    format: Format,
    platform: &Platform,
    out: impl Write,
) -> Result<(), ArchiveError> {
    let _hold = store.hold()?;
    let mut images: Vec<Save> = images.to_vec();
    for image in &mut images {
        image.tags.sort();
        image.tags.dedup();
    }
    images.sort_by_cached_key(|image| (image.tags.clone(), image.target.digest.clone()));
    let mut documents = BTreeMap::from([
        ("index.json", json(&index(&images))?),
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
    ]);
    let mut items = Vec::new();
    for image in &images {
        let manifest = manifest(store, &image.target, platform)?;
        items.push((image, manifest));
    }
    if format == Format::Docker {
        documents.insert("manifest.json", json(&manifest_json(&items))?);
        documents.insert("repositories", json(&repositories(&items))?);
    }
    let targets = images.iter().map(|image| image.target.clone());
    let blobs = gc::reachable(store, targets)?;
    let mut tar = tar::Builder::new(out);
    write_blobs(&mut tar, &blobs, store)?;
    for (name, bytes) in documents {
        append(&mut tar, name, bytes.len() as u64, &mut &*bytes).map_err(ArchiveError::Write)?;
    }
    let mut out = tar.into_inner().map_err(ArchiveError::Write)?;
    out.flush().map_err(ArchiveError::Write)
}

/// One entry for each tag, and one for an image without tags.
fn index(images: &[Save]) -> Index {
    let mut entries = Vec::new();
    for image in images {
        let target = without_names(&image.target);
        if image.tags.is_empty() {
            entries.push(target.clone());
        }
        for tag in &image.tags {
            let mut entry = target.clone();
            for key in [REF_NAME, CONTAINERD_NAME] {
                entry.annotations.insert(key.to_owned(), tag.canonical());
            }
            entries.push(entry);
        }
    }
    Index::new(entries)
}

/// What Docker before version 25, Podman and Skopeo read.
fn manifest_json(items: &[(&Save, Manifest)]) -> Vec<Item> {
    let path = |blob: &Descriptor| blob_path(&blob.digest).to_text().into_owned();
    let item = |(image, manifest): &(&Save, Manifest)| {
        let tags = image.tags.iter().filter_map(names);
        let tags: Vec<String> = tags.map(|(name, tag)| format!("{name}:{tag}")).collect();
        Item {
            config: path(&manifest.config),
            repo_tags: (!tags.is_empty()).then_some(tags),
            layers: Some(manifest.layers.iter().map(path).collect()),
        }
    };
    items.iter().map(item).collect()
}

/// What Docker before version 1.10 read; it is written to this day.
fn repositories<'a>(items: &'a [(&Save, Manifest)]) -> BTreeMap<String, BTreeMap<String, &'a str>> {
    let mut repositories: BTreeMap<String, BTreeMap<String, &str>> = BTreeMap::new();
    for (image, manifest) in items {
        let top = manifest.layers.last().unwrap_or(&manifest.config);
        for (name, tag) in image.tags.iter().filter_map(names) {
            let tags = repositories.entry(name).or_default();
            tags.insert(tag, top.digest.hex());
        }
    }
    repositories
}

/// The familiar name and the tag; a reference by digest alone has no place in Docker's files.
fn names(reference: &Reference) -> Option<(String, String)> {
    let tag = reference.tag_or_default()?;
    Some((reference.repository.familiar(), tag.to_string()))
}

/// The manifest of an image for `platform`, whose config and layers must all be in the store.
fn manifest(
    store: &dyn Store,
    target: &Descriptor,
    platform: &Platform,
) -> Result<Manifest, ArchiveError> {
    let damaged = |e: serde_json::Error| StoreError::Damaged {
        what: format!("{} {}", target.media_type, target.digest),
        reason: e.to_string(),
    };
    let bytes = store.read(&target.digest)?;
    if media::is_index(&target.media_type) {
        let index: Index = serde_json::from_slice(&bytes).map_err(damaged)?;
        let present = |entry: &&Descriptor| matches!(store.size(&entry.digest), Ok(Some(_)));
        let serves = |entry: &&Descriptor| {
            let theirs = entry.platform.as_ref();
            theirs.is_none_or(|theirs| theirs.serves(platform))
        };
        let here = || index.manifests.iter().filter(present);
        let Some(entry) = here().find(serves).or_else(|| here().next()) else {
            return Err(ArchiveError::Missing {
                what: format!("an image for {platform}"),
                by: format!("index {}", target.digest),
            });
        };
        return manifest(store, entry, platform);
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(damaged)?;
    for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
        if store.size(&blob.digest)?.is_none() {
            let digest = blob.digest.clone();
            return Err(StoreError::Missing { digest }.into());
        }
    }
    Ok(manifest)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, ArchiveError> {
    match Document::write(value) {
        Ok(document) => Ok(document.bytes().to_vec()),
        Err(e) => Err(ArchiveError::Write(e.into())),
    }
}

fn write_blobs(
    tar: &mut tar::Builder<impl Write>,
    blobs: &BTreeSet<Digest>,
    store: &dyn Store,
) -> Result<(), ArchiveError> {
    let algorithms: BTreeSet<&str> = blobs
        .iter()
        .filter_map(|d| d.as_str().split(':').next())
        .collect();
    let directories = algorithms.iter().map(|name| format!("blobs/{name}/"));
    for directory in ["blobs/".to_owned()].into_iter().chain(directories) {
        let mut header = header(tar::EntryType::Directory, 0);
        tar.append_data(&mut header, directory, io::empty())
            .map_err(ArchiveError::Write)?;
    }
    for digest in blobs {
        let Some(size) = store.size(digest)? else {
            let digest = digest.clone();
            return Err(StoreError::Missing { digest }.into());
        };
        let mut blob = Blamed {
            inner: store.open(digest)?,
            failed: None,
        };
        let path = blob_path(digest);
        if let Err(e) = append(tar, &path.to_text(), size, &mut blob) {
            return Err(match blob.failed {
                Some(corrupt) => corrupt.into(),
                None => ArchiveError::Write(e),
            });
        }
    }
    Ok(())
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    path: &str,
    size: u64,
    content: &mut dyn Read,
) -> io::Result<()> {
    let mut header = header(tar::EntryType::Regular, size);
    tar.append_data(&mut header, path, content)
}

/// Nobody's file, of no time.
fn header(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// A blob that remembers that it was the reading which failed, and not the writing.
struct Blamed<R> {
    inner: R,
    failed: Option<DigestError>,
}

impl<R: Read> Read for Blamed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf).inspect_err(|e| {
            let corrupt = e.get_ref().and_then(|e| e.downcast_ref::<DigestError>());
            self.failed = corrupt.cloned();
        })
    }
}

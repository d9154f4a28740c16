//! Saved images: what `docker save`, Podman, Skopeo and containerd write, read and written.
//!
//! Three forms are in use, and one file may be two of them at once:
//!
//! ```text
//! docker-archive     manifest.json lists configs, tags and layers; the layers lie somewhere,
//!                    as HEX.tar, as ID/layer.tar, behind symbolic links
//! OCI archive        an OCI image layout as a tar: index.json and blobs/sha256/…
//! docker save ≥ 25   an OCI layout with a manifest.json that names the same blobs
//! ```
//!
//! A stream is read once from end to end, in whatever order it holds its files: what may be a
//! blob goes straight into the store, and what the blobs mean is found out at the end. Nothing is
//! tagged before every digest, size and diff ID of every image has been found right.

mod check;
#[cfg(feature = "fs")]
mod directory;
mod docker;
mod oci;
mod spool;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::{Store, StoreError, gc};
use crate::digest::{DiffId, Digest, DigestError};
use crate::event::Event;
use crate::layer::{Bounds, compress};
use crate::path::RootedPath;
use crate::reference::{Reference, ReferenceError};
use crate::spec::{Descriptor, Platform};

#[cfg(feature = "fs")]
pub use directory::{import_layout, load_path};
pub use write::{Format, Save, save};

/// An image that was loaded, and is tagged now.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The digest of the config: the image's ID, the same as in Docker.
    pub id: Digest,
    /// What the tags point to: a manifest, or an index of several platforms.
    pub target: Descriptor,
    /// The tags, in order. Empty for an image without a tag; that is kept under the digest of
    /// its target.
    pub tags: Vec<Reference>,
}

/// Loads every image of an archive, from a stream that need not be seekable, plain or packed with
/// gzip, zstd, xz or bzip2.
///
/// Of an image for several platforms everything that is there is kept; `platform` chooses whose
/// config is the ID that is reported. `bounds` hold for the archive, and for each layer. When
/// anything is wrong, nothing is tagged, and what was written already is taken away again unless
/// somebody else holds the store.
pub fn load(
    archive: impl Read + Send,
    store: &dyn Store,
    platform: &Platform,
    bounds: Bounds,
    on: &mut dyn FnMut(Event),
) -> Result<Vec<Loaded>, ArchiveError> {
    let mut archive = Some(archive);
    run(store, platform, bounds, on, &mut |load| {
        let Some(archive) = archive.take() else {
            return Ok(Vec::new());
        };
        let archive = compress::decoder(archive, bounds).map_err(ArchiveError::Read)?;
        let mut files = spool::spool(archive, store, bounds)?;
        images(&mut files, load)
    })
}

/// What a flow through this module works with.
struct Load<'a> {
    store: &'a dyn Store,
    platform: &'a Platform,
    /// What the archive and each of its layers may unpack to.
    bounds: Bounds,
    on: &'a mut dyn FnMut(Event),
    /// What the layers that were unpacked so far contain, by the digest of the blob.
    diff_ids: BTreeMap<Digest, DiffId>,
}

/// The files of an archive, by name, in whatever way they are kept.
trait Files {
    /// A small file at the top, such as `manifest.json`; `None` when there is none.
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError>;

    /// Sees to it that a file is a blob of the store; `None` when there is no such file. With
    /// `expected`, other content is refused.
    fn blob(
        &mut self,
        path: &RootedPath,
        expected: Option<&Digest>,
    ) -> Result<Option<(Digest, u64)>, ArchiveError>;

    /// What the packed blobs unpack to, as far as that is known.
    fn unpacked(&self) -> &spool::Unpacked;
}

/// Holds the store, finds images by `find`, tags them, and cleans up.
fn run(
    store: &dyn Store,
    platform: &Platform,
    bounds: Bounds,
    on: &mut dyn FnMut(Event),
    find: &mut dyn FnMut(&mut Load) -> Result<Vec<Loaded>, ArchiveError>,
) -> Result<Vec<Loaded>, ArchiveError> {
    let hold = store.hold()?;
    let known: BTreeSet<Digest> = store
        .blobs()?
        .into_iter()
        .map(|(digest, _)| digest)
        .collect();
    let mut load = Load {
        store,
        platform,
        bounds,
        on,
        diff_ids: BTreeMap::new(),
    };
    let loaded = find(&mut load).and_then(|images| {
        for image in &images {
            tag(store, image)?;
        }
        Ok(images)
    });
    drop(hold);
    let mut new: BTreeSet<Digest> = store
        .blobs()?
        .into_iter()
        .map(|(digest, _)| digest)
        .collect();
    new.retain(|digest| !known.contains(digest));
    if !new.is_empty() {
        gc::forget(store, &new)?;
    }
    loaded
}

/// What the files of an archive are: images, each checked.
fn images(files: &mut dyn Files, load: &mut Load) -> Result<Vec<Loaded>, ArchiveError> {
    let index = files.document("index.json")?;
    let manifest = files.document("manifest.json")?;
    if index.is_none() && manifest.is_none() {
        return Err(ArchiveError::NotAnImage {
            reason: "it has neither index.json nor manifest.json at its top".to_owned(),
        });
    }
    let mut found = match index {
        Some(index) => oci::images(&index, files, load)?,
        None => Vec::new(),
    };
    if let Some(manifest) = manifest {
        docker::images(&manifest, files, load, &mut found)?;
    }
    if found.is_empty() {
        return Err(ArchiveError::NotAnImage {
            reason: "it lists no image".to_owned(),
        });
    }
    for image in &mut found {
        image.tags.sort();
        image.tags.dedup();
    }
    Ok(found)
}

fn tag(store: &dyn Store, image: &Loaded) -> Result<(), StoreError> {
    for tag in &image.tags {
        store.tag(&tag.canonical(), &image.target)?;
    }
    let named = |(_, target): &(String, Descriptor)| target.digest == image.target.digest;
    if image.tags.is_empty() && !store.tags()?.iter().any(named) {
        store.tag(image.target.digest.as_str(), &image.target)?;
    }
    Ok(())
}

/// Where an OCI layout keeps a blob.
fn blob_path(digest: &Digest) -> RootedPath {
    let parts = digest.as_str().split(':').map(str::as_bytes);
    parts.fold(RootedPath::root().child(b"blobs"), |at, part| {
        at.child(part)
    })
}

/// What can go wrong with an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The store refused, or a blob is not what its digest says.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Reading the archive failed.
    #[error("read the archive: {0}")]
    Read(#[source] io::Error),
    /// Writing the archive failed.
    #[error("write the archive: {0}")]
    Write(#[source] io::Error),
    /// It is something else, or of a kind that is not read here.
    #[error("this is not a saved image: {reason}")]
    NotAnImage {
        /// What is missing or strange.
        reason: String,
    },
    /// A file of the archive is not what it should be.
    #[error("{file} in the archive is damaged: {reason}; save the image again")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something names a file or blob that is not there.
    #[error(
        "the archive is incomplete: {by} names {what}, which is not in it; save the image again"
    )]
    Missing {
        /// The file or digest that is missing.
        what: String,
        /// What names it.
        by: String,
    },
    /// A layer unpacks to something else than its image's config says.
    #[error(
        "layer {layer} unpacks to {actual}, but the config of the image promises {expected}; the archive is damaged or was changed, save the image again"
    )]
    Layer {
        /// The blob.
        layer: Digest,
        /// The diff ID that the config promises.
        expected: DiffId,
        /// The diff ID that the layer has.
        actual: DiffId,
    },
    /// A layer cannot be unpacked.
    #[error("layer {layer} cannot be unpacked: {source}")]
    Unpack {
        /// The blob.
        layer: Digest,
        /// What the decompressor said.
        source: io::Error,
    },
    /// An image's tag cannot be read.
    #[error("the archive has an image with a wrong tag: {0}")]
    Tag(#[from] ReferenceError),
}

impl From<DigestError> for ArchiveError {
    fn from(error: DigestError) -> Self {
        Self::Store(StoreError::Corrupt(error))
    }
}

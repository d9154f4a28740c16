//! What an OCI image layout holds: from index.json to images.

use super::{ArchiveError, Files, Load, Loaded, blob_path, check};
use crate::digest::{Digest, DigestError};
use crate::reference::Reference;
use crate::spec::{Descriptor, Index, Manifest, media};
use crate::store::{CONTAINERD_NAME, REF_NAME, without_names};

/// How deep an index may stand in an index.
pub(super) const DEEPEST: usize = 4;

/// The images that `index.json` lists, each once with all its tags.
pub(super) fn images(
    index: &[u8],
    files: &mut dyn Files,
    load: &mut Load,
) -> Result<Vec<Loaded>, ArchiveError> {
    version(files)?;
    let index: Index = parse(index, "index.json")?;
    let mut found: Vec<Loaded> = Vec::new();
    for entry in chosen(&index, load) {
        let tags = tag_of(&entry)?;
        if let Some(known) = found.iter_mut().find(|i| i.target.digest == entry.digest) {
            known.tags.extend(tags);
            continue;
        }
        if let Some(id) = fetch(&entry, "index.json", files, load, DEEPEST)? {
            let mut target = without_names(&entry);
            target.platform = None;
            found.push(Loaded {
                id,
                target,
                tags: tags.into_iter().collect(),
            });
        }
    }
    Ok(found)
}

pub(super) fn version(files: &mut dyn Files) -> Result<(), ArchiveError> {
    let Some(marker) = files.document("oci-layout")? else {
        return Err(ArchiveError::NotAnImage {
            reason: "it has an index.json, but no oci-layout at its top".to_owned(),
        });
    };
    let marker: serde_json::Value = parse(&marker, "oci-layout")?;
    match marker["imageLayoutVersion"].as_str() {
        Some("1.0.0") => Ok(()),
        other => Err(ArchiveError::NotAnImage {
            reason: format!("its oci-layout is of version {other:?}, and only 1.0.0 is known"),
        }),
    }
}

/// The entries to load. Of several entries with one name, as some tools list the platforms of an
/// image, only that for our platform; an attestation is no image.
pub(super) fn chosen(index: &Index, load: &Load) -> Vec<Descriptor> {
    let images = index.manifests.iter().filter(|entry| is_image(entry));
    let mut chosen: Vec<Descriptor> = Vec::new();
    for entry in images {
        let name = name_of(entry);
        let rival = chosen
            .iter_mut()
            .find(|other| name.is_some() && name_of(other) == name);
        match rival {
            Some(other) if !serves(other, load) => *other = entry.clone(),
            Some(_) => {}
            None => chosen.push(entry.clone()),
        }
    }
    chosen
}

fn is_image(entry: &Descriptor) -> bool {
    let unknown = |p: &crate::spec::Platform| p.os == "unknown" && p.architecture == "unknown";
    let is_attestation = entry.annotations.get("vnd.docker.reference.type");
    is_attestation.is_none_or(|kind| kind != "attestation-manifest")
        && !entry.platform.as_ref().is_some_and(unknown)
}

fn serves(entry: &Descriptor, load: &Load) -> bool {
    let platform = entry.platform.as_ref();
    platform.is_none_or(|platform| platform.serves(load.platform))
}

pub(super) fn name_of(entry: &Descriptor) -> Option<&String> {
    let annotations = &entry.annotations;
    annotations
        .get(CONTAINERD_NAME)
        .or_else(|| annotations.get(REF_NAME))
}

/// The tag that an entry's annotations give. A name that is only a word is a repository, as
/// Podman and Docker read it.
fn tag_of(entry: &Descriptor) -> Result<Option<Reference>, ArchiveError> {
    Ok(name_of(entry).map(|name| name.parse()).transpose()?)
}

/// Brings what `entry` leads to into the store and checks it. Returns the image's ID; `None` when
/// it is no image but some other artifact.
pub(super) fn fetch(
    entry: &Descriptor,
    by: &str,
    files: &mut dyn Files,
    load: &mut Load,
    depth: usize,
) -> Result<Option<Digest>, ArchiveError> {
    require(entry, by, files)?;
    let bytes = load.store.read(&entry.digest)?;
    let name = format!("{} {}", kind(entry), entry.digest);
    if media::is_index(&entry.media_type) {
        if depth == 0 {
            return Err(ArchiveError::Damaged {
                file: name,
                reason: format!("indexes are nested more than {DEEPEST} deep"),
            });
        }
        let index: Index = parse(&bytes, &name)?;
        return platforms(&index, &name, files, load, depth - 1);
    }
    if !media::is_manifest(&entry.media_type) {
        return Ok(None);
    }
    let manifest: Manifest = parse(&bytes, &name)?;
    let is_config = [media::CONFIG, media::DOCKER_CONFIG];
    if !is_config.contains(&manifest.config.media_type.as_str()) {
        return Ok(None);
    }
    for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
        require(blob, &name, files)?;
    }
    check::image(&manifest, &name, files, load)?;
    Ok(Some(manifest.config.digest))
}

/// Brings in every platform of an image that is there, and returns the ID of ours, or else of
/// the first.
fn platforms(
    index: &Index,
    by: &str,
    files: &mut dyn Files,
    load: &mut Load,
    depth: usize,
) -> Result<Option<Digest>, ArchiveError> {
    let mut first = None;
    let mut ours = None;
    for entry in &index.manifests {
        if files
            .blob(&blob_path(&entry.digest), Some(&entry.digest))?
            .is_none()
        {
            continue;
        }
        if !is_image(entry) {
            bring_along(entry, files, load)?;
            continue;
        }
        match fetch(entry, by, files, load, depth) {
            Ok(id) if serves(entry, load) => ours = ours.or(id),
            Ok(id) => first = first.or(id),
            // Of the platforms that nobody asked for, some may have only their manifest here.
            Err(ArchiveError::Missing { .. }) if !serves(entry, load) => {}
            Err(e) => return Err(e),
        }
    }
    match ours.or(first) {
        Some(id) => Ok(Some(id)),
        None => Err(ArchiveError::Missing {
            what: format!("an image for {}", load.platform),
            by: by.to_owned(),
        }),
    }
}

/// Brings in what an attestation names, as far as it is there.
fn bring_along(entry: &Descriptor, files: &mut dyn Files, load: &Load) -> Result<(), ArchiveError> {
    let name = format!("{} {}", kind(entry), entry.digest);
    if media::is_index(&entry.media_type) {
        // Nobody looks into it, but a collection will, and must be able to.
        parse::<Index>(&load.store.read(&entry.digest)?, &name)?;
        return Ok(());
    }
    if !media::is_manifest(&entry.media_type) {
        return Ok(());
    }
    let manifest: Manifest = parse(&load.store.read(&entry.digest)?, &name)?;
    for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
        files.blob(&blob_path(&blob.digest), Some(&blob.digest))?;
    }
    Ok(())
}

/// Sees to it that a blob is in the store and has the size that it should.
fn require(blob: &Descriptor, by: &str, files: &mut dyn Files) -> Result<(), ArchiveError> {
    match files.blob(&blob_path(&blob.digest), Some(&blob.digest))? {
        Some((_, size)) if size == blob.size => Ok(()),
        Some((_, actual)) => Err(DigestError::Size {
            digest: blob.digest.clone(),
            expected: blob.size,
            actual,
        }
        .into()),
        None => Err(ArchiveError::Missing {
            what: blob.digest.to_string(),
            by: by.to_owned(),
        }),
    }
}

fn kind(entry: &Descriptor) -> &'static str {
    if media::is_index(&entry.media_type) {
        "index"
    } else {
        "manifest"
    }
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    file: &str,
) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes).map_err(|e| ArchiveError::Damaged {
        file: file.to_owned(),
        reason: e.to_string(),
    })
}

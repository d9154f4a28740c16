//! What a docker-archive holds: from manifest.json to images.

use std::io;

use serde::{Deserialize, Serialize};

use super::{ArchiveError, Files, Load, Loaded, check};
use crate::digest::Digest;
use crate::layer::compress::{self, Compression};
use crate::path::RootedPath;
use crate::reference::Reference;
use crate::spec::{Descriptor, Document, Manifest, media};

/// One image in `manifest.json`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    /// The path of the config.
    pub(super) config: String,
    /// The tags, in their familiar form.
    pub(super) repo_tags: Option<Vec<String>>,
    /// The paths of the layers, lowest first.
    pub(super) layers: Option<Vec<String>>,
}

/// Adds the images that `manifest.json` lists to those that were found in an `index.json` beside
/// it. An image that is in both, as `docker save` has it since version 25, gets the tags of both.
pub(super) fn images(
    manifest: &[u8],
    files: &mut dyn Files,
    load: &mut Load,
    found: &mut Vec<Loaded>,
) -> Result<(), ArchiveError> {
    for item in items(manifest)? {
        let tags = item.repo_tags.iter().flatten();
        let mut tags: Vec<Reference> = tags.map(|tag| tag.parse()).collect::<Result<_, _>>()?;
        // Two images may have one config when their layers are packed differently; a tag that
        // the index gives to one of them stays there.
        tags.retain(|tag| !found.iter().any(|image| image.tags.contains(tag)));
        let (id, size) = file(&item.config, named_digest(&item.config).as_ref(), files)?;
        if let Some(known) = found.iter_mut().find(|image| image.id == id) {
            known.tags.extend(tags);
            continue;
        }
        let config = Descriptor::new(media::CONFIG, id.clone(), size);
        let layers = item.layers.iter().flatten();
        let layers = layers
            .map(|path| layer(path, files, load))
            .collect::<Result<_, _>>()?;
        // Docker has no manifest in such an archive, so one is made. It depends on nothing but
        // the blobs, so the same archive gives the same manifest everywhere.
        let manifest =
            Document::write(Manifest::new(config, layers)).map_err(|e| ArchiveError::Damaged {
                file: "manifest.json".to_owned(),
                reason: e.to_string(),
            })?;
        check::image(&manifest.value, "manifest.json", files, load)?;
        load.store.put(manifest.bytes())?;
        found.push(Loaded {
            id,
            target: manifest.descriptor(media::MANIFEST),
            tags,
        });
    }
    Ok(())
}

fn items(manifest: &[u8]) -> Result<Vec<Item>, ArchiveError> {
    let value: serde_json::Value =
        serde_json::from_slice(manifest).map_err(|e| damaged(&e.to_string()))?;
    if value.is_object() {
        return Err(ArchiveError::NotAnImage {
            reason: "its manifest.json is that of a registry, as Skopeo's dir: has it; copy it with `skopeo copy dir:FROM oci:TO:NAME` and load that".to_owned(),
        });
    }
    serde_json::from_value(value).map_err(|e| damaged(&e.to_string()))
}

/// A layer as it is; only what no manifest has a media type for is unpacked.
fn layer(path: &str, files: &mut dyn Files, load: &mut Load) -> Result<Descriptor, ArchiveError> {
    let (digest, size) = file(path, None, files)?;
    let packed = check::compression(&digest, load.store)?;
    match packed.layer_media_type() {
        Some(media_type) => Ok(Descriptor::new(media_type, digest, size)),
        None => unpack(&digest, load),
    }
}

fn unpack(packed: &Digest, load: &Load) -> Result<Descriptor, ArchiveError> {
    let unpack = |source| ArchiveError::Unpack {
        layer: packed.clone(),
        source,
    };
    let mut archive = compress::decoder(load.store.open(packed)?, load.bounds).map_err(unpack)?;
    let mut writer = load.store.create()?;
    io::copy(&mut archive, &mut writer).map_err(unpack)?;
    let (digest, size) = writer.commit(None)?;
    let media_type = Compression::None.layer_media_type();
    Ok(Descriptor::new(
        media_type.unwrap_or(media::LAYER),
        digest,
        size,
    ))
}

/// The blob that a path of manifest.json leads to.
fn file(
    path: &str,
    expected: Option<&Digest>,
    files: &mut dyn Files,
) -> Result<(Digest, u64), ArchiveError> {
    let rooted = RootedPath::parse(path).map_err(|e| damaged(&e.to_string()))?;
    files
        .blob(&rooted, expected)?
        .ok_or_else(|| ArchiveError::Missing {
            what: path.to_owned(),
            by: "manifest.json".to_owned(),
        })
}

/// The digest that is in the name of a config, as everybody but Jib names it: `HEX.json`.
fn named_digest(config: &str) -> Option<Digest> {
    let name = config.rsplit('/').next()?;
    format!("sha256:{}", name.strip_suffix(".json")?)
        .parse()
        .ok()
}

fn damaged(reason: &str) -> ArchiveError {
    ArchiveError::Damaged {
        file: "manifest.json".to_owned(),
        reason: reason.to_owned(),
    }
}

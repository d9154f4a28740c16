//! From every tag to its last layer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::files::{Blob, Files, INDEX, place};
use super::{Finding, Kind};
use crate::spec::{Descriptor, ImageConfig, Index, Manifest, media};

/// How deep indexes may be nested; see [`crate::image`].
const DEEPEST_INDEX: usize = 4;

/// Follows every tag. What is wrong goes to `findings`, each thing once with the names of all
/// images that need it. Returns the tags that do not lead to a whole image, by place.
pub(super) fn follow(files: &Files, findings: &mut Vec<Finding>) -> Vec<usize> {
    let mut broken = Vec::new();
    let mut found: BTreeMap<Wrong, Vec<String>> = BTreeMap::new();
    for (number, tag) in files.tags.iter().enumerate() {
        let mut wrong = Vec::new();
        let media_type = &tag.target.media_type;
        if files.blobs.contains_key(&tag.target.digest) {
            target(files, &tag.target, DEEPEST_INDEX, &mut wrong);
            if !media::is_index(media_type) && !media::is_manifest(media_type) {
                let message = format!("{} leads to a {media_type}, which is no image", tag.call());
                wrong.push(about(Kind::Document, &tag.target, message));
            }
        } else {
            wrong.push(Wrong {
                kind: Kind::DanglingTag,
                path: INDEX.into(),
                message: format!(
                    "{} leads to {}, which is not there",
                    tag.call(),
                    tag.target.digest
                ),
            });
        }
        if wrong.iter().any(|wrong| wrong.kind != Kind::Untrue) {
            broken.push(number);
        }
        for wrong in wrong {
            found.entry(wrong).or_default().push(tag.call());
        }
    }
    for (wrong, mut images) in found {
        images.sort();
        images.dedup();
        // Whoever read the blobs has found this one already.
        let same = |f: &&mut Finding| f.kind == Kind::WrongDigest && f.path == wrong.path;
        if wrong.kind == Kind::WrongDigest
            && let Some(known) = findings.iter_mut().find(same)
        {
            known.images = images;
            continue;
        }
        let mut finding = Finding::new(wrong.kind, wrong.path, wrong.message);
        finding.images = images;
        findings.push(finding);
    }
    broken
}

/// Something that an image needs and that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wrong {
    kind: Kind,
    path: PathBuf,
    message: String,
}

/// Follows what a tag or an index points at.
fn target(files: &Files, pointer: &Descriptor, depth: usize, wrong: &mut Vec<Wrong>) {
    if media::is_index(&pointer.media_type) {
        if let Some(index) = document::<Index>(files, pointer, "index", wrong) {
            if depth == 0 {
                let message = format!("indexes are nested more than {DEEPEST_INDEX} deep");
                wrong.push(about(Kind::Document, pointer, message));
                return;
            }
            platforms(files, pointer, &index, depth - 1, wrong);
        }
    } else if media::is_manifest(&pointer.media_type) {
        if let Some(manifest) = document::<Manifest>(files, pointer, "manifest", wrong) {
            image(files, pointer, &manifest, wrong);
        }
    } else {
        // Some other tool's artifact: all that is known of it is its size and digest.
        blob(files, pointer, "blob", wrong);
    }
}

/// Of an image for several platforms one must be whole, and nothing may be damaged; that others
/// are not here, or not all of them, is usual.
fn platforms(
    files: &Files,
    pointer: &Descriptor,
    index: &Index,
    depth: usize,
    wrong: &mut Vec<Wrong>,
) {
    let mut whole = index.manifests.is_empty();
    let mut inside = Vec::new();
    for entry in &index.manifests {
        if files.blobs.contains_key(&entry.digest) {
            let before = inside.len();
            target(files, entry, depth, &mut inside);
            whole |= inside[before..].iter().all(|w| w.kind == Kind::Untrue);
        }
    }
    if whole {
        inside.retain(|w| w.kind != Kind::MissingBlob);
    } else if inside.is_empty() {
        let message = "none of the images that it lists is here".to_owned();
        inside.push(about(Kind::MissingBlob, pointer, message));
    }
    wrong.append(&mut inside);
}

fn image(files: &Files, pointer: &Descriptor, manifest: &Manifest, wrong: &mut Vec<Wrong>) {
    let is_image =
        [media::CONFIG, media::DOCKER_CONFIG].contains(&manifest.config.media_type.as_str());
    let config = if is_image {
        document::<ImageConfig>(files, &manifest.config, "config", wrong)
    } else {
        blob(files, &manifest.config, "config", wrong);
        None
    };
    let layers: Vec<_> = manifest
        .layers
        .iter()
        .map(|layer| blob(files, layer, "layer", wrong))
        .collect();
    let Some(config) = config else {
        return;
    };
    untrue(pointer, &manifest.config, &config, wrong);
    let diff_ids = &config.rootfs.diff_ids;
    if layers.len() != diff_ids.len() {
        let message = format!(
            "it has {} layers, but its config {} has {} diff IDs",
            layers.len(),
            manifest.config.digest,
            diff_ids.len()
        );
        wrong.push(about(Kind::Document, pointer, message));
        return;
    }
    for ((layer, found), diff_id) in manifest.layers.iter().zip(layers).zip(diff_ids) {
        let Some(found) = found else { continue };
        let message = match &found.archive {
            Ok(actual) if *actual == diff_id.0 => continue,
            Ok(actual) => format!("it unpacks to {actual}, but a config says {diff_id}"),
            Err(why) => format!("it cannot be unpacked: {why}"),
        };
        wrong.push(about(Kind::WrongDiffId, layer, message));
    }
}

/// What is said of an image and is not so.
fn untrue(
    pointer: &Descriptor,
    config_pointer: &Descriptor,
    config: &ImageConfig,
    wrong: &mut Vec<Wrong>,
) {
    let made = config.history.iter().filter(|h| !h.empty_layer).count();
    let layers = config.rootfs.diff_ids.len();
    if !config.history.is_empty() && made != layers {
        let message = format!("its history tells of {made} layers, but it has {layers}");
        wrong.push(about(Kind::Untrue, config_pointer, message));
    }
    if let Some(promised) = &pointer.platform
        && !promised.serves(&config.platform())
    {
        let message = format!(
            "it is for {}, but its index says {promised}",
            config.platform()
        );
        wrong.push(about(Kind::Untrue, config_pointer, message));
    }
}

/// The blob that something points at, if it is there, whole, and of that size.
fn blob<'a>(
    files: &'a Files,
    pointer: &Descriptor,
    what: &str,
    wrong: &mut Vec<Wrong>,
) -> Option<&'a Blob> {
    let Some(there) = files.blobs.get(&pointer.digest) else {
        let message = format!("the {what} is not there");
        wrong.push(about(Kind::MissingBlob, pointer, message));
        return None;
    };
    if files.whole(&pointer.digest).is_none() {
        wrong.push(about(Kind::WrongDigest, pointer, String::new()));
        return None;
    }
    if there.size != pointer.size {
        let message = format!(
            "the {what} has {} bytes, but what names it says {}",
            there.size, pointer.size
        );
        wrong.push(about(Kind::WrongSize, pointer, message));
    }
    Some(there)
}

fn document<T: DeserializeOwned>(
    files: &Files,
    pointer: &Descriptor,
    what: &str,
    wrong: &mut Vec<Wrong>,
) -> Option<T> {
    blob(files, pointer, what, wrong)?;
    let bytes = files.document(&pointer.digest)?;
    match serde_json::from_slice(&bytes) {
        Ok(value) => Some(value),
        Err(e) => {
            let message = format!("the {what} cannot be understood: {e}");
            wrong.push(about(Kind::Document, pointer, message));
            None
        }
    }
}

fn about(kind: Kind, pointer: &Descriptor, message: String) -> Wrong {
    Wrong {
        kind,
        path: place(&pointer.digest),
        message,
    }
}

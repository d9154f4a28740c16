//! Task 4: `walk` returns the whole tree of an image, and says what of it is missing or damaged.
//!
//! Reread: Down from a name

#![allow(clippy::unwrap_used)] // a test may fail

mod scene;

use std::fs;

use ch04_image::{Descriptor, Layout, media};
use coracle::digest::Digest;
use lesson::{accepted, refused, same};
use scene::{digests, image, layout};
use tempfile::TempDir;

#[test]
fn the_tree_has_a_manifest_a_config_and_layers() {
    let (_place, layout) = layout();
    let pointer = image(&layout, "run", &["base", "app"]);
    let parts = accepted("walking", layout.walk(&pointer));
    let kinds: Vec<&str> = parts.iter().map(|part| part.media_type.as_str()).collect();
    let expected = vec![media::MANIFEST, media::CONFIG, media::LAYER, media::LAYER];
    same("what there is", &kinds, &expected);
    same("the manifest", &parts[0], &pointer);
    let layers = vec![Digest::of(b"base"), Digest::of(b"app")];
    same("the layers", &digests(&parts[2..]), &layers);
}

/// A layout with one image, and a part of it: the config, and the layer.
fn parts() -> impl Iterator<Item = (&'static str, TempDir, Layout, Descriptor, Digest)> {
    ["the config", "the layer"].into_iter().map(|part| {
        let (place, layout) = layout();
        let pointer = image(&layout, "run", &["base"]);
        let base = Digest::of(b"base");
        let leaf = |digest: &Digest| *digest != pointer.digest && *digest != base;
        let config = layout.blobs().unwrap().into_iter().find(leaf).unwrap();
        let digest = if part == "the layer" { base } else { config };
        (part, place, layout, pointer, digest)
    })
}

#[test]
fn a_part_that_is_missing_is_named() {
    for (part, _place, layout, pointer, digest) in parts() {
        fs::remove_file(layout.path(&digest)).unwrap();
        let case = format!("{part} removed");
        let word = format!("{digest} is missing");
        refused(&case, layout.walk(&pointer), &word);
    }
}

#[test]
fn a_part_that_is_damaged_is_named() {
    for (part, _place, layout, pointer, digest) in parts() {
        let mut bytes = fs::read(layout.path(&digest)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(layout.path(&digest), bytes).unwrap();
        let case = format!("one bit of {part} changed");
        let word = format!("{digest} is damaged");
        refused(&case, layout.walk(&pointer), &word);
    }
}

#[test]
fn a_damaged_manifest_is_not_read() {
    let (_place, layout) = layout();
    let pointer = image(&layout, "run", &["base"]);
    fs::write(layout.path(&pointer.digest), "{}").unwrap();
    refused("the manifest replaced", layout.walk(&pointer), "is damaged");
}

#[test]
fn what_is_no_manifest_is_refused() {
    let (_place, layout) = layout();
    let (layer, _) = layout.put(media::LAYER, b"base").unwrap();
    refused("a layer", layout.walk(&layer), "no manifest");
    let pointer = image(&layout, "run", &["base"]);
    let index = Descriptor {
        media_type: media::INDEX.to_owned(),
        ..pointer
    };
    refused(
        "something called an index",
        layout.walk(&index),
        "no manifest",
    );
}

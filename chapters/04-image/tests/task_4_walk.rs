//! Task 4: `walk` returns the whole tree of an image, and says what of it is missing or damaged.
//!
//! Reread: Down from a name

#![allow(clippy::unwrap_used)] // a test may fail

mod scene;

use std::fs;

use ch04_image::{Descriptor, media};
use coracle::digest::Digest;
use lesson::{accepted, refused, same};
use scene::{digests, image, layout};

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

#[test]
fn a_part_that_is_missing_is_named() {
    let (_place, layout) = layout();
    let pointer = image(&layout, "run", &["base"]);
    let base = Digest::of(b"base");
    fs::remove_file(layout.path(&base)).unwrap();
    refused(
        "the layer removed",
        layout.walk(&pointer),
        &format!("{base} is missing"),
    );
}

#[test]
fn a_part_that_is_damaged_is_named() {
    let (_place, layout) = layout();
    let pointer = image(&layout, "run", &["base"]);
    let base = Digest::of(b"base");
    fs::write(layout.path(&base), "bass").unwrap();
    refused(
        "one letter changed",
        layout.walk(&pointer),
        &format!("{base} is damaged"),
    );
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

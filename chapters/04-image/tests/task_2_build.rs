//! Task 2: `build` stores the layers, the config and the manifest, and counts what it wrote.
//!
//! Reread: From the leaves to the root

#![allow(clippy::unwrap_used)] // a test may fail

mod scene;

use std::fs;

use ch04_image::{build, media};
use coracle::digest::Digest;
use lesson::{accepted, same};
use scene::{layout, words};

fn layers(contents: &[&str]) -> Vec<(Vec<u8>, String)> {
    let layer = |content: &&str| {
        (
            content.as_bytes().to_vec(),
            Digest::of(content.as_bytes()).short().to_owned(),
        )
    };
    contents.iter().map(layer).collect()
}

#[test]
fn the_pointer_is_that_of_a_whole_image() {
    let (_place, layout) = layout();
    let built = build(&layout, &words("run"), &layers(&["base", "app"]));
    let (pointer, _) = accepted("building", built);
    same("what it is", &pointer.media_type.as_str(), &media::MANIFEST);
    // The same image, stored by hand.
    let expected = scene::image(&layout, "run", &["base", "app"]);
    same("the manifest", &pointer, &expected);
}

#[test]
fn every_part_is_stored() {
    let (_place, layout) = layout();
    accepted("building", build(&layout, &[], &layers(&["base", "app"])));
    same(
        "how many blobs there are",
        &layout.blobs().unwrap().len(),
        &4,
    );
}

#[test]
fn every_byte_that_is_written_is_counted() {
    let (_place, layout) = layout();
    let (_, written) = accepted("building", build(&layout, &[], &layers(&["base", "app"])));
    let size = |digest| fs::metadata(layout.path(&digest)).unwrap().len();
    let stored = layout.blobs().unwrap().into_iter().map(size).sum();
    same("bytes written", &written, &stored);
}

#[test]
fn the_same_input_is_the_same_image_and_writes_nothing() {
    let (_place, layout) = layout();
    let (one, _) = accepted("building", build(&layout, &[], &layers(&["base"])));
    let (two, written) = accepted("building again", build(&layout, &[], &layers(&["base"])));
    same("the pointer", &two, &one);
    same("bytes written the second time", &written, &0);
}

#[test]
fn a_second_version_writes_its_own_layer_and_two_documents() {
    let (_place, layout) = layout();
    let (_, first) = accepted(
        "version 1",
        build(&layout, &[], &layers(&["the base", "app 1"])),
    );
    let (_, second) = accepted(
        "version 2",
        build(&layout, &[], &layers(&["the base", "app 2"])),
    );
    // The documents are as long as before; of the layers, the base is here.
    same("bytes written", &second, &(first - "the base".len() as u64));
}

#[test]
fn the_command_makes_another_image_of_the_same_layers() {
    let (_place, layout) = layout();
    let (one, _) = accepted("building", build(&layout, &words("a"), &layers(&["base"])));
    let (two, _) = accepted("building", build(&layout, &words("b"), &layers(&["base"])));
    same("whether they are the same", &(one == two), &false);
}

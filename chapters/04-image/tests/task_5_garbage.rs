//! Task 5: `garbage` lists the blobs that no name leads to.
//!
//! Reread: What nobody names

#![allow(clippy::unwrap_used)] // a test may fail

mod scene;

use std::fs;

use ch04_image::{Descriptor, Layout};
use coracle::digest::Digest;
use lesson::{accepted, refused, same};
use scene::{image, layout, name};
use tempfile::TempDir;

/// Two versions on one base.
fn two() -> (TempDir, Layout, Descriptor, Descriptor) {
    let (place, layout) = layout();
    let one = image(&layout, "run", &["base", "app 1"]);
    let two = image(&layout, "run", &["base", "app 2"]);
    (place, layout, one, two)
}

#[track_caller]
fn check(case: &str, layout: &Layout, names: &TempDir, tags: &[(&str, &Descriptor)], count: usize) {
    name(names, tags);
    let garbage = accepted(case, layout.garbage());
    same(
        &format!("{case}: how many blobs are garbage"),
        &garbage.len(),
        &count,
    );
}

#[test]
fn what_has_a_name_stays() {
    let (place, layout, one, two) = two();
    check(
        "both named",
        &layout,
        &place,
        &[("1", &one), ("2", &two)],
        0,
    );
}

#[test]
fn what_is_shared_stays_as_long_as_one_needs_it() {
    let (place, layout, one, two) = two();
    check("the second named", &layout, &place, &[("2", &two)], 3);
    let garbage = layout.garbage().unwrap();
    same(
        "whether the base is garbage",
        &garbage.contains(&Digest::of(b"base")),
        &false,
    );
    same(
        "whether the first manifest is",
        &garbage.contains(&one.digest),
        &true,
    );
}

#[test]
fn without_a_name_all_is_garbage() {
    let (place, layout, ..) = two();
    check("nothing named", &layout, &place, &[], 7);
}

#[test]
fn garbage_is_listed_in_order() {
    let (place, layout, ..) = two();
    name(&place, &[]);
    let garbage = accepted("nothing named", layout.garbage());
    same("the garbage", &garbage, &layout.blobs().unwrap());
}

#[test]
fn what_is_listed_without_a_name_stays() {
    let (place, layout, one, two) = two();
    // An image whose name skopeo gave to another one.
    scene::list(&place, &[one, scene::named("live", &two)]);
    let garbage = accepted("an entry without a name", layout.garbage());
    same("how many blobs are garbage", &garbage.len(), &0);
}

#[test]
fn a_second_name_keeps_it_too() {
    let (place, layout, one, _) = two();
    check(
        "two names for one",
        &layout,
        &place,
        &[("1", &one), ("live", &one)],
        3,
    );
}

#[test]
fn what_is_under_way_is_no_blob() {
    let (place, layout, one, two) = two();
    fs::write(place.path().join("shelf/blobs/sha256/unfinished"), "x").unwrap();
    check(
        "a file without a digest",
        &layout,
        &place,
        &[("1", &one), ("2", &two)],
        0,
    );
}

#[test]
fn nothing_is_called_garbage_while_an_image_cannot_be_read() {
    let (place, layout, one, two) = two();
    name(&place, &[("1", &one), ("2", &two)]);
    fs::write(layout.path(&one.digest), "{}").unwrap();
    refused("a damaged manifest", layout.garbage(), "damaged");
}

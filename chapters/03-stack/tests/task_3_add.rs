//! Task 3: `add` puts something at a path: what it covers goes, what it needs comes.
//!
//! Reread: What is added

#![allow(clippy::unwrap_used)] // a test may fail

use ch03_stack::{Seen, View, add, entry};

mod views;

use views::{comes_from, sees, view_of};

/// Adds a word from layer 1 to a view whose words are all from layer 0.
fn added(before: &[&str], word: &str) -> View {
    let mut view = view_of(0, before);
    let entry = entry(word).unwrap();
    let seen = Seen {
        node: entry.node,
        layer: 1,
    };
    add(&mut view, entry.name.trim_end_matches('/'), seen);
    view
}

#[track_caller]
fn check(before: &[&str], word: &str, expected: &[&str]) {
    let case = format!("{word} added to {}", before.join("  "));
    sees(&case, &added(before, word), expected);
}

#[test]
fn what_is_new_stands_beside_the_rest() {
    check(&["a=1"], "b=2", &["a=1", "b=2"]);
    check(&["d/", "d/a=1"], "d/b=2", &["d/", "d/a=1", "d/b=2"]);
}

#[test]
fn a_file_replaces_a_file() {
    check(&["d/", "d/a=1"], "d/a=2", &["d/", "d/a=2"]);
}

#[test]
fn missing_parents_become_directories() {
    check(&[], "a/b/c=1", &["a/", "a/b/", "a/b/c=1"]);
    check(&["a/"], "a/b/c/", &["a/", "a/b/", "a/b/c/"]);
}

#[test]
fn a_directory_that_is_there_keeps_what_it_holds() {
    check(&["d/", "d/a=1"], "d/", &["d/", "d/a=1"]);
}

#[test]
fn a_directory_takes_the_place_of_a_file() {
    check(&["d=1", "e=1"], "d/", &["d/", "e=1"]);
}

#[test]
fn a_file_takes_the_place_of_a_directory_and_all_below_it() {
    check(
        &["d/", "d/sub/", "d/sub/a=1", "d.txt=1"],
        "d=2",
        &["d=2", "d.txt=1"],
    );
}

#[test]
fn a_parent_that_is_a_file_becomes_a_directory() {
    check(&["a=1"], "a/b/c=2", &["a/", "a/b/", "a/b/c=2"]);
}

#[test]
fn what_is_added_comes_from_its_layer_and_the_rest_does_not() {
    comes_from(
        "b/c/e=2 added to b/ and b/a=1",
        &added(&["b/", "b/a=1"], "b/c/e=2"),
        &[(0, "b"), (0, "b/a"), (1, "b/c"), (1, "b/c/e")],
    );
    comes_from(
        "b/ added to b/ and b/a=1",
        &added(&["b/", "b/a=1"], "b/"),
        &[(1, "b"), (0, "b/a")],
    );
}

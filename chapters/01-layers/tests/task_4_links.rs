//! Task 4: `place` follows the links on the way to a file by hand. It refuses those that lead out of
//! the root, and those that lead in a ring.
//!
//! Reread: Links that lead out

use ch01_layers::{Entry, place, unpack};
use lesson::{accepted, refused, same};

mod hostile;

fn steps(name: &str) -> Vec<String> {
    name.split('/').map(str::to_owned).collect()
}

#[test]
fn without_links_a_file_stands_where_its_name_says() {
    let arena = hostile::Arena::new();
    let root = arena.root();
    let seen = accepted("place app/main.py", place(&root, &steps("app/main.py")));
    same(
        "where app/main.py stands",
        &seen,
        &root.join("app").join("main.py"),
    );
}

#[test]
fn a_link_that_stays_inside_is_followed() {
    let arena = hostile::Arena::new();
    let root = arena.root();
    let scene = [
        Entry::directory("usr"),
        Entry::directory("usr/bin"),
        Entry::symlink("bin", "usr/bin"),
    ];
    accepted(
        "unpack usr/bin and a link bin -> usr/bin",
        unpack(&hostile::archive(&scene), &root),
    );
    let seen = accepted("place bin/sh", place(&root, &steps("bin/sh")));
    same(
        "where bin/sh stands",
        &seen,
        &root.join("usr").join("bin").join("sh"),
    );
}

#[test]
fn a_relative_link_is_seen_from_its_own_directory() {
    let arena = hostile::Arena::new();
    let root = arena.root();
    let scene = [
        Entry::directory("a"),
        Entry::directory("b"),
        Entry::symlink("a/up", "../b"),
    ];
    accepted(
        "unpack a, b and a link a/up -> ../b",
        unpack(&hostile::archive(&scene), &root),
    );
    let seen = accepted("place a/up/file", place(&root, &steps("a/up/file")));
    same(
        "where a/up/file stands",
        &seen,
        &root.join("b").join("file"),
    );
}

#[test]
fn the_last_step_is_not_followed() {
    let arena = hostile::Arena::new();
    let root = arena.root();
    let scene = [Entry::symlink("last", "elsewhere")];
    accepted(
        "unpack a link last -> elsewhere",
        unpack(&hostile::archive(&scene), &root),
    );
    let seen = accepted("place last", place(&root, &steps("last")));
    same("where last stands", &seen, &root.join("last"));
}

#[test]
fn an_absolute_link_leads_out() {
    let arena = hostile::Arena::new();
    let outside = arena.outside();
    let archive = hostile::archive(&[
        Entry::symlink("etc", &outside.to_string_lossy()),
        Entry::file("etc/new", "x"),
    ]);
    refused(
        "unpack etc -> an absolute path, then etc/new",
        unpack(&archive, &arena.root()),
        "outside the root",
    );
    arena.assert_untouched();
}

#[test]
fn a_relative_link_that_goes_up_too_far_leads_out() {
    let arena = hostile::Arena::new();
    let archive = hostile::archive(&[
        Entry::symlink("up", "../outside"),
        Entry::file("up/new", "x"),
    ]);
    refused(
        "unpack up -> ../outside, then up/new",
        unpack(&archive, &arena.root()),
        "outside the root",
    );
    arena.assert_untouched();
}

#[test]
fn a_ring_ends() {
    let arena = hostile::Arena::new();
    let archive = hostile::archive(&[
        Entry::symlink("a", "b"),
        Entry::symlink("b", "a"),
        Entry::file("a/file", "x"),
    ]);
    refused(
        "unpack a -> b, b -> a, then a/file",
        unpack(&archive, &arena.root()),
        "ring",
    );
}

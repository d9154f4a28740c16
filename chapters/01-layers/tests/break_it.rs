//! Break it: without the two checks, the same archives write outside of the root.

#![allow(clippy::unwrap_used)]

use ch01_layers::{Entry, naive, unpack};

mod hostile;

/// The archive leads out when nobody looks, and not when somebody does.
#[track_caller]
fn check(entries: &[Entry]) {
    let archive = hostile::archive(entries);

    let before = hostile::Arena::new();
    naive(&archive, &before.root()).unwrap();
    assert!(before.outside().join("new").exists(), "the attack is none");

    let after = hostile::Arena::new();
    assert!(unpack(&archive, &after.root()).is_err());
    after.assert_untouched();
}

#[test]
fn a_name_that_goes_up() {
    check(&[Entry::file("../outside/new", "x")]);
}

#[test]
fn a_link_that_goes_up() {
    check(&[
        Entry::symlink("up", "../outside"),
        Entry::file("up/new", "x"),
    ]);
}

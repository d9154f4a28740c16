//! Task 2: `is_below` knows what is below a directory, and `hide` takes away what a whiteout hides.
//!
//! Reread: What is hidden

use ch03_stack::{Whiteout, hide, is_below};
use lesson::same;

mod views;

use views::{below, path, sees, view_of};

const STATE: [&str; 6] = [
    "etc/",
    "etc/conf/",
    "etc/conf/a=1",
    "etc/hosts=2",
    "etc.bak=3",
    "etcetera=4",
];

#[track_caller]
fn check(case: &str, whiteout: &Whiteout, expected: &[&str]) {
    let mut view = view_of(0, &STATE);
    hide(&mut view, whiteout);
    sees(case, &view, expected);
}

#[test]
fn below_is_behind_a_slash() {
    let below = |path: &str, directory: &str, expected: bool| {
        let case = format!("whether {path:?} is below {directory:?}");
        same(&case, &is_below(path, directory), &expected);
    };
    below("etc/hosts", "etc", true);
    below("etc/conf/a", "etc", true);
    below("etc", "etc", false);
    below("etcetera", "etc", false);
    below("etc.bak/a", "etc", false);
    below("etc", "etc/hosts", false);
    below("usr/etc/a", "etc", false);
    below("etc/hosts", "", true);
    below("etc", "", true);
    below("", "", false);
}

#[test]
fn a_file_is_hidden() {
    check(
        "etc/hosts hidden",
        &path("etc/hosts"),
        &[
            "etc/",
            "etc/conf/",
            "etc/conf/a=1",
            "etc.bak=3",
            "etcetera=4",
        ],
    );
}

#[test]
fn a_directory_is_hidden_with_all_below_it() {
    check("etc hidden", &path("etc"), &["etc.bak=3", "etcetera=4"]);
    check(
        "etc/conf hidden",
        &path("etc/conf"),
        &["etc/", "etc/hosts=2", "etc.bak=3", "etcetera=4"],
    );
}

#[test]
fn an_opaque_directory_stays_itself() {
    check(
        "all below etc hidden",
        &below("etc"),
        &["etc/", "etc.bak=3", "etcetera=4"],
    );
    check("all below the root hidden", &below(""), &[]);
}

#[test]
fn hiding_what_is_not_there_changes_nothing() {
    check("usr hidden, which is not there", &path("usr"), &STATE);
    check(
        "all below usr hidden, which is not there",
        &below("usr"),
        &STATE,
    );
    check("all below a file hidden", &below("etcetera"), &STATE);
}

//! Task 2: `changes` keeps the entries of the new state that the old one does not hold exactly so.
//!
//! Reread: Only what changed

use ch01_layers::{Entry, changes};
use lesson::same;

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

#[test]
fn nothing_changed() {
    let state = [Entry::directory("app"), Entry::file("app/a", "1")];
    same(
        "changes of a state against itself",
        &names(&changes(&state, &state)),
        &vec![],
    );
}

#[test]
fn everything_is_new_at_first() {
    let state = [Entry::directory("app"), Entry::file("app/a", "1")];
    same(
        "changes against nothing",
        &names(&changes(&[], &state)),
        &vec!["app", "app/a"],
    );
}

#[test]
fn a_file_that_is_new_or_has_other_bytes_is_kept() {
    let old = [Entry::file("a", "1"), Entry::file("b", "1")];
    let new = [
        Entry::file("a", "1"),
        Entry::file("b", "2"),
        Entry::file("c", "3"),
    ];
    let kept = changes(&old, &new);
    same("what is kept", &names(&kept), &vec!["b", "c"]);
    same("the bytes of b", &kept[0], &Entry::file("b", "2"));
}

#[test]
fn another_mode_is_a_change_too() {
    let old = [Entry::file("run.sh", "#!/bin/sh\n")];
    let mut new = old.clone();
    new[0].mode = 0o755;
    same(
        "after chmod +x run.sh",
        &names(&changes(&old, &new)),
        &vec!["run.sh"],
    );
}

#[test]
fn a_file_that_became_a_directory_is_a_change() {
    let old = [Entry::file("data", "1")];
    let new = [Entry::directory("data")];
    same(
        "a directory where a file was",
        &names(&changes(&old, &new)),
        &vec!["data"],
    );
}

#[test]
fn what_is_gone_is_not_told() {
    let old = [Entry::file("a", "1"), Entry::file("b", "1")];
    let new = [Entry::file("a", "1")];
    same("after rm b", &names(&changes(&old, &new)), &vec![]);
}

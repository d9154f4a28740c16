//! Task 1: `classify` says what an entry is for: to add, to hide, or nothing.
//!
//! Reread: What a name can mean

use ch03_stack::{Meaning, classify};
use lesson::{accepted, refused, same};

mod views;

use views::{below, path};

#[track_caller]
fn check(name: &str, expected: &Meaning) {
    let case = format!("what the entry {name:?} is for");
    same(&case, &accepted(&case, classify(name)), expected);
}

#[track_caller]
fn adds(name: &str, path: &str) {
    check(name, &Meaning::Add(path.to_owned()));
}

#[test]
fn an_ordinary_name_is_added() {
    adds("app/main.py", "app/main.py");
    adds("./app//sub/", "app/sub");
    adds("./", "");
    adds(".hidden", ".hidden");
    adds("a.wh.b", "a.wh.b");
    adds("wh.b", "wh.b");
}

#[test]
fn only_the_last_step_counts() {
    adds(".wh.a/b", ".wh.a/b");
    adds("app/.wh..wh..opq/b", "app/.wh..wh..opq/b");
}

#[test]
fn a_whiteout_hides_the_path_beside_it() {
    check(".wh.a", &Meaning::Hide(path("a")));
    check("app/.wh.data.txt", &Meaning::Hide(path("app/data.txt")));
    check("./app/sub/.wh.a/", &Meaning::Hide(path("app/sub/a")));
    check("app/.wh...a", &Meaning::Hide(path("app/..a")));
    check("app/.wh.wh.a", &Meaning::Hide(path("app/wh.a")));
}

#[test]
fn an_opaque_marker_hides_all_that_is_below_its_directory() {
    check("app/.wh..wh..opq", &Meaning::Hide(below("app")));
    check("./app/sub/.wh..wh..opq", &Meaning::Hide(below("app/sub")));
    check(".wh..wh..opq", &Meaning::Hide(below("")));
}

#[test]
fn other_names_of_the_old_tool_mean_nothing() {
    check(".wh..wh.plnk", &Meaning::Nothing);
    check("app/.wh..wh.aufs", &Meaning::Nothing);
    check("app/.wh..wh.", &Meaning::Nothing);
    check(".wh..wh..opq.old", &Meaning::Nothing);
}

#[test]
fn a_whiteout_with_nothing_behind_it_is_refused() {
    refused("the entry \".wh.\"", classify(".wh."), "without a name");
    refused(
        "the entry \"app/.wh.\"",
        classify("app/.wh."),
        "without a name",
    );
}

#[test]
fn a_whiteout_of_dots_is_refused() {
    refused(
        "the entry \"app/.wh..\", which would hide \".\"",
        classify("app/.wh.."),
        "outside its directory",
    );
    refused(
        "the entry \"app/.wh...\", which would hide \"..\"",
        classify("app/.wh..."),
        "outside its directory",
    );
}

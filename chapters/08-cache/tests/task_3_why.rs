//! Task 3: `why` names the first thing that differs from the last build.
//!
//! Reread: Why not

mod yard;

use ch08_cache::{Step, Why, why};
use lesson::same;
use yard::{digest, step};

fn then() -> Step {
    step("COPY f /", "WORKDIR=/app USER=a", "f=1 g=1")
}

#[track_caller]
fn check(case: &str, now: &Step, expected: &Why) {
    let below = digest("below");
    let last = (Some(below.clone()), then());
    same(case, &why(Some(&last), Some(&below), now), expected);
}

#[test]
fn without_a_last_build_it_is_the_first_time() {
    same("no last build", &why(None, None, &then()), &Why::FirstTime);
}

#[test]
fn another_text_is_told_with_the_old_one() {
    let now = step("COPY f /x", "WORKDIR=/app USER=a", "f=1 g=1");
    check("another destination", &now, &Why::Text("COPY f /".into()));
}

#[test]
fn a_setting_is_named() {
    let now = step("COPY f /", "WORKDIR=/srv USER=a", "f=1 g=1");
    check("another directory", &now, &Why::Setting("WORKDIR".into()));
    let now = step("COPY f /", "WORKDIR=/app", "f=1 g=1");
    check("a setting that is gone", &now, &Why::Setting("USER".into()));
    let now = step("COPY f /", "WORKDIR=/app USER=a ENV=1", "f=1 g=1");
    check("a setting that is new", &now, &Why::Setting("ENV".into()));
}

#[test]
fn files_are_named_whether_new_changed_or_gone() {
    let now = step("COPY f /", "WORKDIR=/app USER=a", "f=2 h=1");
    let files = ["f", "g", "h"].map(str::to_owned).to_vec();
    check("three files", &now, &Why::Files(files));
}

#[test]
fn the_text_comes_before_settings_and_these_before_files() {
    let now = step("COPY g /", "USER=b", "f=2");
    check("everything", &now, &Why::Text("COPY f /".into()));
    let now = step("COPY f /", "WORKDIR=/app USER=b", "f=2");
    check("setting and files", &now, &Why::Setting("USER".into()));
}

#[test]
fn what_lies_below_comes_last() {
    let last = (Some(digest("one")), then());
    same(
        "another below",
        &why(Some(&last), Some(&digest("two")), &then()),
        &Why::Below,
    );
    same(
        "nothing below",
        &why(Some(&last), None, &then()),
        &Why::Below,
    );
    let now = step("COPY f /", "WORKDIR=/app USER=a", "f=2 g=1");
    let files = Why::Files(vec!["f".into()]);
    same(
        "a file, and below",
        &why(Some(&last), Some(&digest("two")), &now),
        &files,
    );
}

#[test]
fn if_nothing_differs_it_was_lost() {
    check("the same", &then(), &Why::Lost);
}

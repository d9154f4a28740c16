//! Task 1: `key` names a step by everything that its result depends on.
//!
//! Reread: The name of a step

mod yard;

use ch08_cache::{Step, key};
use lesson::same;
use yard::{digest, step};

#[track_caller]
fn differs(case: &str, one: &Step, other: &Step) {
    same(
        &format!("{case}: whether the keys are equal"),
        &(key(None, one) == key(None, other)),
        &false,
    );
}

#[test]
fn the_same_step_has_the_same_key() {
    let one = step("RUN a", "USER=app", "f=1");
    same(
        "the key, computed again",
        &key(None, &one.clone()),
        &key(None, &one),
    );
}

#[test]
fn everything_counts() {
    let one = step("COPY f /", "WORKDIR=/app", "f=1");
    differs(
        "another text",
        &one,
        &step("COPY f  /", "WORKDIR=/app", "f=1"),
    );
    differs(
        "another setting",
        &one,
        &step("COPY f /", "WORKDIR=/", "f=1"),
    );
    differs(
        "another content",
        &one,
        &step("COPY f /", "WORKDIR=/app", "f=2"),
    );
    differs(
        "another file",
        &one,
        &step("COPY f /", "WORKDIR=/app", "g=1"),
    );
    differs(
        "one file more",
        &one,
        &step("COPY f /", "WORKDIR=/app", "f=1 g=1"),
    );
    differs("no setting", &one, &step("COPY f /", "", "f=1"));
}

#[test]
fn what_lies_below_counts() {
    let one = step("RUN a", "", "");
    let keys = [
        key(None, &one),
        key(Some(&digest("x")), &one),
        key(Some(&digest("y")), &one),
    ];
    let different = keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2];
    same("whether three places give three keys", &different, &true);
}

#[test]
fn parts_that_read_alike_when_joined_are_not_confused() {
    differs(
        "a setting or a text",
        &step("RUN aUSER=b", "", ""),
        &step("RUN a", "USER=b", ""),
    );
    let cut = step("a", "bc=d", "");
    differs("where a name ends", &cut, &step("a", "b=cd", ""));
}

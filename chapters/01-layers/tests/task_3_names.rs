//! Task 3: `clean` splits a name into its steps, leaves out what means nothing, and refuses `..`.
//!
//! Reread: Names that lead out

use ch01_layers::{Entry, clean, unpack};
use lesson::{accepted, refused, same};

mod hostile;

#[test]
fn steps_are_what_stands_between_slashes() {
    let check = |name: &str, expected: &[&str]| {
        let steps = accepted(&format!("clean({name:?})"), clean(name));
        let expected: Vec<String> = expected.iter().map(|step| (*step).to_owned()).collect();
        same(&format!("the steps of {name:?}"), &steps, &expected);
    };
    check("main.py", &["main.py"]);
    check("app/main.py", &["app", "main.py"]);
    check("app/", &["app"]);
    check("./app//main.py", &["app", "main.py"]);
    check("/etc/passwd", &["etc", "passwd"]);
    check("...", &["..."]);
    check("a..b", &["a..b"]);
    check("./", &[]);
}

#[test]
fn dots_that_go_up_are_refused() {
    for name in ["..", "../x", "a/../../x", "a/..", "/../x"] {
        refused(&format!("clean({name:?})"), clean(name), "outside the root");
    }
}

#[test]
fn an_archive_with_such_a_name_writes_nothing_outside() {
    let arena = hostile::Arena::new();
    let archive = hostile::archive(&[Entry::file("../outside/new", "x")]);
    refused(
        "unpack an archive with ../outside/new",
        unpack(&archive, &arena.root()),
        "outside the root",
    );
    arena.assert_untouched();
}

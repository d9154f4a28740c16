//! What the chapters' tests share: failures that teach, and the sessions that the book prints.
//!
//! A test of a task says what it looks at, what it expects and what it saw. `cargo x check` shows
//! just that, with the task's text above it.

// What is found here is told by a panic, as in every test.
#![allow(clippy::missing_panics_doc)]

use std::fmt::{Debug, Display};
use std::path::Path;

/// Expects `seen` to be `expected`; `case` says of what.
#[track_caller]
pub fn same<T: Debug + PartialEq>(case: &str, seen: &T, expected: &T) {
    assert!(
        seen == expected,
        "{case}\nexpected  {expected:?}\nseen      {seen:?}"
    );
}

/// Expects two texts of several lines to be the same, and shows them one above the other.
#[track_caller]
pub fn same_text(case: &str, seen: &str, expected: &str) {
    let differs = seen
        .lines()
        .zip(expected.lines())
        .position(|(seen, expected)| seen != expected)
        .unwrap_or_else(|| seen.lines().count().min(expected.lines().count()));
    assert!(
        seen == expected,
        "{case}\nexpected\n{}\nseen\n{}\nThey differ in line {}.",
        indented(expected),
        indented(seen),
        differs + 1
    );
}

/// Expects a failure whose text contains `word`, so that the right thing was refused.
#[track_caller]
pub fn refused<T: Debug, E: Display>(case: &str, seen: Result<T, E>, word: &str) {
    match seen {
        Ok(value) => {
            panic!("{case}\nexpected  an error that says {word:?}\nseen      Ok({value:?})")
        }
        Err(error) => {
            let text = error.to_string();
            assert!(
                text.contains(word),
                "{case}\nexpected  an error that says {word:?}\nseen      {text:?}"
            );
        }
    }
}

/// Expects success; `case` says of what.
#[track_caller]
pub fn accepted<T, E: Display>(case: &str, seen: Result<T, E>) -> T {
    match seen {
        Ok(value) => value,
        Err(error) => panic!(
            "{case}\nexpected  success\nseen      the error {:?}",
            error.to_string()
        ),
    }
}

/// Runs the sessions of the book in `tests/sessions` with the program `name`, which is `binary`,
/// or the one that `CORACLE_BIN` names: it may be written in any language.
pub fn sessions(name: &'static str, binary: &str) {
    sessions_with(name, binary, &[]);
}

/// The same with environment variables.
pub fn sessions_with(name: &'static str, binary: &str, variables: &[(&str, &str)]) {
    let there = std::fs::read_dir("tests/sessions")
        .into_iter()
        .flatten()
        .flatten();
    let count = there
        .filter(|item| item.path().extension().is_some_and(|end| end == "trycmd"))
        .count();
    assert!(count > 0, "tests/sessions holds no session");
    let chosen = std::env::var_os("CORACLE_BIN");
    let path = chosen.as_deref().map_or(Path::new(binary), Path::new);
    let cases = trycmd::TestCases::new();
    for (variable, value) in variables {
        cases.env(*variable, *value);
    }
    cases
        .register_bin(name, path)
        .case("tests/sessions/*.trycmd");
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

//! Task 3: `instruction` makes a typed step of a line, and a problem of what is wrong.
//!
//! Reread: Steps with a type

#![allow(clippy::unwrap_used)] // a test may fail

use ch06_dockerfile::{Command, Instruction, Place, instruction, logical_lines};
use lesson::{same, same_text};

#[track_caller]
fn check(text: &str, expected: &Instruction) {
    let lines = logical_lines(text);
    let seen = instruction(&lines[0]).map_err(|problem| problem.message);
    same(&format!("the line {text:?}"), &seen, &Ok(expected.clone()));
}

#[track_caller]
fn wrong(text: &str, column: usize, length: usize, message: &str) {
    let lines = logical_lines(text);
    let seen =
        instruction(&lines[0]).map_err(|problem| (problem.place, problem.length, problem.message));
    let place = Place { line: 1, column };
    same(
        &format!("the line {text:?}"),
        &seen,
        &Err((place, length, message.to_owned())),
    );
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn from_has_an_image_and_perhaps_a_name() {
    let from = |name: Option<&str>| Instruction::From {
        image: "python:3.12".into(),
        name: name.map(str::to_owned),
    };
    check("FROM python:3.12", &from(None));
    check("FROM python:3.12 AS build", &from(Some("build")));
    check("from python:3.12 as build", &from(Some("build")));
    wrong("FROM a b", 8, 1, "b: only AS and a name may follow");
    wrong("FROM a AS", 8, 2, "AS: only AS and a name may follow");
    wrong("FROM a AS b c", 8, 2, "AS: only AS and a name may follow");
}

#[test]
fn commands_have_two_forms() {
    check(
        "RUN  a  b ",
        &Instruction::Run(Command::Shell("a  b".into())),
    );
    check(
        "CMD [\"a\", \"b\"]",
        &Instruction::Cmd(Command::Exec(texts(&["a", "b"]))),
    );
    check(
        "ENTRYPOINT a",
        &Instruction::Entrypoint(Command::Shell("a".into())),
    );
}

#[test]
fn the_last_word_of_copy_is_where_to() {
    let copy = |sources: &[&str], destination: &str| Instruction::Copy {
        sources: texts(sources),
        destination: destination.to_owned(),
    };
    check("COPY a /b", &copy(&["a"], "/b"));
    check("COPY a b \"c d\" ./", &copy(&["a", "b", "\"c d\""], "./"));
    wrong("COPY a", 6, 1, "a: a source or a destination is missing");
}

#[test]
fn env_and_label_are_pairs() {
    check(
        "ENV A=1 B=\"x y\"",
        &Instruction::Env(vec![pair("A", "1"), pair("B", "\"x y\"")]),
    );
    check("ENV A x y", &Instruction::Env(vec![pair("A", "x y")]));
    check("LABEL a=b", &Instruction::Label(vec![pair("a", "b")]));
    wrong("ENV A", 5, 1, "A: its value is missing");
    wrong("ENV A=1 B", 9, 1, "B: this is no pair");
}

#[test]
fn one_word_or_several() {
    check("WORKDIR /a b", &Instruction::Workdir("/a b".into()));
    check("USER app", &Instruction::User("app".into()));
    check(
        "EXPOSE 80 443/tcp",
        &Instruction::Expose(texts(&["80", "443/tcp"])),
    );
}

#[test]
fn nothing_behind_it_is_wrong() {
    for keyword in [
        "FROM",
        "RUN",
        "CMD",
        "ENTRYPOINT",
        "COPY",
        "ENV",
        "LABEL",
        "WORKDIR",
        "USER",
        "EXPOSE",
    ] {
        wrong(
            keyword,
            1,
            keyword.len(),
            &format!("{keyword}: there is nothing behind it"),
        );
    }
}

#[test]
fn what_is_unknown_is_said_at_its_place() {
    wrong("  RUM a", 3, 3, "RUM: there is no such instruction");
    let lines = logical_lines("BANANA a");
    let seen = instruction(&lines[0])
        .map_err(|problem| problem.help)
        .unwrap_err();
    let expected = "there are FROM, RUN, CMD, ENTRYPOINT, COPY, ENV, LABEL, WORKDIR, USER, EXPOSE";
    same_text("the help for BANANA", &seen, expected);
}

#[test]
fn a_place_is_right_behind_a_break() {
    let lines = logical_lines("ENV A=1 \\\n    B");
    let seen = instruction(&lines[0]).map_err(|problem| problem.place);
    same("the place of B", &seen, &Err(Place { line: 2, column: 5 }));
}

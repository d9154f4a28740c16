//! Task 1: `logical_lines` leaves out comments and blank lines, and joins what is carried on.
//!
//! Reread: Lines as they are meant

use ch06_dockerfile::{Place, logical_lines};
use lesson::same;

#[track_caller]
fn check(text: &str, expected: &[(usize, &str)]) {
    let lines = logical_lines(text);
    let seen: Vec<(usize, &str)> = lines
        .iter()
        .map(|line| (line.place(0).line, line.text.as_str()))
        .collect();
    same(&format!("the lines of {text:?}"), &seen, &expected.to_vec());
}

#[test]
fn each_line_is_one() {
    check("FROM a\nRUN b\n", &[(1, "FROM a"), (2, "RUN b")]);
    check("FROM a", &[(1, "FROM a")]);
    check("", &[]);
}

#[test]
fn comments_and_blank_lines_are_left_out() {
    check(
        "# a\n\nFROM a\n   # b\n \nRUN b\n",
        &[(3, "FROM a"), (6, "RUN b")],
    );
}

#[test]
fn a_hash_in_the_middle_is_no_comment() {
    check("RUN echo # b\n", &[(1, "RUN echo # b")]);
}

#[test]
fn a_backslash_at_the_end_carries_on() {
    check(
        "RUN a \\\n && b \\\n && c\nRUN d\n",
        &[(1, "RUN a  && b  && c"), (4, "RUN d")],
    );
    check("RUN a\\\nb\n", &[(1, "RUN ab")]);
}

#[test]
fn spaces_behind_the_backslash_are_forgiven() {
    check("RUN a \\  \nb\n", &[(1, "RUN a b")]);
}

#[test]
fn comments_and_blank_lines_do_not_end_what_is_carried_on() {
    check(
        "RUN a \\\n# why\n\n  b\nRUN c\n",
        &[(1, "RUN a   b"), (5, "RUN c")],
    );
}

#[test]
fn what_is_carried_on_to_nowhere_ends_with_the_file() {
    check("FROM a\nRUN a \\\n", &[(1, "FROM a"), (2, "RUN a ")]);
    check("FROM a\nRUN a \\\n# end\n", &[(1, "FROM a"), (2, "RUN a ")]);
}

#[test]
fn a_backslash_in_the_middle_is_a_backslash() {
    check("RUN a\\ b\n", &[(1, "RUN a\\ b")]);
}

#[test]
fn two_of_them_at_the_end_carry_nothing_on() {
    check("RUN a \\\\\nRUN b\n", &[(1, "RUN a \\\\"), (2, "RUN b")]);
}

#[test]
fn every_sign_knows_its_place() {
    let lines = logical_lines("RUN a \\\n# why\n  && b\n");
    let line = lines.first().cloned().unwrap_or_default();
    let place = |sign: &str| line.text.find(sign).map(|at| line.place(at));
    same(
        "the place of a",
        &place("a"),
        &Some(Place { line: 1, column: 5 }),
    );
    same(
        "the place of b",
        &place("b"),
        &Some(Place { line: 3, column: 6 }),
    );
}

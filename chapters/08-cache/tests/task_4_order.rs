//! Task 4: `better` orders the lines of a Dockerfile so that a changed program costs one step.
//!
//! Reread: An order that costs too much

#![allow(clippy::unwrap_used)] // a test may fail

mod yard;

use ch08_cache::{BAD, Cache, better, build, steps};
use lesson::{accepted, same};
use yard::context;

/// How many steps are done after an edit, of those that make layers.
fn costs(dockerfile: &str, requirements: (&str, &str), program: (&str, &str)) -> usize {
    let files = |requirements: &str, program: &str| {
        let files = [
            ("requirements.txt", requirements.to_owned()),
            ("src/main.py", program.to_owned()),
        ];
        accepted("reading it", steps(dockerfile, &context(&files)))
    };
    let mut cache = Cache::default();
    build(&files(requirements.0, program.0), &mut cache);
    let outcomes = build(&files(requirements.1, program.1), &mut cache);
    outcomes
        .iter()
        .filter(|outcome| outcome.done.is_some())
        .count()
}

#[test]
fn the_lines_are_the_same() {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    same("the lines, sorted", &sorted(better()), &sorted(BAD));
}

#[test]
fn the_bad_one_costs_four_steps() {
    same("a changed program", &costs(BAD, ("1", "1"), ("1", "2")), &4);
}

#[test]
fn a_changed_program_costs_one_step() {
    same(
        "a changed program",
        &costs(better(), ("1", "1"), ("1", "2")),
        &1,
    );
}

#[test]
fn changed_requirements_cost_three() {
    same(
        "changed requirements",
        &costs(better(), ("1", "2"), ("1", "1")),
        &3,
    );
}

#[test]
fn the_packages_are_installed_where_their_list_is() {
    let lines: Vec<&str> = better().lines().collect();
    let place = |begin: &str| lines.iter().position(|line| line.starts_with(begin));
    same("whether FROM is first", &place("FROM"), &Some(0));
    let list = place("COPY requirements.txt");
    same(
        "whether the list is there before pip runs",
        &(list < place("RUN pip")),
        &true,
    );
    same(
        "whether WORKDIR is before the list",
        &(place("WORKDIR") < list),
        &true,
    );
    same(
        "whether the user is made before it is used",
        &(place("RUN useradd") < place("USER")),
        &true,
    );
    // `pip` and `useradd` must be root's.
    same(
        "whether pip runs before USER",
        &(place("RUN pip") < place("USER")),
        &true,
    );
}

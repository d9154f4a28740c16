//! Task 1: `landing` tells whether a file keeps its name at the destination, or gets another.
//!
//! Reread: Where a file lands

mod yard;

use ch07_build::landing;
use lesson::same;
use yard::{path, tree};

#[track_caller]
fn check(name: &str, destination: &str, place: &str, onto: &str, expected: &str) {
    let there = if onto.is_empty() { "nothing" } else { onto };
    let case = format!("{name} copied to {destination:?}, which is {place:?}, where {there} is");
    let seen = landing(name.as_bytes(), destination, &path(place), &tree(onto));
    same(
        &case,
        &seen.to_text().into_owned(),
        &path(expected).to_text().into_owned(),
    );
}

#[test]
fn a_slash_at_the_end_means_a_directory() {
    check("a.txt", "/app/", "app", "", "app/a.txt");
    check("a.txt", "./", "app", "", "app/a.txt");
}

#[test]
fn without_it_the_file_gets_the_name() {
    check("a.txt", "/app", "app", "", "app");
    check("a.txt", "b.txt", "app/b.txt", "app/", "app/b.txt");
}

#[test]
fn a_directory_that_is_there_is_one_without_a_slash() {
    check("a.txt", "/app", "app", "app/", "app/a.txt");
}

#[test]
fn a_file_that_is_there_is_replaced() {
    check("a.txt", "/app", "app", "app=old", "app");
}

#[test]
fn a_dot_or_two_is_a_directory() {
    check("a.txt", ".", "app", "", "app/a.txt");
    check("a.txt", "..", "app", "", "app/a.txt");
}

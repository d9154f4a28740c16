//! Task 1: `parse` finds registry, repository and tag in a name, and fills in what is left out.
//!
//! Reread: Which server, which collection, which version

use ch05_registry::parse;
use lesson::{accepted, refused, same};

#[track_caller]
fn check(text: &str, registry: &str, repository: &str, tag: &str) {
    let case = format!("the name {text:?}");
    let found = accepted(&case, parse(text));
    let found = (
        found.registry.as_str(),
        found.repository.as_str(),
        found.tag.as_str(),
    );
    same(&case, &found, &(registry, repository, tag));
}

#[test]
fn everything_may_be_said() {
    check(
        "localhost:5000/team/app:1",
        "localhost:5000",
        "team/app",
        "1",
    );
    check(
        "registry.example/a/b/c:v2",
        "registry.example",
        "a/b/c",
        "v2",
    );
}

#[test]
fn docker_hub_is_meant_when_nobody_is_named() {
    check("team/app:1", "docker.io", "team/app", "1");
    check("team/sub/app", "docker.io", "team/sub/app", "latest");
}

#[test]
fn what_has_no_owner_there_belongs_to_the_library() {
    check("python:3.12", "docker.io", "library/python", "3.12");
    check("docker.io/python", "docker.io", "library/python", "latest");
}

#[test]
fn a_server_has_a_dot_or_a_port_or_is_localhost() {
    check("localhost/app", "localhost", "app", "latest");
    check("r.example/app", "r.example", "app", "latest");
    check("r:5000/app", "r:5000", "app", "latest");
    check("example/app", "docker.io", "example/app", "latest");
}

#[test]
fn a_port_is_no_tag() {
    check("localhost:5000/app", "localhost:5000", "app", "latest");
}

#[test]
fn empty_parts_are_refused() {
    for text in ["", ":1", "a//b", "/a", "a/", "a:", "localhost:5000/"] {
        refused(&format!("{text:?}"), parse(text), "empty");
    }
}

#[test]
fn capitals_are_refused_in_a_repository_alone() {
    refused(
        "a capital in the repository",
        parse("team/App"),
        "lower case",
    );
    refused(
        "a capital behind the server",
        parse("r.example/App:1"),
        "lower case",
    );
    check("r.example/app:V1", "r.example", "app", "V1");
}

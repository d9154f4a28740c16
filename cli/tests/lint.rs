//! The commands that look at Dockerfiles, ignore files and contexts: what they print for programs.

#![allow(clippy::unwrap_used)] // a test may fail

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn coracle(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(arguments)
        .current_dir(directory)
        .env("COLUMNS", "80")
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", directory.join("state"))
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The objects of an output that has one a line.
fn json_lines(output: &Output) -> Vec<Value> {
    let lines = stdout(output);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const BAD: &str = "FROM alpine:3.22 as Base\nRUN apk add git=2\nRUN cd /app\n";

#[test]
fn findings_are_printed_for_people_and_programs() {
    let place = directory(&[("Dockerfile", BAD)]);
    let output = coracle(place.path(), &["dockerfile", "lint"]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("lint-text", stdout(&output));
    insta::assert_snapshot!("lint-summary", stderr(&output));
    let output = coracle(place.path(), &["dockerfile", "lint", "--format", "json"]);
    insta::assert_json_snapshot!("lint-json", json(&output));
    let output = coracle(place.path(), &["dockerfile", "lint", "--format=sarif"]);
    let log = json(&output);
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 5);
}

#[test]
fn errors_and_strict_files_fail() {
    let check = |source: &str, code| {
        let place = directory(&[("Dockerfile", source)]);
        let output = coracle(place.path(), &["dockerfile", "lint"]);
        assert_eq!(output.status.code(), Some(code), "{source}");
    };
    check("FROM scratch\n", 0);
    check("FROM scratch AS A\n", 0);
    check("# check=error=true\nFROM scratch AS A\n", 1);
    check(
        "# check=error=true;skip=StageNameCasing\nFROM scratch AS A\n",
        0,
    );
    check("# check=skip=all\nFROM scratch\nRUM x\n", 1);
}

#[test]
fn fixing_changes_the_file_and_tells_what() {
    let place = directory(&[("Dockerfile", BAD)]);
    let output = coracle(place.path(), &["dockerfile", "lint", "--fix"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "");
    insta::assert_snapshot!("fix-notes", stderr(&output));
    let mended = fs::read_to_string(place.path().join("Dockerfile")).unwrap();
    assert_eq!(
        mended,
        "FROM alpine:3.22 AS base\nRUN apk add --no-cache git=2\nWORKDIR /app\n"
    );
    // Nothing is left to do, and the file is left alone.
    let path = place.path().join("Dockerfile");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let output = coracle(place.path(), &["dockerfile", "lint", "--fix"]);
    assert_eq!(
        (stdout(&output), stderr(&output)),
        (String::new(), String::new())
    );
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[test]
fn a_build_can_only_be_checked() {
    let files = [
        ("Dockerfile", "FROM alpine:3.22\nCOPY a.tmp /\nADD b /\n"),
        (".dockerignore", "*.tmp\n"),
    ];
    let place = directory(&files);
    let output = coracle(place.path(), &["build", "--check", "."]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    insta::assert_snapshot!("build-check", stdout(&output));
    assert!(
        !place.path().join("state").exists(),
        "checking left something behind"
    );
    // Rules of our own are told, and fail a check only when the file wants it.
    let place = directory(&[("Dockerfile", "FROM alpine:3.22\nADD b /\n")]);
    let output = coracle(place.path(), &["build", "--check", "."]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("AddForLocalFile"));
}

const STAGES: &str = "\
ARG GO=1.25
FROM golang:${GO} AS build
ENV CGO_ENABLED=0
WORKDIR /src
COPY . .
RUN go build -o /app
FROM alpine:3.22 AS unused
RUN apk add --no-cache git
FROM scratch
COPY --from=build /app /
ENTRYPOINT [\"/app\"]
";

#[test]
fn files_are_explained_line_by_line() {
    let place = directory(&[("Dockerfile", STAGES)]);
    let arguments = ["dockerfile", "explain", "--platform=linux/amd64"];
    let output = coracle(place.path(), &arguments);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("explain-text", stdout(&output));
    let output = coracle(
        place.path(),
        &[&arguments[..], &["--format", "json"]].concat(),
    );
    insta::assert_json_snapshot!("explain-json", json(&output));
    let output = coracle(
        place.path(),
        &[&arguments[..], &["--target", "bulid"]].concat(),
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("There are build, unused, stage-2."));
}

#[test]
fn words_are_expanded_as_the_builder_does() {
    let place = directory(&[]);
    let expand = |arguments: &[&str]| {
        let output = coracle(
            place.path(),
            &[&["dockerfile", "expand"], arguments].concat(),
        );
        (output.status.code().unwrap(), stdout(&output))
    };
    let check = |arguments: &[&str], expected: &str| {
        assert_eq!(expand(arguments), (0, expected.to_owned()), "{arguments:?}");
    };
    check(&["--env", "A=1", "--", "x${A}y"], "x1y\n");
    check(
        &["--words", "--env", "A=1 2", "--", "$A \"3 4\""],
        "1\n2\n3 4\n",
    );
    check(&["--escape", "`", "--", r"c:\x"], "c:\\x\n");
    check(&["--", "-x ${A:-b}"], "-x b\n");
    check(
        &["--format=json", "-e", "A=1", "--", "$A$B"],
        "{\"undefined\":[\"B\"],\"used\":[\"A\"],\"value\":\"1\"}\n",
    );
    check(
        &["--format=json", "--words", "--", "a b"],
        "{\"undefined\":[],\"used\":[],\"words\":[\"a\",\"b\"]}\n",
    );
    assert_eq!(
        expand(&["--format=json", "--", "${A:?gone}"]),
        (1, String::new())
    );
    let output = coracle(place.path(), &["dockerfile", "expand", "--", "a${b"]);
    insta::assert_snapshot!("expand-error", stderr(&output));
}

const IGNORE: &str = "# comment\n*.log\n!keep.log\nbuild\n!build/out/*.bin\n";

#[test]
fn ignored_paths_name_the_line_that_decided() {
    let place = directory(&[("ignore", IGNORE)]);
    let paths = [
        "a.log",
        "keep.log",
        "/build/x",
        "build/out/a.bin",
        "./src/main.rs",
    ];
    let arguments = [&["dockerignore", "check", "-f", "ignore", "--"], &paths[..]].concat();
    let output = coracle(place.path(), &arguments);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("dockerignore-text", stdout(&output));
    let output = coracle(
        place.path(),
        &[
            &["dockerignore", "check", "-fignore", "--format=json"],
            &paths[..],
        ]
        .concat(),
    );
    insta::assert_json_snapshot!("dockerignore-json", json_lines(&output));
    let place = directory(&[(".dockerignore", "a\n[\n")]);
    let output = coracle(place.path(), &["dockerignore", "check", "a"]);
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(1), String::new())
    );
    assert!(stderr(&output).contains(".dockerignore:2:1"));
}

#[test]
fn a_context_shows_what_is_in_it_and_what_is_not() {
    let place = directory(&[
        (".dockerignore", IGNORE),
        ("a.log", "1"),
        ("build/deep/x", "22"),
        ("build/out/a.bin", "333"),
        ("keep.log", ""),
        ("src/main.rs", "4444"),
        ("web/Dockerfile.dockerignore", "**\n!src\n"),
    ]);
    std::os::unix::fs::symlink("src", place.path().join("link")).unwrap();
    let output = coracle(place.path(), &["context", "ls"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!("context-text", stdout(&output));
    let output = coracle(place.path(), &["context", "ls", "--format=json", "."]);
    insta::assert_json_snapshot!("context-json", json_lines(&output));
    // The ignore file beside the Dockerfile wins.
    let arguments = [
        "context",
        "ls",
        "-f",
        "web/Dockerfile",
        "--format={{.Path}} {{.Ignored}}",
    ];
    let output = coracle(place.path(), &arguments);
    insta::assert_snapshot!("context-other-file", stdout(&output));
    let output = coracle(place.path(), &["context", "ls", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
}

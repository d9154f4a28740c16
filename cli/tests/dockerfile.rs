//! `coracle dockerfile parse`, on a right and on a wrong Dockerfile.

#![allow(clippy::unwrap_used)] // a test may fail

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn parse(arguments: &[&str], source: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(["dockerfile", "parse"])
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(source.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn every_field_has_its_place() {
    let source = "# syntax=docker/dockerfile:1\nFROM --platform=linux/amd64 base AS b\nENV A=1 B=\"x y\"\nRUN <<EOF\nhi\nEOF\nONBUILD CMD [\"a\"]\n";
    let output = parse(&["--format", "json"], source);
    assert!(output.status.success());
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    insta::assert_json_snapshot!(document);
    let output = parse(&[], source);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

/// The Dockerfile of the notes has a stray backtick before its last instruction.
#[test]
fn a_stray_character_is_shown_with_a_caret_and_a_fix() {
    let output = parse(&[], "FROM python:3.12\n`CMD [\"uvicorn\"]\n");
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap());
}

#[test]
fn what_is_not_text_is_refused_at_its_line() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(["dockerfile", "parse", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"FROM a\nRUN \xff\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("Dockerfile:2: byte 11 is not UTF-8"),
        "{error}"
    );
}

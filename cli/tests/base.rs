//! `coracle base` on this machine: quick, offline, and the same image twice.

#![allow(clippy::unwrap_used)] // a test may fail

use std::process::Command;

use serde_json::Value;

#[test]
fn the_same_machine_gives_the_same_image() {
    let base = |arguments: &[&str]| -> Value {
        let root = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_coracle"))
            .arg("base")
            .args(["--format", "json"])
            .args(arguments)
            .env("CORACLE_OFFLINE", "1")
            .env("CORACLE_ROOT", root.path())
            .env_remove("SOURCE_DATE_EPOCH")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (first, second) = (base(&[]), base(&["-t", "other:1"]));
    assert_eq!(first["Id"], second["Id"]);
    assert_eq!(first["Tags"][0], "base");
    assert_eq!(second["Tags"][0], "other:1");
    assert!(first["Bytes"].as_u64().unwrap() > 0);
    assert!(first["Programs"].as_array().unwrap().contains(&"sh".into()));
}

#[test]
fn what_cannot_be_added_is_named() {
    let root = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(["base", "--add", "/nowhere/at/all"])
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", root.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("/nowhere/at/all"), "{error}");
}

//! Task 1: `config` writes down the platform, the command, and the layers with their history.
//!
//! Reread: How it is run

#![allow(clippy::unwrap_used)] // a test may fail

mod scene;

use ch04_image::config;
use coracle::digest::Digest;
use lesson::{same, same_text};
use scene::words;

fn layer(content: &str, made_by: &str) -> (Digest, String) {
    (Digest::of(content.as_bytes()), made_by.to_owned())
}

#[test]
fn an_image_without_layers_has_a_platform_and_a_command() {
    let json = serde_json::to_string(&config(&words("python app.py"), &[])).unwrap();
    let expected = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["python","app.py"]},"rootfs":{"type":"layers","diff_ids":[]},"history":[]}"#;
    same_text("the document", &json, expected);
}

#[test]
fn layers_are_listed_from_the_lowest() {
    let config = config(&[], &[layer("base", "a"), layer("app", "b")]);
    let expected = vec![Digest::of(b"base"), Digest::of(b"app")];
    same("the diff IDs", &config.rootfs.diff_ids, &expected);
}

#[test]
fn each_layer_has_its_history() {
    let config = config(&[], &[layer("base", "a"), layer("app", "b")]);
    let history: Vec<&str> = config
        .history
        .iter()
        .map(|row| row.created_by.as_str())
        .collect();
    same("the history", &history, &vec!["a", "b"]);
}

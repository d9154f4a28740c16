//! Task 4: `push` sends each blob that the registry has not, and then the manifest.
//!
//! Reread: Ask before you send

#![allow(clippy::unwrap_used)] // a test may fail

mod server;

use ch05_registry::{Client, Fate};
use lesson::{accepted, refused, same};
use server::{USER, anybody, at, image, manifest, ok, registry, says, shelf};

fn fates(pushed: &[(ch05_registry::Blob, Fate)]) -> Vec<Fate> {
    pushed.iter().map(|(_, fate)| *fate).collect()
}

#[test]
fn a_first_version_is_sent_whole() {
    let host = registry(false).to_string();
    let (_place, shelf) = shelf();
    image(&shelf, "1", &[b"{}", b"base", b"app"]);
    let to = at(&host, "team/app", "1");
    let pushed = accepted("pushing", anybody().push(&shelf, "1", &to));
    same(
        "what became of the blobs",
        &fates(&pushed),
        &vec![Fate::Moved; 3],
    );
    let there = accepted("fetching the manifest", anybody().fetch(&to, "manifests/1"));
    same(
        "the manifest there",
        &there,
        &manifest(&[b"{}", b"base", b"app"]),
    );
}

#[test]
fn of_a_second_version_only_the_new_is_sent() {
    let host = registry(false).to_string();
    let (_place, shelf) = shelf();
    image(&shelf, "1", &[b"{}", b"base", b"app 1"]);
    image(&shelf, "2", &[b"{}", b"base", b"app 2"]);
    accepted(
        "version 1",
        anybody().push(&shelf, "1", &at(&host, "team/app", "1")),
    );
    let pushed = anybody().push(&shelf, "2", &at(&host, "team/app", "2"));
    let expected = vec![Fate::AlreadyExists, Fate::AlreadyExists, Fate::Moved];
    same(
        "what became of the blobs",
        &fates(&accepted("version 2", pushed)),
        &expected,
    );
}

#[test]
fn the_manifest_comes_last() {
    // A registry that has every blob, and takes no manifest.
    let (host, seen) = says(|first| match first.split(' ').next() {
        Some("HEAD") => b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno".to_vec(),
    });
    let (_place, shelf) = shelf();
    image(&shelf, "1", &[b"{}", b"base"]);
    let refusal = anybody().push(&shelf, "1", &at(&host, "team/app", "v1"));
    refused("a manifest that is not taken", refusal, "400");
    let seen: Vec<String> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|(first, _)| first[..4].to_owned())
        .collect();
    same(
        "what was asked",
        &seen,
        &vec!["HEAD".to_owned(), "HEAD".to_owned(), "PUT ".to_owned()],
    );
}

#[test]
fn a_blob_that_is_not_taken_is_an_error() {
    let (host, _) = says(|first| match first.split(' ').next() {
        Some("HEAD") => b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
        _ => ok(b"no"),
    });
    let (_place, shelf) = shelf();
    image(&shelf, "1", &[b"{}"]);
    refused(
        "a refusal",
        anybody().push(&shelf, "1", &at(&host, "a", "1")),
        "beginning an upload",
    );
}

#[test]
fn who_is_known_may_push() {
    let host = registry(true).to_string();
    let (_place, shelf) = shelf();
    image(&shelf, "1", &[b"{}", b"base"]);
    let to = at(&host, "team/app", "1");
    refused("nobody", anybody().push(&shelf, "1", &to), "token");
    let client = Client {
        user: Some((USER.0.to_owned(), USER.1.to_owned())),
        ..Client::default()
    };
    let pushed = accepted("somebody", client.push(&shelf, "1", &to));
    same(
        "what became of the blobs",
        &fates(&pushed),
        &vec![Fate::Moved; 2],
    );
}

//! Task 5: `pull` fetches what is not here, keeps only what is right, and names the manifest last.
//!
//! Reread: Believe the digest

#![allow(clippy::unwrap_used)] // a test may fail

mod server;

use ch05_registry::Fate;
use coracle::digest::Digest;
use lesson::{accepted, refused, same};
use server::{anybody, at, image, manifest, ok, registry, says, shelf};

/// A registry with the image of these blobs, as core serves it.
fn with(blobs: &[&[u8]]) -> String {
    let host = registry(false).to_string();
    let (_place, shelf) = shelf();
    image(&shelf, "1", blobs);
    // The chapter's own `push` may not be written yet.
    for blob in blobs {
        upload(&host, blob);
    }
    let path = "/v2/team/app/manifests/1";
    let media = "application/vnd.oci.image.manifest.v1+json";
    let mut put = ch05_registry::Request::new("PUT", &host, path).with("content-type", media);
    put.body = manifest(blobs);
    same("the manifest's status", &raw(&put), &201);
    host
}

fn upload(host: &str, blob: &[u8]) {
    let path = format!("/v2/team/app/blobs/uploads/?digest={}", Digest::of(blob));
    let mut post = ch05_registry::Request::new("POST", host, path);
    post.body = blob.to_vec();
    same("the blob's status", &raw(&post), &201);
}

/// Sends a request without the chapter's own code, and returns the status.
fn raw(request: &ch05_registry::Request) -> u16 {
    use std::io::{Read as _, Write as _};
    let mut socket = std::net::TcpStream::connect(&request.host).unwrap();
    let (method, path, host) = (request.method, &request.path, &request.host);
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers = headers.collect::<Vec<_>>().concat();
    let length = request.body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(&request.body).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer[9..12].parse().unwrap()
}

#[test]
fn everything_comes_and_gets_its_name() {
    let host = with(&[b"{}", b"base", b"app"]);
    let (_place, shelf) = shelf();
    let pulled = accepted(
        "pulling",
        anybody().pull(&shelf, &at(&host, "team/app", "1"), "app:1"),
    );
    let fates: Vec<Fate> = pulled.iter().map(|(_, fate)| *fate).collect();
    same("what became of the blobs", &fates, &vec![Fate::Moved; 3]);
    let named = accepted("resolving", shelf.resolve("app:1"));
    same(
        "the manifest",
        &named,
        &Digest::of(&manifest(&[b"{}", b"base", b"app"])),
    );
    same(
        "the layer",
        &accepted("reading", shelf.get(&Digest::of(b"app"))),
        &b"app".to_vec(),
    );
}

#[test]
fn what_is_here_is_not_fetched() {
    let host = with(&[b"{}", b"base", b"app"]);
    let (_place, shelf) = shelf();
    shelf.put(b"base").unwrap();
    let pulled = accepted(
        "pulling",
        anybody().pull(&shelf, &at(&host, "team/app", "1"), "app:1"),
    );
    let fates: Vec<Fate> = pulled.iter().map(|(_, fate)| *fate).collect();
    same(
        "what became of the blobs",
        &fates,
        &vec![Fate::Moved, Fate::AlreadyExists, Fate::Moved],
    );
}

/// A registry that serves a manifest of these blobs, and `sent` for the second of them.
fn lying(sent: &'static [u8]) -> String {
    let blobs: [&[u8]; 3] = [b"{}", b"base", b"app"];
    let (host, _) = says(move |first| match first {
        path if path.contains("/manifests/") => ok(&manifest(&blobs)),
        path if path.contains(Digest::of(b"{}").hex()) => ok(b"{}"),
        path if path.contains(Digest::of(b"base").hex()) => ok(sent),
        _ => ok(b"app"),
    });
    host
}

#[track_caller]
fn lied_to(case: &str, sent: &'static [u8]) {
    let host = lying(sent);
    let (_place, shelf) = shelf();
    let pulled = anybody().pull(&shelf, &at(&host, "team/app", "1"), "app:1");
    refused(case, pulled, "not kept");
    same(
        "whether the wrong bytes are here",
        &shelf.has(&Digest::of(sent)),
        &false,
    );
    refused(
        "the name afterwards",
        shelf.resolve("app:1"),
        "nothing is called",
    );
}

#[test]
fn a_blob_that_is_another_one_is_not_kept() {
    lied_to("four other letters", b"bass");
    lied_to("one letter more", b"base!");
    lied_to("nothing", b"");
}

#[test]
fn a_size_that_is_not_the_blobs_is_a_lie() {
    let wrong = String::from_utf8(manifest(&[b"{}", b"base"])).unwrap();
    let wrong = wrong.replace("\"size\":4", "\"size\":5");
    let (host, _) = says(move |first| match first {
        path if path.contains("/manifests/") => ok(wrong.as_bytes()),
        path if path.contains(Digest::of(b"{}").hex()) => ok(b"{}"),
        _ => ok(b"base"),
    });
    let (_place, shelf) = shelf();
    let pulled = anybody().pull(&shelf, &at(&host, "team/app", "1"), "app:1");
    refused("a manifest that says 5 bytes of 4", pulled, "not kept");
}

#[test]
fn what_came_before_the_lie_stays() {
    let host = lying(b"bass");
    let (_place, shelf) = shelf();
    let pulled = anybody().pull(&shelf, &at(&host, "team/app", "1"), "app:1");
    refused("a lie about the second blob", pulled, "not kept");
    same(
        "whether the first blob is here",
        &shelf.has(&Digest::of(b"{}")),
        &true,
    );
}

//! The miniature and core: the same names, the same requests, and images that go both ways.

#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

mod server;

use ch05_registry::{challenge, parse};
use coracle::reference::Reference;
use proptest::prelude::*;
use server::{anybody, at, image, registry, shelf};

/// What core makes of a name without a digest.
fn by_core(text: &str) -> Option<(String, String, String)> {
    let found = text.parse::<Reference>().ok()?;
    let tag = found.tag_or_default()?.to_string();
    let repository = &found.repository;
    Some((
        repository.registry().to_string(),
        repository.path().to_string(),
        tag,
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn names_mean_the_same(
        host in prop_oneof!["", "localhost/", "localhost:5000/", "r\\.example/", "docker\\.io/", "r:80/"],
        path in "[a-z]{1,3}(/[a-z]{1,3}){0,2}",
        tag in "(:[a-zA-Z0-9]{1,4})?",
    ) {
        let text = format!("{host}{path}{tag}");
        let ours = parse(&text).unwrap();
        let ours = (ours.registry, ours.repository, ours.tag);
        prop_assert_eq!(Some(ours), by_core(&text));
    }
}

#[test]
fn names_that_are_none_are_none_for_both() {
    for text in [
        "",
        ":1",
        "a//b",
        "a/",
        "a:",
        "localhost:5000/",
        "team/App",
        "r.example/App",
    ] {
        assert!(parse(text).is_err() && by_core(text).is_none(), "{text}");
    }
}

#[test]
fn what_goes_to_cores_server_comes_back_the_same() {
    let host = registry(false).to_string();
    let (_one, from) = shelf();
    let (_two, to) = shelf();
    let large = vec![7; 100_000];
    let blobs: [&[u8]; 4] = [b"{}", b"", b"base", &large];
    image(&from, "app", &blobs);
    let place = at(&host, "team/app", "1");
    anybody().push(&from, "app", &place).unwrap();
    anybody().pull(&to, &place, "app").unwrap();
    assert_eq!(from.resolve("app").unwrap(), to.resolve("app").unwrap());
    for blob in blobs {
        let digest = coracle::digest::Digest::of(blob);
        assert_eq!(to.get(&digest).unwrap(), blob);
    }
}

#[test]
fn challenges_are_read_as_they_are_written() {
    let scope = "repository:team/app:pull,push";
    let text = format!("Bearer realm=\"http://r/token\",service=\"r\",scope=\"{scope}\"");
    let read = challenge(&text).unwrap();
    assert_eq!(
        (read.realm.as_str(), read.service.as_str()),
        ("http://r/token", "r")
    );
    assert_eq!(read.scope, scope);
    assert!(challenge("Basic realm=\"r\"").is_err());
}

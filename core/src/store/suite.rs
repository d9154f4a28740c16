//! What every store must do: one suite for all of them, with the store in memory as the oracle.

use std::io::{Read, Write};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{CONTAINERD_NAME, REF_NAME, Store, StoreError};
use crate::digest::{Algorithm, Digest, DigestError, Hasher};
use crate::spec::{Descriptor, media};

/// Runs every check on a fresh store of its own.
pub(super) fn check_all(make: &dyn Fn() -> Box<dyn Store>) {
    blobs_are_kept_by_digest(&*make());
    a_blob_under_way_is_not_seen(&*make());
    wrong_content_is_refused(&*make());
    sha512_is_understood(&*make());
    large_documents_are_refused(&*make());
    tags_move(&*make());
    tags_never_point_to_nothing(&*make());
    an_image_without_a_tag_is_kept_by_its_digest(&*make());
    nobody_is_alone_while_somebody_holds(&*make());
    threads_share_it(&*make());
}

fn target(store: &dyn Store, content: &[u8]) -> Descriptor {
    let digest = store.put(content).unwrap();
    Descriptor::new(media::MANIFEST, digest, content.len() as u64)
}

fn blobs_are_kept_by_digest(store: &dyn Store) {
    let digest = Digest::of(b"foo");
    assert_eq!(store.size(&digest).unwrap(), None);
    let missing = store.open(&digest).map(|_| ()).unwrap_err();
    assert!(matches!(missing, StoreError::Missing { digest: d } if d == digest));
    for _ in 0..2 {
        assert_eq!(store.put(b"foo").unwrap(), digest);
    }
    assert_eq!(store.size(&digest).unwrap(), Some(3));
    assert_eq!(store.read(&digest).unwrap(), b"foo");
    let empty = store.put(b"").unwrap();
    assert_eq!(store.read(&empty).unwrap(), b"");
    let mut expected = vec![(digest.clone(), 3), (empty, 0)];
    expected.sort();
    assert_eq!(store.blobs().unwrap(), expected);
    for _ in 0..2 {
        store.delete(&digest).unwrap();
        assert_eq!(store.size(&digest).unwrap(), None);
    }
}

fn a_blob_under_way_is_not_seen(store: &dyn Store) {
    let content = vec![7; 300_000];
    let mut dropped = store.create().unwrap();
    dropped.write_all(&content).unwrap();
    drop(dropped);
    let mut writer = store.create().unwrap();
    for piece in content.chunks(1_000) {
        writer.write_all(piece).unwrap();
    }
    assert_eq!(store.blobs().unwrap(), []);
    let (digest, size) = writer.commit(None).unwrap();
    assert_eq!((&digest, size), (&Digest::of(&content), 300_000));
    assert_eq!(store.blobs().unwrap(), [(digest.clone(), size)]);
    // A reader keeps what it has opened.
    let mut range = Vec::new();
    let part = store.open_range(&digest, 1, 2).unwrap();
    part.take(9).read_to_end(&mut range).unwrap();
    let whole = store.read(&digest).unwrap();
    assert_eq!(range, whole[1..3]);
    let mut reader = store.open(&digest).unwrap();
    store.delete(&digest).unwrap();
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == content);
}

fn wrong_content_is_refused(store: &dyn Store) {
    let expected = Digest::of(b"foo");
    let mut writer = store.create().unwrap();
    writer.write_all(b"bar").unwrap();
    let error = writer.commit(Some(&expected)).unwrap_err();
    let StoreError::Corrupt(DigestError::Mismatch {
        expected: e,
        actual,
    }) = error
    else {
        panic!("{error}");
    };
    assert_eq!((e, actual), (expected, Digest::of(b"bar")));
    assert_eq!(store.blobs().unwrap(), []);
}

fn sha512_is_understood(store: &dyn Store) {
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(b"foo");
    let digest = hasher.finish();
    let mut writer = store.create().unwrap();
    writer.write_all(b"foo").unwrap();
    assert_eq!(writer.commit(Some(&digest)).unwrap(), (digest.clone(), 3));
    assert_eq!(store.read(&digest).unwrap(), b"foo");
    assert_eq!(store.blobs().unwrap(), [(digest, 3)]);
}

fn large_documents_are_refused(store: &dyn Store) {
    let digest = store.put(&vec![b' '; (16 << 20) + 1]).unwrap();
    let error = store.read(&digest).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { digest: d } if d == digest));
}

fn tags_move(store: &dyn Store) {
    let (a, b) = (target(store, b"a"), target(store, b"b"));
    assert_eq!(store.resolve("x:1").unwrap(), None);
    store.tag("x:1", &a).unwrap();
    store.tag("x:2", &a).unwrap();
    store.tag("x:1", &b).unwrap();
    // The name stands beside the target, never inside it.
    let mut named = b.clone();
    for key in [REF_NAME, CONTAINERD_NAME] {
        named.annotations.insert(key.into(), "y".into());
    }
    named.annotations.insert("else".into(), "kept".into());
    store.tag("a:3", &named).unwrap();
    let mut kept = b.clone();
    kept.annotations.insert("else".into(), "kept".into());
    assert_eq!(store.resolve("a:3").unwrap(), Some(kept.clone()));
    let named = |name: &str, to: &Descriptor| (name.to_owned(), to.clone());
    assert_eq!(
        store.tags().unwrap(),
        [named("a:3", &kept), named("x:1", &b), named("x:2", &a)]
    );
    assert!(store.untag("x:1").unwrap());
    assert!(!store.untag("x:1").unwrap());
    assert_eq!(store.resolve("x:1").unwrap(), None);
    assert_eq!(store.resolve("x:2").unwrap(), Some(a));
}

fn tags_never_point_to_nothing(store: &dyn Store) {
    let nowhere = Descriptor::new(media::MANIFEST, Digest::of(b"nowhere"), 7);
    let error = store.tag("x:1", &nowhere).unwrap_err();
    assert!(matches!(error, StoreError::Missing { digest } if digest == nowhere.digest));
    assert_eq!(store.tags().unwrap(), []);
}

fn an_image_without_a_tag_is_kept_by_its_digest(store: &dyn Store) {
    let (a, b) = (target(store, b"a"), target(store, b"b"));
    store.tag(a.digest.as_str(), &a).unwrap();
    store.tag(b.digest.as_str(), &b).unwrap();
    assert!(store.tag(a.digest.as_str(), &b).is_err());
    assert_eq!(store.resolve(a.digest.as_str()).unwrap(), Some(a.clone()));
    // Given a tag, even one that it has, it is no longer nameless.
    store.tag("x:1", &a).unwrap();
    store.tag(a.digest.as_str(), &a).unwrap();
    store.tag("x:1", &a).unwrap();
    let names: Vec<_> = store.tags().unwrap().into_iter().map(|t| t.0).collect();
    assert_eq!(names, [b.digest.as_str(), "x:1"]);
    assert_eq!(store.tags_from("x:").unwrap(), [("x:1".to_owned(), a)]);
    assert_eq!(store.tags_from("y").unwrap(), []);
    assert!(store.untag(b.digest.as_str()).unwrap());
}

fn nobody_is_alone_while_somebody_holds(store: &dyn Store) {
    let (one, two) = (store.hold().unwrap(), store.hold().unwrap());
    drop(one);
    assert!(store.alone().unwrap().is_none());
    drop(two);
    let writer = store.create().unwrap();
    assert!(store.alone().unwrap().is_none());
    drop(writer);
    let alone = store.alone().unwrap();
    assert!(alone.is_some());
    assert!(store.alone().unwrap().is_none());
    drop(alone);
    drop(store.hold().unwrap());
}

fn threads_share_it(store: &dyn Store) {
    let common = target(store, b"common");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let common = &common;
            scope.spawn(move || {
                for round in 0..8 {
                    let _hold = store.hold().unwrap();
                    let own = target(store, format!("{thread}.{round}").as_bytes());
                    target(store, format!("everybody's {round}").as_bytes());
                    store.tag(&format!("x:{thread}.{round}"), &own).unwrap();
                    store.tag("x:latest", common).unwrap();
                }
            });
        }
    });
    assert_eq!(store.tags().unwrap().len(), 4 * 8 + 1);
    assert_eq!(store.blobs().unwrap().len(), 1 + 4 * 8 + 8);
}

/// One thing done to a store. Numbers name contents and tags; there are few of each, so that
/// they meet.
#[derive(Debug, Clone)]
enum Deed {
    Put(u8),
    Delete(u8),
    Tag(u8, u8),
    Keep(u8),
    Untag(u8),
}

/// Does the same deeds to both stores and compares what they answer and what they hold.
pub(super) fn check_twins(make: &dyn Fn() -> [Box<dyn Store>; 2]) {
    let deed = prop_oneof![
        (0..6u8).prop_map(Deed::Put),
        (0..6u8).prop_map(Deed::Delete),
        (0..4u8, 0..6u8).prop_map(|(tag, content)| Deed::Tag(tag, content)),
        (0..6u8).prop_map(Deed::Keep),
        (0..4u8).prop_map(Deed::Untag),
    ];
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    let deeds = proptest::collection::vec(deed, 1..16);
    TestRunner::new(config)
        .run(&deeds, |deeds| {
            let twins = make();
            for deed in deeds {
                let [one, other] = [0, 1].map(|i| answer(&*twins[i], &deed));
                prop_assert_eq!(one, other, "{:?}", deed);
            }
            let [one, other] = [0, 1].map(|i| (twins[i].blobs(), twins[i].tags()));
            prop_assert_eq!(one.0.unwrap(), other.0.unwrap());
            prop_assert_eq!(one.1.unwrap(), other.1.unwrap());
            Ok(())
        })
        .unwrap();
}

fn answer(store: &dyn Store, deed: &Deed) -> String {
    let content = |number: u8| vec![number; usize::from(number)];
    let descriptor = |number| {
        let bytes = content(number);
        Descriptor::new(media::MANIFEST, Digest::of(&bytes), bytes.len() as u64)
    };
    let text = |result: Result<String, StoreError>| result.unwrap_or_else(|e| e.to_string());
    let name = |tag: u8| format!("docker.io/library/x:{tag}");
    match deed {
        Deed::Put(n) => text(store.put(&content(*n)).map(|d| d.to_string())),
        Deed::Delete(n) => text(store.delete(&descriptor(*n).digest).map(|()| String::new())),
        Deed::Tag(tag, n) => text(
            store
                .tag(&name(*tag), &descriptor(*n))
                .map(|()| String::new()),
        ),
        Deed::Keep(n) => {
            let target = descriptor(*n);
            let kept = store.tag(target.digest.as_str(), &target);
            text(kept.map(|()| String::new()))
        }
        Deed::Untag(tag) => text(store.untag(&name(*tag)).map(|b| b.to_string())),
    }
}

//! The miniature and core, fed with the same: the same digests, the same chains, the same refusals.

#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

use ch02_digests::{Digest, Put, Shelf, chain_ids, digest_of, names, packed};
use coracle::digest as core;
use coracle::image;
use coracle::store::BlobStore as _;
use coracle::store::memory::MemoryStore;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_have_the_same_digest(bytes in vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(digest_of(&bytes).to_string(), core::Digest::of(&bytes).to_string());
    }

    #[test]
    fn any_pile_has_the_same_chain(layers in vec(vec(any::<u8>(), 0..20), 0..6)) {
        let ours: Vec<_> = layers.iter().map(|layer| digest_of(layer)).collect();
        let theirs: Vec<_> = layers.iter().map(|layer| core::DiffId(core::Digest::of(layer))).collect();
        let ours: Vec<_> = chain_ids(&ours).iter().map(Digest::to_string).collect();
        let theirs: Vec<_> = image::chain_ids(&theirs).iter().map(|id| id.0.to_string()).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn any_blobs_are_kept_once_and_under_the_same_names(blobs in vec(vec(any::<u8>(), 0..3), 0..30)) {
        let place = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(place.path()).unwrap();
        let store = MemoryStore::new();
        for blob in &blobs {
            let theirs = store.put(blob).unwrap();
            let (Put::New(ours) | Put::Here(ours)) = shelf.put(blob).unwrap();
            prop_assert_eq!(ours.to_string(), theirs.to_string());
            prop_assert_eq!(&shelf.get(&ours).unwrap(), blob);
        }
        let ours = shelf.list().unwrap().into_iter().map(|(name, size)| (name.to_string(), size));
        let theirs = store.blobs().unwrap().into_iter().map(|(name, size)| (name.to_string(), size));
        prop_assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<_>>());
    }
}

#[test]
fn what_is_no_digest_is_none_for_both() {
    let good = digest_of(b"").to_string();
    for text in [
        good.as_str(),
        &good[7..],
        &good[..70],
        &good.to_uppercase(),
        &good.replace('e', "E"),
        &format!("{good}0"),
        &format!(" {good}"),
        "sha256:",
        "",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
    ] {
        let theirs = text.parse::<core::Digest>().is_ok();
        assert_eq!(Digest::parse(text).is_ok(), theirs, "{text:?}");
    }
}

#[test]
fn packing_changes_the_digest_and_not_the_diff_id() {
    let archive = b"what is in the layer ".repeat(500);
    let blobs = [
        archive.clone(),
        packed(&archive, 1).unwrap(),
        packed(&archive, 9).unwrap(),
    ];
    let names = names(&blobs).unwrap();
    for name in &names {
        assert_eq!(name.diff_id, digest_of(&archive));
    }
    assert_ne!(names[0].digest, names[1].digest);
    assert_ne!(names[1].digest, names[2].digest);
}

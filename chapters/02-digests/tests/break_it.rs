//! Break it: a `get` that trusts the disk gives out what nobody put there.

#![allow(clippy::unwrap_used)]

use ch02_digests::{Put, Shelf};

#[test]
fn without_the_comparison_a_flipped_bit_is_served() {
    let place = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(place.path()).unwrap();
    let Put::New(digest) = shelf.put(b"pay 100 to ann").unwrap() else {
        panic!("the shelf was empty");
    };
    std::fs::write(shelf.path(&digest), "pay 900 to ann").unwrap();

    // `read` is `get` without the comparison.
    assert_eq!(shelf.read(&digest).unwrap(), b"pay 900 to ann");
    let error = shelf.get(&digest).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
}

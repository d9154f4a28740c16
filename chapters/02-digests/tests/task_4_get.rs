//! Task 4: `get` gives out the bytes of a name, and nothing that has another digest.
//!
//! Reread: Trust the name, not the disk

#![allow(clippy::unwrap_used)] // a test may fail

use std::fs;

use ch02_digests::{Digest, Shelf};
use lesson::{accepted, refused, same};
use tempfile::TempDir;

const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A shelf on which other bytes stand under the name of "abc".
fn shelf(bytes: &[u8]) -> (TempDir, Shelf, Digest) {
    let place = TempDir::new().unwrap();
    let shelf = Shelf::open(place.path()).unwrap();
    let name = Digest::parse(ABC).unwrap();
    fs::write(place.path().join("blobs/sha256").join(&ABC[7..]), bytes).unwrap();
    (place, shelf, name)
}

#[test]
fn what_is_whole_is_given_out() {
    let (_place, shelf, name) = shelf(b"abc");
    let bytes = accepted("getting \"abc\"", shelf.get(&name));
    same("what came", &bytes, &b"abc".to_vec());
}

#[test]
fn one_bit_is_noticed() {
    let (_place, shelf, name) = shelf(b"abb");
    refused("one bit of \"abc\" flipped", shelf.get(&name), "damaged");
}

#[test]
fn what_is_cut_off_is_noticed() {
    let (_place, shelf, name) = shelf(b"ab");
    refused("the last byte cut off", shelf.get(&name), "damaged");
    let (_place, shelf, name) = self::shelf(b"");
    refused("an empty file", shelf.get(&name), "damaged");
}

#[test]
fn what_is_not_here_is_said_so() {
    let (place, shelf, name) = shelf(b"abc");
    fs::remove_file(place.path().join("blobs/sha256").join(&ABC[7..])).unwrap();
    refused("a blob that is not here", shelf.get(&name), "not here");
}

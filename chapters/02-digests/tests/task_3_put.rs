//! Task 3: `put` keeps bytes under their name, once, and nobody ever sees half of them.
//!
//! Reread: Nothing twice

#![allow(clippy::unwrap_used)] // a test may fail

use std::fs;

use ch02_digests::{Digest, Put, Shelf};
use lesson::{accepted, same};
use tempfile::TempDir;

const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn shelf() -> (TempDir, Shelf) {
    let place = TempDir::new().unwrap();
    let shelf = Shelf::open(place.path()).unwrap();
    (place, shelf)
}

fn name() -> Digest {
    Digest::parse(ABC).unwrap()
}

#[test]
fn what_is_new_stands_under_its_name() {
    let (place, shelf) = shelf();
    let put = accepted("putting \"abc\"", shelf.put(b"abc"));
    same("what became of it", &put, &Put::New(name()));
    let path = place.path().join("blobs/sha256").join(&ABC[7..]);
    let bytes = accepted("reading blobs/sha256/ba78…", fs::read(path));
    same("what stands there", &bytes, &b"abc".to_vec());
}

#[test]
fn what_is_here_is_not_written_again() {
    let (place, shelf) = shelf();
    accepted("putting \"abc\"", shelf.put(b"abc"));
    let path = place.path().join("blobs/sha256").join(&ABC[7..]);
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let put = accepted("putting \"abc\" again", shelf.put(b"abc"));
    same("what became of it", &put, &Put::Here(name()));
    let after = fs::metadata(&path).unwrap().modified().unwrap();
    same("when the blob was written", &after, &before);
}

#[test]
fn other_bytes_stand_beside_it() {
    let (_place, shelf) = shelf();
    accepted("putting \"abc\"", shelf.put(b"abc"));
    accepted("putting \"abd\"", shelf.put(b"abd"));
    let blobs = accepted("listing", shelf.list());
    same("how many blobs there are", &blobs.len(), &2);
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let (place, shelf) = shelf();
    accepted("putting \"abc\"", shelf.put(b"abc"));
    let left = fs::read_dir(place.path().join("tmp")).unwrap().count();
    same("files in tmp/", &left, &0);
}

#[test]
fn half_a_blob_of_somebody_who_died_harms_nobody() {
    let (place, shelf) = shelf();
    fs::write(place.path().join("tmp").join(&ABC[7..]), "a").unwrap();
    let put = accepted("putting \"abc\"", shelf.put(b"abc"));
    same("what became of it", &put, &Put::New(name()));
    let bytes = accepted("reading it", shelf.read(&name()));
    same("what stands there", &bytes, &b"abc".to_vec());
}

//! Task 1: `digest_of` writes the name of bytes: `sha256:` and two digits for each byte of the sum.
//!
//! Reread: The name of bytes

use ch02_digests::digest_of;
use lesson::same;

#[track_caller]
fn check(case: &str, bytes: &[u8], expected: &str) {
    same(case, &digest_of(bytes).to_string(), &expected.to_owned());
}

#[test]
fn nothing_has_a_name_too() {
    check(
        "the digest of no bytes",
        b"",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
}

#[test]
fn three_letters() {
    check(
        "the digest of \"abc\"",
        b"abc",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
}

#[test]
fn a_small_byte_of_the_sum_keeps_its_zero() {
    // Three bytes of this sum are below 16, and their first digit is 0.
    check(
        "the digest of \"hello\\n\"",
        b"hello\n",
        "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    );
}

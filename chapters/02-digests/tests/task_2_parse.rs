//! Task 2: `Digest::parse` accepts `sha256:` and 64 digits, and says what is wrong with the rest.
//!
//! Reread: Names that strangers write

use ch02_digests::Digest;
use lesson::{accepted, refused, same};

const GOOD: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_digest_is_kept_as_it_is() {
    let digest = accepted("a whole digest", Digest::parse(GOOD));
    same("what it says", &digest.to_string(), &GOOD.to_owned());
    same("its digits", &digest.hex(), &&GOOD[7..]);
}

#[test]
fn the_kind_is_named() {
    refused("no kind", Digest::parse(&GOOD[7..]), "sha256:");
    refused(
        "another kind",
        Digest::parse(&GOOD.replace("256", "512")),
        "sha256:",
    );
    refused("no text at all", Digest::parse(""), "sha256:");
}

#[test]
fn there_are_64_digits() {
    refused("63 digits", Digest::parse(&GOOD[..70]), "64");
    refused("65 digits", Digest::parse(&format!("{GOOD}0")), "64");
    refused("no digit", Digest::parse("sha256:"), "64");
}

#[test]
fn digits_are_small_letters() {
    refused("capitals", Digest::parse(&GOOD.replace('b', "B")), "a to f");
    refused(
        "a letter too far",
        Digest::parse(&GOOD.replace('b', "g")),
        "a to f",
    );
}

#[test]
fn a_name_is_no_way_out() {
    let up = format!("sha256:../../{}", "a".repeat(58));
    refused("a path of 64 signs", Digest::parse(&up), "a to f");
}

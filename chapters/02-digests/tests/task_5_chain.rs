//! Task 5: `chain_ids` names each layer together with all that lie below it.
//!
//! Reread: Three names for one layer

#![allow(clippy::unwrap_used)] // a test may fail

use ch02_digests::{Digest, chain_ids};
use lesson::same;

/// A diff ID of one digit, 64 times.
fn diff_id(digit: &str) -> Digest {
    Digest::parse(&format!("sha256:{}", digit.repeat(64))).unwrap()
}

fn shown(pile: &[Digest]) -> Vec<String> {
    chain_ids(pile).iter().map(Digest::to_string).collect()
}

#[test]
fn no_layers_have_no_chain() {
    same("the chain IDs of nothing", &shown(&[]), &vec![]);
}

#[test]
fn the_lowest_is_its_own_diff_id() {
    let a = diff_id("a");
    same(
        "one layer",
        &shown(std::slice::from_ref(&a)),
        &vec![a.to_string()],
    );
}

#[test]
fn each_other_is_the_digest_of_two_names() {
    let pile = [diff_id("a"), diff_id("b"), diff_id("c")];
    // printf 'sha256:aaa… sha256:bbb…' | sha256sum, and so on.
    let expected = [
        pile[0].to_string(),
        "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c".to_owned(),
        "sha256:c1377126441fb2f5ec2c21ae2a60255331d639e830f0ee1b40a36e52d4c40588".to_owned(),
    ];
    same("three layers", &shown(&pile), &expected.to_vec());
}

#[test]
fn the_same_layer_elsewhere_has_another_chain() {
    let (a, b) = (diff_id("a"), diff_id("b"));
    let one = shown(&[a.clone(), b.clone()]);
    let other = shown(&[b, a]);
    same("whether a on b is b on a", &(one == other), &false);
}

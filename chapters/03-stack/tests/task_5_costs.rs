//! Task 5: `costs` says of each layer what it ships, and how much of it is still seen.
//!
//! Reread: What it costs

use ch03_stack::{Cost, Layer, Whiteout, costs};
use lesson::same;

mod views;

use views::{below, layer_of, path};

/// A layer of so many bytes.
fn shipped(shipped: u64, hides: &[Whiteout], adds: &[&str]) -> Layer {
    Layer {
        shipped,
        ..layer_of(hides, adds)
    }
}

#[track_caller]
fn check(case: &str, layers: &[Layer], expected: &[(u64, u64)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|&(shipped, seen)| Cost { shipped, seen })
        .collect();
    same(case, &costs(layers), &expected);
}

#[test]
fn no_layers_cost_nothing() {
    check("no layers", &[], &[]);
}

#[test]
fn directories_have_no_bytes_and_files_have() {
    check(
        "one layer with two directories, 5 and 20 bytes",
        &[shipped(4096, &[], &["a/", "b/", "a/x=hello", "b/y:20"])],
        &[(4096, 25)],
    );
}

#[test]
fn what_is_hidden_is_shipped_and_not_seen() {
    check(
        "20 bytes, hidden above",
        &[
            shipped(2048, &[], &["a:20", "b:3"]),
            shipped(1536, &[path("a")], &[]),
        ],
        &[(2048, 3), (1536, 0)],
    );
    check(
        "a directory of 20 bytes, made opaque above, with 1 byte of its own",
        &[
            shipped(2048, &[], &["d/", "d/a:20"]),
            shipped(2560, &[below("d")], &["d/b:1"]),
        ],
        &[(2048, 0), (2560, 1)],
    );
}

#[test]
fn what_is_replaced_counts_for_the_layer_that_replaces_it() {
    check(
        "20 bytes, replaced by 7, and a layer that changes nothing",
        &[
            shipped(2048, &[], &["a:20"]),
            shipped(1024, &[], &[]),
            shipped(2048, &[], &["a:7"]),
        ],
        &[(2048, 0), (1024, 0), (2048, 7)],
    );
}

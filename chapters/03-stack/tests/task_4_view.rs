//! Task 4: `view` lays the layers of a stack one on the other: each hides, and then adds.
//!
//! Reread: Hides, then adds

#![allow(clippy::unwrap_used)] // a test may fail

use ch03_stack::{Layer, Seen, View, layer, pack, solutions, view};
use lesson::{accepted, same_text};

mod views;

use views::{below, comes_from, layer_of, path, sees};

#[test]
fn nothing_is_seen_of_no_layers() {
    sees("no layers at all", &view(&[]), &[]);
    sees("an empty layer", &view(&[Layer::default()]), &[]);
}

#[test]
fn a_layer_hides_what_the_lower_layers_have() {
    let low = layer_of(&[], &["d/", "d/a=1", "d/b=1"]);
    let middle = layer_of(&[], &["c=2"]);
    let high = layer_of(&[path("d/a")], &[]);
    sees(
        "d/a hidden two layers above",
        &view(&[low, middle, high]),
        &["c=2", "d/", "d/b=1"],
    );
}

#[test]
fn a_layer_does_not_hide_what_it_adds() {
    let low = || layer_of(&[], &["d/", "d/a=1", "d/b=1"]);
    sees(
        "d/a hidden and added in one layer",
        &view(&[low(), layer_of(&[path("d/a")], &["d/a=2"])]),
        &["d/", "d/a=2", "d/b=1"],
    );
    sees(
        "d made opaque in the layer that adds d/c",
        &view(&[low(), layer_of(&[below("d")], &["d/c=2"])]),
        &["d/", "d/c=2"],
    );
}

#[test]
fn a_layer_does_not_hide_what_higher_layers_add() {
    let low = layer_of(&[], &["a=1"]);
    let middle = layer_of(&[path("a")], &[]);
    let high = layer_of(&[], &["a=3"]);
    sees(
        "a hidden, and added again above",
        &view(&[low, middle, high]),
        &["a=3"],
    );
}

#[test]
fn each_path_comes_from_the_highest_layer_that_added_it() {
    let low = layer_of(&[], &["a=0", "d/", "d/b=0"]);
    let middle = layer_of(&[], &["a=1", "d/c=1"]);
    let high = layer_of(&[path("d/b")], &["d/e=2"]);
    comes_from(
        "three layers",
        &view(&[low, middle, high]),
        &[(1, "a"), (0, "d"), (1, "d/c"), (2, "d/e")],
    );
}

#[test]
fn the_order_of_the_entries_does_not_matter() {
    let words = ["d/.wh..wh..opq", "d/new=2", ".wh.a", "a=2"];
    for turn in 0..words.len() {
        let mut turned = words;
        turned.rotate_left(turn);
        let entries = turned.map(|word| ch03_stack::entry(word).unwrap());
        let high = accepted("reading the layer", layer(&pack(&entries).unwrap()));
        let low = layer_of(&[], &["a=1", "d/", "d/old=1"]);
        let case = format!("a layer with the entries {}", turned.join("  "));
        let seen: View = view(&[low, high]);
        sees(&case, &seen, &["a=2", "d/", "d/new=2"]);
        let from = seen.get("a").map(|Seen { layer, .. }| *layer);
        lesson::same("which layer a comes from", &from, &Some(1));
    }
}

#[test]
fn the_six_scenes() {
    let expected = "\
scene 1:  app/  app/b=1
scene 2:  d/  d/a=1  d/b=2
scene 3:  d/  d/b=2
scene 4:  etc/  etc/b=2  etcetera=1
scene 5:  d/
scene 6:  a=2
";
    let seen = accepted("the six scenes", solutions());
    same_text("what is seen of the six scenes", &seen, expected);
}

//! Break it: without "hides, then adds" a file vanishes; without opaque, old files shine through.

#![allow(clippy::unwrap_used)]

use ch03_stack::{Entry, Layer, View, Whiteout, entry, in_archive_order, layer, pack, view, words};

fn archive(words: &[&str]) -> Vec<u8> {
    let entries: Vec<Entry> = words.iter().map(|word| entry(word).unwrap()).collect();
    pack(&entries).unwrap()
}

#[test]
fn in_the_archive_s_order_a_layer_hides_its_own_file() {
    let archives = [archive(&["a=1"]), archive(&["a=2", ".wh.a"])];

    let mut before = View::new();
    for (number, archive) in archives.iter().enumerate() {
        in_archive_order(&mut before, archive, number).unwrap();
    }
    assert!(before.is_empty(), "the mistake is none");

    let layers: Vec<Layer> = archives.iter().map(|bytes| layer(bytes).unwrap()).collect();
    assert_eq!(words(&view(&layers)), ["a=2"]);
}

#[test]
fn without_opaque_directories_the_old_shines_through() {
    let stack = || {
        let low = layer(&archive(&["cache/", "cache/old=1"])).unwrap();
        let high = layer(&archive(&["cache/.wh..wh..opq", "cache/new=2"])).unwrap();
        [low, high]
    };

    let mut before = stack();
    before[1]
        .hides
        .retain(|whiteout| matches!(whiteout, Whiteout::Path(_)));
    assert_eq!(
        words(&view(&before)),
        ["cache/", "cache/new=2", "cache/old=1"]
    );

    assert_eq!(words(&view(&stack())), ["cache/", "cache/new=2"]);
}

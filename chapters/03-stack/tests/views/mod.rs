//! Views and layers from words, without the functions that the tasks ask for.

// Each test file uses its own part of this.
#![allow(dead_code)]
#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

use ch03_stack::{Layer, Node, Seen, View, Whiteout, entry, words};

/// What these words say, all of it from the layer `layer`.
pub(crate) fn view_of(layer: usize, words: &[&str]) -> View {
    let seen = |word: &&str| {
        let (path, node) = path_and_node(word);
        (path, Seen { node, layer })
    };
    words.iter().map(seen).collect()
}

/// A layer that hides these whiteouts and adds these words, in this order.
pub(crate) fn layer_of(hides: &[Whiteout], adds: &[&str]) -> Layer {
    Layer {
        hides: hides.to_vec(),
        adds: adds.iter().map(|word| path_and_node(word)).collect(),
        shipped: 0,
    }
}

/// Hides a path and what is below it.
pub(crate) fn path(path: &str) -> Whiteout {
    Whiteout::Path(path.to_owned())
}

/// Hides what is below a directory.
pub(crate) fn below(directory: &str) -> Whiteout {
    Whiteout::Below(directory.to_owned())
}

/// Expects to see exactly this.
#[track_caller]
pub(crate) fn sees(case: &str, view: &View, expected: &[&str]) {
    lesson::same(case, &words(view).join("  "), &expected.join("  "));
}

/// Expects each path to come from the layer that stands before it: `0 app/  1 app/a`.
#[track_caller]
pub(crate) fn comes_from(case: &str, view: &View, expected: &[(usize, &str)]) {
    let line = |(layer, path): (usize, &str)| format!("{path} from layer {layer}");
    let seen: Vec<_> = view.iter().map(|(path, s)| line((s.layer, path))).collect();
    let expected: Vec<_> = expected.iter().map(|each| line(*each)).collect();
    lesson::same(case, &seen.join("  "), &expected.join("  "));
}

fn path_and_node(word: &str) -> (String, Node) {
    let entry = entry(word).unwrap();
    (entry.name.trim_end_matches('/').to_owned(), entry.node)
}

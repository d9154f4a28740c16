//! Steps and contexts in a line of text.

#![allow(dead_code)] // each test uses a part of it
#![allow(clippy::unwrap_used)] // a test may fail

use std::collections::BTreeMap;
use std::sync::Arc;

use ch08_cache::Step;
use coracle::digest::Digest;
use coracle::path::RootedPath;
use coracle::tree::{Node, Tree};

/// A step; settings and files are pairs like `USER=app`.
pub(crate) fn step(text: &str, settings: &str, files: &str) -> Step {
    let pairs = |text: &str| -> Vec<(String, String)> {
        let pair = |word: &str| {
            word.split_once('=')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
        };
        text.split_whitespace().filter_map(pair).collect()
    };
    let files = pairs(files).into_iter();
    Step {
        text: text.to_owned(),
        settings: pairs(settings).into_iter().collect(),
        files: files
            .map(|(path, content)| (path, digest(&content)))
            .collect::<BTreeMap<_, _>>(),
    }
}

pub(crate) fn digest(content: &str) -> Digest {
    Digest::of(content.as_bytes())
}

/// A context of files like `src/main.py=1`.
pub(crate) fn context(files: &[(&str, String)]) -> Tree {
    let mut tree = Tree::new();
    for (path, content) in files {
        let node = Node::file(0o644, content.as_bytes().to_vec());
        tree.insert(RootedPath::parse(path).unwrap(), Arc::new(node));
    }
    tree
}

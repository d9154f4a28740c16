//! Trees in a line of text.

#![allow(dead_code)] // each test uses a part of it
#![allow(clippy::unwrap_used)] // a test may fail

use std::sync::Arc;

use coracle::layer::Layer;
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Tree};

pub(crate) fn path(text: &str) -> RootedPath {
    RootedPath::parse(text).unwrap()
}

/// Directories end in a slash; a file's content is its own name, unless `=` gives another.
pub(crate) fn tree(entries: &str) -> Tree {
    let mut tree = Tree::new();
    for entry in entries.split_whitespace() {
        let (name, node) = if let Some(directory) = entry.strip_suffix('/') {
            (directory, Node::directory(0o755))
        } else {
            let (name, content) = entry.split_once('=').unwrap_or((entry, entry));
            (name, Node::file(0o644, content.as_bytes().to_vec()))
        };
        tree.insert(path(name), Arc::new(node));
    }
    tree
}

/// What a layer adds, in one line; a file with its content, if that is not its name.
pub(crate) fn adds(layer: &Layer) -> String {
    let shown = |(path, node): &(RootedPath, Arc<Node>)| {
        let name = path.to_text();
        let name = name.trim_start_matches('/').to_owned();
        match &node.kind {
            Kind::Directory => format!("{name}/"),
            Kind::File(content) => {
                let content = String::from_utf8(content.read().unwrap()).unwrap();
                format!("{name}={content}")
            }
            other => format!("{other:?}"),
        }
    };
    let all: Vec<String> = layer.adds.iter().map(shown).collect();
    all.join(" ")
}

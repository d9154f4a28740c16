//! Break it: who keeps the times of files builds another image from a fresh copy of them.

#![allow(clippy::unwrap_used)]

mod yard;

use std::sync::Arc;

use ch07_build::build;
use coracle::tree::{Node, Timestamp, Tree};
use yard::{path, tree};

const DOCKERFILE: &str = "FROM scratch\nCOPY a.txt /\n";

fn written_at(seconds: i64) -> Tree {
    let mut node = Node::file(0o644, b"a.txt".to_vec());
    node.meta.mtime = Timestamp { seconds, nanos: 0 };
    let mut tree = Tree::new();
    tree.insert(path("a.txt"), Arc::new(node));
    tree
}

#[test]
fn with_times_the_same_files_are_two_images() {
    let digest = |context: &Tree| build(DOCKERFILE, context).unwrap().manifest.digest();
    assert_ne!(digest(&written_at(1)), digest(&written_at(2)));
    // `read` gives every file the same time.
    assert_eq!(digest(&tree("a.txt")), digest(&written_at(0)));
}

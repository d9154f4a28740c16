//! The miniature and core, fed with the same: the same archives, the same trees, the same refusals.

#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

use std::sync::Arc;

use ch01_layers::{Entry, Kind, changes, pack, read, unpack};
use coracle::layer::{self, Bounds, Layer, tar};
use coracle::path::RootedPath;
use coracle::tree::{self, Content, Node, Tree};

mod hostile;

fn path(name: &str) -> RootedPath {
    RootedPath::parse(name).unwrap()
}

fn node(entry: &Entry) -> Node {
    let mut node = match &entry.kind {
        Kind::Directory => Node::directory(entry.mode),
        Kind::File(bytes) => Node::file(entry.mode, bytes.as_slice()),
        Kind::Symlink(target) => Node::symlink(target.as_str()),
        Kind::HardLink(target) => {
            let mut node = Node::file(entry.mode, *b"");
            node.kind = tree::Kind::HardLink(path(target));
            node
        }
    };
    node.meta.mode = entry.mode;
    node
}

fn tree_of(entries: &[Entry]) -> Tree {
    let mut tree = Tree::new();
    for entry in entries {
        tree.insert(path(&entry.name), Arc::new(node(entry)));
    }
    tree
}

fn some_states() -> [Vec<Entry>; 2] {
    let old = vec![
        Entry::directory("app"),
        Entry::file("app/a", "1"),
        Entry::file("app/b", "1"),
        Entry::file("app-notes", "before or after app/a?"),
        Entry::symlink("bin", "usr/bin"),
    ];
    let mut new = old.clone();
    new[2] = Entry::file("app/b", "22");
    new.push(Entry::directory("app/sub"));
    new.push(Entry::file("app/sub/c", vec![7; 2000]));
    [old, new]
}

#[test]
fn an_archive_has_the_very_bytes_that_core_writes() {
    for entries in some_states() {
        let adds = tree_of(&entries)
            .iter()
            .skip(1)
            .map(|(path, node)| (path.clone(), node.clone()))
            .collect();
        let mut expected = Vec::new();
        tar::write(
            &Layer {
                hides: vec![],
                adds,
            },
            &mut expected,
        )
        .unwrap();
        assert_eq!(pack(&entries).unwrap(), expected);
    }
}

#[test]
fn the_changes_are_those_that_core_finds() {
    let [old, new] = some_states();
    let layer = layer::diff(&tree_of(&old), &tree_of(&new));
    let expected: Vec<String> = layer
        .adds
        .iter()
        .map(|(path, _)| path.to_text().into_owned())
        .collect();
    let mut seen: Vec<String> = changes(&old, &new)
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    seen.sort();
    assert_eq!(seen, expected);
}

/// What core makes of an archive: the tree, or why not.
fn core(archive: &[u8]) -> Result<Tree, String> {
    let layer = layer::gather(archive, Bounds::NONE, &mut layer::keep_inline)
        .map_err(|error| error.to_string())?;
    let mut tree = Tree::new();
    layer::apply(&mut tree, &layer).map_err(|error| error.to_string())?;
    Ok(tree)
}

/// What is to come of an archive.
enum Verdict {
    /// Both make the same tree of it.
    Same,
    /// Both refuse it.
    BothRefuse,
    /// The chapter refuses; core takes the link as one inside the root, as a container would.
    ChapterRefuses,
}

#[test]
fn the_hostile_table() {
    use Verdict::{BothRefuse, ChapterRefuses, Same};
    let file = |name| Entry::file(name, "x");
    let table = [
        ("a plain file", vec![file("a")], Same),
        ("missing parents", vec![file("a/b/c")], Same),
        ("a slash in front", vec![file("/etc/passwd")], Same),
        ("dots that mean nothing", vec![file("./a/./b")], Same),
        ("up and out", vec![file("../canary")], BothRefuse),
        (
            "up behind a directory",
            vec![file("a/../../canary")],
            BothRefuse,
        ),
        (
            "an absolute link, unused",
            vec![Entry::symlink("etc", "/etc")],
            Same,
        ),
        (
            "through an absolute link",
            vec![Entry::symlink("etc", "/outside"), file("etc/new")],
            ChapterRefuses,
        ),
        (
            "through a link that goes up",
            vec![Entry::symlink("up", "../outside"), file("up/new")],
            ChapterRefuses,
        ),
        (
            "through a link inside",
            vec![
                file("usr/bin/sh"),
                Entry::symlink("bin", "usr/bin"),
                file("bin/ls"),
            ],
            Same,
        ),
        (
            "a link, then a file in its place",
            vec![Entry::symlink("x", "/outside/secret"), file("x")],
            Same,
        ),
        (
            "a file, then a directory in its place",
            vec![file("x"), Entry::directory("x")],
            Same,
        ),
        (
            "a hard link to the outside",
            vec![Entry::hard_link("x", "../outside/secret")],
            BothRefuse,
        ),
        (
            "a hard link to nothing",
            vec![Entry::hard_link("x", "nothing")],
            BothRefuse,
        ),
        (
            "a hard link inside",
            vec![file("a"), Entry::hard_link("b", "a")],
            Same,
        ),
        (
            "a ring of links",
            vec![
                Entry::symlink("a", "b"),
                Entry::symlink("b", "a"),
                file("a/x"),
            ],
            BothRefuse,
        ),
        ("the root as a file", vec![file(".")], BothRefuse),
        (
            "the root as a link",
            vec![Entry::symlink("/", "/outside")],
            BothRefuse,
        ),
    ];
    for (case, entries, verdict) in table {
        let archive = hostile::archive(&entries);
        let arena = hostile::Arena::new();
        let here = unpack(&archive, &arena.root()).map_err(|error| error.to_string());
        let there = core(&archive);
        arena.assert_untouched();
        match verdict {
            BothRefuse => assert!(
                here.is_err() && there.is_err(),
                "{case}: {here:?}, core {there:?}"
            ),
            ChapterRefuses => {
                assert!(here.is_err(), "{case}: the chapter did not refuse");
                there.unwrap_or_else(|error| panic!("{case}: core refused, too: {error}"));
            }
            Same => {
                here.unwrap_or_else(|error| panic!("{case}: {error}"));
                let there = there.unwrap_or_else(|error| panic!("{case}: core: {error}"));
                let seen = described(&read(&arena.root()).unwrap());
                assert_eq!(seen, described(&entries_of(&there)), "{case}");
            }
        }
    }
}

fn entries_of(tree: &Tree) -> Vec<Entry> {
    let entry = |(path, node): (&RootedPath, &Arc<Node>)| {
        let kind = match &node.kind {
            tree::Kind::Directory => Kind::Directory,
            tree::Kind::File(Content::Inline(bytes)) => Kind::File(bytes.to_vec()),
            tree::Kind::Symlink(target) => {
                Kind::Symlink(String::from_utf8_lossy(target).into_owned())
            }
            other => panic!("{path}: {other:?}"),
        };
        Entry {
            name: path.to_text().into_owned(),
            mode: node.meta.mode,
            kind,
        }
    };
    tree.iter().skip(1).map(entry).collect()
}

/// Names and kinds; permissions are not kept by every system.
fn described(entries: &[Entry]) -> Vec<(String, Kind)> {
    entries
        .iter()
        .map(|entry| (entry.name.clone(), entry.kind.clone()))
        .collect()
}

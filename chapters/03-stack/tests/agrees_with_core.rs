//! The miniature and core, fed with the same archives: the same meanings, the same trees.

#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

use std::collections::BTreeMap;

use ch03_stack::{Entry, Layer, Meaning, Node, Whiteout, classify, layer, pack, view};
use coracle::layer::{self as core, Bounds, tar};
use coracle::tree::{Content, Kind, Tree};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What core takes an archive's only entry for, in the chapter's words.
fn core_meaning(name: &str) -> Result<Meaning, String> {
    let entry = Entry {
        name: name.to_owned(),
        node: Node::Directory,
    };
    let mut found = Meaning::Nothing;
    tar::read(pack(&[entry]).unwrap().as_slice(), &mut |entry, _| {
        found = match entry {
            tar::Entry::Add { path, .. } => Meaning::Add(path.to_text().into_owned()),
            tar::Entry::Hide(core::Whiteout::Path(path)) => {
                Meaning::Hide(Whiteout::Path(path.to_text().into_owned()))
            }
            tar::Entry::Hide(core::Whiteout::Below(path)) => {
                Meaning::Hide(Whiteout::Below(path.to_text().into_owned()))
            }
        };
        Ok(())
    })
    .map_err(|error| error.to_string())?;
    Ok(found)
}

/// The paths of a tree, and what stands there.
fn core_nodes(tree: &Tree) -> BTreeMap<String, Node> {
    let node = |kind: &Kind| match kind {
        Kind::Directory => Node::Directory,
        Kind::File(Content::Inline(bytes)) => Node::File(bytes.to_vec()),
        Kind::Symlink(target) => Node::Link(String::from_utf8(target.clone()).unwrap()),
        other => panic!("{other:?} was not in the archives"),
    };
    let entries = tree.iter().skip(1);
    entries
        .map(|(path, found)| (path.to_text().into_owned(), node(&found.kind)))
        .collect()
}

/// Names of pieces that matter.
fn any_name() -> impl Strategy<Value = String> {
    const PIECES: [&str; 8] = [".wh.", ".wh..wh.", ".wh..wh..opq", ".", "..", "a", "b", "/"];
    vec(select(&PIECES), 1..6).prop_map(|pieces| pieces.concat())
}

/// The entries of a layer in any order. Few names, so that layers meet; nothing stands below a
/// file of the same layer, as no archive of a directory has it; nothing stands below a link, as
/// core follows it and the chapter does not.
fn any_layer() -> impl Strategy<Value = Vec<Entry>> {
    let path = || vec(select(&["a", "ab", "b", "a.b"]), 1..4).prop_map(|steps| steps.join("/"));
    let leaf = prop_oneof![
        select(&["", "1", "2"]).prop_map(|text| (None, Node::File(text.into()))),
        Just((None, Node::Directory)),
        Just((Some("link"), Node::Link("a".to_owned()))),
        Just((Some(".wh.a"), Node::File(Vec::new()))),
        Just((Some(".wh.ab"), Node::File(Vec::new()))),
        Just((Some(".wh.link"), Node::File(Vec::new()))),
        Just((Some(".wh..wh..opq"), Node::File(Vec::new()))),
    ];
    let entry = (path(), leaf).prop_map(|(path, (last, node))| {
        let name = match last {
            Some(last) => match path.rsplit_once('/') {
                Some((directory, _)) => format!("{directory}/{last}"),
                None => last.to_owned(),
            },
            None => path,
        };
        Entry { name, node }
    });
    vec(entry, 0..10).prop_map(consistent)
}

/// Without the entries that contradict an earlier one.
fn consistent(entries: Vec<Entry>) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::new();
    for entry in entries {
        let below = |one: &Entry, other: &Entry| one.name.starts_with(&format!("{}/", other.name));
        let contradicts = |other: &Entry| {
            let same = other.name == entry.name;
            let covers = other.node != Node::Directory && below(&entry, other);
            let is_covered = entry.node != Node::Directory && below(other, &entry);
            same || covers || is_covered
        };
        if !kept.iter().any(contradicts) {
            kept.push(entry);
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_name_means_the_same(name in any_name()) {
        let ours = classify(&name).map_err(|error| error.to_string());
        let theirs = core_meaning(&name);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}: {:?}, core {:?}", name, ours, theirs);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours, theirs, "{:?}", name);
        }
    }

    #[test]
    fn any_stack_shows_the_same_tree(stack in vec(any_layer(), 1..6)) {
        let mut layers: Vec<Layer> = Vec::new();
        let mut tree = Tree::new();
        for entries in &stack {
            let archive = pack(entries).unwrap();
            layers.push(layer(&archive).unwrap());
            let theirs =
                core::gather(archive.as_slice(), Bounds::NONE, &mut core::keep_inline).unwrap();
            core::apply(&mut tree, &theirs).unwrap();
        }
        let ours: BTreeMap<String, Node> = view(&layers)
            .into_iter()
            .map(|(path, seen)| (path, seen.node))
            .collect();
        prop_assert_eq!(ours, core_nodes(&tree));
    }
}

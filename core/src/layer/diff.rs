//! What changed between two trees: a merge of two sorted maps.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Layer, Whiteout};
use crate::path::RootedPath;
use crate::tree::{Kind, Node, Tree};

/// The layer that makes `new` out of `old`: `apply(diff(old, new), old) == new`.
///
/// Nothing that stayed the same is in it, with one exception: when one of several hard links is
/// new or changed, all of them are, so that they are links of each other again on the other side.
pub fn diff(old: &Tree, new: &Tree) -> Layer {
    let mut layer = Layer::default();
    let mut hidden: Option<&RootedPath> = None;
    let (gone, mut changed) = compare(old, new);
    for path in gone {
        if hidden.is_some_and(|hidden| path.is_within(hidden)) {
            continue;
        }
        // What a file that took the place of a directory covers needs no whiteout.
        let covered = path
            .ancestors()
            .any(|parent| new.get(&parent).is_some_and(|n| n.kind != Kind::Directory));
        if !covered && node_exists(new, path.parent()) {
            layer.hides.push(Whiteout::Path(path.clone()));
        }
        hidden = Some(path);
    }
    if !changed.is_empty() {
        add_families(new, &mut changed);
    }
    for path in changed {
        if let Some(node) = new.get(path) {
            layer.adds.push((path.clone(), Arc::clone(node)));
        }
    }
    layer
}

/// The paths that are gone, in order, and those that are new or changed. Both trees are gone
/// through once, side by side; most paths of both are the same, which is soon seen.
fn compare<'t>(old: &'t Tree, new: &'t Tree) -> (Vec<&'t RootedPath>, BTreeSet<&'t RootedPath>) {
    let (mut gone, mut changed) = (Vec::new(), BTreeSet::new());
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return (gone, changed),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((was, _)), Some((is, _))) if was == is => Ordering::Equal,
            (Some((was, _)), Some((is, _))) => was.cmp(is),
        };
        let was = olds.next_if(|_| order != Ordering::Greater);
        let is = news.next_if(|_| order != Ordering::Less);
        match (was, is) {
            (Some((path, _)), None) => gone.push(path),
            (Some((_, was)), Some((_, is))) if same(was, is) => {}
            (_, Some((path, _))) => {
                changed.insert(path);
            }
            (None, None) => {}
        }
    }
}

fn same(a: &Arc<Node>, b: &Arc<Node>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn node_exists(tree: &Tree, path: Option<RootedPath>) -> bool {
    path.is_none_or(|path| tree.get(&path).is_some())
}

/// Adds every path of the files that are among the changed ones.
fn add_families<'t>(new: &'t Tree, changed: &mut BTreeSet<&'t RootedPath>) {
    let nodes = changed.iter().filter_map(|path| new.get(path));
    let files = nodes.filter(|node| node.kind != Kind::Directory);
    let files: BTreeSet<*const Node> = files.map(Arc::as_ptr).collect();
    let all = new.iter();
    changed.extend(
        all.filter(|(_, node)| files.contains(&Arc::as_ptr(node)))
            .map(|(path, _)| path),
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layer::{Bounds, apply, gather, keep_inline, tar};
    use crate::tree::{Content, Meta, Timestamp};

    /// Small trees over few names, so that paths collide and kinds change.
    fn any_tree() -> impl Strategy<Value = Tree> {
        let long: &[u8] = &[b'l'; 180];
        let names: Vec<&[u8]> = vec![b"a", b"b", b"c.d", b"\xff\n", long];
        let path = prop::collection::vec(prop::sample::select(names), 1..4);
        let path = path.prop_map(|names| RootedPath::parse(names.join(&b'/')).unwrap());
        let entry = (path, any_node().prop_map(Arc::new), any::<bool>());
        prop::collection::vec(entry, 0..12).prop_map(|entries| {
            let mut tree = Tree::new();
            let mut files = entries.iter().map(|(_, node, _)| node);
            let file = files.find(|node| node.kind != Kind::Directory).cloned();
            for (path, node, linked) in &entries {
                // Another file, or another name of one of them.
                let file = file.as_ref().filter(|_| *linked);
                tree.insert(path.clone(), Arc::clone(file.unwrap_or(node)));
            }
            tree
        })
    }

    /// All that an archive can say about one entry, small numbers as often as large ones.
    fn any_node() -> impl Strategy<Value = Node> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..3);
        let kind = prop_oneof![
            3 => Just(Kind::Directory),
            3 => bytes().prop_map(|bytes| Kind::File(Content::Inline(bytes.into()))),
            1 => prop::sample::select(vec![3, 300]).prop_map(|n| Kind::Symlink(vec![b's'; n])),
            1 => (0_u32..4096, 0_u32..1_048_576).prop_map(|(a, b)| Kind::CharDevice(a, b)),
            1 => (0_u32..4096, 0_u32..1_048_576).prop_map(|(a, b)| Kind::BlockDevice(a, b)),
            1 => Just(Kind::Fifo),
        ];
        let id = || prop_oneof![Just(0), 0_u32..70_000, any::<u32>()];
        let seconds = prop_oneof![Just(0), -9_i64..9, -1_i64 << 40..1 << 40];
        let nanos = prop_oneof![Just(0), 0_u32..1_000_000_000];
        let xattr =
            prop::sample::select(vec![&b"user.a"[..], b"security.capability", b"user.\xe4"]);
        let xattrs = prop::collection::btree_map(xattr.prop_map(<[u8]>::to_vec), bytes(), 0..2);
        let meta = (0_u32..0o10000, id(), id(), (seconds, nanos), xattrs);
        (kind, meta).prop_map(|(kind, (mode, uid, gid, (seconds, nanos), xattrs))| Node {
            meta: Meta {
                mode,
                uid,
                gid,
                mtime: Timestamp { seconds, nanos },
                xattrs,
            },
            kind,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn applying_a_difference_gives_the_new_tree(old in any_tree(), new in any_tree()) {
            let layer = diff(&old, &new);
            let mut tree = old.clone();
            apply(&mut tree, &layer).unwrap();
            prop_assert_eq!(&tree, &new);
            prop_assert!(diff(&new, &new).is_empty());
        }

        #[test]
        fn a_layer_survives_its_archive(old in any_tree(), new in any_tree()) {
            let layer = diff(&old, &new);
            let mut bytes = Vec::new();
            tar::write(&layer, &mut bytes).unwrap();
            let again = gather(bytes.as_slice(), Bounds::default(), &mut keep_inline).unwrap();
            prop_assert_eq!(&again, &layer);
            let mut bytes_again = Vec::new();
            tar::write(&again, &mut bytes_again).unwrap();
            prop_assert_eq!(bytes, bytes_again);
        }
    }

    #[test]
    fn a_new_hard_link_brings_its_family() {
        let path = |text: &str| RootedPath::parse(text).unwrap();
        let mut old = Tree::new();
        old.insert(path("a"), Arc::new(Node::file(0o644, *b"x")));
        let mut new = old.clone();
        let node = Arc::clone(old.get(&path("a")).unwrap());
        new.insert(path("b"), node);
        let layer = diff(&old, &new);
        assert_eq!(layer.adds.len(), 2);
        assert!(Arc::ptr_eq(&layer.adds[0].1, &layer.adds[1].1));
    }
}

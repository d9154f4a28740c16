//! Laying a layer on a tree: first hide, then add.

use std::sync::Arc;

use super::{Layer, Whiteout};
use crate::path::RootedPath;
use crate::tree::{Kind, ResolveError, Tree, resolve};

/// Why a layer does not fit on a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// A hard link to something that neither the layer nor the tree has.
    #[error("{path} is a hard link to {target}, which is in no layer below")]
    MissingLink {
        /// The link.
        path: RootedPath,
        /// Where it should lead.
        target: RootedPath,
    },
    /// A parent's symbolic links go round in a ring.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

/// Lays `layer` on `tree`.
///
/// A parent directory that the tree below made a symbolic link is followed, inside the root, as
/// programs that extract layer upon layer into one directory do.
pub fn apply(tree: &mut Tree, layer: &Layer) -> Result<(), ApplyError> {
    for hide in &layer.hides {
        match hide {
            Whiteout::Path(path) => {
                let place = place(tree, path)?;
                tree.remove(&place);
            }
            Whiteout::Below(path) => {
                let place = resolve(tree, path)?;
                tree.remove_below(&place);
            }
        }
    }
    // Links that are left in a layer lead to what the layers below have, so they are looked up
    // before anything of this layer takes a place.
    let mut adds = Vec::with_capacity(layer.adds.len());
    for (path, node) in &layer.adds {
        let node = match &node.kind {
            Kind::HardLink(target) => {
                let missing = || ApplyError::MissingLink {
                    path: path.clone(),
                    target: target.clone(),
                };
                let target = place(tree, target)?;
                let target = tree.get(&target).filter(|n| n.kind != Kind::Directory);
                Arc::clone(target.ok_or_else(missing)?)
            }
            _ => Arc::clone(node),
        };
        adds.push((path, node));
    }
    for (path, node) in adds {
        let place = place(tree, path)?;
        tree.insert(place, node);
    }
    Ok(())
}

/// Where `path` is once the links on the way to it, but not the last component, are followed.
fn place(tree: &Tree, path: &RootedPath) -> Result<RootedPath, ResolveError> {
    match path.parent() {
        Some(parent) => Ok(resolve(tree, &parent)?.child(path.name())),
        None => Ok(RootedPath::root()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Node, listing};

    fn path(text: &str) -> RootedPath {
        RootedPath::parse(text).unwrap()
    }

    fn base() -> Tree {
        let mut tree = Tree::new();
        tree.insert(path("bin"), Arc::new(Node::symlink("usr/bin")));
        tree.insert(path("usr/bin/sh"), Arc::new(Node::file(0o755, *b"sh")));
        tree.insert(path("etc/passwd"), Arc::new(Node::file(0o644, *b"root")));
        tree.insert(path("etc/group"), Arc::new(Node::file(0o644, *b"root")));
        tree
    }

    fn paths(tree: &Tree) -> String {
        let names = tree.iter().map(|(p, _)| p.to_text().into_owned());
        names
            .filter(|n| !n.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn hides_come_first_and_adds_stay() {
        let check = |hides: &[Whiteout], adds: &[(&str, Node)], expected: &str| {
            let mut tree = base();
            let layer = Layer {
                hides: hides.to_vec(),
                adds: adds
                    .iter()
                    .map(|(p, n)| (path(p), Arc::new(n.clone())))
                    .collect(),
            };
            apply(&mut tree, &layer).unwrap();
            assert_eq!(paths(&tree), expected, "{}", listing(&tree));
        };
        let file = || Node::file(0o644, *b"new");
        check(
            &[],
            &[],
            "bin etc etc/group etc/passwd usr usr/bin usr/bin/sh",
        );
        check(
            &[Whiteout::Path(path("etc"))],
            &[("etc/hosts", file())],
            "bin etc etc/hosts usr usr/bin usr/bin/sh",
        );
        check(
            &[Whiteout::Below(path("etc"))],
            &[],
            "bin etc usr usr/bin usr/bin/sh",
        );
        check(
            &[Whiteout::Path(path("bin/sh"))],
            &[("bin/ls", file())],
            "bin etc etc/group etc/passwd usr usr/bin usr/bin/ls",
        );
        check(
            &[Whiteout::Path(path("nothing/here"))],
            &[("etc", file())],
            "bin etc usr usr/bin usr/bin/sh",
        );
    }

    #[test]
    fn hard_links_into_lower_layers_share_the_node() {
        let mut tree = base();
        let link = |target: &str| Node {
            meta: crate::tree::Meta::new(0o644),
            kind: Kind::HardLink(path(target)),
        };
        let layer = |target: &str| Layer {
            hides: vec![],
            adds: vec![(path("copy"), Arc::new(link(target)))],
        };
        apply(&mut tree, &layer("etc/passwd")).unwrap();
        let (copy, original) = (tree.get(&path("copy")), tree.get(&path("etc/passwd")));
        assert!(Arc::ptr_eq(copy.unwrap(), original.unwrap()));
        let error = apply(&mut tree, &layer("nowhere")).unwrap_err().to_string();
        assert!(
            error.contains("/copy is a hard link to /nowhere"),
            "{error}"
        );
    }
}

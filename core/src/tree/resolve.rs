//! Following symbolic links inside a tree, and never out of it.

use std::collections::VecDeque;

use super::{Kind, Tree};
use crate::path::RootedPath;

/// The most links that one path may go through, as in the kernel (`ELOOP` after 40).
const MOST_LINKS: usize = 40;

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The links go round in a ring, or there are more than 40.
    #[error("{path}: too many levels of symbolic links")]
    Loop {
        /// The path that was asked for.
        path: RootedPath,
    },
}

/// The place that `path` means once every symbolic link on the way is followed, the last one too.
///
/// The result need not exist: a component that is missing, and what comes after it, is taken as
/// it is written. Absolute links start at the tree's root, and `..` stops there, as in a
/// process that has the tree as its root directory.
pub fn resolve(tree: &Tree, path: &RootedPath) -> Result<RootedPath, ResolveError> {
    let mut todo: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    let mut at = RootedPath::root();
    let mut links = 0;
    while let Some(name) = todo.pop_front() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                at = at.parent().unwrap_or_default();
                continue;
            }
            _ => {}
        }
        let here = at.child(&name);
        let Some(Kind::Symlink(target)) = tree.get(&here).map(|n| &n.kind) else {
            at = here;
            continue;
        };
        links += 1;
        if links > MOST_LINKS {
            return Err(ResolveError::Loop { path: path.clone() });
        }
        if target.first() == Some(&b'/') {
            at = RootedPath::root();
        }
        for component in target.split(|b| *b == b'/').rev() {
            todo.push_front(component.to_vec());
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tree::Node;

    #[test]
    fn links_are_followed_and_stay_inside() {
        let mut tree = Tree::new();
        let mut link = |from: &str, to: &str| {
            tree.insert(
                RootedPath::parse(from).unwrap(),
                Arc::new(Node::symlink(to)),
            );
        };
        link("bin", "usr/bin");
        link("usr/bin/sh", "../../../../../bin/dash");
        link("abs", "/etc");
        link("ring", "ring");
        let check = |from: &str, to: Option<&str>| {
            let found = resolve(&tree, &RootedPath::parse(from).unwrap());
            assert_eq!(found.ok(), to.map(|t| RootedPath::parse(t).unwrap()));
        };
        check("bin/ls", Some("usr/bin/ls"));
        check("bin/sh", Some("usr/bin/dash"));
        check("abs/passwd", Some("etc/passwd"));
        check("nowhere/x", Some("nowhere/x"));
        check("ring/x", None);
    }
}

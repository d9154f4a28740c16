//! COPY and WORKDIR: the steps that change files.

use std::collections::BTreeMap;
use std::sync::Arc;

use coracle::layer::{Layer, diff};
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Tree};

use crate::Result;

// ANCHOR: landing
/// Where a file called `name` lands that is copied to `destination`, as it is written, which leads
/// to `place`.
pub fn landing(name: &[u8], destination: &str, place: &RootedPath, onto: &Tree) -> RootedPath {
    // TASK 1: In a directory it keeps its name; otherwise it gets the destination's.
    let means_directory = destination.ends_with('/') || matches!(destination, "." | "..");
    if means_directory || onto.is_directory(place) {
        place.child(name)
    } else {
        place.clone()
    }
    // TASK_END
}
// ANCHOR_END: landing

// ANCHOR: copy
/// The layer that copies `sources` of a build context to `destination`, seen from the directory
/// `from`, on the tree that is there already.
pub fn copy(
    context: &Tree,
    sources: &[String],
    destination: &str,
    from: &RootedPath,
    onto: &Tree,
) -> Result<Layer> {
    let place = from.resolve(destination);
    if sources.len() > 1 && !destination.ends_with('/') {
        return Err(
            format!("{destination}: several sources need a directory: {destination}/").into(),
        );
    }
    let mut new = onto.clone();
    let mut copied: BTreeMap<RootedPath, Arc<Node>> = BTreeMap::new();
    for source in sources {
        let path = RootedPath::root().resolve(source);
        // TASK 2: Note a file under the path where it lands, and of a directory all that it holds.
        if context.is_directory(&path) || path.is_root() {
            directory(&mut new, &place);
            for (below, node) in context.below(&path) {
                let rest = below.strip(&path).unwrap_or_default();
                copied.insert(place.join(&rest), own(node));
            }
        } else {
            let node = context.get(&path);
            let node = node.ok_or_else(|| format!("{source} is not in the build context"))?;
            copied.insert(landing(path.name(), destination, &place, onto), own(node));
        }
        // TASK_END
    }
    for (path, node) in &copied {
        new.insert(path.clone(), Arc::clone(node));
    }
    let mut layer = diff(onto, &new);
    // What is copied is in the layer, also where the same was there before.
    let adds: BTreeMap<_, _> = layer.adds.into_iter().chain(copied).collect();
    layer.adds = adds.into_iter().collect();
    Ok(layer)
}
// ANCHOR_END: copy

/// The layer that makes a directory, if it is not there.
pub fn workdir(path: &RootedPath, onto: &Tree) -> Layer {
    let mut new = onto.clone();
    directory(&mut new, path);
    diff(onto, &new)
}

// ANCHOR: directory
/// The same file once more. Two paths that share a node are two names of one file, a hard link.
fn own(node: &Node) -> Arc<Node> {
    Arc::new(node.clone())
}

/// Makes a directory, if it is not there.
fn directory(tree: &mut Tree, path: &RootedPath) {
    if !path.is_root()
        && !tree
            .get(path)
            .is_some_and(|node| node.kind == Kind::Directory)
    {
        tree.insert(path.clone(), Arc::new(Node::directory(0o755)));
    }
}
// ANCHOR_END: directory

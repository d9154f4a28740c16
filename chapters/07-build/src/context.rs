//! A directory of this machine as a tree: the build context.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use coracle::path::RootedPath;
use coracle::tree::{Node, Tree};

use crate::Result;

// ANCHOR: read
/// Everything in a directory, as root's and as old as 1970, whoever owns it and however old it is.
pub fn read(folder: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    read_below(folder, &RootedPath::root(), &mut tree)?;
    Ok(tree)
}

fn read_below(folder: &Path, above: &RootedPath, tree: &mut Tree) -> Result<()> {
    let explain = |error| format!("read the directory {}: {error}", folder.display());
    for item in fs::read_dir(folder).map_err(explain)? {
        let item = item.map_err(explain)?;
        let path = above.child(item.file_name().as_encoded_bytes());
        if item.file_type()?.is_dir() {
            tree.insert(path.clone(), Arc::new(Node::directory(0o755)));
            read_below(&item.path(), &path, tree)?;
        } else {
            let content = fs::read(item.path()).map_err(|e| format!("read {path}: {e}"))?;
            tree.insert(path, Arc::new(Node::file(0o644, content)));
        }
    }
    Ok(())
}
// ANCHOR_END: read

//! An upper directory in which overlayfs left notes instead of copies.
//!
//! With `redirect_dir`, a directory that was renamed is empty and says where the layers below have
//! its content; with `metacopy`, a file whose owner or permissions were changed holds no data.
//! Coracle asks for neither, but a kernel may have either as its default. What such a directory
//! means depends on the layers below, so it is worked out on trees, where it is a few lines.
//!
//! Source: the kernel's `Documentation/filesystems/overlayfs.rst`, "Renaming directories" and
//! "Metadata only copy up".

use std::collections::BTreeMap;
use std::sync::Arc;

use super::meta::OverlayNotes;
use super::root::RootDir;
use super::scan::{ScanError, same_but_for_time, scan};
use crate::layer::{self, Layer};
use crate::path::RootedPath;
use crate::tree::{Kind, Node, Tree};

/// Reads the upper directory of an overlay mount on `below` as a layer, whatever its notes. As
/// with [`scan_upper`](super::scan::scan_upper), the root is in it only when more than its time is
/// another.
pub(super) fn scan_redirected(upper: &Arc<RootDir>, below: &Tree) -> Result<Layer, ScanError> {
    let mut seen = Seen {
        below,
        after: below.clone(),
        origins: BTreeMap::new(),
        filled: BTreeMap::new(),
    };
    scan(upper, &mut |path, node, notes| {
        seen.add(path, &node, &notes)
    })?;
    let root = RootedPath::root();
    if let (Some(before), Some(after)) = (below.get(&root), seen.after.get(&root))
        && same_but_for_time(&before.meta, &after.meta)
    {
        let before = Arc::clone(before);
        seen.after.insert(root, before);
    }
    Ok(layer::diff(below, &seen.after))
}

/// What overlayfs shows of an upper directory, as far as it was read.
struct Seen<'a> {
    below: &'a Tree,
    after: Tree,
    /// Where the layers below have what shines through each directory of the upper one.
    origins: BTreeMap<RootedPath, Option<RootedPath>>,
    /// Files that got their data from below, by the node without: hard links stay links.
    filled: BTreeMap<*const Node, (Arc<Node>, Arc<Node>)>,
}

impl Seen<'_> {
    fn add(
        &mut self,
        path: &RootedPath,
        node: &Arc<Node>,
        notes: &OverlayNotes,
    ) -> Result<(), ScanError> {
        let foreign = || ScanError::Foreign { path: path.clone() };
        if notes.foreign {
            return Err(foreign());
        }
        let beside = match path.parent() {
            Some(parent) => self.origins.get(&parent).cloned().flatten(),
            None => None,
        };
        let here = match (&beside, path.is_root()) {
            (_, true) => Some(RootedPath::root()),
            (Some(parent), false) => Some(parent.child(path.name())),
            (None, false) => None,
        };
        let origin = match notes.redirect.as_deref() {
            None => here.clone(),
            Some(from) if from.starts_with(b"/") => RootedPath::parse(from).ok(),
            Some(name) => beside.map(|parent| parent.child(name)),
        };
        match &node.kind {
            Kind::CharDevice(0, 0) => self.after.remove(path),
            Kind::Directory => {
                let origin =
                    origin.filter(|origin| !notes.opaque && self.below.is_directory(origin));
                if origin != here {
                    self.after.remove(path);
                }
                self.after.insert(path.clone(), Arc::clone(node));
                if let Some(origin) = origin.as_ref().filter(|_| origin != here) {
                    self.copy(origin, path);
                }
                self.origins.insert(path.clone(), origin);
            }
            Kind::File(_) if notes.metacopy || self.filled.contains_key(&Arc::as_ptr(node)) => {
                let file = self.fill(node, origin.as_ref()).ok_or_else(foreign)?;
                self.after.insert(path.clone(), file);
            }
            _ => self.after.insert(path.clone(), Arc::clone(node)),
        }
        Ok(())
    }

    /// Puts everything that the layers below have in the directory `from` into the directory `to`.
    fn copy(&mut self, from: &RootedPath, to: &RootedPath) {
        for (path, node) in self.below.below(from) {
            let names = path.components().skip(from.components().count());
            let place = names.fold(to.clone(), |place, name| place.child(name));
            self.after.insert(place, Arc::clone(node));
        }
    }

    /// The file `node` with the data that the layers below have at `origin`.
    fn fill(&mut self, node: &Arc<Node>, origin: Option<&RootedPath>) -> Option<Arc<Node>> {
        if let Some((_, file)) = self.filled.get(&Arc::as_ptr(node)) {
            return Some(Arc::clone(file));
        }
        let kind = &self.below.get(origin?)?.kind;
        let Kind::File(_) = kind else {
            return None;
        };
        let file = Arc::new(Node {
            meta: node.meta.clone(),
            kind: kind.clone(),
        });
        // The empty node is kept, so that no other one gets its address.
        let both = (Arc::clone(node), Arc::clone(&file));
        self.filled.insert(Arc::as_ptr(node), both);
        Some(file)
    }
}

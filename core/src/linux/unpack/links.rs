//! Layers that go through symbolic links of the layers below.
//!
//! A layer may hold `bin/tool` where a lower layer made `bin` a link to `usr/bin`, without holding
//! `bin` itself. What that means can be worked out on trees, where it is a few lines; so it is
//! worked out there, and the layer is written again without the detour. This is rare: a layer
//! that was made from a running container names only real directories.

use std::sync::Arc;

use super::stream::{Streamed, write_layer};
use super::{SCRATCH, UnpackError};
use crate::layer::{self, Layer};
use crate::linux::root::RootDir;
use crate::linux::scan::scan_tree;
use crate::linux::sys::SysError;
use crate::path::RootedPath;
use crate::tree::{Kind, Meta, Node, Tree};

impl Streamed {
    /// Writes the layer in `dir` again, with the same meaning on `below`, but so that each entry
    /// stands where it belongs.
    pub(super) fn rewrite(&mut self, dir: &RootDir, below: &Tree) -> Result<(), UnpackError> {
        let layer = self.as_layer(dir)?;
        let mut after = below.clone();
        layer::apply(&mut after, &layer)?;
        let straight = layer::diff(below, &after);
        let root = RootedPath::root();
        let open = || {
            dir.dir(&root)?.make_dir(SCRATCH.as_bytes())?;
            dir.below(&root.child(SCRATCH.as_bytes()))
        };
        let scratch = open().map_err(UnpackError::system(&root))?;
        let report = std::mem::take(&mut self.report);
        *self = write_layer(&straight, &scratch)?;
        self.report = report;
        replace_by_scratch(dir, &scratch).map_err(UnpackError::system(&root))
    }

    /// Whether a parent that the archive does not mention is a link below.
    pub(super) fn goes_through_links(
        &self,
        mut is_link: impl FnMut(&RootedPath) -> Result<bool, SysError>,
    ) -> Result<bool, UnpackError> {
        for (path, meta) in &self.directories {
            if meta.is_none() && is_link(path).map_err(UnpackError::system(path))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What was streamed into `dir`, as a value.
    fn as_layer(&self, dir: &RootDir) -> Result<Layer, UnpackError> {
        let mut layer = Layer {
            hides: self.hides.iter().cloned().collect(),
            adds: Vec::new(),
        };
        let node = |meta: &Meta, kind| {
            let meta = meta.clone();
            Arc::new(Node { meta, kind })
        };
        for (path, found) in tree(dir)?.iter() {
            if found.kind != Kind::Directory {
                layer.adds.push((path.clone(), Arc::clone(found)));
            } else if let Some(Some(meta)) = self.directories.get(path) {
                layer.adds.push((path.clone(), node(meta, Kind::Directory)));
            }
        }
        for (link, target) in &self.late_links {
            let kind = Kind::HardLink(target.clone());
            layer
                .adds
                .push((link.clone(), node(&Meta::new(0o644), kind)));
        }
        layer.adds.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(layer)
    }
}

/// The tree in a directory.
pub(super) fn tree(dir: &RootDir) -> Result<Tree, UnpackError> {
    let shared = dir
        .try_clone()
        .map_err(UnpackError::system(&RootedPath::root()))?;
    Ok(scan_tree(&Arc::new(shared))?)
}

/// Removes everything in `dir` but the scratch directory in it, whose content takes its place.
fn replace_by_scratch(dir: &RootDir, scratch: &RootDir) -> Result<(), SysError> {
    let root = RootedPath::root();
    let (top, new) = (dir.dir(&root)?, scratch.dir(&root)?);
    for name in top.names()? {
        if name != SCRATCH.as_bytes() {
            dir.remove(&root.child(&name))?;
        }
    }
    for name in new.names()? {
        new.rename(&name, &top, &name)?;
    }
    top.remove_dir(SCRATCH.as_bytes())
}

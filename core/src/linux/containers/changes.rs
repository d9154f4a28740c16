//! What a container changed, as a layer and as a list.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

use super::record::Container;
use crate::layer::{Layer, Whiteout};
use crate::linux::lower::{Lower, Seen};
use crate::linux::meta;
use crate::linux::root::RootDir;
use crate::linux::scan::same_but_for_time;
use crate::linux::snapshot::{self, SnapshotError};
use crate::linux::sys::SysError;
use crate::path::RootedPath;
use crate::runtime::bundle::{self, BundleError};
use crate::runtime::status::Status;
use crate::spec::runtime;
use crate::tree::Kind;

/// Something that a container changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: RootedPath,
    /// How.
    pub kind: ChangeKind,
}

/// How something was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is not in the image.
    Added,
    /// It is in the image, and is another now; of a directory, that something in it came or went.
    Changed,
    /// It is in the image, and gone.
    Deleted,
}

/// Why nobody can tell what a container changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangesError {
    /// Its files, or those of its image, cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// What is mounted in it cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl ChangeKind {
    /// Docker's letter for it: `A`, `C` or `D`.
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Changed => 'C',
            Self::Deleted => 'D',
        }
    }

    /// Docker's number for it in JSON: changed is 0, added 1, deleted 2.
    pub fn number(self) -> u8 {
        match self {
            Self::Changed => 0,
            Self::Added => 1,
            Self::Deleted => 2,
        }
    }
}

/// What the container changed, as the layer that `commit` lays on its image.
///
/// As long as it runs, empty files and directories stand where something is mounted in it and the
/// image has nothing. They go away when it ends, and are no change of its.
pub fn layer(container: &Container) -> Result<Layer, ChangesError> {
    let mut layer = snapshot::changes(&container.record.root, &container.record.lower)?;
    if matches!(container.status, Status::Running { .. }) {
        let spec = bundle::read(&container.path)?;
        let mounts = spec.mounts().iter().flatten();
        let points: Vec<_> = mounts.map(runtime::Mount::destination).collect();
        let roots = lower(container)?;
        let below = Lower::new(&roots);
        for point in points {
            let path = RootedPath::root().resolve(point.as_os_str().as_bytes());
            leave_out(&mut layer, path, &below).map_err(SnapshotError::from)?;
        }
    }
    Ok(layer)
}

/// Takes a mount point out that is there only because of the mount, and the directories above it
/// for as long as nothing else happened to them.
fn leave_out(layer: &mut Layer, point: RootedPath, below: &Lower<'_>) -> Result<(), SysError> {
    let mut path = point;
    while !path.is_root() {
        let holds_more = layer
            .adds
            .iter()
            .any(|(p, _)| p.is_within(&path) && *p != path)
            || layer.hides.iter().any(|hide| hide.path().is_within(&path));
        let Ok(index) = layer.adds.binary_search_by(|(p, _)| p.cmp(&path)) else {
            return Ok(());
        };
        let node = &layer.adds[index].1;
        let is_stub = match below.look(&path)? {
            None => match &node.kind {
                Kind::Directory => true,
                Kind::File(content) => content.size() == 0,
                _ => false,
            },
            // Something was made in it, which is no change by itself.
            Some(Seen::Directory(dir)) => {
                let (before, _) = meta::read(&dir, b"", &dir.stat_self()?)?;
                node.kind == Kind::Directory && same_but_for_time(&before, &node.meta)
            }
            Some(Seen::Other { .. }) => false,
        };
        if holds_more || !is_stub {
            return Ok(());
        }
        layer.adds.remove(index);
        path = path.parent().unwrap_or_default();
    }
    Ok(())
}

fn lower(container: &Container) -> Result<Vec<RootDir>, SnapshotError> {
    let roots = container.record.lower.iter().map(RootDir::open);
    Ok(roots.collect::<Result<_, _>>()?)
}

/// What the container changed, by path.
///
/// As in Docker, a directory counts as changed when something in it was added or deleted, and
/// not when only a file in it has other content; the root is never listed.
pub fn changes(container: &Container) -> Result<Vec<Change>, ChangesError> {
    let layer = layer(container)?;
    let roots = lower(container)?;
    Ok(list(&layer, &Lower::new(&roots)).map_err(SnapshotError::from)?)
}

fn list(layer: &Layer, below: &Lower<'_>) -> Result<Vec<Change>, SysError> {
    let mut found = BTreeMap::new();
    let adds: BTreeMap<_, _> = layer.adds.iter().map(|(path, node)| (path, node)).collect();
    for hide in &layer.hides {
        match hide {
            Whiteout::Path(path) if !adds.contains_key(path) && below.look(path)?.is_some() => {
                found.insert(path.clone(), ChangeKind::Deleted);
            }
            Whiteout::Path(_) => {}
            // Another directory took its place: what was in it is gone, unless it is there again.
            Whiteout::Below(path) => {
                for name in below.names(path)? {
                    let child = path.child(&name);
                    if !adds.contains_key(&child) {
                        found.insert(child, ChangeKind::Deleted);
                    }
                }
            }
        }
    }
    for (path, node) in &layer.adds {
        let kind = match below.look(path)? {
            None => ChangeKind::Added,
            Some(Seen::Directory(dir)) if node.kind == Kind::Directory => {
                let (before, _) = meta::read(&dir, b"", &dir.stat_self()?)?;
                if before == node.meta {
                    continue; // Only copied up, to hold something.
                }
                ChangeKind::Changed
            }
            Some(_) => ChangeKind::Changed,
        };
        found.insert(path.clone(), kind);
    }
    let came_or_went = found
        .iter()
        .filter(|(_, kind)| **kind != ChangeKind::Changed);
    let parents: Vec<_> = came_or_went.filter_map(|(path, _)| path.parent()).collect();
    for parent in parents {
        found.entry(parent).or_insert(ChangeKind::Changed);
    }
    found.remove(&RootedPath::root());
    let changes = found.into_iter();
    Ok(changes.map(|(path, kind)| Change { path, kind }).collect())
}

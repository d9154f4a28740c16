//! Directories that overlayfs copied up, and that nothing happened to.

use std::collections::BTreeSet;

use crate::layer::{Layer, Whiteout};
use crate::linux::lower::{Lower, Seen};
use crate::linux::meta;
use crate::linux::root::RootDir;
use crate::linux::sys::SysError;
use crate::path::RootedPath;
use crate::tree::Kind;

/// Takes out of `layer` the directories that are as they were in the layers `below`, topmost
/// first, and that hold no change.
///
/// Overlayfs copies a directory up as soon as something is to be made in it, also a mount point
/// that goes away again. A step that changed nothing must make the empty layer, the same every
/// time. The directories above a change stay, as in the layers of other builders.
pub(super) fn leave_out(layer: &mut Layer, below: &[RootDir]) -> Result<(), SysError> {
    let lower = Lower::new(below);
    let mut needed: BTreeSet<RootedPath> = BTreeSet::new();
    for hide in &layer.hides {
        needed.extend(hide.path().ancestors());
        if let Whiteout::Below(directory) = hide {
            needed.insert(directory.clone());
        }
    }
    let mut kept = Vec::new();
    // From the last path to the first, so that what is inside comes before what holds it.
    for (path, node) in std::mem::take(&mut layer.adds).into_iter().rev() {
        let plain = node.kind == Kind::Directory && !needed.contains(&path);
        if plain && is_as_before(&lower, &path, &node.meta)? {
            continue;
        }
        needed.extend(path.ancestors());
        kept.push((path, node));
    }
    kept.reverse();
    layer.adds = kept;
    Ok(())
}

fn is_as_before(
    lower: &Lower<'_>,
    path: &RootedPath,
    now: &crate::tree::Meta,
) -> Result<bool, SysError> {
    let Some(Seen::Directory(dir)) = lower.look(path)? else {
        return Ok(false);
    };
    let (before, _) = meta::read(&dir, b"", &dir.stat_self()?)?;
    Ok(before == *now)
}

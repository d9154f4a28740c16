//! The second pass into a directory of the layer's own, which overlayfs lays on others.

use std::collections::{BTreeMap, BTreeSet};

use nix::errno::Errno;
use rustix::fs::FileType;

use super::stream::{Streamed, make};
use super::{Report, UnpackError};
use crate::layer::{Whiteout, links};
use crate::linux::lower::{Lower, Seen};
use crate::linux::meta::{self, Refused};
use crate::linux::root::{Dir, RootDir, is_directory};
use crate::linux::scan::{kind_of, scan_stack};
use crate::linux::sys::SysError;
use crate::path::RootedPath;
use crate::tree::{Kind, Meta};

impl Streamed {
    /// Ends the unpacking of a layer that was streamed into `layer` and will lie on `lower`,
    /// topmost first.
    pub(in crate::linux) fn settle_overlay(
        mut self,
        layer: &RootDir,
        userxattr: bool,
        lower: &[RootDir],
    ) -> Result<Report, UnpackError> {
        self.link_inside(layer)?;
        let mut below = Lower::new(lower);
        resolve_hides(&self.hides, &mut below)?;
        if self.goes_through_links(|path| below.is_link(path))? {
            self.rewrite(layer, &scan_stack(lower)?)?;
            below = Lower::new(lower);
            resolve_hides(&self.hides, &mut below)?;
        }
        let (hides, lower) = (below.hidden().clone(), below);
        self.copy_links_below(layer, &lower)?;
        let mut opaque = BTreeSet::new();
        for hide in &hides {
            self.hide(layer, hide, &hides, &mut opaque)
                .map_err(UnpackError::system(hide.path()))?;
        }
        for (path, meta) in self.directories.iter().rev() {
            let report = &mut self.report;
            let mut set = || {
                let dir = layer.dir(path)?;
                let meta = match meta {
                    Some(meta) => meta.clone(),
                    None => lower.directory(path)?.unwrap_or_else(|| Meta::new(0o755)),
                };
                if opaque.contains(path) {
                    meta::set_opaque(&dir, userxattr)?;
                }
                meta::set_open(&dir, b"", &dir, &meta, &mut |r| report.refuse(r, path))
            };
            set().map_err(UnpackError::system(path))?;
        }
        Ok(self.report)
    }

    /// Makes the hard links whose targets came later in the archive.
    pub(super) fn link_inside(&mut self, layer: &RootDir) -> Result<(), UnpackError> {
        // A target may itself be such a link.
        for (link, end) in links::ends(&self.late_links)? {
            self.late_links.insert(link, end);
        }
        let (left_out, report) = (&self.left_out, &mut self.report);
        self.late_links.retain(|link, target| {
            let is_device = left_out.contains(target);
            if is_device {
                report.refuse(Refused::Device, link);
            }
            !is_device
        });
        // A target may also be one under another name, so go on as long as there is progress. What
        // is left then leads below.
        loop {
            let before = self.late_links.len();
            let mut left = BTreeMap::new();
            for (link, target) in std::mem::take(&mut self.late_links) {
                let linked = hard_link(layer, &link, &target);
                if !linked.map_err(UnpackError::system(&link))? {
                    left.insert(link, target);
                }
            }
            self.late_links = left;
            if self.late_links.is_empty() || self.late_links.len() == before {
                break;
            }
        }
        Ok(())
    }

    /// Hard links into lower layers become copies.
    fn copy_links_below(&mut self, layer: &RootDir, lower: &Lower<'_>) -> Result<(), UnpackError> {
        let mut copies: BTreeMap<RootedPath, RootedPath> = BTreeMap::new();
        for (link, target) in std::mem::take(&mut self.late_links) {
            let mut link_one = || {
                let place = lower.place(&target)?;
                if let Some(first) = copies.get(&place) {
                    return hard_link(layer, &link, first);
                }
                let Some(Seen::Other { dir, stat }) = lower.look(&place)? else {
                    return Ok(false);
                };
                copies.insert(place.clone(), link.clone());
                let Some(kind) = kind_of(&dir, place.name(), &stat)? else {
                    return Ok(false);
                };
                let (meta, _) = meta::read(&dir, place.name(), &stat)?;
                let to = layer.dir(&link.parent().unwrap_or_default())?;
                layer.remove(&link)?;
                copy_node(&dir, place.name(), &kind, &meta, &to, link.name()).map(|()| true)
            };
            if !link_one().map_err(UnpackError::system(&link))? {
                return Err(UnpackError::MissingLink { path: link, target });
            }
        }
        Ok(())
    }

    /// Writes one whiteout as overlayfs wants it, unless this layer adds the path itself.
    fn hide(
        &mut self,
        layer: &RootDir,
        hide: &Whiteout,
        hides: &BTreeSet<Whiteout>,
        opaque: &mut BTreeSet<RootedPath>,
    ) -> Result<(), SysError> {
        let path = hide.path();
        let hidden = |above: RootedPath| {
            hides.contains(&Whiteout::Path(above.clone()))
                || hides.contains(&Whiteout::Below(above))
        };
        if path.ancestors().any(hidden) {
            return Ok(()); // What is above hides this already.
        }
        let mut implied = |made: &RootedPath, _| {
            self.directories.insert(made.clone(), None);
        };
        match stands(layer, path)? {
            Stands::Directory => {
                opaque.insert(path.clone());
            }
            Stands::Other => {}
            Stands::Nothing => match hide {
                Whiteout::Path(path) => {
                    let parent = path.parent().unwrap_or_default();
                    let parent = layer.make_dir(&parent, &mut implied)?;
                    parent.make_node(FileType::CharacterDevice, 0, 0, path.name())?;
                }
                Whiteout::Below(path) => {
                    layer.make_dir(path, &mut implied)?;
                    opaque.insert(path.clone());
                }
            },
        }
        Ok(())
    }
}

/// What a layer itself has at a path.
enum Stands {
    Directory,
    /// Something else, there or on the way to it.
    Other,
    Nothing,
}

fn stands(layer: &RootDir, path: &RootedPath) -> Result<Stands, SysError> {
    match layer.dir(path) {
        Ok(_) => Ok(Stands::Directory),
        Err(e) => match e.errno {
            Errno::ENOENT => Ok(Stands::Nothing),
            Errno::ENOTDIR | Errno::ELOOP => Ok(Stands::Other),
            _ => Err(e),
        },
    }
}

/// Notes in `lower` which whiteouts hide something, at the places that they mean once links in the layers
/// below are followed.
fn resolve_hides(hides: &BTreeSet<Whiteout>, lower: &mut Lower<'_>) -> Result<(), UnpackError> {
    for hide in hides {
        let mut resolve = || {
            let (place, resolved) = match hide {
                Whiteout::Path(path) => {
                    let place = lower.place(path)?;
                    (place.clone(), Whiteout::Path(place))
                }
                Whiteout::Below(path) => {
                    let place = lower.resolve(path)?;
                    (place.clone(), Whiteout::Below(place))
                }
            };
            match (lower.look(&place)?, &resolved) {
                (None, _) | (Some(Seen::Other { .. }), Whiteout::Below(_)) => {}
                // Overlayfs merges the roots of all layers, opaque or not.
                (_, Whiteout::Below(path)) if path.is_root() => {
                    for name in lower.names(path)? {
                        lower.hide(Whiteout::Path(path.child(&name)));
                    }
                }
                _ => lower.hide(resolved),
            }
            Ok(())
        };
        resolve().map_err(UnpackError::system(hide.path()))?;
    }
    Ok(())
}

/// Makes a hard link inside one root; whether its target is there.
fn hard_link(root: &RootDir, link: &RootedPath, target: &RootedPath) -> Result<bool, SysError> {
    let Some(from) = root.find_parent(target)? else {
        return Ok(false);
    };
    if from.stat(target.name())?.is_none_or(|s| is_directory(&s)) {
        return Ok(false); // Directories have no hard links.
    }
    let to = root.dir(&link.parent().unwrap_or_default())?;
    root.remove(link)?;
    to.hard_link(&from, target.name(), link.name())?;
    Ok(true)
}

/// Copies anything but a directory.
fn copy_node(
    from: &Dir,
    name: &[u8],
    kind: &Kind,
    meta: &Meta,
    to: &Dir,
    new_name: &[u8],
) -> Result<(), SysError> {
    let mut refused = |_| {};
    match make(to, new_name, kind)? {
        None => meta::set(to, new_name, kind, meta, &mut refused),
        Some(mut file) => {
            let mut source = from.open_file(name)?;
            std::io::copy(&mut source, &mut file)
                .map_err(|e| SysError::from_io("copy_file_range", &e))?;
            meta::set_open(to, new_name, &file, meta, &mut refused)
        }
    }
}

//! The second pass into a directory of the layer's own, which overlayfs lays on others.

use std::collections::{BTreeMap, BTreeSet};

use nix::errno::Errno;
use rustix::fs::FileType;

use super::stream::{Streamed, below, make};
use super::{Report, UnpackError};
use crate::layer::Whiteout;
use crate::linux::lower::{Lower, Seen};
use crate::linux::meta;
use crate::linux::root::{Dir, RootDir, is_directory};
use crate::linux::scan::kind_of;
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
        let mut lower = Lower::new(lower);
        self.link_inside(layer)?;
        let hides = resolve_hides(&self.hides, &mut lower)?;
        self.follow_links_below(layer, &lower)?;
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
        // A target may itself be such a link, so go on as long as there is progress.
        loop {
            let before = self.late_links.len();
            let mut left = Vec::new();
            for (link, target) in std::mem::take(&mut self.late_links) {
                let linked = hard_link(layer, &link, &target);
                if !linked.map_err(UnpackError::system(&link))? {
                    left.push((link, target));
                }
            }
            self.late_links = left;
            if self.late_links.is_empty() || self.late_links.len() == before {
                return Ok(());
            }
        }
    }

    /// Where the archive goes through a parent that a lower layer made a symbolic link, its
    /// entries belong to where the link leads. Overlayfs would show a directory instead.
    fn follow_links_below(
        &mut self,
        layer: &RootDir,
        lower: &Lower<'_>,
    ) -> Result<(), UnpackError> {
        let implied = self.directories.iter().filter(|(_, meta)| meta.is_none());
        let mut todo: BTreeSet<_> = implied.map(|(path, _)| path.clone()).collect();
        while let Some(path) = todo.pop_first() {
            let mut follow = || {
                if self.directories.contains_key(&path)
                    && let Some(Seen::Other { stat, .. }) = lower.look(&path)?
                    && FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
                {
                    let to = lower.resolve(&path)?;
                    self.relocate(layer, &path, &to, &mut todo)?;
                }
                Ok(())
            };
            follow().map_err(UnpackError::system(&path))?;
        }
        Ok(())
    }

    /// Moves what is in the directory `from` of the layer to the directory `to`.
    fn relocate(
        &mut self,
        layer: &RootDir,
        from: &RootedPath,
        to: &RootedPath,
        todo: &mut BTreeSet<RootedPath>,
    ) -> Result<(), SysError> {
        layer.make_dir(to, &mut |made, _| {
            self.directories.insert(made.clone(), None);
            todo.insert(made.clone());
        })?;
        let mut moves = vec![(from.clone(), to.clone())];
        while let Some((from, to)) = moves.pop() {
            let (source, target) = (layer.dir(&from)?, layer.dir(&to)?);
            for name in source.names()? {
                let place = to.child(&name);
                let both_are = |a: Dir, b: Dir| -> Result<bool, SysError> {
                    let is_dir =
                        |dir: Dir| dir.stat(&name).map(|s| s.is_some_and(|s| is_directory(&s)));
                    Ok(is_dir(a)? && is_dir(b)?)
                };
                if both_are(layer.dir(&from)?, layer.dir(&to)?)? {
                    moves.push((from.child(&name), place));
                    continue;
                }
                layer.remove(&place)?;
                source.rename(&name, &target, &name)?;
            }
        }
        layer.remove(from)?;
        let moved: Vec<_> = below(&self.directories, from).cloned().collect();
        for path in moved {
            let meta = self.directories.remove(&path).flatten();
            let new = path.strip(from).map(|rest| to.join(&rest));
            if let Some(new) = new.filter(|new| new != to) {
                if meta.is_none() {
                    todo.insert(new.clone());
                }
                let there = self.directories.entry(new).or_default();
                *there = meta.or(there.take());
            }
        }
        for (link, _) in &mut self.late_links {
            if let Some(rest) = link.strip(from) {
                *link = to.join(&rest);
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

/// The whiteouts that hide something, at the places that they mean once links in the layers
/// below are followed.
fn resolve_hides(
    hides: &BTreeSet<Whiteout>,
    lower: &mut Lower<'_>,
) -> Result<BTreeSet<Whiteout>, UnpackError> {
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
                _ => lower.hide(resolved),
            }
            Ok(())
        };
        resolve().map_err(UnpackError::system(hide.path()))?;
    }
    Ok(lower.hidden().clone())
}

/// Makes a hard link inside one root; whether its target is there.
fn hard_link(root: &RootDir, link: &RootedPath, target: &RootedPath) -> Result<bool, SysError> {
    let Some(from) = root.find_dir(&target.parent().unwrap_or_default())? else {
        return Ok(false);
    };
    if target.is_root() || from.stat(target.name())?.is_none() {
        return Ok(false);
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

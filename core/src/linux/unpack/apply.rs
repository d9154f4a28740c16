//! The second pass into a directory that holds everything below, already merged.

use std::collections::BTreeMap;
use std::io::Read;

use nix::errno::Errno;
use rustix::fs::{FileType, Stat};

use super::stream::{Streamed, stream};
use super::{Report, SCRATCH, UnpackError};
use crate::layer::{Bounds, Whiteout};
use crate::linux::meta::{self, Refused};
use crate::linux::owners;
use crate::linux::root::{Dir, RootDir, is_directory};
use crate::linux::sys::SysError;
use crate::path::RootedPath;
use crate::tree::{Meta, Timestamp};

/// Layers that are laid on each other in one directory, lowest first.
///
/// The directories' own metadata is set once, at the end: an ordinary user could not write into
/// a directory that a lower layer made read-only.
#[derive(Debug)]
pub struct Stack<'a> {
    into: &'a RootDir,
    touched: Touched,
    report: Report,
}

impl<'a> Stack<'a> {
    /// A stack on what is in `into`.
    pub fn new(into: &'a RootDir) -> Self {
        Self {
            into,
            touched: Touched::new(),
            report: Report::default(),
        }
    }

    /// Unpacks `archive` and lays it on what is there. When the archive is damaged, nothing that
    /// was there has changed.
    pub fn lay(&mut self, archive: impl Read, bounds: Bounds) -> Result<(), UnpackError> {
        let (into, touched) = (self.into, &mut self.touched);
        let place = RootedPath::root().child(SCRATCH.as_bytes());
        let mut open = || {
            into.remove(&place)?; // What a run left that was killed.
            let top = into.dir(&RootedPath::root())?;
            touch(&top, touched)?;
            top.make_dir(SCRATCH.as_bytes())?;
            into.below(&place)
        };
        let scratch = open().map_err(UnpackError::system(&place))?;
        let result = stream(archive, &scratch, bounds)
            .and_then(|streamed| streamed.lay_on(&scratch, into, touched));
        let tidy = into.remove(&place).map_err(UnpackError::system(&place));
        self.report.merge(result?);
        tidy
    }

    /// Gives the directories their metadata. To be called after an error, too: then directories
    /// that were there get their times back.
    pub fn finish(mut self) -> Result<Report, UnpackError> {
        finish(self.into, &self.touched, &mut self.report)?;
        Ok(self.report)
    }
}

/// Unpacks `archive` and lays it on what is in `into`.
pub(super) fn apply(
    archive: impl Read,
    into: &RootDir,
    bounds: Bounds,
) -> Result<Report, UnpackError> {
    let mut stack = Stack::new(into);
    let laid = stack.lay(archive, bounds);
    let finished = stack.finish();
    laid.and(finished)
}

/// What a directory's metadata shall be once everything is in place.
#[derive(Debug)]
enum Fate {
    /// As before: only its time was changed, by writing into it.
    Keep(Timestamp),
    /// As the archive says.
    Set(Meta),
}

/// The directories whose metadata must be set or set back at the end.
type Touched = BTreeMap<RootedPath, Fate>;

impl Streamed {
    /// Hides what the layer hides, then moves the layer from `scratch` into place.
    fn lay_on(
        mut self,
        scratch: &RootDir,
        into: &RootDir,
        touched: &mut Touched,
    ) -> Result<Report, UnpackError> {
        self.link_inside(scratch)?;
        self.remove_hidden(into, touched)?;
        let is_link = |path: &RootedPath| Ok(into.stat(path)?.is_some_and(|s| is_link(&s)));
        if self.goes_through_links(is_link)? {
            let mut below = super::links::tree(into)?;
            below.remove(&RootedPath::root().child(SCRATCH.as_bytes()));
            self.rewrite(scratch, &below)?;
            self.remove_hidden(into, touched)?;
        }
        self.link_below(scratch, into)?;
        self.merge(scratch, into, touched)?;
        Ok(self.report)
    }

    /// Removes what the layer hides.
    fn remove_hidden(&mut self, into: &RootDir, touched: &mut Touched) -> Result<(), UnpackError> {
        for hide in std::mem::take(&mut self.hides) {
            remove(into, &hide, touched).map_err(UnpackError::system(hide.path()))?;
        }
        Ok(())
    }

    /// Makes the hard links to files of the layers below, while those are still in their places.
    fn link_below(&mut self, scratch: &RootDir, into: &RootDir) -> Result<(), UnpackError> {
        for (path, target) in std::mem::take(&mut self.late_links) {
            let link = || {
                let Some(from) = into.find_parent(&target)? else {
                    return Ok(false);
                };
                let there = from.stat(target.name())?.is_some_and(|s| !is_directory(&s));
                if there {
                    let to = scratch.dir(&path.parent().unwrap_or_default())?;
                    to.hard_link(&from, target.name(), path.name())?;
                }
                Ok(there)
            };
            if !link().map_err(UnpackError::system(&path))? {
                return Err(UnpackError::MissingLink { path, target });
            }
        }
        Ok(())
    }

    /// Moves everything from `scratch` into `into`. What is not there yet moves whole; only
    /// directories that are on both sides are gone through.
    fn merge(
        &mut self,
        scratch: &RootDir,
        into: &RootDir,
        touched: &mut Touched,
    ) -> Result<(), UnpackError> {
        let mut todo = vec![RootedPath::root()];
        while let Some(path) = todo.pop() {
            merge_one(scratch, into, &path, touched, &mut todo, &mut self.report)
                .map_err(UnpackError::system(&path))?;
        }
        for (path, meta) in std::mem::take(&mut self.directories) {
            match meta {
                Some(meta) => {
                    touched.insert(path, Fate::Set(meta));
                }
                // A parent that was there keeps what it had.
                None => {
                    touched
                        .entry(path)
                        .or_insert_with(|| Fate::Set(Meta::new(0o755)));
                }
            }
        }
        Ok(())
    }
}

fn merge_one(
    scratch: &RootDir,
    into: &RootDir,
    path: &RootedPath,
    touched: &mut Touched,
    todo: &mut Vec<RootedPath>,
    report: &mut Report,
) -> Result<(), SysError> {
    let (source, target) = (scratch.dir(path)?, into.dir(path)?);
    touch(&target, touched)?;
    let names = source.names()?;
    if owners::carry(&source, &target, &names).is_err() {
        report.refuse(Refused::Forgotten, path);
    }
    for name in names {
        let is_dir = source.stat(&name)?.is_some_and(|s| is_directory(&s));
        let place = path.child(&name);
        match target.stat(&name)? {
            None => {}
            Some(there) if is_dir && is_directory(&there) => {
                todo.push(place);
                continue;
            }
            Some(_) => {
                into.remove(&place)?;
                forget(&place, touched);
            }
        }
        source.rename(&name, &target, &name)?;
    }
    Ok(())
}

/// Removes what one whiteout hides. Links on the way to it are followed, as for an entry.
fn remove(into: &RootDir, hide: &Whiteout, touched: &mut Touched) -> Result<(), SysError> {
    let scratch = RootedPath::root().child(SCRATCH.as_bytes());
    let directory = match hide {
        Whiteout::Path(path) => path.parent().unwrap_or_default(),
        Whiteout::Below(path) => path.clone(),
    };
    let Some(dir) = into.find_dir(&directory)? else {
        return Ok(()); // There is nothing to hide.
    };
    touch(&dir, touched)?;
    let names = match hide {
        Whiteout::Path(path) => vec![path.name().to_vec()],
        Whiteout::Below(_) => dir.names()?,
    };
    for place in names.iter().map(|name| dir.at().child(name)) {
        if place != scratch {
            into.remove(&place)?;
            forget(&place, touched);
        }
    }
    Ok(())
}

/// What was at `place` and below it is gone.
fn forget(place: &RootedPath, touched: &mut Touched) {
    let gone: Vec<_> = super::stream::below(touched, place).cloned().collect();
    for path in gone {
        touched.remove(&path);
    }
}

/// Sets the metadata of the touched directories, deepest first.
fn finish(into: &RootDir, touched: &Touched, report: &mut Report) -> Result<(), UnpackError> {
    for (path, fate) in touched.iter().rev() {
        let mut set = |dir: Dir| match fate {
            Fate::Keep(time) => meta::set_time(&dir, *time),
            Fate::Set(meta) => {
                meta::remove_others(&dir, meta)?;
                meta::set_open(&dir, b"", &dir, meta, &mut |reason| {
                    report.refuse(reason, path);
                })
            }
        };
        match into.dir(path) {
            Ok(dir) => set(dir),
            // Replaced by something else of the layer.
            Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(()),
            Err(e) => Err(e),
        }
        .map_err(UnpackError::system(path))?;
    }
    Ok(())
}

/// Remembers a directory's time before something in it changes.
fn touch(dir: &Dir, touched: &mut Touched) -> Result<(), SysError> {
    if !touched.contains_key(dir.at()) {
        touched.insert(dir.at().clone(), Fate::Keep(mtime(dir)?));
    }
    Ok(())
}

fn mtime(dir: &Dir) -> Result<Timestamp, SysError> {
    let stat = dir.stat_self()?;
    Ok(Timestamp {
        seconds: stat.st_mtime,
        nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    })
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

//! The second pass into a directory that holds everything below, already merged.

use std::collections::BTreeMap;
use std::io::Read;

use nix::errno::Errno;
use rustix::fs::FileType;

use super::stream::{Streamed, stream};
use super::{Limits, Report, UnpackError};
use crate::layer::Whiteout;
use crate::linux::meta;
use crate::linux::root::{Dir, RootDir, is_directory};
use crate::linux::sys::SysError;
use crate::path::RootedPath;
use crate::tree::{Meta, Timestamp};

/// Where the layer stands, complete, before anything else in the directory is touched.
const SCRATCH: &str = ".coracle-unpack";

/// Unpacks `archive` and lays it on what is in `into`.
pub(super) fn apply(
    archive: impl Read,
    into: &RootDir,
    limits: &Limits,
) -> Result<Report, UnpackError> {
    let place = RootedPath::root().child(SCRATCH.as_bytes());
    let open = || {
        into.remove(&place)?; // What a run left that was killed.
        let top = into.dir(&RootedPath::root())?;
        let time = mtime(&top)?;
        top.make_dir(SCRATCH.as_bytes())?;
        Ok((into.inner(SCRATCH)?, time))
    };
    let (scratch, time) = open().map_err(UnpackError::system(&place))?;
    let mut touched = BTreeMap::from([(RootedPath::root(), Fate::Keep(time))]);
    let result = stream(archive, &scratch, limits)
        .and_then(|streamed| streamed.lay_on(&scratch, into, &mut touched));
    let tidy = into.remove(&place).map_err(UnpackError::system(&place));
    let report = result.and_then(|report| tidy.map(|()| report));
    // Even a refused layer leaves the times as they were.
    match (finish(into, &touched), report) {
        (Ok(()), report) => report,
        (Err(error), report) => report.and(Err(error)),
    }
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
        let reserved = RootedPath::root().child(SCRATCH.as_bytes());
        if scratch
            .stat(&reserved)
            .map_err(UnpackError::system(&reserved))?
            .is_some()
        {
            let error = SysError::new(format!("rename({SCRATCH:?})"), Errno::EEXIST);
            let error = error.remedy("Coracle needs this name while it unpacks");
            return Err(UnpackError::system(&reserved)(error));
        }
        self.link_inside(scratch)?;
        self.set_directories(scratch)?;
        for hide in &self.hides {
            let path = hide.path();
            remove(into, hide, touched).map_err(UnpackError::system(path))?;
        }
        self.merge(scratch, into, touched)?;
        for (link, target) in &self.late_links {
            let linked = link_below(into, link, target, touched);
            if !linked.map_err(UnpackError::system(link))? {
                return Err(UnpackError::MissingLink {
                    path: link.clone(),
                    target: target.clone(),
                });
            }
        }
        Ok(self.report)
    }

    /// Gives the directories in `scratch` their metadata before they move.
    fn set_directories(&mut self, scratch: &RootDir) -> Result<(), UnpackError> {
        let implied = Meta::new(0o755);
        for (path, meta) in self.directories.iter().rev() {
            let dir = scratch.dir(path).map_err(UnpackError::system(path))?;
            let mut refused = |reason| self.report.refuse(reason, path);
            meta::set_open(
                &dir,
                b"",
                &dir,
                meta.as_ref().unwrap_or(&implied),
                &mut refused,
            )
            .map_err(UnpackError::system(path))?;
        }
        Ok(())
    }

    /// Moves everything from `scratch` into `into`. What is not there yet moves whole; only
    /// directories that are on both sides are gone through.
    fn merge(
        &self,
        scratch: &RootDir,
        into: &RootDir,
        touched: &mut Touched,
    ) -> Result<(), UnpackError> {
        let mut todo = vec![(RootedPath::root(), RootedPath::root())];
        while let Some((from, to)) = todo.pop() {
            self.merge_one(scratch, &from, into, &to, touched, &mut todo)
                .map_err(UnpackError::system(&from))?;
        }
        Ok(())
    }

    fn merge_one(
        &self,
        scratch: &RootDir,
        from: &RootedPath,
        into: &RootDir,
        to: &RootedPath,
        touched: &mut Touched,
        todo: &mut Vec<(RootedPath, RootedPath)>,
    ) -> Result<(), SysError> {
        let (source, target) = (scratch.dir(from)?, into.dir(to)?);
        touch(&target, touched)?;
        if let Some(Some(meta)) = self.directories.get(from) {
            touched.insert(to.clone(), Fate::Set(meta.clone()));
        }
        for name in source.names()? {
            let is_dir = source.stat(&name)?.is_some_and(|s| is_directory(&s));
            let (below, place) = (from.child(&name), to.child(&name));
            let implied = matches!(self.directories.get(&below), Some(None));
            match target.stat(&name)? {
                None => {}
                Some(there) if is_dir && is_directory(&there) => {
                    todo.push((below, place));
                    continue;
                }
                Some(there) if implied && is_link(there.st_mode) => {
                    let target = into.make_dir(&place, &mut |made, _| {
                        touched.insert(made.clone(), Fate::Set(Meta::new(0o755)));
                    })?;
                    todo.push((below, target.at().clone()));
                    continue;
                }
                Some(_) => into.remove(&place)?,
            }
            source.rename(&name, &target, &name)?;
        }
        Ok(())
    }
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
            let gone: Vec<_> = super::stream::below(touched, &place).cloned().collect();
            for path in gone {
                touched.remove(&path);
            }
        }
    }
    Ok(())
}

/// Makes a hard link to a file of the layers below; whether there is such a file.
fn link_below(
    into: &RootDir,
    link: &RootedPath,
    target: &RootedPath,
    touched: &mut Touched,
) -> Result<bool, SysError> {
    let Some(from) = into.find_dir(&target.parent().unwrap_or_default())? else {
        return Ok(false);
    };
    if target.is_root() || from.stat(target.name())?.is_none_or(|s| is_directory(&s)) {
        return Ok(false);
    }
    let dir = into.make_dir(&link.parent().unwrap_or_default(), &mut |made, _| {
        touched.insert(made.clone(), Fate::Set(Meta::new(0o755)));
    })?;
    touch(&dir, touched)?;
    let place = dir.at().child(link.name());
    if from.at().child(target.name()) != place {
        into.remove(&place)?;
        dir.hard_link(&from, target.name(), link.name())?;
    }
    Ok(true)
}

/// Sets the metadata of the touched directories, deepest first.
fn finish(into: &RootDir, touched: &Touched) -> Result<(), UnpackError> {
    for (path, fate) in touched.iter().rev() {
        let set = |dir: Dir| match fate {
            Fate::Keep(time) => meta::set_time(&dir, *time),
            // What is refused was counted when the same metadata was set in the scratch.
            Fate::Set(meta) => meta::set_open(&dir, b"", &dir, meta, &mut |_| {}),
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

fn is_link(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Symlink
}

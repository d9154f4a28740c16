//! The first pass: through the archive once, in its order, writing content as it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;

use nix::errno::Errno;
use rustix::fs::FileType;

use super::{Report, UnpackError};
use crate::layer::tar::{self, Entry, TarError};
use crate::layer::{Bounds, Layer, Whiteout};
use crate::linux::meta::{self, Refused};
use crate::linux::owners;
use crate::linux::root::{Dir, RootDir};
use crate::linux::sys::SysError;
use crate::path::RootedPath;
use crate::tree::{Kind, Meta, Node};

/// What the first pass leaves for the second.
#[derive(Debug, Default)]
pub(in crate::linux) struct Streamed {
    /// Every directory there is, with the metadata that it shall get; `None` for a parent that
    /// the archive does not mention. All of them have mode 0700 so far.
    pub(super) directories: BTreeMap<RootedPath, Option<Meta>>,
    /// Hard links whose targets were not there: from link to target. A map, because an archive
    /// may have millions, and every entry asks whether it replaces one.
    pub(super) late_links: BTreeMap<RootedPath, RootedPath>,
    /// Devices that could not be made. Links to them cannot either.
    pub(super) left_out: BTreeSet<RootedPath>,
    /// What of the layers below is hidden.
    pub(super) hides: BTreeSet<Whiteout>,
    /// What was done so far.
    pub(super) report: Report,
}

impl Streamed {
    /// Takes away what an entry made at `place`.
    pub(super) fn forget(&mut self, root: &RootDir, place: &RootedPath) -> Result<(), SysError> {
        root.remove(place)?;
        let gone: Vec<_> = below(&self.directories, place).cloned().collect();
        for path in gone {
            self.directories.remove(&path);
        }
        let gone: Vec<_> = below(&self.late_links, place).cloned().collect();
        for link in gone {
            self.late_links.remove(&link);
        }
        Ok(())
    }
}

/// Bytes that are read and written at a time.
const CHUNK: usize = 256 << 10;
/// Headers are read through a smaller buffer; reads of a whole chunk go past it.
const HEADERS: usize = 32 << 10;
/// The longest path that a system call takes, without the NUL that ends it.
const LONGEST_PATH: usize = 4095;

/// Writes everything that `archive` holds into the empty directory `into`.
pub(in crate::linux) fn stream(
    archive: impl Read,
    into: &RootDir,
    bounds: Bounds,
) -> Result<Streamed, UnpackError> {
    let mut writer = Writer::new(into, bounds);
    let archive = BufReader::with_capacity(HEADERS, archive);
    let mut failed = None;
    let read = tar::read(archive, &mut |entry, content| {
        writer.entry(entry, content).map_err(|error| {
            failed = Some(error);
            io::Error::other("unpacking stopped")
        })
    });
    match (failed, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(())) => Ok(writer.streamed),
    }
}

/// Writes everything that `layer` adds into the empty directory `into`.
pub(super) fn write_layer(layer: &Layer, into: &RootDir) -> Result<Streamed, UnpackError> {
    let mut writer = Writer::new(into, Bounds::NONE);
    let mut first_paths: BTreeMap<*const Node, &RootedPath> = BTreeMap::new();
    for (path, node) in &layer.adds {
        let first = *first_paths.entry(Arc::as_ptr(node)).or_insert(path);
        let meta = node.meta.clone();
        match &node.kind {
            kind if first != path && *kind != Kind::Directory => {
                writer.add(path, meta, &Kind::HardLink(first.clone()), &mut io::empty())?;
            }
            Kind::File(content) => {
                let mut content = content.open().map_err(TarError::Io)?;
                writer.add(path, meta, &node.kind, &mut content)?;
            }
            kind => writer.add(path, meta, kind, &mut io::empty())?,
        }
    }
    writer.streamed.hides = layer.hides.iter().cloned().collect();
    Ok(writer.streamed)
}

struct Writer<'a> {
    root: &'a RootDir,
    /// The parent of the last entry, as the archive named it, and opened. Most entries share
    /// their parent with the one before.
    parent: Option<(RootedPath, Dir)>,
    streamed: Streamed,
    bounds: Bounds,
    buffer: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(root: &'a RootDir, bounds: Bounds) -> Self {
        let mut streamed = Streamed::default();
        streamed.directories.insert(RootedPath::root(), None);
        Self {
            root,
            parent: None,
            streamed,
            bounds,
            buffer: vec![0; CHUNK],
        }
    }

    fn entry(&mut self, entry: Entry, content: &mut dyn Read) -> Result<(), UnpackError> {
        self.streamed.report.entries += 1;
        self.bounds.check_entries(self.streamed.report.entries)?;
        match entry {
            Entry::Hide(whiteout) => {
                short_enough(whiteout.path())?;
                self.streamed.hides.insert(whiteout);
                Ok(())
            }
            Entry::Add {
                path,
                meta,
                kind,
                size,
                ..
            } => {
                short_enough(&path)?;
                if matches!(kind, Kind::File(_)) {
                    self.count_bytes(size)?;
                }
                self.add(&path, meta, &kind, content)
            }
        }
    }

    fn add(
        &mut self,
        path: &RootedPath,
        meta: Meta,
        kind: &Kind,
        content: &mut dyn Read,
    ) -> Result<(), UnpackError> {
        if path.is_root() {
            self.streamed.directories.insert(path.clone(), Some(meta));
            return Ok(());
        }
        let system = |source| UnpackError::system(path)(source);
        let (named, dir) = match self.parent.take() {
            Some((named, dir)) if is_parent(&named, path) => (named, dir),
            _ => self.open_parent(path).map_err(system)?,
        };
        let replaced = self.put(&dir, path, meta, kind, content)?;
        if !replaced {
            // What was replaced might be a link on the way to the open parent.
            self.parent = Some((named, dir));
        }
        Ok(())
    }

    /// Makes the entry in its open parent directory; whether it replaced something.
    fn put(
        &mut self,
        dir: &Dir,
        path: &RootedPath,
        meta: Meta,
        kind: &Kind,
        content: &mut dyn Read,
    ) -> Result<bool, UnpackError> {
        let name = path.name();
        let system = |source| UnpackError::system(path)(source);
        let place = dir.at().child(name);
        if place.components().next() == Some(super::SCRATCH.as_bytes()) {
            return Err(UnpackError::Reserved { path: path.clone() });
        }
        if let Kind::HardLink(target) = kind {
            return self.link(dir, name, target).map_err(system);
        }
        self.streamed.late_links.remove(&place);
        self.streamed.left_out.remove(&place);
        // Overlayfs takes a 0:0 character device for a whiteout.
        if *kind == Kind::CharDevice(0, 0) {
            self.streamed.report.refuse(Refused::Overlay, path);
            return Ok(false);
        }
        let mut made = make(dir, name, kind);
        let mut replaced = false;
        if matches!(&made, Err(e) if e.errno == Errno::EEXIST) {
            if *kind == Kind::Directory && is_directory(dir, name).map_err(system)? {
                self.streamed.directories.insert(place, Some(meta));
                return Ok(false);
            }
            self.streamed.forget(self.root, &place).map_err(system)?;
            owners::forget(dir, name).map_err(|e| system(dir.refused("fremovexattr", name, e)))?;
            replaced = true;
            made = make(dir, name, kind);
        }
        let report = &mut self.streamed.report;
        let mut refused = |reason| report.refuse(reason, path);
        match (made, kind) {
            (Err(e), _) if e.errno == Errno::EPERM && is_device(kind) => {
                refused(Refused::Device);
                self.streamed.left_out.insert(place);
            }
            (Err(e), _) => return Err(system(e)),
            (Ok(_), Kind::Directory) => {
                self.streamed.directories.insert(place, Some(meta));
            }
            (Ok(Some(mut file)), _) => {
                copy(content, &mut file, &mut self.buffer, |source| {
                    UnpackError::Write {
                        path: path.clone(),
                        into: self.root.path().to_owned(),
                        source,
                    }
                })?;
                meta::set_open(dir, name, &file, &meta, &mut refused).map_err(system)?;
            }
            (Ok(None), _) => meta::set(dir, name, kind, &meta, &mut refused).map_err(system)?,
        }
        Ok(replaced)
    }

    /// Makes a hard link, or remembers it when its target is not there; whether it replaced
    /// something.
    fn link(&mut self, dir: &Dir, name: &[u8], target: &RootedPath) -> Result<bool, SysError> {
        let place = dir.at().child(name);
        let found = self.root.find_parent(target)?;
        let there = match &found {
            Some(from) => is_file(from, target.name())?,
            None => false,
        };
        let is_itself = found
            .as_ref()
            .is_some_and(|d| d.at().child(target.name()) == place);
        let is_late = self.streamed.late_links.contains_key(&place);
        if is_itself && (there || is_late) {
            return Ok(false); // A link to itself changes nothing.
        }
        let replaced = dir.stat(name)?.is_some();
        match found {
            Some(from) if there && !replaced => dir.hard_link(&from, target.name(), name)?,
            Some(from) if there => {
                // By a detour, because the target may be in what is replaced.
                let detour = super::SCRATCH.as_bytes();
                dir.hard_link(&from, target.name(), detour)?;
                self.streamed.forget(self.root, &place)?;
                dir.rename(detour, dir, name)?;
            }
            _ => {
                // A link to such a link is one to its target.
                let late = &self.streamed.late_links;
                let further = late.get(target).filter(|further| **further != place);
                let target = further.unwrap_or(target).clone();
                self.streamed.forget(self.root, &place)?;
                self.streamed.late_links.insert(place, target);
                return Ok(replaced);
            }
        }
        self.streamed.late_links.remove(&place);
        Ok(replaced)
    }

    /// Opens the parent directory of `path`, making what is missing.
    fn open_parent(&mut self, path: &RootedPath) -> Result<(RootedPath, Dir), SysError> {
        let parent = path.parent().unwrap_or_default();
        let streamed = &mut self.streamed;
        let dir = self.root.make_dir(&parent, &mut |made, replaced| {
            let was_link = streamed.late_links.remove(made).is_some();
            // A directory in the place of something that the archive named is named as well.
            let named = replaced || was_link;
            let meta = named.then(|| Meta::new(0o755));
            streamed.directories.insert(made.clone(), meta);
        })?;
        Ok((parent, dir))
    }

    /// Refuses a layer that is too large before its content is written.
    fn count_bytes(&mut self, size: u64) -> Result<(), UnpackError> {
        let report = &mut self.streamed.report;
        report.bytes = report.bytes.saturating_add(size);
        Ok(self.bounds.check_bytes(report.bytes)?)
    }
}

/// Makes `name`: an open file, or something else, which has no descriptor. Never replaces.
pub(in crate::linux) fn make(
    dir: &Dir,
    name: &[u8],
    kind: &Kind,
) -> Result<Option<File>, SysError> {
    match kind {
        Kind::File(_) => return dir.create_file(name).map(Some),
        Kind::Directory => dir.make_dir(name)?,
        Kind::Symlink(target) => dir.make_link(target, name)?,
        Kind::Fifo => dir.make_node(FileType::Fifo, 0, 0, name)?,
        Kind::CharDevice(major, minor) => {
            dir.make_node(FileType::CharacterDevice, *major, *minor, name)?;
        }
        Kind::BlockDevice(major, minor) => {
            dir.make_node(FileType::BlockDevice, *major, *minor, name)?;
        }
        // Links are made elsewhere, from their targets.
        Kind::HardLink(_) => {}
    }
    Ok(None)
}

/// The paths at and below `place`.
pub(super) fn below<'a, V>(
    map: &'a BTreeMap<RootedPath, V>,
    place: &'a RootedPath,
) -> impl Iterator<Item = &'a RootedPath> {
    map.range(place.clone()..)
        .map(|(path, _)| path)
        .take_while(move |path| path.is_within(place))
}

pub(super) fn copy(
    content: &mut dyn Read,
    file: &mut File,
    buffer: &mut [u8],
    refused: impl FnOnce(io::Error) -> UnpackError,
) -> Result<(), UnpackError> {
    loop {
        let n = match content.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(TarError::Io(e).into()),
        };
        if let Err(source) = file.write_all(&buffer[..n]) {
            return Err(refused(source));
        }
    }
}

/// Whether something is there that can have hard links.
fn is_file(dir: &Dir, name: &[u8]) -> Result<bool, SysError> {
    Ok(!name.is_empty() && dir.stat(name)?.is_some() && !is_directory(dir, name)?)
}

fn is_directory(dir: &Dir, name: &[u8]) -> Result<bool, SysError> {
    let stat = dir.stat(name)?;
    Ok(stat.is_some_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory))
}

fn is_device(kind: &Kind) -> bool {
    matches!(kind, Kind::CharDevice(..) | Kind::BlockDevice(..))
}

/// Whether `directory` is the parent of `path`, without making a path of it.
fn is_parent(directory: &RootedPath, path: &RootedPath) -> bool {
    let (directory, path, name) = (directory.as_bytes(), path.as_bytes(), path.name());
    let slash = usize::from(!directory.is_empty());
    path.len() == directory.len() + slash + name.len() && path.starts_with(directory)
}

fn short_enough(path: &RootedPath) -> Result<(), UnpackError> {
    let length = path.as_bytes().len();
    if length <= LONGEST_PATH {
        return Ok(());
    }
    Err(UnpackError::TooLong {
        start: path.to_text().chars().take(60).collect(),
        length,
    })
}

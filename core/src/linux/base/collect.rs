//! Gathering the base: each thing with what it cannot be without, each only once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::directories::{is_musl, musl_path_file};
use super::elf::{Machine, Object};
use super::furniture::{
    DATA, DIRECTORIES, FILES, LINKS, MERGED, NIXOS_PROGRAMS, OPENED_LATER, PROGRAM_DIRECTORIES,
    PROGRAMS, os_release,
};
use super::host::{Found, Host};
use super::libraries::Libraries;
use super::{BaseError, BaseFile, BaseOptions, Note, PATH, Report};
use crate::path::RootedPath;
use crate::tree::{Content, Kind, Meta, Node, Timestamp, Tree, resolve};

pub(super) fn collect(options: &BaseOptions) -> Result<(Tree, Report), BaseError> {
    let mut base = Collector::new(options);
    for path in MERGED {
        base.merged(path)?;
    }
    base.shell()?;
    for name in PROGRAMS {
        base.usual(name);
    }
    for path in &options.add {
        base.add(path)?;
    }
    base.opened_later();
    for path in DATA {
        base.data(path);
    }
    base.furniture();
    Ok(base.finish())
}

/// A base in the making. The tree mirrors the machine: what stands at a path came from that path.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) host: Host,
    /// Whether the machine is the running one, so that relative paths mean something.
    pub(super) live: bool,
    mtime: Timestamp,
    pub(super) tree: Tree,
    pub(super) libraries: Libraries,
    /// The shell's processor, which everything else must share.
    pub(super) machine: Option<Machine>,
    /// The loader of the first program that has one; libraries that no program names follow it.
    pub(super) loader: Option<Vec<u8>>,
    /// Files of the machine that have more than one name, by device and number.
    linked: BTreeMap<(u64, u64), Arc<Node>>,
    /// Why each file is there: the first reason.
    reasons: BTreeMap<RootedPath, String>,
    absent: Vec<String>,
    notes: Vec<Note>,
}

impl Collector {
    fn new(options: &BaseOptions) -> Self {
        let host = Host::new(&options.root);
        Self {
            libraries: Libraries::of(&host),
            live: options.root == Path::new("/"),
            host,
            mtime: options.mtime,
            tree: Tree::new(),
            machine: None,
            loader: None,
            linked: BTreeMap::new(),
            reasons: BTreeMap::new(),
            absent: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// `/bin` and its like, where the machine has a link there.
    fn merged(&mut self, path: &str) -> Result<(), BaseError> {
        if let Ok(found) = self.host.find(path.as_bytes())
            && !found.links.is_empty()
            && found.meta.is_dir()
        {
            self.take(&found, "")?;
        }
        Ok(())
    }

    /// The one program that must be there. It says which processor the base is for.
    fn shell(&mut self) -> Result<(), BaseError> {
        let no_shell = || BaseError::NoShell {
            looked: PROGRAM_DIRECTORIES.map(str::to_owned).to_vec(),
        };
        let path = self.usual_path("sh").ok_or_else(no_shell)?;
        let found = self.host.find(path.as_bytes()).map_err(|_| no_shell())?;
        let object = self.object(&found.path)?.ok_or_else(no_shell)?;
        self.machine = Some(object.machine);
        let place = self.program(path.as_bytes(), "the shell", 0)?;
        // A `#!/bin/sh` must work, wherever the machine keeps its shell.
        let sh = self.inside("bin/sh");
        if self.tree.get(&sh).is_none() {
            self.put(sh, Kind::Symlink(format!("{place}").into_bytes()), 0o777);
        }
        Ok(())
    }

    /// A program that comes along when the machine has it and it can run.
    fn usual(&mut self, name: &str) {
        let Some(path) = self.usual_path(name) else {
            self.absent.push(name.to_owned());
            return;
        };
        let taken = if path.starts_with(NIXOS_PROGRAMS) {
            self.usual_of_nixos(name, &path)
        } else {
            self.program(path.as_bytes(), "a usual program", 0)
                .map(drop)
        };
        if let Err(error) = taken {
            self.absent.push(name.to_owned());
            self.note(&path, format!("left out: {error}"));
        }
    }

    /// Only the program itself, and a link to it where a `PATH` leads; not the chain of links
    /// through which the system's generations are switched.
    fn usual_of_nixos(&mut self, name: &str, path: &str) -> Result<(), BaseError> {
        let found = self.find(path.as_bytes(), path)?;
        let place = [b"/", found.path.as_bytes()].concat();
        self.program(&place, "a usual program", 0)?;
        let link = self.inside("usr/bin").child(name.as_bytes());
        self.put(link, Kind::Symlink(place), 0o777);
        Ok(())
    }

    fn usual_path(&self, name: &str) -> Option<String> {
        self.path_among(&PROGRAM_DIRECTORIES, name)
    }

    pub(super) fn path_among(&self, directories: &[&str], name: &str) -> Option<String> {
        let paths = directories.iter().map(|d| format!("{d}/{name}"));
        paths.into_iter().find(|path| {
            let found = self.host.find(path.as_bytes());
            found.is_ok_and(|f| f.meta.is_file() && f.meta.mode() & 0o111 != 0)
        })
    }

    /// Libraries that are opened by name while a program runs, where there is glibc.
    fn opened_later(&mut self) {
        let (Some(loader), Some(machine)) = (self.loader.clone(), self.machine) else {
            return;
        };
        if is_musl(&loader) {
            self.data(&musl_path_file(&loader));
            return;
        }
        for name in OPENED_LATER {
            let path = self
                .libraries
                .by_name(&self.host, name.as_bytes(), &loader, machine);
            if let Some(path) = path {
                // Without it some calls fail with a message of their own; that is no reason to
                // have no base.
                let _ = self.program(&path, "library that libc opens when it is needed", 0);
            }
        }
    }

    /// A file or directory that comes along when it is there.
    fn data(&mut self, path: &str) {
        let because = "data of the machine's libraries";
        let Ok(found) = self.host.find(path.as_bytes()) else {
            return;
        };
        if self.take(&found, because).is_ok() && found.meta.is_dir() {
            self.directory(&found.path, &found.path, because, |_| false);
        }
    }

    /// What every system has, unless a person brought their own.
    fn furniture(&mut self) {
        for (path, mode) in DIRECTORIES {
            let place = self.inside(path);
            self.put(place, Kind::Directory, *mode);
        }
        let release = os_release(&self.host);
        let files = FILES.iter().copied();
        for (path, text) in files.chain([("etc/os-release", release.as_str())]) {
            let place = self.inside(path);
            if self.tree.get(&place).is_none() {
                let content = Content::Inline(text.as_bytes().into());
                self.put(place.clone(), Kind::File(content), 0o644);
                self.because(&place, "made by Coracle");
            }
        }
        for (path, target) in LINKS {
            let place = self.inside(path);
            if self.tree.get(&place).is_none() {
                self.put(place, Kind::Symlink(target.as_bytes().to_vec()), 0o777);
            }
        }
    }

    /// Puts in what was found, with the links on the way to it.
    pub(super) fn take(&mut self, found: &Found, because: &str) -> Result<(), BaseError> {
        for (place, target) in &found.links {
            self.put(place.clone(), Kind::Symlink(target.clone()), 0o777);
        }
        if found.meta.is_dir() {
            self.put(found.path.clone(), Kind::Directory, found.meta.mode());
        } else {
            // It must be readable now, not only when the image is written.
            let file = self.host.open(&found.path);
            file.map_err(|source| cannot("read", &found.path, source))?;
            self.take_file(&found.path, &found.meta, because);
        }
        Ok(())
    }

    pub(super) fn take_file(&mut self, place: &RootedPath, meta: &Metadata, because: &str) {
        self.because(place, because);
        if self.tree.get(place).is_some() {
            return;
        }
        let inode = (meta.dev(), meta.ino());
        if let Some(node) = self.linked.get(&inode) {
            self.tree.insert(place.clone(), Arc::clone(node));
            return;
        }
        let content = Content::Source(Arc::new(self.host.content(place, meta.len())));
        self.put(place.clone(), Kind::File(content), meta.mode());
        if meta.nlink() > 1
            && let Some(node) = self.tree.get(place)
        {
            self.linked.insert(inode, Arc::clone(node));
        }
    }

    /// Puts a node of our own making in, root's and with the one time.
    pub(super) fn put(&mut self, place: RootedPath, kind: Kind, mode: u32) {
        let mut meta = Meta::new(mode & 0o7777);
        meta.mtime = self.mtime;
        self.tree.insert(place, Arc::new(Node { meta, kind }));
    }

    /// The place in the tree that a path means, the tree's own links followed.
    fn inside(&self, path: &str) -> RootedPath {
        let path = RootedPath::root().resolve(path);
        resolve(&self.tree, &path).unwrap_or(path)
    }

    fn because(&mut self, place: &RootedPath, because: &str) {
        let reasons = self.reasons.entry(place.clone());
        reasons.or_insert_with(|| because.to_owned());
    }

    pub(super) fn note(&mut self, path: &str, message: String) {
        let path = path.to_owned();
        let note = Note { path, message };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn find(&self, path: &[u8], shown: &str) -> Result<Found, BaseError> {
        self.host.find(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => BaseError::Missing {
                path: shown.to_owned(),
                hint: "; check the spelling, or install what has it".to_owned(),
            },
            _ => BaseError::Io {
                action: "find",
                path: shown.to_owned(),
                source,
            },
        })
    }

    pub(super) fn object(&mut self, place: &RootedPath) -> Result<Option<Arc<Object>>, BaseError> {
        let object = self.libraries.object(&self.host, place);
        let object = object.map_err(|source| cannot("read", place, source))?;
        object.map_err(|reason| BaseError::Elf {
            path: place.to_string(),
            reason,
        })
    }

    fn finish(mut self) -> (Tree, Report) {
        self.date_directories();
        let programs = programs(&self.tree);
        let mut seen = BTreeSet::new();
        let mut report = Report {
            shell: self.inside("bin/sh").to_string(),
            architecture: self.machine.map(|m| m.to_string()).unwrap_or_default(),
            programs,
            absent: self.absent,
            notes: self.notes,
            ..Report::default()
        };
        for (path, node) in self.tree.iter() {
            let Kind::File(content) = &node.kind else {
                continue;
            };
            if seen.insert(Arc::as_ptr(node)) {
                report.bytes += content.size();
            }
            report.files.push(BaseFile {
                path: path.to_string(),
                bytes: content.size(),
                because: self.reasons.remove(path).unwrap_or_default(),
            });
        }
        (self.tree, report)
    }

    /// Directories that came into being as somebody's parent get the one time, too.
    fn date_directories(&mut self) {
        let undated: Vec<_> = self
            .tree
            .iter()
            .filter(|(_, node)| node.kind == Kind::Directory && node.meta.mtime != self.mtime)
            .map(|(path, node)| (path.clone(), node.meta.mode))
            .collect();
        for (path, mode) in undated {
            self.put(path, Kind::Directory, mode);
        }
    }
}

/// The names of all programs along the `PATH` of a tree.
fn programs(tree: &Tree) -> Vec<String> {
    let mut names = BTreeSet::new();
    for directory in PATH.split(':') {
        let directory = RootedPath::root().resolve(directory);
        let directory = resolve(tree, &directory).unwrap_or(directory);
        for (path, _) in tree.children(&directory) {
            let node = resolve(tree, path).ok().and_then(|place| tree.get(&place));
            if node.is_some_and(|n| matches!(n.kind, Kind::File(_)) && n.meta.mode & 0o111 != 0) {
                names.insert(String::from_utf8_lossy(path.name()).into_owned());
            }
        }
    }
    names.into_iter().collect()
}

pub(super) fn cannot(action: &'static str, path: &RootedPath, source: io::Error) -> BaseError {
    BaseError::Io {
        action,
        path: path.to_string(),
        source,
    }
}

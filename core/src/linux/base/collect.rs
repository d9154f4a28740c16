//! Gathering the base: each thing with what it cannot be without, each only once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use super::elf::{Machine, Object};
use super::furniture::{
    DATA, DIRECTORIES, FILES, LINKS, LOCAL_DIRECTORIES, MERGED, NIXOS_PROGRAMS, OPENED_LATER,
    PROGRAM_DIRECTORIES, PROGRAMS, is_spare_in_python, os_release,
};
use super::host::{Found, Host};
use super::libraries::{Libraries, NotFound, is_musl, musl_path_file};
use super::{BaseError, BaseFile, BaseOptions, Note, PATH, Report};
use crate::path::RootedPath;
use crate::tree::{Content, Kind, Meta, Node, Timestamp, Tree, resolve};

/// A script's interpreter may be a script, and so on; the kernel goes four deep.
const MOST_INTERPRETERS: usize = 4;

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
struct Collector {
    host: Host,
    /// Whether the machine is the running one, so that relative paths mean something.
    live: bool,
    mtime: Timestamp,
    tree: Tree,
    libraries: Libraries,
    /// The shell's processor, which everything else must share.
    machine: Option<Machine>,
    /// The loader of the first program that has one; libraries that no program names follow it.
    loader: Option<Vec<u8>>,
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

    fn path_among(&self, directories: &[&str], name: &str) -> Option<String> {
        let paths = directories.iter().map(|d| format!("{d}/{name}"));
        paths.into_iter().find(|path| {
            let found = self.host.find(path.as_bytes());
            found.is_ok_and(|f| f.meta.is_file() && f.meta.mode() & 0o111 != 0)
        })
    }

    /// Something that a person asked for.
    fn add(&mut self, path: &Path) -> Result<(), BaseError> {
        let shown = path.display().to_string();
        let absolute = self.absolute(path, &shown)?;
        let found = self.find(&absolute, &shown)?;
        let unsuitable = |reason: &str| {
            Err(BaseError::Unsuitable {
                path: shown.clone(),
                reason: reason.to_owned(),
            })
        };
        let top = found.path.components().next();
        if top.is_none_or(|top| [b"proc".as_slice(), b"sys", b"dev"].contains(&top)) {
            return unsuitable(
                "the kernel makes this anew in every container; name the files that you need",
            );
        }
        if found.meta.is_dir() {
            self.take(&found, "")?;
            self.directory(
                &found.path,
                &found.path,
                &format!("below {shown}, added"),
                |_| false,
            );
        } else if found.meta.is_file() {
            self.program(&absolute, "added", 0)?;
        } else {
            return unsuitable("it is neither a file nor a directory, and cannot be in an image");
        }
        Ok(())
    }

    /// The path that a person meant.
    fn absolute(&self, path: &Path, shown: &str) -> Result<Vec<u8>, BaseError> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.contains(&b'/') {
            if !self.live {
                return Ok(bytes.to_vec());
            }
            let absolute = std::path::absolute(path).map_err(|source| BaseError::Io {
                action: "find",
                path: shown.to_owned(),
                source,
            })?;
            return Ok(absolute.into_os_string().as_bytes().to_vec());
        }
        let directories = [&PROGRAM_DIRECTORIES[..], &LOCAL_DIRECTORIES].concat();
        if let Some(found) = self.path_among(&directories, shown) {
            return Ok(found.into_bytes());
        }
        if self.live && path.exists() {
            return self.absolute(&Path::new(".").join(path), shown);
        }
        Err(BaseError::Missing {
            path: shown.to_owned(),
            hint: format!(
                "; no program of this name is in {}, and no file of this name is here",
                directories.join(", ")
            ),
        })
    }

    /// A file with everything that it needs to run. Returns where it really stands.
    fn program(
        &mut self,
        path: &[u8],
        because: &str,
        depth: usize,
    ) -> Result<RootedPath, BaseError> {
        let found = self.find(path, &String::from_utf8_lossy(path))?;
        if let Some(object) = self.object(&found.path)? {
            self.with_libraries(&found.path, &object)?;
        } else if depth < MOST_INTERPRETERS {
            self.with_interpreter(&found.path, depth)?;
        }
        self.take(&found, because)?;
        self.with_standard_library(&found.path);
        Ok(found.path)
    }

    /// The loader and the libraries of an object. Nothing is taken unless all are there.
    fn with_libraries(
        &mut self,
        place: &RootedPath,
        object: &Arc<Object>,
    ) -> Result<(), BaseError> {
        let machine = self.machine.unwrap_or(object.machine);
        if object.machine != machine {
            return Err(BaseError::OtherArchitecture {
                path: place.to_string(),
                found: object.machine.to_string(),
                expected: machine.to_string(),
            });
        }
        if object.interpreter.is_none() && object.needed.is_empty() {
            return Ok(());
        }
        let loader = match &object.interpreter {
            Some(path) => Some(self.loader_of(place, path)?),
            None => None,
        };
        let path = object.interpreter.clone().or_else(|| self.loader.clone());
        let (libraries, missing) =
            self.libraries
                .closure(&self.host, place, object, path.as_deref());
        if let Some(missing) = missing.into_iter().next() {
            return Err(not_found(missing));
        }
        if let (Some(loader), Some(path)) = (loader, path) {
            self.take(&loader, &format!("loader, needed by {place}"))?;
            self.loader.get_or_insert(path);
        }
        for library in libraries {
            let name = String::from_utf8_lossy(&library.name);
            let found = self.find(&library.path, &name)?;
            self.take(
                &found,
                &format!("library {name}, needed by {}", library.needed_by),
            )?;
            if library.configured {
                self.link_beside_the_loader(&library.name, &library.path);
            }
        }
        Ok(())
    }

    fn loader_of(&self, program: &RootedPath, path: &[u8]) -> Result<Found, BaseError> {
        self.host
            .find(path)
            .map_err(|_| BaseError::InterpreterNotFound {
                program: program.to_string(),
                interpreter: format!("the loader {}", String::from_utf8_lossy(path)),
            })
    }

    /// glibc's loader finds libraries of `/etc/ld.so.conf` through a cache that ldconfig(8) makes
    /// for one machine. The base has no cache, so a link stands where every loader looks.
    fn link_beside_the_loader(&mut self, name: &[u8], path: &[u8]) {
        let loader = self.loader.as_ref().and_then(|l| self.host.find(l).ok());
        if let Some(directory) = loader.and_then(|found| found.path.parent()) {
            let link = directory.child(name);
            if self.tree.get(&link).is_none() {
                self.put(link, Kind::Symlink(path.to_vec()), 0o777);
            }
        }
    }

    /// What the `#!` line of a script names; `env` stands for the program that it will look up.
    fn with_interpreter(&mut self, place: &RootedPath, depth: usize) -> Result<(), BaseError> {
        let Some(line) = self.first_line(place)? else {
            return Ok(());
        };
        let mut words = line.split_ascii_whitespace();
        let Some(interpreter) = words.next() else {
            return Ok(());
        };
        let because = format!("interpreter of {place}");
        let not_here = |interpreter: String| BaseError::InterpreterNotFound {
            program: place.to_string(),
            interpreter,
        };
        if self.host.find(interpreter.as_bytes()).is_err() {
            return Err(not_here(interpreter.to_owned()));
        }
        self.program(interpreter.as_bytes(), &because, depth + 1)?;
        if interpreter.ends_with("/env") {
            let is_program = |word: &&str| !word.starts_with('-') && !word.contains('=');
            if let Some(name) = words.find(is_program) {
                let directories = [&PROGRAM_DIRECTORIES[..], &LOCAL_DIRECTORIES].concat();
                let path = self.path_among(&directories, name);
                let path = path.ok_or_else(|| not_here(format!("{interpreter} {name}")))?;
                self.program(path.as_bytes(), &because, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The first line of a script, without its `#!`; nothing for other files.
    fn first_line(&self, place: &RootedPath) -> Result<Option<String>, BaseError> {
        let mut start = Vec::new();
        let file = self.host.open(place);
        file.and_then(|file| file.take(256).read_to_end(&mut start))
            .map_err(|source| cannot("read", place, source))?;
        let line = start.split(|b| *b == b'\n').next().unwrap_or_default();
        let line = line.strip_prefix(b"#!");
        Ok(line.map(|line| String::from_utf8_lossy(line).into_owned()))
    }

    /// A Python is nothing without the modules beside it: `/usr/lib/python3.11` for
    /// `/usr/bin/python3.11`, and the same below `lib64` where a system has that.
    fn with_standard_library(&mut self, program: &RootedPath) {
        let name = program.name().to_vec();
        let version = name.strip_prefix(b"python3.").unwrap_or_default();
        let is_version = version.first().is_some_and(u8::is_ascii_digit)
            && version.iter().all(u8::is_ascii_alphanumeric);
        let prefix = program.parent().and_then(|bin| bin.parent());
        let (true, Some(prefix)) = (is_version, prefix) else {
            return;
        };
        for lib in [b"lib".as_slice(), b"lib64"] {
            let place = [b"/", prefix.child(lib).child(&name).as_bytes()].concat();
            if let Ok(found) = self.host.find(&place)
                && found.meta.is_dir()
                && self.tree.get(&found.path).is_none()
                && self.take(&found, "").is_ok()
            {
                let because = format!("standard library of {program}");
                self.directory(&found.path, &found.path, &because, is_spare_in_python);
            }
        }
    }

    /// All that is below a directory. What cannot come is noted, and the rest comes.
    /// Byte-code caches stay: they hold the time of their source, which the base sets anew.
    fn directory(
        &mut self,
        top: &RootedPath,
        place: &RootedPath,
        because: &str,
        spare: fn(&[u8]) -> bool,
    ) {
        let names = match self.host.list(place) {
            Ok(names) => names,
            Err(error) => return self.note(&place.to_string(), format!("left out: {error}")),
        };
        for name in names {
            let name = name.as_bytes();
            if name == b"__pycache__" || (top == place && spare(name)) {
                continue;
            }
            let here = place.child(name);
            let taken = match self.host.metadata(&here) {
                Ok(meta) if meta.is_dir() => {
                    self.put(here.clone(), Kind::Directory, meta.mode());
                    self.directory(top, &here, because, spare);
                    Ok(())
                }
                Ok(meta) if meta.is_symlink() => self.link_below(top, &here, because),
                Ok(meta) if meta.is_file() => self.file_below(&here, &meta, because),
                Ok(meta) => {
                    let message = format!("left out: it is {}", special(&meta));
                    self.note(&here.to_string(), message);
                    Ok(())
                }
                Err(error) => Err(cannot("look at", &here, error)),
            };
            if let Err(error) = taken {
                self.note(&here.to_string(), format!("left out: {error}"));
            }
        }
    }

    /// A file that came with its directory: a library it lacks may be one it can do without.
    fn file_below(
        &mut self,
        place: &RootedPath,
        meta: &Metadata,
        because: &str,
    ) -> Result<(), BaseError> {
        let object = match self.libraries.object(&self.host, place) {
            Ok(object) => object.ok().flatten(),
            Err(source) => return Err(cannot("read", place, source)),
        };
        if let Some(object) = object.filter(|o| self.machine == Some(o.machine))
            && let Err(error) = self.with_libraries(place, &object)
        {
            self.note(&place.to_string(), format!("cannot be used: {error}"));
        }
        self.take_file(place, meta, because);
        Ok(())
    }

    /// A link that came with its directory. A file that it leads to outside comes along.
    fn link_below(
        &mut self,
        top: &RootedPath,
        place: &RootedPath,
        because: &str,
    ) -> Result<(), BaseError> {
        let target = self.host.link(place);
        let target = target.map_err(|source| cannot("read link", place, source))?;
        self.put(place.clone(), Kind::Symlink(target), 0o777);
        let path = [b"/", place.as_bytes()].concat();
        match self.host.find(&path) {
            Ok(found) if found.path.is_within(top) => {}
            Ok(found) if found.meta.is_file() => {
                self.program(&path, &format!("a link leads here; {because}"), 0)?;
            }
            Ok(found) => {
                let message = format!("leads to {}, which did not come along", found.path);
                self.note(&place.to_string(), message);
            }
            // A link to nothing is as it was.
            Err(_) => {}
        }
        Ok(())
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
    fn take(&mut self, found: &Found, because: &str) -> Result<(), BaseError> {
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

    fn take_file(&mut self, place: &RootedPath, meta: &Metadata, because: &str) {
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
    fn put(&mut self, place: RootedPath, kind: Kind, mode: u32) {
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

    fn note(&mut self, path: &str, message: String) {
        let path = path.to_owned();
        let note = Note { path, message };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn find(&self, path: &[u8], shown: &str) -> Result<Found, BaseError> {
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

    fn object(&mut self, place: &RootedPath) -> Result<Option<Arc<Object>>, BaseError> {
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

fn special(meta: &Metadata) -> &'static str {
    let kind = meta.file_type();
    if kind.is_socket() {
        "a socket, which belongs to a running process"
    } else if kind.is_fifo() {
        "a named pipe, which belongs to a running process"
    } else {
        "a device, which belongs to this machine"
    }
}

fn not_found(missing: NotFound) -> BaseError {
    BaseError::LibraryNotFound {
        library: missing.name,
        needed_by: missing.needed_by.to_string(),
        looked: missing.looked,
    }
}

fn cannot(action: &'static str, path: &RootedPath, source: io::Error) -> BaseError {
    BaseError::Io {
        action,
        path: path.to_string(),
        source,
    }
}

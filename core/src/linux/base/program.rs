//! One program with everything it needs to run: loader, libraries, interpreter, standard library.

use std::io::Read;
use std::sync::Arc;

use super::BaseError;
use super::collect::{Collector, cannot};
use super::elf::Object;
use super::furniture::{LOCAL_DIRECTORIES, PROGRAM_DIRECTORIES, is_spare_in_python};
use super::host::Found;
use super::libraries::NotFound;
use crate::path::RootedPath;
use crate::tree::Kind;

/// A script's interpreter may be a script, and so on; the kernel goes four deep.
const MOST_INTERPRETERS: usize = 4;

impl Collector {
    /// A file with everything that it needs to run. Returns where it really stands.
    pub(super) fn program(
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
    pub(super) fn with_libraries(
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
}

fn not_found(missing: NotFound) -> BaseError {
    BaseError::LibraryNotFound {
        library: missing.name,
        needed_by: missing.needed_by.to_string(),
        looked: missing.looked,
    }
}

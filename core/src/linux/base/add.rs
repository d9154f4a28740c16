//! What a person asks for besides the usual: a program by name, a file, a whole directory.

use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::BaseError;
use super::collect::{Collector, cannot};
use super::furniture::{LOCAL_DIRECTORIES, PROGRAM_DIRECTORIES};
use crate::path::RootedPath;
use crate::tree::Kind;

impl Collector {
    /// Something that a person asked for.
    pub(super) fn add(&mut self, path: &Path) -> Result<(), BaseError> {
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

    /// All that is below a directory. What cannot come is noted, and the rest comes.
    /// Byte-code caches stay: they hold the time of their source, which the base sets anew.
    pub(super) fn directory(
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

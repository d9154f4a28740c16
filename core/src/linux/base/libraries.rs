//! Finding the libraries a program needs, in the places and the order in which its loader would.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Read, Seek};
use std::sync::Arc;

use super::directories::{configured_directories, is_musl, musl_directories};
use super::elf::{MAGIC, Machine, Object};
use super::host::Host;
use crate::path::RootedPath;

/// A library that a program needs, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Library {
    /// The name it was needed by.
    pub(super) name: Vec<u8>,
    /// Where it was found: an absolute path, links not followed.
    pub(super) path: Vec<u8>,
    /// The object that names it.
    pub(super) needed_by: RootedPath,
    /// Whether only `/etc/ld.so.conf` led there, so that a loader without that file's cache
    /// would not look.
    pub(super) configured: bool,
}

/// A library that a program needs and that is nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotFound {
    /// The name it is needed by.
    pub(super) name: String,
    /// The object that names it.
    pub(super) needed_by: RootedPath,
    /// The directories that were searched, in order.
    pub(super) looked: Vec<String>,
}

/// What is known of this machine's libraries.
#[derive(Debug)]
pub(super) struct Libraries {
    /// The directories of `/etc/ld.so.conf` and the files it includes.
    configured: Vec<Vec<u8>>,
    /// Every file looked into so far; `None` for what is not ELF.
    objects: BTreeMap<RootedPath, Option<Arc<Object>>>,
}

/// One object of a process that is being put together.
#[derive(Debug)]
struct Loaded {
    object: Arc<Object>,
    place: RootedPath,
    /// The directory that `$ORIGIN` means.
    origin: Vec<u8>,
    /// `DT_RPATH` directories of the objects that led here, which it searches too.
    inherited: Vec<Vec<u8>>,
}

/// Where a search ended.
#[derive(Debug)]
struct Hit {
    /// The directory's path and the name.
    path: Vec<u8>,
    /// Where that really is, links followed.
    place: RootedPath,
    object: Arc<Object>,
    /// Whether `/etc/ld.so.conf` alone led here.
    configured: bool,
}

impl Libraries {
    pub(super) fn of(host: &Host) -> Self {
        Self {
            configured: configured_directories(host, "/etc/ld.so.conf", 0),
            objects: BTreeMap::new(),
        }
    }

    /// The object in the file at `place`, or nothing when the file is not ELF. The reason is text
    /// when it claims to be ELF and is not readable as such.
    pub(super) fn object(
        &mut self,
        host: &Host,
        place: &RootedPath,
    ) -> std::io::Result<Result<Option<Arc<Object>>, String>> {
        if let Some(known) = self.objects.get(place) {
            return Ok(Ok(known.clone()));
        }
        let mut file = host.open(place)?;
        let mut magic = Vec::with_capacity(4);
        file.by_ref().take(4).read_to_end(&mut magic)?;
        let object = if magic == MAGIC {
            file.rewind()?;
            match Object::read(file) {
                Ok(object) => Some(Arc::new(object)),
                Err(error) => return Ok(Err(error.to_string())),
            }
        } else {
            None
        };
        self.objects.insert(place.clone(), object.clone());
        Ok(Ok(object))
    }

    /// Every library that a process of the object at `place` would load at its start, breadth
    /// first as ld.so(8) does it: each name once, whoever else needs it.
    pub(super) fn closure(
        &mut self,
        host: &Host,
        place: &RootedPath,
        object: &Arc<Object>,
        loader: Option<&[u8]>,
    ) -> (Vec<Library>, Vec<NotFound>) {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
        if let Some(loader) = loader {
            // The loader is in the process already; glibc's libc needs it as a library, too.
            names.insert(last_component(loader).to_vec());
        }
        let musl = loader.is_some_and(is_musl);
        let mut queue = VecDeque::from([Loaded {
            object: Arc::clone(object),
            place: place.clone(),
            origin: parent(&[b"/", place.as_bytes()].concat()).to_vec(),
            inherited: Vec::new(),
        }]);
        while let Some(loaded) = queue.pop_front() {
            let first = own_directories(&loaded, musl);
            for name in &loaded.object.needed {
                if !names.insert(name.clone()) {
                    continue;
                }
                let rest = self.machine_directories(host, loader);
                match self.search(host, name, &first, &rest, object.machine) {
                    Ok(hit) => {
                        names.extend(hit.object.soname.clone());
                        queue.push_back(Loaded {
                            object: hit.object,
                            place: hit.place,
                            origin: parent(&hit.path).to_vec(),
                            inherited: passed_on(&loaded, musl),
                        });
                        found.push(Library {
                            name: name.clone(),
                            path: hit.path,
                            needed_by: loaded.place.clone(),
                            configured: hit.configured,
                        });
                    }
                    Err(_) if musl && is_part_of_musl(name) => {}
                    Err(looked) => missing.push(NotFound {
                        name: String::from_utf8_lossy(name).into_owned(),
                        needed_by: loaded.place.clone(),
                        looked,
                    }),
                }
            }
        }
        (found, missing)
    }

    /// The path of one library, looked for as a program without wishes of its own would.
    pub(super) fn by_name(
        &mut self,
        host: &Host,
        name: &[u8],
        loader: &[u8],
        machine: Machine,
    ) -> Option<Vec<u8>> {
        let directories = self.machine_directories(host, Some(loader));
        let found = self.search(host, name, &[], &directories, machine);
        found.ok().map(|hit| hit.path)
    }

    /// Looks for `name` in the `first` directories, then in the `rest`, which say whether they
    /// are there by configuration. A file for another processor is passed over, as loaders do.
    fn search(
        &mut self,
        host: &Host,
        name: &[u8],
        first: &[Vec<u8>],
        rest: &[(Vec<u8>, bool)],
        machine: Machine,
    ) -> Result<Hit, Vec<String>> {
        let candidates: Vec<(Vec<u8>, bool)> = if name.contains(&b'/') {
            vec![(name.to_vec(), false)]
        } else {
            let first = first.iter().map(|directory| (directory, false));
            let rest = rest.iter().map(|(directory, c)| (directory, *c));
            first
                .chain(rest)
                .map(|(directory, c)| ([directory, b"/".as_slice(), name].concat(), c))
                .collect()
        };
        let mut looked = Vec::new();
        for (path, configured) in candidates {
            let directory = String::from_utf8_lossy(parent(&path)).into_owned();
            let Ok(at) = host.find(&path) else {
                push_once(&mut looked, directory);
                continue;
            };
            match self.object(host, &at.path) {
                Ok(Ok(Some(object))) if object.machine == machine => {
                    return Ok(Hit {
                        path,
                        place: at.path,
                        object,
                        configured,
                    });
                }
                Ok(Ok(Some(object))) => {
                    push_once(
                        &mut looked,
                        format!("{directory} (there for {})", object.machine),
                    );
                }
                Ok(_) => push_once(
                    &mut looked,
                    format!("{directory} (there, but not a library)"),
                ),
                Err(error) => push_once(&mut looked, format!("{directory} ({error})")),
            }
        }
        Err(looked)
    }

    /// The directories that every program of this loader searches after its own.
    fn machine_directories(&self, host: &Host, loader: Option<&[u8]>) -> Vec<(Vec<u8>, bool)> {
        if let Some(loader) = loader.filter(|l| is_musl(l)) {
            return musl_directories(host, loader)
                .into_iter()
                .map(|directory| (directory, false))
                .collect();
        }
        // Built into glibc's loader are its own directory (which is the multiarch directory on
        // Debian and a path in the store on NixOS) and these four.
        let own = loader.and_then(|l| host.find(l).ok()).map(|found| {
            let path = [b"/", found.path.as_bytes()].concat();
            parent(&path).to_vec()
        });
        let fixed: [&[u8]; 4] = [b"/lib64", b"/usr/lib64", b"/lib", b"/usr/lib"];
        let fixed = fixed.map(<[u8]>::to_vec);
        let built_in: BTreeSet<RootedPath> = own
            .iter()
            .chain(&fixed)
            .filter_map(|d| Some(host.find(d).ok()?.path))
            .collect();
        let by_file = self.configured.iter().map(|directory| {
            let real = host.find(directory).map(|found| found.path);
            let known = real.is_ok_and(|path| built_in.contains(&path));
            (directory.clone(), !known)
        });
        let by_loader = own.iter().chain(&fixed).map(|d| (d.clone(), false));
        by_file.chain(by_loader).collect()
    }
}

/// musl is one library, and its loader takes these names for itself, file or no file. (Alpine has
/// a link for one of them, which comes along when it is there.)
fn is_part_of_musl(name: &[u8]) -> bool {
    let parts: [&[u8]; 7] = [
        b"libc.",
        b"libpthread.",
        b"librt.",
        b"libm.",
        b"libdl.",
        b"libutil.",
        b"libxnet.",
    ];
    parts.iter().any(|part| name.starts_with(part))
}

/// The directories that an object itself names. glibc: `DT_RUNPATH` replaces `DT_RPATH`, and only
/// the latter counts for libraries further down. musl takes both as one and passes both on.
fn own_directories(loaded: &Loaded, musl: bool) -> Vec<Vec<u8>> {
    let Object { rpath, runpath, .. } = &*loaded.object;
    let mut directories = match (runpath, rpath) {
        (Some(runpath), _) => expand(runpath, &loaded.origin),
        (None, Some(rpath)) => expand(rpath, &loaded.origin),
        (None, None) => Vec::new(),
    };
    if musl || runpath.is_none() {
        directories.extend(loaded.inherited.iter().cloned());
    }
    directories
}

/// What the libraries that an object loads inherit from it and from those before it.
fn passed_on(loaded: &Loaded, musl: bool) -> Vec<Vec<u8>> {
    let Object { rpath, runpath, .. } = &*loaded.object;
    let own = match (runpath, rpath) {
        (None, Some(path)) => expand(path, &loaded.origin),
        (Some(path), _) if musl => expand(path, &loaded.origin),
        _ => Vec::new(),
    };
    own.into_iter()
        .chain(loaded.inherited.iter().cloned())
        .collect()
}

/// Splits at colons and puts in `$ORIGIN`. A directory with another `$` in it depends on the
/// processor's features; it is left out, and what must be there is there without it.
fn expand(path: &[u8], origin: &[u8]) -> Vec<Vec<u8>> {
    path.split(|b| *b == b':')
        .filter(|directory| !directory.is_empty())
        .map(|directory| {
            let text = replace(directory, b"${ORIGIN}", origin);
            replace(&text, b"$ORIGIN", origin)
        })
        .filter(|directory| !directory.contains(&b'$'))
        .collect()
}

fn replace(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    match text.windows(what.len()).position(|window| window == what) {
        Some(at) => [&text[..at], with, &text[at + what.len()..]].concat(),
        None => text.to_vec(),
    }
}

fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|b| *b == b'/') {
        Some(0) | None => b"/",
        Some(at) => &path[..at],
    }
}

pub(super) fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|b| *b == b'/').next().unwrap_or_default()
}

fn push_once(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

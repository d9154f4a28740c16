//! Loads from a path: a file with an archive in it, or a directory that is an OCI layout.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::spool::{Unpacked, store_blob};
use super::{ArchiveError, Files, Load, Loaded, images, load, oci, run};
use crate::digest::{Digest, DigestError};
use crate::event::{Event, ignore};
use crate::layer::Bounds;
use crate::path::RootedPath;
use crate::spec::{Descriptor, Index, Platform};
use crate::store::{MOST_IN_MEMORY, Store, StoreError, without_names};

/// Loads every image of the archive or OCI layout directory at `path`; see [`load`].
pub fn load_path(
    path: &Path,
    store: &dyn Store,
    platform: &Platform,
    bounds: Bounds,
    on: &mut dyn FnMut(Event),
) -> Result<Vec<Loaded>, ArchiveError> {
    let refused = |e| StoreError::io(format!("open {}", path.display()), e);
    if fs::metadata(path).map_err(refused)?.is_dir() {
        return run(store, platform, bounds, on, &mut |load| {
            let mut files = Directory {
                root: path,
                store,
                copied: BTreeMap::new(),
                unpacked: Unpacked::within(load.bounds),
            };
            images(&mut files, load)
        });
    }
    let file = File::open(path).map_err(refused)?;
    load(file, store, platform, bounds, on)
}

/// Brings the image that `name`, a tag or digest, means in the OCI layout directory at `path`
/// into the store, without giving it a tag; without a name, the only one there is. Whoever calls
/// this holds the store.
pub fn import_layout(
    path: &Path,
    name: Option<&str>,
    store: &dyn Store,
    platform: &Platform,
    bounds: Bounds,
) -> Result<Descriptor, ArchiveError> {
    let mut files = Directory {
        root: path,
        store,
        copied: BTreeMap::new(),
        unpacked: Unpacked::within(bounds),
    };
    let mut load = Load {
        store,
        platform,
        bounds,
        on: &mut ignore,
        diff_ids: BTreeMap::new(),
    };
    let Some(index) = files.document("index.json")? else {
        return Err(ArchiveError::NotAnImage {
            reason: "it has no index.json at its top, so it is no OCI image layout".to_owned(),
        });
    };
    named(&index, name, &mut files, &mut load)
}

/// The one image of `index.json` that `name` means, brought into the store.
fn named(
    index: &[u8],
    name: Option<&str>,
    files: &mut dyn Files,
    load: &mut Load,
) -> Result<Descriptor, ArchiveError> {
    oci::version(files)?;
    let index: Index = oci::parse(index, "index.json")?;
    let entries = oci::chosen(&index, load);
    let answers = |entry: &&Descriptor| {
        let tag = |known: &String| {
            let last = known.rsplit(['/', ':']).next();
            name.is_some_and(|name| known == name || last == Some(name))
        };
        name.is_none()
            || name == Some(entry.digest.as_str())
            || oci::name_of(entry).is_some_and(tag)
    };
    let mut found: Vec<_> = entries.iter().filter(answers).collect();
    found.sort_by_key(|entry| &entry.digest);
    found.dedup_by_key(|entry| &entry.digest);
    let [entry] = found[..] else {
        let names: Vec<_> = entries.iter().filter_map(oci::name_of).cloned().collect();
        let reason = match (name, found.len()) {
            (Some(name), 0) => format!("it has no image {name:?}"),
            (Some(name), n) => format!("it has {n} images {name:?}"),
            (None, n) => format!("it has {n} images, and none was chosen"),
        };
        let reason = format!("{reason}; its names are: {}", names.join(", "));
        return Err(ArchiveError::NotAnImage { reason });
    };
    let mut target = without_names(entry);
    if oci::fetch(entry, "index.json", files, load, oci::DEEPEST)?.is_none() {
        let reason = format!("{} is no image but another artifact", entry.digest);
        return Err(ArchiveError::NotAnImage { reason });
    }
    target.platform = None;
    Ok(target)
}

/// A directory whose files are copied into the store when they are asked for.
struct Directory<'a> {
    root: &'a Path,
    store: &'a dyn Store,
    /// What was asked for before is not read again.
    copied: BTreeMap<RootedPath, (Digest, u64)>,
    unpacked: Unpacked,
}

impl Directory<'_> {
    fn open(&self, path: &RootedPath) -> Result<Option<(PathBuf, File, u64)>, ArchiveError> {
        let path = self.root.join(&*path.to_text());
        let refused = |e| StoreError::io(format!("open {}", path.display()), e);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(refused(e).into()),
        };
        let meta = file.metadata().map_err(refused)?;
        if !meta.is_file() {
            return Ok(None);
        }
        Ok(Some((path, file, meta.len())))
    }
}

impl Files for Directory<'_> {
    fn unpacked(&self) -> &Unpacked {
        &self.unpacked
    }

    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some((path, file, _)) = self.open(&RootedPath::root().child(name.as_bytes()))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(MOST_IN_MEMORY)
            .read_to_end(&mut bytes)
            .map_err(|e| StoreError::io(format!("read {}", path.display()), e))?;
        Ok(Some(bytes))
    }

    fn blob(
        &mut self,
        path: &RootedPath,
        expected: Option<&Digest>,
    ) -> Result<Option<(Digest, u64)>, ArchiveError> {
        let (actual, size) = match self.copied.get(path) {
            Some(copied) => copied.clone(),
            None => match self.open(path)? {
                Some((_, mut file, size)) => {
                    store_blob(path, size, &mut file, self.store, &mut self.unpacked)?
                }
                None => return Ok(None),
            },
        };
        self.copied.insert(path.clone(), (actual.clone(), size));
        match expected {
            Some(expected) if *expected != actual => Err(DigestError::Mismatch {
                expected: expected.clone(),
                actual,
            }
            .into()),
            _ => Ok(Some((actual, size))),
        }
    }
}

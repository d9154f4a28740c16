//! A cache from elsewhere, in an OCI image layout directory.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::carry::{self, Carried, STEPS, Step};
use crate::digest::Digest;
use crate::spec::{Descriptor, Index, Manifest};
use crate::store::StoreError;

/// The steps in the directory at `root`, as they were written by [`super::carry::manifest`].
/// `None` when there is no directory: then nobody has written one yet. Layers are read when a
/// step is found.
pub fn open(root: &Path) -> Result<Option<Carried<'_>>, StoreError> {
    let path = root.join("index.json");
    let index = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io(format!("read {}", path.display()), e)),
    };
    let index: Index = parse(&path, &index)?;
    let mut steps: Vec<Step> = Vec::new();
    for entry in &index.manifests {
        let manifest: Manifest = document(root, entry)?;
        if manifest.config.media_type == STEPS {
            steps.extend(document::<Vec<Step>>(root, &manifest.config)?);
        }
    }
    if steps.is_empty() {
        return Err(damaged(&path, "no build cache of Coracle's is in there"));
    }
    Ok(Some(Carried {
        steps: steps.into_iter().map(|s| (s.key, s.entry)).collect(),
        fetch: Box::new(move |pointer, store| {
            let read = |e| StoreError::io(format!("read {} of the cache", pointer.digest), e);
            match blob(root, &pointer.digest).map_err(read)? {
                Some(reader) => carry::keep(reader, pointer, store),
                None => Ok(false),
            }
        }),
    }))
}

fn blob(root: &Path, digest: &Digest) -> io::Result<Option<File>> {
    let path = root.join("blobs").join(digest.as_str().replace(':', "/"));
    match File::open(&path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn document<T: serde::de::DeserializeOwned>(
    root: &Path,
    pointer: &Descriptor,
) -> Result<T, StoreError> {
    let digest = &pointer.digest;
    let read = |e| StoreError::io(format!("read {digest} in {}", root.display()), e);
    let mut bytes = Vec::new();
    let Some(file) = blob(root, digest).map_err(read)? else {
        return Err(damaged(root, &format!("{digest} is not in there")));
    };
    file.take(crate::store::MOST_IN_MEMORY)
        .read_to_end(&mut bytes)
        .map_err(read)?;
    if Digest::of(&bytes) != *digest {
        return Err(damaged(
            root,
            &format!("{digest} does not match its digest"),
        ));
    }
    parse(root, &bytes)
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| damaged(path, &e.to_string()))
}

fn damaged(path: &Path, reason: &str) -> StoreError {
    StoreError::io(
        format!("read the build cache in {}", path.display()),
        io::Error::new(ErrorKind::InvalidData, reason.to_owned()),
    )
}

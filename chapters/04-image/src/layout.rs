//! An image layout: a directory of blobs, and one document that gives some of them names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use coracle::digest::Digest;

use crate::{Descriptor, Index, Manifest, Result, media};

/// The annotation of an entry of `index.json` that holds its name.
const NAME: &str = "org.opencontainers.image.ref.name";

/// A directory as the OCI image layout specification describes it.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
}

/// Whether a blob had to be written.
#[derive(Debug, PartialEq, Eq)]
pub enum Stored {
    /// It was not here.
    New(u64),
    /// It was here already.
    Here,
}

impl Layout {
    /// The layout in a directory, which is made if it is not there.
    pub fn open(root: &Path) -> Result<Self> {
        let layout = Self {
            root: root.to_owned(),
        };
        fs::create_dir_all(root.join("blobs/sha256"))?;
        fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        if !root.join("index.json").exists() {
            layout.write_index(Vec::new())?;
        }
        Ok(layout)
    }

    // ANCHOR: blobs
    /// Where a blob stands, or would stand.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Keeps bytes under their name, once, and returns a pointer to them.
    pub fn put(&self, media_type: &str, bytes: &[u8]) -> Result<(Descriptor, Stored)> {
        let descriptor = Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
        };
        let path = self.path(&descriptor.digest);
        if path.exists() {
            return Ok((descriptor, Stored::Here));
        }
        replace(&path, bytes)?;
        let stored = Stored::New(descriptor.size);
        Ok((descriptor, stored))
    }
    // ANCHOR_END: blobs

    // ANCHOR: read
    /// The bytes that a pointer leads to, if they are what it says.
    pub fn read(&self, pointer: &Descriptor) -> Result<Vec<u8>> {
        let bytes = fs::read(self.path(&pointer.digest)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("{} is missing", pointer.digest),
            _ => format!("read {}: {error}", pointer.digest),
        })?;
        if Digest::of(&bytes) != pointer.digest || bytes.len() as u64 != pointer.size {
            return Err(format!("{} is damaged", pointer.digest).into());
        }
        Ok(bytes)
    }
    // ANCHOR_END: read

    // ANCHOR: index
    /// Every name with what it points to, in the order of the names; what has none is called by
    /// its digest.
    pub fn tags(&self) -> Result<Vec<(String, Descriptor)>> {
        let index: Index = serde_json::from_slice(&fs::read(self.root.join("index.json"))?)?;
        let named = |entry: Descriptor| match entry.annotations.get(NAME) {
            Some(name) => (name.clone(), entry),
            None => (entry.digest.to_string(), entry),
        };
        let mut tags: Vec<_> = index.manifests.into_iter().map(named).collect();
        tags.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(tags)
    }

    /// Writes `index.json` anew, in one step.
    fn write_index(&self, manifests: Vec<Descriptor>) -> Result<()> {
        let index = Index {
            schema_version: 2,
            media_type: media::INDEX.to_owned(),
            manifests,
        };
        replace(&self.root.join("index.json"), &serde_json::to_vec(&index)?)
    }
    // ANCHOR_END: index

    // ANCHOR: tag
    /// Gives a name to what a pointer leads to. A name that is taken moves.
    pub fn tag(&self, name: &str, pointer: &Descriptor) -> Result<()> {
        // TASK 3: Write the index with one entry of this name, and all others as they were.
        let others = self.tags()?.into_iter().filter(|(other, _)| other != name);
        let mut entry = pointer.clone();
        entry.annotations.insert(NAME.to_owned(), name.to_owned());
        self.write_index(others.map(|(_, entry)| entry).chain([entry]).collect())
        // TASK_END
    }
    // ANCHOR_END: tag

    /// Takes a name away. What it pointed to stays.
    pub fn untag(&self, name: &str) -> Result<()> {
        let tags = self.tags()?;
        if !tags.iter().any(|(known, _)| known == name) {
            return Err(unknown(name, &tags));
        }
        let others = tags.into_iter().filter(|(other, _)| other != name);
        self.write_index(others.map(|(_, entry)| entry).collect())
    }

    /// What a name points to.
    pub fn resolve(&self, name: &str) -> Result<Descriptor> {
        let tags = self.tags()?;
        let found = tags.iter().find(|(known, _)| known == name);
        found
            .map(|(_, entry)| entry.clone())
            .ok_or_else(|| unknown(name, &tags))
    }

    // ANCHOR: walk
    /// The tree below a pointer to a manifest: itself, its config, its layers.
    pub fn walk(&self, pointer: &Descriptor) -> Result<Vec<Descriptor>> {
        // TASK 4: Read the manifest, and see that everything that it names is here and whole.
        if pointer.media_type != media::MANIFEST {
            return Err(format!("{} is no manifest of an image", pointer.media_type).into());
        }
        let manifest: Manifest = serde_json::from_slice(&self.read(pointer)?)?;
        let mut found = vec![pointer.clone(), manifest.config];
        found.extend(manifest.layers);
        for part in &found {
            self.read(part)?;
        }
        Ok(found)
        // TASK_END
    }
    // ANCHOR_END: walk

    // ANCHOR: garbage
    /// The blobs that no name leads to, in the order of their digests.
    pub fn garbage(&self) -> Result<Vec<Digest>> {
        // TASK 5: All blobs but those that are in the tree of some tag.
        let mut needed = BTreeSet::new();
        for (_, entry) in self.tags()? {
            needed.extend(self.walk(&entry)?.into_iter().map(|part| part.digest));
        }
        let mut blobs = self.blobs()?;
        blobs.retain(|digest| !needed.contains(digest));
        Ok(blobs)
        // TASK_END
    }
    // ANCHOR_END: garbage

    /// Every blob, in the order of the digests.
    pub fn blobs(&self) -> Result<Vec<Digest>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.root.join("blobs/sha256"))? {
            let name = entry?.file_name();
            // What is under way has no digest for its name.
            found.extend(format!("sha256:{}", name.display()).parse::<Digest>());
        }
        found.sort();
        Ok(found)
    }

    /// Removes a blob.
    pub fn remove(&self, digest: &Digest) -> Result<()> {
        Ok(fs::remove_file(self.path(digest))?)
    }
}

/// Puts bytes in the place of a file, all at once: others see the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("tmp");
    fs::write(&unfinished, bytes)?;
    Ok(fs::rename(&unfinished, path)?)
}

fn unknown(name: &str, tags: &[(String, Descriptor)]) -> Box<dyn std::error::Error> {
    let known: Vec<&str> = tags.iter().map(|(name, _)| name.as_str()).collect();
    format!(
        "nothing is called {name:?} here; there are: {}",
        known.join(", ")
    )
    .into()
}

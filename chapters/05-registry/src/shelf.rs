//! A layout of chapter 4, as far as this chapter needs one.

use std::fs;
use std::path::{Path, PathBuf};

use coracle::digest::Digest;
use serde_json::{Value, json};

use crate::Result;

const NAME: &str = "org.opencontainers.image.ref.name";

/// Blobs, and names for some of them.
#[derive(Debug)]
pub struct Shelf {
    root: PathBuf,
}

impl Shelf {
    /// The shelf in a directory, which is made if it is not there.
    pub fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root.join("blobs/sha256"))?;
        fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Whether a blob is here.
    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    /// The bytes of a blob.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>> {
        Ok(fs::read(self.path(digest)).map_err(|error| format!("read {digest}: {error}"))?)
    }

    /// Keeps bytes under their name.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        let unfinished = self.path(&digest).with_extension("tmp");
        fs::write(&unfinished, bytes)?;
        fs::rename(&unfinished, self.path(&digest))?;
        Ok(digest)
    }

    /// Every entry of `index.json`.
    fn entries(&self) -> Result<Vec<Value>> {
        let Ok(bytes) = fs::read(self.root.join("index.json")) else {
            return Ok(Vec::new());
        };
        let index: Value = serde_json::from_slice(&bytes)?;
        Ok(index["manifests"].as_array().cloned().unwrap_or_default())
    }

    /// The manifest that a name points to.
    pub fn resolve(&self, name: &str) -> Result<Digest> {
        let entries = self.entries()?;
        let found = entries
            .iter()
            .find(|entry| entry["annotations"][NAME] == name);
        let digest = found.and_then(|entry| entry["digest"].as_str());
        let digest = digest.ok_or_else(|| format!("nothing is called {name:?} here"))?;
        Ok(digest.parse()?)
    }

    /// Gives a manifest a name.
    pub fn tag(&self, name: &str, manifest: &Digest) -> Result<()> {
        let mut entries = self.entries()?;
        entries.retain(|entry| entry["annotations"][NAME] != name);
        entries.push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": manifest.as_str(),
            "size": self.get(manifest)?.len(),
            "annotations": { NAME: name },
        }));
        let index = json!({ "schemaVersion": 2, "manifests": entries });
        Ok(fs::write(self.root.join("index.json"), index.to_string())?)
    }
}

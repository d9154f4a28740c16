//! The documents of an image, as the OCI image specification writes them.

use std::collections::BTreeMap;

use coracle::digest::Digest;
use serde::{Deserialize, Serialize};

/// What a blob is, in a word for programs.
pub mod media {
    /// A document that lists manifests.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// A document that lists a config and layers.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// A document that says how an image is run.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer that is not packed.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
}

// ANCHOR: descriptor
/// A pointer to a blob: what it is, its digest, and its size in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// One of [`media`].
    pub media_type: String,
    /// Its name.
    pub digest: Digest,
    /// Its size, so that nobody reads for ever.
    pub size: u64,
    /// Words about it, such as the name that it has in an index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}
// ANCHOR_END: descriptor

// ANCHOR: manifest
/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2, since there were two formats before this one.
    pub schema_version: u32,
    /// [`media::MANIFEST`]; others may leave it out.
    #[serde(default)]
    pub media_type: String,
    /// How it is run.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
}
// ANCHOR_END: manifest

/// A list of manifests; `index.json` of a layout is one, and its only document that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// [`media::INDEX`]; others may leave it out.
    #[serde(default)]
    pub media_type: String,
    /// What it lists.
    pub manifests: Vec<Descriptor>,
}

// ANCHOR: config
/// How an image is run, and which layers it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The processor that it is for: `amd64`, `arm64`.
    pub architecture: String,
    /// The operating system that it is for.
    pub os: String,
    /// What is run.
    pub config: Run,
    /// The layers by their diff IDs, the lowest first.
    pub rootfs: RootFs,
    /// What made each layer, the lowest first.
    pub history: Vec<History>,
}
// ANCHOR_END: config

/// What is run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The command and its words.
    #[serde(rename = "Cmd")]
    pub cmd: Vec<String>,
}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Their diff IDs, the lowest first.
    pub diff_ids: Vec<Digest>,
}

/// Where a layer comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// In words.
    pub created_by: String,
}

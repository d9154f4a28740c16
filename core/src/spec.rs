//! The documents of the OCI and Docker formats, and the only window on `oci-spec`.
//!
//! The runtime specification's types come from `oci-spec` as they are. The image documents are
//! plain structs of our own: `oci-spec` 0.10 keeps annotations and labels in hash maps, whose
//! order changes from run to run (and with it the digest), and has no room for the fields that
//! Docker adds to an image's config (`Shell`, `OnBuild`, `Healthcheck`). A test reads what we
//! write with `oci-spec`'s own types.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use oci_spec::runtime;

use crate::digest::{DiffId, Digest};

/// The media types that Coracle reads and writes.
pub mod media {
    /// An OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI image config.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// An uncompressed layer.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A gzip-compressed layer.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A zstd-compressed layer.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker's name for an index.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's name for a manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's name for a config.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Docker's name for an uncompressed layer.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    /// Docker's name for a gzip-compressed layer.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

    /// Whether `media_type` names an index, OCI or Docker.
    pub fn is_index(media_type: &str) -> bool {
        matches!(media_type, INDEX | DOCKER_INDEX)
    }

    /// Whether `media_type` names a manifest, OCI or Docker.
    pub fn is_manifest(media_type: &str) -> bool {
        matches!(media_type, MANIFEST | DOCKER_MANIFEST)
    }
}

/// A parsed value beside the very bytes that it came from.
///
/// A digest names bytes. Writing a parsed document out again may give other bytes (order of
/// fields, white space, fields unknown to us), so the bytes are kept and never re-made.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<T> {
    /// What the bytes say.
    pub value: T,
    /// The bytes that `digest` names. Private, so that value and bytes cannot drift apart.
    bytes: Vec<u8>,
}

impl<T: DeserializeOwned> Document<T> {
    /// Reads a document, keeping its bytes.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, serde_json::Error> {
        Ok(Self {
            value: serde_json::from_slice(&bytes)?,
            bytes,
        })
    }
}

impl<T: Serialize> Document<T> {
    /// Writes a value of our own: JSON without white space, keys sorted, so that the same value
    /// has the same bytes everywhere.
    pub fn write(value: T) -> Result<Self, serde_json::Error> {
        let bytes = serde_json::to_vec(&serde_json::to_value(&value)?)?;
        Ok(Self { value, bytes })
    }
}

impl<T> Document<T> {
    /// The bytes as they were read or written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// A descriptor that points at this document.
    pub fn descriptor(&self, media_type: &str) -> Descriptor {
        Descriptor::new(media_type, self.digest(), self.bytes.len() as u64)
    }
}

/// A typed pointer to a blob.
///
/// Source: [image-spec, descriptor](https://github.com/opencontainers/image-spec/blob/main/descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of thing the blob is.
    pub media_type: String,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// For whom the blob is, in an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Anything else, such as `org.opencontainers.image.ref.name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The kind of artifact, where it is not an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Fields that are kept but not understood here (`urls`, `data`).
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Descriptor {
    /// A pointer without platform and annotations.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
            artifact_type: None,
            extra: BTreeMap::new(),
        }
    }
}

/// An operating system and a processor, by Go's names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The processor: `amd64`, `arm64`.
    pub architecture: String,
    /// The operating system: `linux`.
    pub os: String,
    /// The processor's generation, such as `v8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The system's version, on Windows.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

impl Platform {
    /// Linux on `architecture`.
    pub fn linux(architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant: None,
            os_version: None,
        }
    }

    /// Reads `os/architecture[/variant]`, as `--platform` takes it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let os = parts.next().filter(|s| !s.is_empty())?.to_owned();
        let architecture = parts.next().filter(|s| !s.is_empty())?.to_owned();
        let variant = parts.next().map(str::to_owned);
        parts.next().is_none().then_some(Self {
            architecture,
            os,
            variant,
            os_version: None,
        })
    }

    /// Whether something made for `self` runs where `wanted` is asked for.
    /// A variant that either side leaves out is not compared.
    pub fn serves(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (self.variant.is_none()
                || wanted.variant.is_none()
                || self.variant == wanted.variant)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// A list of manifests: one image for several platforms, or all images of a layout.
///
/// Source: [image-spec, image index](https://github.com/opencontainers/image-spec/blob/main/image-index.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// What kind of index this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What it lists, in order of preference.
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
    /// Fields that are kept but not understood here.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Index {
    /// An OCI index of `manifests`.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media::INDEX.to_owned()),
            manifests,
            extra: BTreeMap::new(),
        }
    }
}

/// An image for one platform: its config and its layers.
///
/// Source: [image-spec, image manifest](https://github.com/opencontainers/image-spec/blob/main/manifest.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// What kind of manifest this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The image's config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Fields that are kept but not understood here (`annotations`, `subject`).
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Manifest {
    /// An OCI manifest.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_owned()),
            config,
            layers,
            extra: BTreeMap::new(),
        }
    }
}

/// What an image's config file says: platform, how to run it, the layers' diff IDs, the history.
///
/// The digest of this file is the image's ID, as Docker prints it.
/// Source: [image-spec, config](https://github.com/opencontainers/image-spec/blob/main/config.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The processor, by Go's name.
    pub architecture: String,
    /// The operating system, by Go's name.
    pub os: String,
    /// The processor's generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// When the image was made, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// How a container of it is run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: RunConfig,
    /// What the file system is made of.
    pub rootfs: RootFs,
    /// What made each layer, and what changed metadata only; oldest first.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub history: Vec<History>,
    /// Fields that are kept but not understood here.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl ImageConfig {
    /// The config of an image without layers, which is what `FROM scratch` starts from.
    pub fn scratch(platform: &Platform) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
            created: None,
            author: None,
            config: RunConfig::default(),
            rootfs: RootFs::default(),
            history: Vec::new(),
            extra: BTreeMap::new(),
        }
    }

    /// The platform that the image is for.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            variant: self.variant.clone(),
            os_version: None,
        }
    }
}

/// How a container is run: the part of the config that Dockerfile instructions set.
///
/// `Healthcheck`, `Shell`, `OnBuild` are Docker's additions
/// ([moby's image specification](https://github.com/moby/docker-image-spec)).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// `user`, `uid`, `user:group` or `uid:gid`; empty means root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports as `8080/tcp`.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub exposed_ports: BTreeMap<String, Value>,
    /// `NAME=value`, in the order they were set.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub env: Vec<String>,
    /// What is run; `Cmd` is appended to it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub entrypoint: Vec<String>,
    /// Default arguments, or what is run when there is no entrypoint.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub cmd: Vec<String>,
    /// Directories that hold data which outlives the container.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub volumes: BTreeMap<String, Value>,
    /// Where the process starts; empty means `/`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Anything a person wants to say about the image.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks the process to end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// How to find out whether the container is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// What runs the shell form of instructions; empty means `/bin/sh -c`.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub shell: Vec<String>,
    /// Instructions for images built from this one.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub on_build: Vec<String>,
    /// Fields that are kept but not understood here.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// How to find out whether a container is well. Durations in nanoseconds; 0 inherits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between two checks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: u64,
    /// How long one check may take.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: u64,
    /// How long failures do not count after the start.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: u64,
    /// Time between two checks during the start period.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: u64,
    /// How many failures in a row mean unhealthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
}

/// The diff IDs of an image's layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One diff ID a layer, lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<DiffId>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
        }
    }
}

/// One line of an image's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A remark; Docker names the builder here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether this line made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Go writes an empty list or map as `null`; both mean the same.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_not_remade() {
        let given = br#"{ "os":"linux","architecture":"amd64", "rootfs":{"type":"layers","diff_ids":null}, "config":null, "x.y":1 }"#;
        let document = Document::<ImageConfig>::parse(given.to_vec()).unwrap();
        assert_eq!(document.bytes(), given);
        assert_eq!(document.digest(), Digest::of(given));
        assert_eq!(document.value.extra["x.y"], 1);
    }

    #[test]
    fn oci_spec_reads_what_we_write() {
        let mut config = ImageConfig::scratch(&Platform::linux("amd64"));
        config.config.env.push("PATH=/bin".into());
        config.config.labels.insert("b".into(), "2".into());
        config.config.labels.insert("a".into(), "1".into());
        config.config.shell.push("/bin/ash".into());
        config.rootfs.diff_ids.push(DiffId(Digest::of(b"layer")));
        let config = Document::write(config).unwrap();
        let theirs: oci_spec::image::ImageConfiguration =
            serde_json::from_slice(config.bytes()).unwrap();
        assert_eq!(theirs.rootfs().diff_ids().len(), 1);
        let manifest = Manifest::new(config.descriptor(media::CONFIG), vec![]);
        let manifest = Document::write(manifest).unwrap();
        let theirs: oci_spec::image::ImageManifest =
            serde_json::from_slice(manifest.bytes()).unwrap();
        assert_eq!(
            theirs.config().digest().to_string(),
            config.digest().to_string()
        );
        // Sorted keys: the bytes do not depend on the order of fields or on a hash map.
        assert!(
            config
                .bytes()
                .starts_with(br#"{"architecture":"amd64","config":{"Env""#)
        );
    }

    #[test]
    fn platforms() {
        let check = |text, expected: Option<&str>| {
            assert_eq!(
                Platform::parse(text).map(|p| p.to_string()).as_deref(),
                expected
            );
        };
        check("linux/arm64/v8", Some("linux/arm64/v8"));
        check("linux/amd64", Some("linux/amd64"));
        check("linux", None);
        check("linux/", None);
        check("a/b/c/d", None);
    }
}

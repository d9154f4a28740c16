//! A bundle: the directory that holds a container's specification and the files beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files;
use super::options::RunOptions;
use super::spec::{Place, SpecError, container_spec, hostname, to_json};
use crate::spec::RunConfig;
use crate::spec::runtime::Spec;

/// What the host knows that a container on its network should know too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFiles {
    /// The content of the host's `/etc/hosts`.
    pub hosts: String,
    /// The content of the host's `/etc/resolv.conf`.
    pub resolv_conf: String,
}

impl HostFiles {
    /// Reads them. What is missing is empty.
    pub fn read() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            hosts: read("/etc/hosts"),
            resolv_conf: read("/etc/resolv.conf"),
        }
    }
}

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The image and the options do not make a container.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The system refused.
    #[error("{action} {path:?}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes the bundle of a container of `image` into the directory `place.bundle`, which is made
/// when it is missing: `config.json`, `hostname`, `hosts`, `resolv.conf`, and `rootfs`, the empty
/// directory where the root file system will be mounted.
///
/// Source: [runtime-spec, bundle](https://github.com/opencontainers/runtime-spec/blob/main/bundle.md).
pub fn write(
    image: &RunConfig,
    options: &RunOptions,
    place: &Place,
    host: &HostFiles,
) -> Result<Spec, BundleError> {
    let spec = container_spec(image, options, place)?;
    let directory = Path::new(&place.bundle);
    let rootfs = directory.join("rootfs");
    fs::create_dir_all(&rootfs).map_err(|source| BundleError::Io {
        action: "create directory",
        path: rootfs,
        source,
    })?;
    let hostname = hostname(options, place);
    let hosts = files::hosts(&hostname, options.network, &host.hosts);
    let resolv_conf = files::resolv_conf(options.network, &host.resolv_conf);
    let config = to_json(&spec).map_err(SpecError::from)?;
    for (name, content) in [
        ("hostname", (hostname + "\n").as_bytes()),
        ("hosts", hosts.as_bytes()),
        ("resolv.conf", resolv_conf.as_bytes()),
        ("config.json", &config),
    ] {
        let path = directory.join(name);
        fs::write(&path, content).map_err(|source| BundleError::Io {
            action: "write",
            path,
            source,
        })?;
    }
    Ok(spec)
}

/// Reads the specification of a bundle that [`write`] made.
pub fn read(directory: &Path) -> Result<Spec, BundleError> {
    let path = directory.join("config.json");
    let bytes = fs::read(&path).map_err(|source| BundleError::Io {
        action: "read",
        path: path.clone(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|source| BundleError::Io {
        action: "read",
        path,
        source: source.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_whole_and_its_config_is_the_specification() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            id: "ab".repeat(32),
            bundle: dir.path().join("c").to_str().unwrap().to_owned(),
            architecture: "amd64".to_owned(),
        };
        let image = RunConfig {
            cmd: vec!["true".to_owned()],
            ..RunConfig::default()
        };
        let spec = write(
            &image,
            &RunOptions::default(),
            &place,
            &HostFiles::default(),
        )
        .unwrap();
        assert_eq!(super::read(&dir.path().join("c")).unwrap(), spec);
        let read = |name: &str| fs::read(dir.path().join("c").join(name)).unwrap();
        assert_eq!(
            serde_json::from_slice::<Spec>(&read("config.json")).unwrap(),
            spec
        );
        assert_eq!(read("hostname"), b"abababababab\n");
        assert!(
            String::from_utf8(read("hosts"))
                .unwrap()
                .contains("abababababab")
        );
        assert!(dir.path().join("c/rootfs").is_dir());
    }

    #[test]
    fn an_unwritable_place_is_named() {
        let place = Place {
            id: String::new(),
            bundle: "/dev/null/c".to_owned(),
            architecture: "amd64".to_owned(),
        };
        let image = RunConfig {
            cmd: vec!["true".to_owned()],
            ..RunConfig::default()
        };
        let error = write(
            &image,
            &RunOptions::default(),
            &place,
            &HostFiles::default(),
        );
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("/dev/null/c/rootfs")
        );
    }
}

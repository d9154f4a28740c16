//! `registries.toml`: mirrors, registries in the clear, private authorities.
//!
//! ```toml
//! offline = false                      # true: nobody but this machine is asked
//!
//! [registry."docker.io"]
//! mirrors = ["mirror.example:5000"]    # asked first when something is fetched, in this order
//!
//! [registry."mirror.example:5000"]
//! ca = "/etc/ssl/example-ca.pem"       # trusted at this registry, instead of the machine's list
//!
//! [registry."old.example:5000"]
//! insecure = true                      # any certificate will do, or none at all
//!
//! [registry."10.0.0.7:5000"]
//! plain-http = true                    # in the clear from the start
//!
//! [registry."localhost:5443"]
//! tls = true                           # TLS on the loopback, which is in the clear otherwise
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use coracle::registry::hosts::{Hosts, Security, Settings, is_loopback};
use coracle::registry::net::client::Trust;
use serde::Deserialize;

use crate::failure::Failure;

/// What files and options say about registries.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Where they are and how they are spoken to.
    pub(super) hosts: Hosts,
    /// Whose certificates are trusted where.
    pub(super) trust: BTreeMap<String, Trust>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Document {
    #[serde(default)]
    offline: bool,
    #[serde(default)]
    registry: BTreeMap<String, One>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct One {
    #[serde(default)]
    mirrors: Vec<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    plain_http: bool,
    #[serde(default)]
    tls: bool,
    ca: Option<PathBuf>,
}

impl Known {
    /// Reads the first of `files` that is there.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, Failure> {
        for path in files {
            match fs::read_to_string(path) {
                Ok(text) => {
                    return Self::parse(&text)
                        .map_err(|failure| failure.about(&path.display().to_string()));
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(Failure::io(format!("read {}", path.display()), &e)),
            }
        }
        Ok(Self::default())
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let document: Document = toml::from_str(text).map_err(|e| {
            Failure::new(e.to_string().trim_end().to_owned())
                .hint("`coracle pull --help` shows what may stand there.")
        })?;
        let mut known = Self::default();
        known.hosts.offline = document.offline;
        for (name, one) in document.registry {
            for registry in [&name].into_iter().chain(&one.mirrors) {
                check_registry(registry)?;
            }
            let given = [one.insecure, one.plain_http, one.tls];
            if given.iter().filter(|given| **given).count() > 1 {
                return Err(Failure::new(format!(
                    "[registry.{name:?}]: insecure, plain-http and tls contradict each other; keep one"
                )));
            }
            let transport = match given {
                [true, ..] => Some(Security::Insecure),
                [_, true, _] => Some(Security::Plain),
                [_, _, true] => Some(Security::Tls),
                _ => None,
            };
            if let Some(path) = &one.ca {
                let pem = fs::read(path)
                    .map_err(|e| Failure::io(format!("read {}", path.display()), &e))?;
                known.trust(&name).authorities.push(pem);
            }
            if one.insecure {
                known.trust(&name).anybody = true;
            }
            let settings = Settings {
                mirrors: one.mirrors,
                transport,
            };
            known.hosts.registries.insert(name, settings);
        }
        known.prefer_tls();
        Ok(known)
    }

    /// Reads directories in Docker's form: `HOST:PORT/ca.crt`, and `client.cert` with
    /// `client.key` for those who show who they are. What an earlier directory has for a host
    /// counts.
    pub(super) fn add_certificates(&mut self, directories: &[PathBuf]) -> Result<(), Failure> {
        for directory in directories {
            let Ok(entries) = fs::read_dir(directory) else {
                continue;
            };
            for entry in entries.flatten() {
                let host = entry.file_name().to_string_lossy().into_owned();
                if entry.path().is_dir() && !self.trust.contains_key(&address_of(&host)) {
                    let trust = read_host(&entry.path())?;
                    if !trust.authorities.is_empty() || trust.identity.is_some() {
                        *self.trust(&host) = trust;
                    }
                }
            }
        }
        self.prefer_tls();
        Ok(())
    }

    /// Does what `--tls-verify` says about one registry.
    pub(super) fn verify(&mut self, registry: &str, verify: bool) {
        let settings = self
            .hosts
            .registries
            .entry(registry.to_owned())
            .or_default();
        settings.transport = Some(if verify {
            Security::Tls
        } else {
            Security::Insecure
        });
        self.trust(registry).anybody = !verify;
    }

    /// The registries that are spoken to without looking whom one speaks to, other than by the
    /// loopback.
    pub(super) fn is_insecure(&self, registry: &str) -> bool {
        let settings = self.hosts.registries.get(registry);
        let transport = settings.and_then(|s| s.transport);
        matches!(transport, Some(Security::Insecure | Security::Plain)) && !is_loopback(registry)
    }

    fn trust(&mut self, registry: &str) -> &mut Trust {
        self.trust.entry(address_of(registry)).or_default()
    }

    /// Somebody on the loopback whose authority is known speaks TLS.
    fn prefer_tls(&mut self) {
        let trusted = self.trust.iter();
        let private = trusted.filter(|(_, trust)| !trust.authorities.is_empty());
        for host in private.map(|(host, _)| host.clone()) {
            let settings = self.hosts.registries.entry(host).or_default();
            settings.transport.get_or_insert(Security::Tls);
        }
    }
}

/// The host that is spoken to when a registry is named.
fn address_of(registry: &str) -> String {
    match registry {
        "docker.io" => "registry-1.docker.io".to_owned(),
        other => other.to_owned(),
    }
}

/// Whether the text names a registry: a host with an optional port.
pub(super) fn check_registry(text: &str) -> Result<(), Failure> {
    let reference = format!("{text}/x").parse::<coracle::reference::Reference>();
    match reference {
        Ok(reference) if reference.repository.registry() == text => Ok(()),
        _ => Err(
            Failure::new(format!("{text:?} does not name a registry")).hint(
                "A registry is a server: a host such as quay.io, with a port if need be, as in\n\
             localhost:5000. A repository is a collection of images on it: quay.io/team/app.",
            ),
        ),
    }
}

fn read_host(directory: &Path) -> Result<Trust, Failure> {
    let read = |path: &Path| {
        fs::read(path).map_err(|e| Failure::io(format!("read {}", path.display()), &e))
    };
    let mut trust = Trust::default();
    let entries = fs::read_dir(directory)
        .map_err(|e| Failure::io(format!("read directory {}", directory.display()), &e))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for path in files {
        match path.extension().and_then(|e| e.to_str()) {
            Some("crt") => trust.authorities.push(read(&path)?),
            Some("cert") => {
                let key = path.with_extension("key");
                if !key.is_file() {
                    return Err(Failure::new(format!(
                        "{} has no key beside it, {}",
                        path.display(),
                        key.display()
                    )));
                }
                trust.identity = Some((read(&path)?, read(&key)?));
            }
            _ => {}
        }
    }
    Ok(trust)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_effect() {
        let known = Known::parse(
            r#"
            [registry."docker.io"]
            mirrors = ["mirror.example:5000"]
            [registry."old.example"]
            insecure = true
            [registry."10.0.0.7:5000"]
            plain-http = true
            [registry."localhost:5443"]
            tls = true
            "#,
        )
        .unwrap();
        let base = |registry: &str| -> Vec<String> {
            let endpoints = known.hosts.to_fetch(registry).into_iter();
            endpoints.map(|e| e.base).collect()
        };
        assert_eq!(
            base("docker.io"),
            [
                "https://mirror.example:5000",
                "https://registry-1.docker.io"
            ]
        );
        assert_eq!(
            base("old.example"),
            ["https://old.example", "http://old.example"]
        );
        assert_eq!(base("10.0.0.7:5000"), ["http://10.0.0.7:5000"]);
        assert_eq!(base("localhost:5443"), ["https://localhost:5443"]);
        assert!(known.trust["old.example"].anybody);
        assert!(known.is_insecure("10.0.0.7:5000") && !known.is_insecure("docker.io"));
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let check = |text: &str, part: &str| {
            let said = Known::parse(text).unwrap_err().message.unwrap();
            assert!(said.contains(part), "{said}");
        };
        check("[registry.\"a.b\"]\nmirors = []", "mirors");
        check("offline = 7", "line 1");
        check("[registry.\"a.b/c\"]", "A repository is a collection");
        check(
            "[registry.\"a.b\"]\ntls = true\ninsecure = true",
            "contradict",
        );
        check(
            "[registry.\"a.b\"]\nca = \"/nonexistent\"",
            "read /nonexistent",
        );
    }

    #[test]
    fn certificates_are_found_by_host() {
        let directory = tempfile::tempdir().unwrap();
        let host = directory.path().join("localhost:5443");
        fs::create_dir(&host).unwrap();
        fs::write(host.join("ca.crt"), "pem").unwrap();
        let mut known = Known::default();
        known
            .add_certificates(&[directory.path().into(), "/nonexistent".into()])
            .unwrap();
        assert_eq!(known.trust["localhost:5443"].authorities, [b"pem"]);
        assert_eq!(
            known.hosts.to_fetch("localhost:5443")[0].base,
            "https://localhost:5443"
        );
        fs::write(host.join("client.cert"), "pem").unwrap();
        let said = Known::default()
            .add_certificates(&[directory.path().into()])
            .unwrap_err();
        assert!(said.message.unwrap().contains("client.key"));
    }
}

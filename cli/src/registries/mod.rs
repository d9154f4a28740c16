//! What commands need to talk to registries: where they are, who one is there, and a client.

pub(crate) mod credentials;
pub(crate) mod missing;
mod settings;

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use coracle::build::net;
use coracle::proxy::Proxies;
use coracle::reference::Reference;
use coracle::registry::auth::Credentials;
use coracle::registry::client::{Around, Client};
use coracle::registry::net::client::{Patience, Sockets};

use self::credentials::Keeper;
use self::settings::Known;
use crate::failure::Failure;
use crate::output;

/// How many blobs are on their way at a time.
pub(crate) const JOBS: usize = 4;

/// The options of every command that talks to a registry.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RegistryOptions {
    /// Path of the file with credentials (or set REGISTRY_AUTH_FILE)
    #[arg(long, value_name = "path")]
    pub(crate) authfile: Option<PathBuf>,
    /// A directory of certificates: HOST:PORT/ca.crt, client.cert, client.key
    #[arg(long, value_name = "path")]
    pub(crate) cert_dir: Option<PathBuf>,
    /// Speak TLS, and look at the registry's certificate; false takes whatever there is
    #[arg(
        long,
        value_name = "bool",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) tls_verify: Option<bool>,
}

/// What is known about registries, from files, options and the environment.
#[derive(Debug)]
pub(crate) struct Registries {
    known: Known,
    /// The connections, which clients that come one after the other share.
    sockets: OnceLock<Sockets>,
    /// Who keeps the credentials.
    pub(crate) keeper: Keeper,
}

impl Registries {
    /// Reads what there is; the options are about the registries that are `named`.
    pub(crate) fn read(options: &RegistryOptions, named: &[&str]) -> Result<Self, Failure> {
        let variable = |name: &str| {
            let value = env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let config =
            variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
        let files: Vec<_> = match variable("CORACLE_REGISTRIES") {
            Some(file) => vec![file],
            None => config
                .iter()
                .map(|directory| directory.join("coracle/registries.toml"))
                .chain(["/etc/coracle/registries.toml".into()])
                .collect(),
        };
        let mut known = Known::read(&files)?;
        let mut directories: Vec<PathBuf> = options.cert_dir.iter().cloned().collect();
        for place in ["coracle/certs.d", "containers/certs.d"] {
            directories.extend(config.iter().map(|directory| directory.join(place)));
        }
        directories.extend(
            [
                "/etc/coracle/certs.d",
                "/etc/containers/certs.d",
                "/etc/docker/certs.d",
            ]
            .map(PathBuf::from),
        );
        known.add_certificates(&directories)?;
        known.hosts.offline = is_offline();
        for registry in named {
            if let Some(verify) = options.tls_verify {
                known.verify(registry, verify);
            }
            if known.is_insecure(registry) || options.tls_verify == Some(false) {
                output::note(&output::warning(&format!(
                    "nobody looks whether {registry} is who it claims to be: whoever sits between may read and change what is sent, credentials included"
                )));
            }
        }
        Ok(Self {
            known,
            sockets: OnceLock::new(),
            keeper: Keeper::new(options.authfile.as_deref(), &variable)?,
        })
    }

    /// Does something with a client that uses the stored credentials.
    pub(crate) fn with_client<T>(&self, act: impl FnOnce(&Client<'_>) -> T) -> Result<T, Failure> {
        self.with_credentials(&|registry| self.keeper.get(registry), act)
    }

    /// A client that uses the stored credentials for as long as this process lives, as a server's
    /// does: nothing of it is ever given back.
    pub(crate) fn for_ever(self) -> Result<Client<'static>, Failure> {
        let Self { known, keeper, .. } = self;
        let known: &'static Known = Box::leak(Box::new(known));
        let transport = sockets(known)?;
        let started = Instant::now();
        Ok(Client::new(Around {
            transport: Box::leak(Box::new(transport)),
            hosts: &known.hosts,
            credentials: Box::leak(Box::new(move |registry: &str| keeper.get(registry))),
            wait: &std::thread::sleep,
            now: Box::leak(Box::new(move || started.elapsed())),
        }))
    }

    /// Does something with a client that uses these credentials.
    pub(crate) fn with_credentials<T>(
        &self,
        credentials: &(dyn Fn(&str) -> Result<Credentials, String> + Sync),
        act: impl FnOnce(&Client<'_>) -> T,
    ) -> Result<T, Failure> {
        let transport = if let Some(sockets) = self.sockets.get() {
            sockets
        } else {
            let sockets = sockets(&self.known)?;
            self.sockets.get_or_init(|| sockets)
        };
        let started = Instant::now();
        let now = || started.elapsed();
        let client = Client::new(Around {
            transport,
            hosts: &self.known.hosts,
            credentials,
            wait: &std::thread::sleep,
            now: &now,
        });
        Ok(act(&client))
    }
}

/// The proxies of this process's environment. The error is a sentence.
fn proxies() -> Result<Proxies, String> {
    Proxies::from_environment(&|name| env::var(name).ok())
}

/// Whether nobody but this machine may be asked.
fn is_offline() -> bool {
    env::var_os("CORACLE_OFFLINE").is_some_and(|value| value != "0")
}

/// Writes what is at an http address to `out`. The error is a sentence.
pub(crate) fn fetch(url: &str, out: &mut dyn Write) -> Result<(), String> {
    let way = net::Way {
        proxies: proxies()?,
        offline: is_offline(),
    };
    net::fetch(url, &way, out)
}

fn sockets(known: &Known) -> Result<Sockets, Failure> {
    Sockets::new(
        &known.trust,
        Patience::default(),
        proxies().map_err(Failure::new)?,
    )
    .map_err(Failure::new)
}

/// Reads the name of an image for a registry, and says what its parts are when it is wrong.
pub(crate) fn reference(text: &str) -> Result<Reference, Failure> {
    text.parse::<Reference>().map_err(|error| {
        Failure::from(error).hint(
            "It is written [REGISTRY/]REPOSITORY[:TAG]. A registry is a server, such as quay.io or\n\
             localhost:5000; a repository is a collection of related images on it, such as team/app;\n\
             a tag names one of those. Without a registry, Docker Hub is meant.",
        )
    })
}

/// Reads the name of a registry as people type it for a login: also as an address.
pub(crate) fn registry(text: &str) -> Result<String, Failure> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let host = host.trim_end_matches('/');
    let host = host
        .strip_suffix("/v1")
        .or_else(|| host.strip_suffix("/v2"))
        .unwrap_or(host);
    if ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&host) {
        return Ok("docker.io".to_owned());
    }
    settings::check_registry(host)?;
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_a_host_and_a_repository_is_not() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(registry(text).ok().as_deref(), expected, "{text}");
        };
        check("docker.io", Some("docker.io"));
        check("https://index.docker.io/v1/", Some("docker.io"));
        check("quay.io", Some("quay.io"));
        check("https://r.example:8443/", Some("r.example:8443"));
        check("localhost:5000", Some("localhost:5000"));
        check("[::1]:5000", Some("[::1]:5000"));
        check("python", None);
        check("quay.io/team", None);
        check("a b", None);
        check("", None);
        let said = registry("quay.io/team").unwrap_err().message.unwrap();
        assert!(said.contains("A registry is a server") && said.contains("A repository is"));
        let said = reference("quay.io/Team").unwrap_err().message.unwrap();
        assert!(said.contains("A registry is a server") && said.contains("a repository is"));
    }
}

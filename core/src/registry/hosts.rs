//! Where a registry is: from the name in a reference to the addresses that are asked.

use std::collections::BTreeMap;

use crate::proxy;

/// What is known about registries beyond their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// By the name in references: `docker.io`, `localhost:5000`.
    pub registries: BTreeMap<String, Settings>,
    /// Whether nobody but this machine may be asked.
    pub offline: bool,
}

/// What is known about one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who is asked first when something is fetched, in this order: `mirror.example:5000`.
    pub mirrors: Vec<String>,
    /// How it is spoken to; without a word, the loopback in the clear and everybody else by TLS.
    pub transport: Option<Security>,
}

/// How a registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// By TLS.
    Tls,
    /// By TLS if it speaks that, or else in the clear. Whose certificate it shows is not looked at.
    Insecure,
    /// In the clear.
    Plain,
}

/// One way to a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Whose credentials are used: the name in references, or a mirror's.
    pub registry: String,
    /// Scheme and authority: `https://registry-1.docker.io`.
    pub base: String,
}

/// Docker Hub's name in references, and the host where its registry is.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

impl Hosts {
    /// Where to fetch from, best first: the mirrors, then the registry itself.
    pub fn to_fetch(&self, registry: &str) -> Vec<Endpoint> {
        let mirrors = self.registries.get(registry).map(|s| &s.mirrors);
        let mirrors = mirrors.into_iter().flatten();
        let mut endpoints: Vec<_> = mirrors.flat_map(|mirror| self.itself(mirror)).collect();
        endpoints.extend(self.itself(registry));
        endpoints
    }

    /// The registry itself, best way first.
    pub fn itself(&self, registry: &str) -> Vec<Endpoint> {
        let host = if registry == HUB.0 { HUB.1 } else { registry };
        let given = self.registries.get(registry).and_then(|s| s.transport);
        let security = given.unwrap_or(if is_loopback(host) {
            Security::Plain
        } else {
            Security::Tls
        });
        let schemes: &[&str] = match security {
            Security::Tls => &["https"],
            Security::Plain => &["http"],
            Security::Insecure => &["https", "http"],
        };
        let endpoint = |scheme: &&str| Endpoint {
            registry: registry.to_owned(),
            base: format!("{scheme}://{host}"),
        };
        schemes.iter().map(endpoint).collect()
    }
}

/// Whether a host with an optional port is this machine.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    proxy::is_loopback(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_where_its_name_and_the_settings_say() {
        let mut hosts = Hosts::default();
        let set = |mirrors: &[&str], transport| Settings {
            mirrors: mirrors.iter().map(|m| (*m).to_owned()).collect(),
            transport,
        };
        for (name, settings) in [
            ("m.example", set(&["127.0.0.1:5001"], None)),
            ("i.example", set(&[], Some(Security::Insecure))),
            ("p.example:80", set(&[], Some(Security::Plain))),
            ("localhost:5443", set(&[], Some(Security::Tls))),
        ] {
            hosts.registries.insert(name.into(), settings);
        }
        let check = |registry: &str, expected: &[&str]| {
            let bases: Vec<_> = hosts
                .to_fetch(registry)
                .into_iter()
                .map(|e| e.base)
                .collect();
            assert_eq!(bases, expected, "{registry}");
        };
        check("docker.io", &["https://registry-1.docker.io"]);
        check("quay.io", &["https://quay.io"]);
        check("r.example:8443", &["https://r.example:8443"]);
        check("localhost:5000", &["http://localhost:5000"]);
        check("127.0.0.1:5000", &["http://127.0.0.1:5000"]);
        check("[::1]:5000", &["http://[::1]:5000"]);
        check("[::1]", &["http://[::1]"]);
        check("[2001:db8::1]:5000", &["https://[2001:db8::1]:5000"]);
        check(
            "127.0.0.1.evil.example",
            &["https://127.0.0.1.evil.example"],
        );
        check("m.example", &["http://127.0.0.1:5001", "https://m.example"]);
        check("i.example", &["https://i.example", "http://i.example"]);
        check("p.example:80", &["http://p.example:80"]);
        check("localhost:5443", &["https://localhost:5443"]);
        // To a mirror nothing is pushed.
        assert_eq!(hosts.itself("m.example")[0].base, "https://m.example");
    }
}

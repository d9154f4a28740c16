//! Which way leads to a host: straight, or through a proxy that the environment names.
//!
//! `HTTP_PROXY` is for `http` addresses and `HTTPS_PROXY` for `https`; `ALL_PROXY` stands in for
//! either. `NO_PROXY` lists hosts that are asked straight: `example.org` with all below it,
//! `.example.org` only what is below it, `10.0.0.0/8`, `::1`, any of them with a port, or `*` for
//! all. Each may be written in small letters. This machine itself is never asked through a proxy.
//!
//! No specification says this; it is what Go's `net/http/httpproxy`, and with it Docker, Podman
//! and skopeo do.

use core::net::IpAddr; // a value, and no socket

use http::Uri;

/// The proxies of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    except: Vec<Except>,
}

/// Hosts that are asked straight, if the port is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Except {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// A name and all below it.
    Name(String),
    /// Only what is below a name; it begins with a dot.
    Below(String),
    /// The addresses that begin as this one does, for so many bits.
    Network(IpAddr, u32),
}

impl Proxies {
    /// The proxies that these variables name. The error is a sentence.
    pub fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |name: &str| {
            let small = name.to_ascii_lowercase();
            let set = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
            set(name).or_else(|| set(&small))
        };
        let proxy = |name: &str| match get(name) {
            Some(address) if !is_address(&address) => Err(format!(
                "{name} does not say where a proxy is: write http://HOST:PORT, or unset it (what it holds is not shown, for it may be a password)"
            )),
            address => Ok(address),
        };
        let all = proxy("ALL_PROXY")?;
        let except = get("NO_PROXY").unwrap_or_default();
        Ok(Self {
            http: proxy("HTTP_PROXY")?.or_else(|| all.clone()),
            https: proxy("HTTPS_PROXY")?.or(all),
            except: except.split(',').filter_map(Except::parse).collect(),
        })
    }

    /// Every proxy, once.
    pub fn all(&self) -> Vec<&str> {
        let mut all: Vec<&str> = [&self.http, &self.https]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        all.dedup();
        all
    }

    /// The proxy through which a host is asked, or none. The port is the usual one of the scheme
    /// when none is given.
    pub fn of(&self, scheme: &str, host: &str, port: Option<u16>) -> Option<&str> {
        let (proxy, usual) = match scheme {
            "https" => (&self.https, 443),
            _ => (&self.http, 80),
        };
        let host = bare(host);
        let straight = |except: &Except| except.meets(&host, port.unwrap_or(usual));
        if is_loopback(&host) || self.except.iter().any(straight) {
            return None;
        }
        proxy.as_deref()
    }
}

impl Except {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (host, port) = split_port(&text);
        let hosts = match host.strip_prefix('*').unwrap_or(host) {
            "" if host == "*" => Hosts::All,
            "" => return None,
            below if below.starts_with('.') => Hosts::Below(below.to_owned()),
            _ => network(host).unwrap_or_else(|| Hosts::Name(host.to_owned())),
        };
        Some(Self { hosts, port })
    }

    fn meets(&self, host: &str, port: u16) -> bool {
        let meets = match &self.hosts {
            Hosts::All => true,
            Hosts::Name(name) => {
                let below = host.strip_suffix(name.as_str());
                below.is_some_and(|front| front.is_empty() || front.ends_with('.'))
            }
            Hosts::Below(name) => host.len() > name.len() && host.ends_with(name.as_str()),
            Hosts::Network(address, bits) => host
                .parse()
                .is_ok_and(|host| begins_alike(host, *address, *bits)),
        };
        meets && self.port.is_none_or(|only| only == port)
    }
}

/// `host:port` and `[::1]:port` apart; an IPv6 address without brackets has no port.
fn split_port(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

/// `10.0.0.0/8`, or one address.
fn network(text: &str) -> Option<Hosts> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = bare(address).parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some(Hosts::Network(address, bits))
}

fn begins_alike(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let same = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    same >= bits
}

/// Whether a proxy can be at an address: `http://host:port`, with or without the scheme, a name
/// and a password.
fn is_address(text: &str) -> bool {
    let bare = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let uri = format!("http://{}", bare.unwrap_or(text)).parse::<Uri>();
    uri.is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
        && (bare.is_some() || !text.contains("://"))
}

/// A host in small letters, without the brackets of an IPv6 address.
fn bare(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.to_ascii_lowercase()
}

/// Whether a host is this machine: `localhost`, `127.0.0.0/8`, `::1`.
pub fn is_loopback(host: &str) -> bool {
    let host = bare(host);
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        read(variables).unwrap()
    }

    fn read(variables: &[(&str, &str)]) -> Result<Proxies, String> {
        Proxies::from_environment(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_no_address_is_said_and_not_shown() {
        for good in [
            "proxy.test",
            "p:3128",
            "http://me:secret@p:3128/",
            "https://p",
            "[::1]:80",
        ] {
            assert!(read(&[("HTTPS_PROXY", good)]).is_ok(), "{good}");
        }
        for bad in [
            "socks5://me:secret@p:1080",
            "http://",
            "p :1",
            "://p",
            "http:secret:",
        ] {
            let error = read(&[("HTTPS_PROXY", bad)]).unwrap_err();
            assert!(error.starts_with("HTTPS_PROXY does not say"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let check = |variables: &[(&str, &str)], http: Option<&str>, https: Option<&str>| {
            let proxies = proxies(variables);
            assert_eq!(proxies.of("http", "r.test", None), http, "{variables:?}");
            assert_eq!(proxies.of("https", "r.test", None), https, "{variables:?}");
        };
        check(&[], None, None);
        check(&[("HTTP_PROXY", "a:1")], Some("a:1"), None);
        check(&[("https_proxy", "b:2")], None, Some("b:2"));
        let both = [("HTTPS_PROXY", "b:2"), ("HTTP_PROXY", "a:1")];
        check(&both, Some("a:1"), Some("b:2"));
        check(
            &[("ALL_PROXY", "c:3"), ("HTTP_PROXY", "a:1")],
            Some("a:1"),
            Some("c:3"),
        );
        // Set to nothing is not set.
        let nothing = [("HTTPS_PROXY", ""), ("https_proxy", "b:2")];
        check(&nothing, None, Some("b:2"));
        assert_eq!(proxies(&both).all(), ["a:1", "b:2"]);
        assert_eq!(proxies(&[("ALL_PROXY", "c:3")]).all(), ["c:3"]);
    }

    #[test]
    fn exceptions_are_asked_straight() {
        let check = |list: &str, host: &str, port: Option<u16>, straight: bool| {
            let proxies = proxies(&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", list)]);
            let way = proxies.of("https", host, port);
            assert_eq!(way.is_none(), straight, "{list} {host} {port:?}");
        };
        check("a.test, example.org", "example.org", None, true);
        check("example.org", "Registry.Example.ORG", None, true);
        check("example.org", "notexample.org", None, false);
        check(".example.org", "r.example.org", None, true);
        check(".example.org", "example.org", None, false);
        check("*.example.org", "r.example.org", None, true);
        check("*", "anything.test", None, true);
        check("example.org:5000", "example.org", Some(5000), true);
        check("example.org:5000", "example.org", None, false);
        check("example.org:443", "example.org", None, true);
        check("10.0.0.0/8", "10.1.2.3", Some(5000), true);
        check("10.0.0.0/8", "11.1.2.3", None, false);
        check("10.0.0.0/99", "10.1.2.3", None, false);
        check("192.0.2.7", "192.0.2.7", None, true);
        check("2001:db8::/32", "[2001:db8::1]", Some(5000), true);
        check("[2001:db8::1]:5000", "2001:db8::1", Some(5000), true);
        check("[2001:db8::1]:5000", "2001:db8::1", None, false);
        check(", ,", "example.org", None, false);
    }

    #[test]
    fn this_machine_is_asked_straight() {
        let proxies = proxies(&[("ALL_PROXY", "p:1")]);
        let check = |host: &str, straight: bool| {
            assert_eq!(
                proxies.of("http", host, Some(5000)).is_none(),
                straight,
                "{host}"
            );
        };
        for host in [
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "127.1.2.3",
            "[::1]",
            "::1",
        ] {
            check(host, true);
        }
        for host in ["localhost.test", "128.0.0.1", "127.test", "[::2]", ""] {
            check(host, false);
        }
    }
}

//! Addresses: joining them, comparing them, and showing them without what is secret in them.

use ::http::Uri;

/// Query parameters that say nothing secret. The signatures by which one server lets a client in
/// at another stand in the others.
const SHOWN: [&str; 9] = [
    "account",
    "artifactType",
    "digest",
    "from",
    "last",
    "mount",
    "n",
    "scope",
    "service",
];

/// Reads a whole address, with scheme and host. The error is a sentence.
pub(super) fn parse(text: &str) -> Result<Uri, String> {
    let uri: Uri = text
        .parse()
        .map_err(|e| format!("{text:?} is no address: {e}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        _ => Err(format!("{text:?} is no http address")),
    }
}

/// Where `location`, as a server at `base` gave it, leads: a whole address, a path from the root,
/// or one beside `base` ([RFC 3986, section 5](https://www.rfc-editor.org/rfc/rfc3986#section-5)).
pub(super) fn join(base: &Uri, location: &str) -> Result<Uri, String> {
    if location.starts_with("http://") || location.starts_with("https://") {
        return parse(location);
    }
    let scheme = base.scheme_str().unwrap_or("https");
    if location.starts_with("//") {
        return parse(&format!("{scheme}:{location}"));
    }
    let authority = base.authority().map_or("", |a| a.as_str());
    let path = if location.starts_with('/') {
        location.to_owned()
    } else if location.starts_with('?') {
        format!("{}{location}", base.path())
    } else {
        let beside = base.path().rsplit_once('/').map_or("", |(front, _)| front);
        format!("{beside}/{location}")
    };
    parse(&format!("{scheme}://{authority}{path}"))
}

/// The address with one more query parameter; the value is encoded here.
pub(super) fn with_query(uri: &Uri, name: &str, value: &str) -> Result<Uri, String> {
    let sign = if uri.query().is_some() { '&' } else { '?' };
    parse(&format!("{uri}{sign}{name}={}", encoded(value)))
}

/// Scheme, host and port: whom one talks to, and who may see what is meant for them.
pub(super) fn origin(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("https");
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let port = uri
        .port_u16()
        .unwrap_or(if scheme == "http" { 80 } else { 443 });
    format!("{scheme}://{host}:{port}")
}

/// The host, with the port if the address has one, as messages name it.
pub(super) fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The address as it may be shown: without user information, and of the query only what is no
/// secret.
pub(super) fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("https");
    let mut text = format!("{scheme}://{}{}", host(uri), uri.path());
    let mut sign = '?';
    let mut hidden = false;
    for pair in uri.query().unwrap_or_default().split('&') {
        let name = pair.split('=').next().unwrap_or_default();
        if SHOWN.contains(&name) {
            text.push(sign);
            text.push_str(pair);
            sign = '&';
        } else if !name.is_empty() {
            hidden = true;
        }
    }
    if hidden {
        text.push(sign);
        text.push('…');
    }
    text
}

/// A value as it may stand in a query or a form.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_lead_somewhere_from_where_they_were_given() {
        let check = |location: &str, expected: &str| {
            let base = parse("https://r.example:8443/v2/a/blobs/uploads/").unwrap();
            assert_eq!(join(&base, location).unwrap(), expected);
        };
        check("http://other/x?y=1", "http://other/x?y=1");
        check("//other/x", "https://other/x");
        check("/v2/x", "https://r.example:8443/v2/x");
        check(
            "uuid?s=1",
            "https://r.example:8443/v2/a/blobs/uploads/uuid?s=1",
        );
        check("?s=1", "https://r.example:8443/v2/a/blobs/uploads/?s=1");
        let base = parse("https://r.example/").unwrap();
        assert!(join(&base, "/a b").is_err());
        assert!(join(&base, "https:///x").is_err());
    }

    #[test]
    fn origins_compare_scheme_host_and_port() {
        let same = |a: &str, b: &str| origin(&parse(a).unwrap()) == origin(&parse(b).unwrap());
        assert!(same("https://A.example/x", "https://a.example:443/y"));
        assert!(same("http://a/", "http://a:80/"));
        assert!(!same("http://a/", "https://a/"));
        assert!(!same("https://a/", "https://a:444/"));
        assert!(!same("https://a/", "https://a.evil/"));
    }

    #[test]
    fn what_is_secret_in_an_address_is_not_shown() {
        let check = |text: &str, expected: &str| {
            assert_eq!(shown(&parse(text).unwrap()), expected);
        };
        check("https://u:secret@a/b", "https://a/b");
        check("https://a/b?X-Signature=secret", "https://a/b?…");
        check(
            "https://a/t?service=s&sig=secret",
            "https://a/t?service=s&…",
        );
        check("https://a/l?n=2&last=x", "https://a/l?n=2&last=x");
    }
}

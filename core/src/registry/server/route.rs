//! What a request is about: the paths of the protocol, taken apart.

use http::{Method, StatusCode};

use super::refusal::Refusal;
use crate::digest::Digest;
use crate::reference::Reference;

/// What a path leads to.
///
/// Source: [distribution-spec, "Endpoints"](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#endpoints).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/`: the page for people.
    Page,
    /// `/token`: where tokens are given out.
    Token,
    /// `/v2/`: is this a registry?
    Base,
    /// `/v2/_catalog`: the repositories.
    Catalog,
    /// `/v2/NAME/tags/list`.
    Tags(Name),
    /// `/v2/NAME/manifests/REFERENCE`.
    Manifest(Name, Version),
    /// `/v2/NAME/blobs/DIGEST`.
    Blob(Name, Digest),
    /// `/v2/NAME/blobs/uploads/`: where uploads begin.
    Uploads(Name),
    /// `/v2/NAME/blobs/uploads/SESSION`.
    Upload(Name, String),
    /// `/v2/NAME/referrers/DIGEST`.
    Referrers(Name, Digest),
}

/// The name of a repository, as the client says it and as the store does.
///
/// What was pushed here is kept under `localhost/NAME`, so that the names in the store do not
/// change with the port. A name whose first part has a dot is a whole name already, and kept as
/// it is: `docker.io/library/python`. So a registry over an ordinary store serves what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// By the grammar, at most 255 bytes; what stands in addresses.
    pub(super) shown: String,
    /// The name in the store, without tag or digest; what comes before it is a registry.
    pub(super) kept: String,
}

/// Which manifest of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    Tag(String),
    Digest(Digest),
}

/// The registry by whose name the store keeps what was pushed here.
pub const HOME: &str = "localhost";

impl Route {
    /// Takes a path apart. What is wrong with it is said in the specification's codes.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let path = decode(path, false);
        match path.as_str() {
            "/" => return Ok(Self::Page),
            "/token" => return Ok(Self::Token),
            "/v2" | "/v2/" => return Ok(Self::Base),
            "/v2/_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/v2/") else {
            let message = "there is nothing at this address; the registry is below /v2/";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "UNSUPPORTED", message));
        };
        // A repository's name has slashes, too, so the words of the protocol are looked for from
        // the end.
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Ok(Self::Tags(Name::parse(name)?));
        }
        let uploads = rest.strip_suffix("/blobs/uploads/");
        if let Some(name) = uploads.or_else(|| rest.strip_suffix("/blobs/uploads")) {
            return Ok(Self::Uploads(Name::parse(name)?));
        }
        let (before, last) = rest.rsplit_once('/').unwrap_or((rest, ""));
        if let Some(name) = before.strip_suffix("/blobs/uploads") {
            return Ok(Self::Upload(Name::parse(name)?, last.to_owned()));
        }
        if let Some(name) = before.strip_suffix("/manifests") {
            return Ok(Self::Manifest(Name::parse(name)?, Version::parse(last)?));
        }
        if let Some(name) = before.strip_suffix("/blobs") {
            return Ok(Self::Blob(Name::parse(name)?, digest(last)?));
        }
        if let Some(name) = before.strip_suffix("/referrers") {
            return Ok(Self::Referrers(Name::parse(name)?, digest(last)?));
        }
        let message = "the address is none of the protocol; after /v2/NAME/ comes manifests, \
                       blobs, tags or referrers";
        Err(Refusal::new(StatusCode::NOT_FOUND, "UNSUPPORTED", message))
    }

    /// The methods that make sense here.
    pub(super) fn methods(&self) -> &'static [Method] {
        match self {
            Self::Page | Self::Base | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => {
                &[Method::GET, Method::HEAD]
            }
            Self::Token => &[Method::GET, Method::POST],
            Self::Manifest(..) => &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE],
            Self::Blob(..) => &[Method::GET, Method::HEAD, Method::DELETE],
            Self::Uploads(_) => &[Method::POST],
            Self::Upload(..) => &[Method::GET, Method::PATCH, Method::PUT, Method::DELETE],
        }
    }

    /// The repository that the path is about.
    pub(super) fn name(&self) -> Option<&Name> {
        match self {
            Self::Page | Self::Token | Self::Base | Self::Catalog => None,
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _) => Some(name),
        }
    }
}

impl Name {
    /// distribution-spec: `<name>` MUST match the grammar of repository names. It is that of
    /// references, so the error knows the place.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let invalid = |reason: String| {
            let message = format!(
                "{text:?} is not the name of a repository: {reason}. A registry is a server; a \
                 repository is one name on it, such as team/app, under which versions of one \
                 image are kept"
            );
            Refusal::new(StatusCode::BAD_REQUEST, "NAME_INVALID", message)
        };
        let local = format!("{HOME}/{text}");
        let local: Reference = local
            .parse()
            .map_err(|e: crate::reference::ReferenceError| invalid(e.reason.to_string()))?;
        if local.tag.is_some() || local.digest.is_some() || local.repository.path() != text {
            return Err(invalid("it has a tag or a digest".to_owned()));
        }
        let whole = match text.split_once('/') {
            Some((first, _)) if first.contains('.') => text.parse::<Reference>().ok(),
            _ => None,
        };
        Ok(Self {
            shown: text.to_owned(),
            kept: whole.unwrap_or(local).repository.to_string(),
        })
    }

    /// The repository that an entry of the store belongs to, if it can be named here.
    pub(super) fn of_entry(entry: &str) -> Option<Self> {
        let reference: Reference = entry.parse().ok()?;
        let repository = reference.repository;
        let shown = match repository.registry() {
            HOME => repository.path().to_owned(),
            _ => repository.to_string(),
        };
        let name = Self::parse(&shown).ok()?;
        // Other tools name entries as they like: by a tag alone, or by a digest.
        let rest = entry.strip_prefix(&name.kept)?;
        rest.starts_with([':', '@']).then_some(name)
    }

    /// What the store calls a version.
    pub(super) fn entry(&self, version: &Version) -> String {
        match version {
            Version::Tag(tag) => format!("{}:{tag}", self.kept),
            Version::Digest(digest) => format!("{}@{digest}", self.kept),
        }
    }
}

impl Version {
    /// distribution-spec: `<reference>` MUST be either a digest or a tag.
    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.contains(':') {
            return Ok(Self::Digest(digest(text)?));
        }
        match format!("{HOME}/x:{text}").parse::<Reference>() {
            Ok(Reference {
                tag: Some(tag),
                digest: None,
                ..
            }) if tag.as_str() == text => Ok(Self::Tag(text.to_owned())),
            Ok(_) => Err(tag_invalid(text, "it has a character that no tag has")),
            Err(error) => Err(tag_invalid(text, &error.reason.to_string())),
        }
    }
}

fn tag_invalid(text: &str, reason: &str) -> Refusal {
    let message = format!("{text:?} is neither a tag nor a digest: {reason}");
    Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message)
}

/// Reads a digest, or says why it is none.
pub(super) fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|e: crate::digest::DigestError| {
        Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", e.to_string())
    })
}

/// The value of a parameter of the query, decoded.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    parameters(query.unwrap_or_default(), false)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

/// All parameters of a query or of a form, whose `+` are spaces.
pub(super) fn parameters(text: &str, form: bool) -> impl Iterator<Item = (String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(move |part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(key, form), decode(value, form))
        })
}

/// Undoes percent-encoding, once. What is no encoding stays as it is.
fn decode(text: &str, form: bool) -> String {
    let hex = |b: u8| char::from(b).to_digit(16);
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = match (bytes.get(at + 1), bytes.get(at + 2)) {
            (Some(&high), Some(&low)) if byte == b'%' => hex(high).zip(hex(low)),
            _ => None,
        };
        at += if digits.is_some() { 3 } else { 1 };
        decoded.push(match digits {
            // Two digits of base 16 are a byte.
            Some((high, low)) => u8::try_from(high * 16 + low).unwrap_or(byte),
            None if form && byte == b'+' => b' ',
            None => byte,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Encodes what may not stand in a query as it is.
pub(super) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

    #[test]
    fn a_path_leads_somewhere() {
        let check = |path: &str, expected: Option<Route>| {
            assert_eq!(Route::parse(path).ok(), expected, "{path}");
        };
        let name = |text: &str| Name::parse(text).unwrap();
        let digest: Digest = DIGEST.parse().unwrap();
        check("/", Some(Route::Page));
        check("/v2/", Some(Route::Base));
        check("/v2/_catalog", Some(Route::Catalog));
        check("/v2/a/b/tags/list", Some(Route::Tags(name("a/b"))));
        let tag = Version::Tag("v1".to_owned());
        check("/v2/a/manifests/v1", Some(Route::Manifest(name("a"), tag)));
        let path = format!("/v2/a/blobs/{DIGEST}");
        check(&path, Some(Route::Blob(name("a"), digest.clone())));
        let encoded = path.replace(':', "%3A");
        check(&encoded, Some(Route::Blob(name("a"), digest)));
        check("/v2/a/blobs/uploads/", Some(Route::Uploads(name("a"))));
        let upload = Route::Upload(name("a/b"), "17".to_owned());
        check("/v2/a/b/blobs/uploads/17", Some(upload));
        // The protocol's words may be parts of names.
        let tags = Route::Tags(name("manifests/blobs/tags"));
        check("/v2/manifests/blobs/tags/tags/list", Some(tags));
        for wrong in [
            "/v1/",
            "/v2/a",
            "/v2//tags/list",
            "/v2/../etc/tags/list",
            "/v2/a/%2e%2e/b/tags/list",
            "/v2/a%00/tags/list",
            "/v2/A/tags/list",
            "/v2/a:b/tags/list",
            "/v2/a/manifests/..",
            "/v2/a/manifests/a%0d%0ab",
            "/v2/a/manifests/v1@x",
            "/v2/a/blobs/sha256:12",
            "/v2/a/blobs/sha256:../../../etc/passwd",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_repository_has_one_name_in_the_store() {
        let check = |shown: &str, kept: &str| {
            let name = Name::parse(shown).unwrap();
            assert_eq!(name.kept, kept);
            let entry = name.entry(&Version::Tag("v1".to_owned()));
            assert_eq!(Name::of_entry(&entry).unwrap().kept, kept);
        };
        check("app", "localhost/app");
        check("library/python", "localhost/library/python");
        check("localhost/app", "localhost/localhost/app");
        check("docker.io/library/python", "docker.io/library/python");
        check("docker.io/python", "docker.io/library/python");
        check("quay.io/a/b", "quay.io/a/b");
        check("docker.io", "localhost/docker.io");
        // What has a port cannot be named, nor what only looks like another's.
        assert_eq!(Name::of_entry("localhost:5000/a:v1"), None);
        assert_eq!(Name::of_entry("localhost/quay.io/a:v1"), None);
        assert_eq!(Name::of_entry(DIGEST), None);
    }

    #[test]
    fn a_query_is_decoded() {
        let check = |query: &str, name: &str, expected: Option<&str>| {
            assert_eq!(parameter(Some(query), name).as_deref(), expected);
        };
        check("digest=sha256%3Aab&n=1", "digest", Some("sha256:ab"));
        check("digest=sha256:ab&n=1", "n", Some("1"));
        check("type=a%2Bjson", "type", Some("a+json"));
        check("type=a+json", "type", Some("a+json"));
        check("type=%zz%4", "type", Some("%zz%4"));
        check("n", "n", Some(""));
        check("", "n", None);
        let form: Vec<_> = parameters("scope=a+b", true).collect();
        assert_eq!(form, [("scope".to_owned(), "a b".to_owned())]);
        assert_eq!(decode(&encode("a+b c/ü&"), false), "a+b c/ü&");
    }
}

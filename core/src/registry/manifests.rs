//! Manifests, indexes, tags and referrers of a repository.

use ::http::{HeaderName, Method, StatusCode, header};
use serde::Deserialize;

use super::address;
use super::client::Client;
use super::error::{RegistryError, named};
use super::exchange::{Answer, Call, Remote, Tell, protocol};
use super::http::Body;
use crate::digest::{Algorithm, Digest, DigestError, Hasher};
use crate::reference::Tag;
use crate::spec::{Descriptor, Index, media};

/// A manifest or index, as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fetched {
    /// What points at it.
    pub(super) descriptor: Descriptor,
    /// What the digest names.
    pub(super) bytes: Vec<u8>,
}

/// The largest manifest that is taken, in bytes: what the specification wants every registry to
/// accept at least.
pub(super) const LARGEST_MANIFEST: u64 = 4 << 20;

/// What is done with a page of a list.
type Page<'p> = &'p mut dyn FnMut(&Call<'_>, &[u8]) -> Result<(), RegistryError>;

/// The largest list of tags or referrers, in bytes, and how many pages of it are read.
const LARGEST_LIST: u64 = 8 << 20;
const MOST_PAGES: usize = 1000;

/// What is accepted, best first.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Client<'_> {
    /// What a tag or digest points at, without fetching it; `None` when the registry does not
    /// say, or has none. A question of this kind does not count towards Docker Hub's limit. When it
    /// is refused, the answer cannot say why, as it has no body; who then fetches is told.
    pub(super) fn head(
        &self,
        remote: &Remote,
        reference: &str,
        tell: &mut Tell<'_>,
    ) -> Result<Option<Digest>, RegistryError> {
        let action = format!("look up {}", named(&remote.repository, reference));
        let call = Call {
            method: Method::HEAD,
            why: "which digest the tag points at now; what is here already need not be fetched",
            expects: &[
                StatusCode::NOT_FOUND,
                StatusCode::METHOD_NOT_ALLOWED,
                StatusCode::FORBIDDEN,
            ],
            ..get(remote, reference, &action)?
        };
        let answer = self.send(&remote.endpoint, &call, tell)?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        Ok(answer.header(&DIGEST).and_then(|text| text.parse().ok()))
    }

    /// The manifest or index that a tag or digest points at.
    ///
    /// A tag is looked up first, and what it pointed at then is fetched by its digest: so it does
    /// not matter when it moves in between.
    pub(super) fn manifest(
        &self,
        remote: &Remote,
        reference: &str,
        tell: &mut Tell<'_>,
    ) -> Result<Fetched, RegistryError> {
        if let Ok(digest) = reference.parse() {
            return self.manifest_of(remote, &digest, None, tell);
        }
        if let Some(digest) = self.head(remote, reference, tell)? {
            return self.manifest_of(remote, &digest, None, tell);
        }
        self.fetch(remote, reference, None, tell)
    }

    /// The manifest or index with this digest; with `size`, exactly so many bytes.
    pub(super) fn manifest_of(
        &self,
        remote: &Remote,
        digest: &Digest,
        size: Option<u64>,
        tell: &mut Tell<'_>,
    ) -> Result<Fetched, RegistryError> {
        let fetched = self.fetch(remote, digest.as_str(), Some(digest), tell)?;
        if let Some(expected) = size
            && expected != fetched.descriptor.size
        {
            return Err(RegistryError::Content {
                what: named(&remote.repository, digest.as_str()),
                source: DigestError::Size {
                    digest: digest.clone(),
                    expected,
                    actual: fetched.descriptor.size,
                },
            });
        }
        Ok(fetched)
    }

    /// The manifest or index that a tag or digest points at now; with `expected`, no other one.
    pub(super) fn fetch(
        &self,
        remote: &Remote,
        reference: &str,
        expected: Option<&Digest>,
        tell: &mut Tell<'_>,
    ) -> Result<Fetched, RegistryError> {
        let name = named(&remote.repository, reference);
        let action = format!("pull {name}");
        let call = Call {
            expects: &[StatusCode::NOT_FOUND],
            ..get(remote, reference, &action)?
        };
        let answer = self.send(&remote.endpoint, &call, tell)?;
        if answer.status() == StatusCode::NOT_FOUND {
            let body = answer.response.into_body().bytes(LARGEST_LIST);
            return Err(RegistryError::NotFound {
                what: name,
                said: super::error::told(&body.unwrap_or_default()),
            });
        }
        let content_type = answer.header(&header::CONTENT_TYPE).map(str::to_owned);
        let promised: Option<Digest> = match answer.header(&DIGEST) {
            None => None,
            Some(text) => Some(text.parse().map_err(|e| protocol(&call, &call.uri, &e))?),
        };
        let bytes = read(&call, answer, LARGEST_MANIFEST)?;
        let promised = expected.cloned().or(promised);
        let algorithm = promised
            .as_ref()
            .map_or(Algorithm::Sha256, Digest::algorithm);
        let actual = digest_of(&bytes, algorithm);
        if let Some(expected) = promised
            && expected != actual
        {
            let source = DigestError::Mismatch { expected, actual };
            return Err(RegistryError::Content { what: name, source });
        }
        let media_type = media_type(&name, content_type.as_deref(), &bytes)?;
        let descriptor = Descriptor::new(&media_type, actual, bytes.len() as u64);
        Ok(Fetched { descriptor, bytes })
    }

    /// Gives a manifest or index to the repository, under a tag or its digest. Whether its
    /// subject, if it has one, is known to the registry by that is the answer.
    pub(super) fn put_manifest(
        &self,
        remote: &Remote,
        reference: &str,
        manifest: &Fetched,
        tell: &mut Tell<'_>,
    ) -> Result<bool, RegistryError> {
        let action = format!("push {}", named(&remote.repository, reference));
        let bytes = || Ok(Body::from(manifest.bytes.clone()));
        let media_type = manifest.descriptor.media_type.clone();
        let call = Call {
            method: Method::PUT,
            headers: vec![(header::CONTENT_TYPE, media_type)],
            body: Some(&bytes),
            scopes: vec![remote.push()],
            why: "all that it names is there, so the manifest may follow; a tag moves last",
            ..get(remote, reference, &action)?
        };
        let answer = self.send(&remote.endpoint, &call, tell)?;
        if let Some(theirs) = answer.header(&DIGEST)
            && theirs != manifest.descriptor.digest.as_str()
        {
            let why = format!(
                "it took the manifest for {theirs}, and it is {}",
                manifest.descriptor.digest
            );
            return Err(protocol(&call, &call.uri, &why));
        }
        Ok(answer.header(&SUBJECT).is_some())
    }

    /// All tags of the repository, in the registry's order.
    pub(super) fn tags(
        &self,
        remote: &Remote,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<Tag>, RegistryError> {
        #[derive(Deserialize)]
        struct List {
            tags: Option<Vec<String>>,
        }
        let action = format!("list the tags of {}", remote.repository.familiar());
        let mut tags = Vec::new();
        let call = Call {
            uri: remote.address("tags/list")?,
            why: "which tags the repository has, a page at a time",
            ..get(remote, "", &action)?
        };
        self.pages(remote, call, tell, &mut |call, bytes| {
            let list: List =
                serde_json::from_slice(bytes).map_err(|e| protocol(call, &call.uri, &e))?;
            for text in list.tags.unwrap_or_default() {
                let tag = text.parse().map_err(|e| protocol(call, &call.uri, &e))?;
                tags.push(tag);
            }
            Ok(())
        })?;
        Ok(tags)
    }

    /// What refers to a manifest: signatures, bills of material. By the registry's list, or by
    /// the tag under which they are listed where there is none.
    ///
    /// Source: [distribution-spec, listing referrers](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#listing-referrers).
    pub(super) fn referrers(
        &self,
        remote: &Remote,
        digest: &Digest,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let action = format!(
            "list what refers to {}",
            named(&remote.repository, digest.as_str())
        );
        let call = Call {
            uri: remote.address(&format!("referrers/{digest}"))?,
            why: "what refers to the image goes with it: signatures, bills of material",
            expects: &[StatusCode::NOT_FOUND],
            ..get(remote, "", &action)?
        };
        let mut found = Vec::new();
        let known = self.pages(remote, call, tell, &mut |call, bytes| {
            let index: Index =
                serde_json::from_slice(bytes).map_err(|e| protocol(call, &call.uri, &e))?;
            found.extend(index.manifests);
            Ok(())
        })?;
        if known {
            return Ok(found);
        }
        match self.fetch(remote, &referrers_tag(digest), None, tell) {
            Ok(fetched) => Ok(serde_json::from_slice::<Index>(&fetched.bytes)
                .map(|index| index.manifests)
                .unwrap_or_default()),
            Err(RegistryError::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Reads a list page by page. `false` when there is no such list.
    fn pages(
        &self,
        remote: &Remote,
        mut call: Call<'_>,
        tell: &mut Tell<'_>,
        page: Page<'_>,
    ) -> Result<bool, RegistryError> {
        for _ in 0..MOST_PAGES {
            let answer = self.send(&remote.endpoint, &call, tell)?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(false);
            }
            let next = answer.header(&header::LINK).and_then(next_page);
            let next = next.map(|link| address::join(&answer.uri, &link));
            page(&call, &read(&call, answer, LARGEST_LIST)?)?;
            let Some(next) = next else { return Ok(true) };
            let next = next.map_err(|e| protocol(&call, &call.uri, &e))?;
            if address::origin(&next) != address::origin(&call.uri) {
                let why = format!("the next page is on another host, {}", address::host(&next));
                return Err(protocol(&call, &call.uri, &why));
            }
            call.uri = next;
        }
        let why = format!("the list has more than {MOST_PAGES} pages");
        Err(protocol(&call, &call.uri, &why))
    }
}

/// The tag under which a registry without a list of referrers has one.
pub(super) fn referrers_tag(digest: &Digest) -> String {
    digest.as_str().replace(':', "-")
}

/// The digest of `bytes` by any algorithm.
pub(super) fn digest_of(bytes: &[u8], algorithm: Algorithm) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

fn get<'c>(remote: &Remote, reference: &str, action: &'c str) -> Result<Call<'c>, RegistryError> {
    Ok(Call {
        method: Method::GET,
        uri: remote.address(&format!("manifests/{reference}"))?,
        headers: vec![(header::ACCEPT, ACCEPT.to_owned())],
        body: None,
        scopes: vec![remote.pull()],
        action,
        why: "the manifest says of what the image is made: its config and its layers, by digest",
        expects: &[],
        repeat: true,
    })
}

fn read(call: &Call<'_>, answer: Answer, most: u64) -> Result<Vec<u8>, RegistryError> {
    let uri = answer.uri.clone();
    let body = answer.response.into_body();
    if body.length().is_some_and(|length| length > most) {
        let why = format!("the answer is larger than {most} bytes, which no honest one is");
        return Err(protocol(call, &uri, &why));
    }
    body.bytes(most).map_err(|e| {
        let why = match e.kind() {
            std::io::ErrorKind::FileTooLarge => {
                format!("the answer is larger than {most} bytes, which no honest one is")
            }
            _ => format!("the answer broke off: {e}; try again"),
        };
        protocol(call, &uri, &why)
    })
}

/// Of what kind a manifest is, where its header and its own words agree.
fn media_type(
    name: &str,
    content_type: Option<&str>,
    bytes: &[u8],
) -> Result<String, RegistryError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        schema_version: Option<u32>,
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
    }
    let unsupported = |why: String| RegistryError::Unsupported {
        what: name.to_owned(),
        why,
    };
    let shape: Shape = serde_json::from_slice(bytes).map_err(|e| {
        unsupported(format!(
            "its manifest is no JSON document of that kind: {e}"
        ))
    })?;
    let header = content_type.map(|t| t.split(';').next().unwrap_or_default().trim());
    let is_old = header.is_some_and(|t| t.contains("docker.distribution.manifest.v1"));
    if shape.schema_version == Some(1) || is_old {
        return Err(unsupported(
            "its manifest is of schema 1, which Docker gave up because its digests do not name what is in it; push the image again with a Docker of 2016 or later".to_owned(),
        ));
    }
    let header = header.filter(|t| media::is_index(t) || media::is_manifest(t));
    let own = shape.media_type.as_deref();
    if let (Some(header), Some(own)) = (header, own)
        && header != own
    {
        return Err(unsupported(format!(
            "the registry calls it {header}, and it calls itself {own}; one of them is wrong"
        )));
    }
    let found = header.or(own).unwrap_or(match shape.manifests {
        Some(_) => media::INDEX,
        None => media::MANIFEST,
    });
    let contradicts = if media::is_index(found) {
        shape.manifests.is_none() || shape.layers.is_some()
    } else {
        shape.manifests.is_some()
    };
    if contradicts {
        return Err(unsupported(format!(
            "it is called {found}, and does not look like one; what it means would depend on who reads it"
        )));
    }
    if !media::is_index(found) && !media::is_manifest(found) {
        return Err(unsupported(format!(
            "it is of the kind {found:?}, which is unknown"
        )));
    }
    Ok(found.to_owned())
}

/// The address behind `rel="next"` in a Link header.
fn next_page(value: &str) -> Option<String> {
    let mut links = value.split(',');
    let next = links.find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    let (_, rest) = next.split_once('<')?;
    let (address, _) = rest.split_once('>')?;
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_document_must_say_the_same() {
        let check = |header: Option<&str>, text: &str, expected: Result<&str, &str>| {
            let found = media_type("x", header, text.as_bytes());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        };
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        let manifest = r#"{"schemaVersion":2,"layers":[]}"#;
        check(Some(media::INDEX), index, Ok(media::INDEX));
        check(Some("application/json"), index, Ok(media::INDEX));
        check(None, manifest, Ok(media::MANIFEST));
        check(
            Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"),
            manifest,
            Ok(media::DOCKER_MANIFEST),
        );
        check(Some(media::MANIFEST), index, Err("does not look like one"));
        check(
            Some(media::INDEX),
            r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
            Err("does not look like one"),
        );
        let own = format!(
            r#"{{"mediaType":"{}","layers":[]}}"#,
            media::DOCKER_MANIFEST
        );
        check(Some(media::MANIFEST), &own, Err("one of them is wrong"));
        check(None, r#"{"schemaVersion":1}"#, Err("schema 1"));
        check(
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "{}",
            Err("schema 1"),
        );
        check(None, "<html>", Err("no JSON"));
        check(
            None,
            r#"{"mediaType":"text/x","layers":[]}"#,
            Err("unknown"),
        );
    }

    #[test]
    fn the_next_page_stands_in_the_link_header() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(next_page(value).as_deref(), expected);
        };
        check(
            "</v2/a/tags/list?n=1&last=x>; rel=\"next\"",
            Some("/v2/a/tags/list?n=1&last=x"),
        );
        check("<a>; rel=\"prev\", <b>; rel=next", Some("b"));
        check("<a>", None);
        check("rel=next", None);
    }
}

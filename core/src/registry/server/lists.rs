//! Lists: the tags of a repository, the repositories, and what refers to a manifest.

use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LINK};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::route::{Name, encode, parameter};
use super::{Server, answer, name_unknown};
use crate::digest::Digest;
use crate::registry::http::{Body, Response};
use crate::spec::{Descriptor, Index, media};

/// Says by what the answer has been filtered.
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// How many names come at once when the client does not say.
const PAGE: usize = 1000;

impl Server {
    /// The tags of a repository, in the order of their bytes.
    ///
    /// Source: [distribution-spec, "Listing Tags"](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#listing-tags).
    pub(super) fn list_tags(&self, name: &Name, query: Option<&str>) -> Result<Response, Refusal> {
        let shelf = self.shelf(name)?.ok_or_else(|| name_unknown(name))?;
        let address = format!("/v2/{}/tags/list", name.shown);
        let tags = shelf.tags.into_keys().collect();
        let (page, link) = page(tags, query, &address)?;
        list(&json!({ "name": name.shown, "tags": page }), link)
    }

    /// The repositories, in the order of their bytes. No part of the specification any more, and
    /// still what people ask a registry first.
    pub(super) fn list_repositories(&self, query: Option<&str>) -> Result<Response, Refusal> {
        let names = self.shelves()?.into_keys().collect();
        let (page, link) = page(names, query, "/v2/_catalog")?;
        list(&json!({ "repositories": page }), link)
    }

    /// The manifests whose subject is `subject`, as an index. An unknown subject has none.
    ///
    /// Source: [distribution-spec, "Listing Referrers"](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#listing-referrers).
    pub(super) fn list_referrers(
        &self,
        name: &Name,
        subject: &Digest,
        query: Option<&str>,
    ) -> Result<Response, Refusal> {
        let wanted = parameter(query, "artifactType");
        let shelf = self.shelf(name)?.unwrap_or_default();
        let mut referrers = Vec::new();
        for (found, links) in self.manifests(&shelf)? {
            if links.subject.as_ref().map(|to| &to.digest) != Some(subject) {
                continue;
            }
            let size = self.store.size(&found.digest)?.unwrap_or(found.size);
            let mut descriptor = Descriptor::new(&found.media_type, found.digest, size);
            let config = links.config.as_ref().map(|config| &config.media_type);
            let own = links.artifact_type.as_ref().filter(|own| !own.is_empty());
            descriptor.artifact_type = own.or(config).cloned();
            descriptor.annotations = links.annotations.clone().unwrap_or_default();
            if wanted.is_none() || wanted == descriptor.artifact_type {
                referrers.push(descriptor);
            }
        }
        referrers.sort_by(|a, b| a.digest.cmp(&b.digest));
        let bytes = serde_json::to_vec(&Index::new(referrers)).unwrap_or_default();
        let mut response = answer(StatusCode::OK)
            .header(CONTENT_TYPE, media::INDEX)
            .header(CONTENT_LENGTH, bytes.len());
        if wanted.is_some() {
            response = response.header(FILTERS_APPLIED, "artifactType");
        }
        Ok(response.body(Body::from(bytes))?)
    }
}

/// The names that `n` and `last` ask for, and the address of those that follow.
fn page(
    names: Vec<String>,
    query: Option<&str>,
    address: &str,
) -> Result<(Vec<String>, Option<String>), Refusal> {
    let most = match parameter(query, "n") {
        None => PAGE,
        Some(text) => text.parse().map_err(|_| {
            let message = format!("n is how many names are wanted, and {text:?} is no number");
            Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message)
        })?,
    };
    let last = parameter(query, "last");
    let mut rest: Vec<String> = names
        .into_iter()
        .filter(|name| last.as_ref().is_none_or(|last| name > last))
        .collect();
    let more = rest.len() > most;
    rest.truncate(most);
    let link = rest.last().filter(|_| more).map(|last| {
        let last = encode(last);
        format!("<{address}?n={most}&last={last}>; rel=\"next\"")
    });
    Ok((rest, link))
}

fn list(document: &Value, link: Option<String>) -> Result<Response, Refusal> {
    let bytes = document.to_string().into_bytes();
    let mut response = answer(StatusCode::OK)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, bytes.len());
    if let Some(link) = link {
        response = response.header(LINK, link);
    }
    Ok(response.body(Body::from(bytes))?)
}

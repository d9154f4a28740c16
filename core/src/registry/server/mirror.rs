//! Pull-through: what is not here is fetched from another registry, kept, and given out.
//!
//! A manifest is kept only when everything that it names is here, so a mirror that was cut off
//! half-way tells no lie. Of an index the document is fetched, and each manifest in it when
//! somebody asks for it: most people want one platform. A tag is looked up at the other registry
//! each time, because tags move; when that cannot be asked, what is here is what there is.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, StatusCode};

use super::Server;
use super::contents::Shelf;
use super::manifests::understand;
use super::refusal::Refusal;
use super::route::{Name, Version};
use crate::digest::{Digest, Hasher};
use crate::registry::http::{Body, Response, Transport, TransportError};
use crate::spec::{Descriptor, media};
use crate::store::StoreError;

/// Another registry, of which a server is the mirror.
pub struct Upstream {
    /// Who carries requests there. If the registry wants a login, that is its business.
    transport: Arc<dyn Transport>,
    /// The address before `/v2/`, without a slash at its end.
    base: String,
    /// Held while something is fetched, so that a crowd that asks for one image fetches it once.
    fetching: Mutex<()>,
}

/// Why something has not been fetched.
enum Missed {
    /// The other registry does not have it.
    Unknown,
    /// It could not be asked, or its answer could not be used.
    Failed(String),
    /// It does not give this to us, and will not if we ask again.
    Denied(String),
    /// It is our own store's fault.
    Refused(Refusal),
}

impl Upstream {
    /// The registry at `base`, such as `https://registry.example`, asked through `transport`.
    pub fn new(transport: Arc<dyn Transport>, base: &str) -> Self {
        Self {
            transport,
            base: base.trim_end_matches('/').to_owned(),
            fetching: Mutex::default(),
        }
    }

    /// Asks for something in a repository.
    fn get(&self, name: &Name, what: &str) -> Result<Response, Missed> {
        let at = format!("{}/v2/{}/{what}", self.base, name.shown);
        let kinds = [
            media::INDEX,
            media::MANIFEST,
            media::DOCKER_INDEX,
            media::DOCKER_MANIFEST,
        ];
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(&at)
            .header(ACCEPT, kinds.join(", "))
            .body(Body::empty())
            .map_err(|e| Missed::Failed(format!("{at}: {e}")))?;
        let response = self.transport.send(request);
        let response = response.map_err(|error| match error {
            TransportError::Refused { reason } => Missed::Denied(reason),
            error => Missed::Failed(error.to_string()),
        })?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::NOT_FOUND => Err(Missed::Unknown),
            status => Err(Missed::Failed(format!("{at} answers {status}"))),
        }
    }
}

impl Server {
    /// Makes the server a mirror of another registry.
    #[must_use]
    pub fn mirroring(mut self, upstream: Upstream) -> Self {
        self.upstream = Some(upstream);
        self
    }

    /// Fetches a manifest if it may be needed, and everything that it names.
    pub(super) fn fetch(&self, name: &Name, version: &Version) -> Result<(), Refusal> {
        let Some(upstream) = &self.upstream else {
            return Ok(());
        };
        let fetching = &upstream.fetching;
        let _one_at_a_time = fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = self.shelf(name)?.unwrap_or_default();
        let here = self.find(&shelf, version)?;
        if matches!(version, Version::Digest(_)) && here.is_some() {
            return Ok(());
        }
        match self.fetch_manifest(upstream, name, version, &shelf) {
            Ok(()) | Err(Missed::Unknown) => Ok(()),
            Err(Missed::Refused(refusal)) => Err(refusal),
            Err(Missed::Failed(_) | Missed::Denied(_)) if here.is_some() => Ok(()),
            Err(Missed::Failed(reason)) => {
                let message = format!("the registry that is mirrored cannot be used: {reason}");
                Err(Refusal::new(StatusCode::BAD_GATEWAY, "UNKNOWN", message))
            }
            Err(Missed::Denied(reason)) => {
                let message = format!("the registry that is mirrored gives nothing: {reason}");
                Err(Refusal::new(StatusCode::FORBIDDEN, "DENIED", message))
            }
        }
    }

    fn fetch_manifest(
        &self,
        upstream: &Upstream,
        name: &Name,
        version: &Version,
        shelf: &Shelf,
    ) -> Result<(), Missed> {
        let reference = match version {
            Version::Tag(tag) => tag.as_str(),
            Version::Digest(digest) => digest.as_str(),
        };
        let (head, body) = upstream
            .get(name, &format!("manifests/{reference}"))?
            .into_parts();
        let most = self.settings.most_manifest;
        let bytes = body
            .bytes(most)
            .map_err(|e| Missed::Failed(e.to_string()))?;
        let digest = match version {
            Version::Tag(_) => Digest::of(&bytes),
            Version::Digest(expected) => {
                let mut hasher = Hasher::new(expected.algorithm());
                hasher.update(&bytes);
                let actual = hasher.finish();
                if actual != *expected {
                    return Err(Missed::Failed(format!("it gave {actual} for {expected}")));
                }
                actual
            }
        };
        if shelf.roots().any(|root| root.digest == digest)
            && let Version::Tag(tag) = version
            && shelf
                .tags
                .get(tag)
                .is_some_and(|target| target.digest == digest)
        {
            return Ok(());
        }
        let told = head.headers.get(CONTENT_TYPE);
        let (links, media_type) = understand(&bytes, told.and_then(|v| v.to_str().ok()))?;
        let _hold = self.store.hold()?;
        for blob in links.blobs() {
            if !blob.extra.contains_key("urls") && self.store.size(&blob.digest)?.is_none() {
                self.fetch_blob(upstream, name, &blob.digest)?;
            }
        }
        self.keep(&digest, &bytes)?;
        let target = Descriptor::new(&media_type, digest, bytes.len() as u64);
        Ok(self.enter(name, version, &target)?)
    }

    fn fetch_blob(&self, upstream: &Upstream, name: &Name, digest: &Digest) -> Result<(), Missed> {
        let mut body = upstream.get(name, &format!("blobs/{digest}"))?.into_body();
        let mut writer = self.store.create()?;
        io::copy(&mut body, &mut writer)
            .map_err(|e| Missed::Failed(format!("blob {digest} was cut off: {e}")))?;
        match writer.commit(Some(digest)) {
            Ok(_) => Ok(()),
            Err(StoreError::Corrupt(error)) => Err(Missed::Failed(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<Refusal> for Missed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Missed {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

//! The server: a registry as a function from a request to a response.
//!
//! ```text
//! Server::handle    who asks (access), what for (route), then one of:
//!   manifests       given out, taken in after every claim is checked, taken away
//!   blobs           given out, whole or in part
//!   uploads         blobs on their way in
//!   lists           tags, repositories, referrers
//!   mirror          what is not here is fetched from another registry
//!   token           who is who, signed
//!   page            the same for people
//! ```
//!
//! Everything is kept in a store: manifests are its tags' targets, blobs its blobs. The server
//! knows no socket and no clock; [`Outside`] has what it cannot know by itself.

mod access;
mod blobs;
mod contents;
mod lists;
mod manifests;
mod mirror;
mod page;
mod refusal;
mod route;
#[cfg(test)]
mod tests;
mod token;
mod uploads;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use ::http::response::Builder;
use ::http::{Method, Response as Head, StatusCode};

pub use access::{Access, Check, Tokens};
pub use mirror::Upstream;
pub use route::HOME;

use super::http::{Body, Request, Response, Transport, TransportError};
use crate::digest::Digest;
use crate::store::{Store, StoreError};
use access::Action;
use contents::Links;
use refusal::Refusal;
use route::{Name, Route};
use uploads::Uploads;

/// A registry over a store.
///
/// It can be called by many threads at once, and it is a [`Transport`] to itself: a client in the
/// same process talks to it without a socket.
pub struct Server {
    store: Arc<dyn Store>,
    settings: Settings,
    access: Access,
    outside: Outside,
    /// The registry that this one is a mirror of.
    upstream: Option<Upstream>,
    uploads: Uploads,
    /// What manifests name, so that they are parsed once.
    links: Mutex<BTreeMap<Digest, Arc<Links>>>,
    /// Held while tags are read and changed, because one change depends on the others.
    writing: Mutex<()>,
    /// Whether something may be there that nothing needs any more.
    garbage: AtomicBool,
}

/// What a registry allows, and how much.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Nothing can be pushed or deleted.
    pub read_only: bool,
    /// The largest manifest that is taken, in bytes; never more than a store reads, 16 MiB.
    pub most_manifest: u64,
    /// How many uploads may be under way at once.
    pub most_uploads: usize,
    /// After this time without a request an upload ends, and a blob that no manifest names is no
    /// part of a repository any more.
    pub patience: Duration,
    /// Whether clients come over TLS, which decides how the token server's address begins.
    pub secure: bool,
}

impl Default for Settings {
    /// Limits that no honest client meets: distribution-spec wants at least 4 MiB for a manifest.
    fn default() -> Self {
        Self {
            read_only: false,
            most_manifest: 4 << 20,
            most_uploads: 256,
            patience: Duration::from_hours(1),
            secure: false,
        }
    }
}

/// What a pure function cannot know: the time, chance, and where complaints go.
pub struct Outside {
    /// The time since 1970.
    pub now: Box<dyn Fn() -> Duration + Send + Sync>,
    /// A name that nobody can guess, for an upload: letters, digits, hyphens.
    pub random: Box<dyn Fn() -> String + Send + Sync>,
    /// Told what went wrong with the store, which no client is to know.
    pub log: Box<dyn Fn(&StoreError) + Send + Sync>,
}

/// Names the content of an answer.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Says that this is a registry; clients of old ask for it.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

impl Server {
    /// A registry over `store`.
    pub fn new(
        store: Arc<dyn Store>,
        settings: Settings,
        access: Access,
        outside: Outside,
    ) -> Self {
        Self {
            store,
            settings,
            access,
            outside,
            upstream: None,
            uploads: Uploads::default(),
            links: Mutex::default(),
            writing: Mutex::default(),
            garbage: AtomicBool::new(false),
        }
    }

    /// Answers a request. Whatever comes, an answer comes back; what it says in its body is read
    /// before, or not at all.
    pub fn handle(&self, request: Request) -> Response {
        let is_head = request.method() == Method::HEAD;
        let mut response = self.route(request).unwrap_or_else(|refusal| {
            if let Some(trouble) = &refusal.trouble {
                (self.outside.log)(trouble);
            }
            refusal.response()
        });
        if is_head {
            *response.body_mut() = Body::empty();
        }
        let version = HeaderValue::from_static("registry/2.0");
        response.headers_mut().insert(API_VERSION, version);
        response
    }

    /// To be called now and then: ends uploads that nobody goes on with. Returns whether there may
    /// be blobs that nothing needs any more, once for each time that something became so; then a
    /// collection is worth its while.
    pub fn tend(&self) -> bool {
        self.expire();
        self.garbage.swap(false, Ordering::SeqCst)
    }

    fn route(&self, request: Request) -> Result<Response, Refusal> {
        let (head, body) = request.into_parts();
        let route = Route::parse(head.uri.path())?;
        if !route.methods().contains(&head.method) {
            return Err(wrong_method(&head.method, route.methods()));
        }
        let query = head.uri.query();
        if route == Route::Token {
            return self.give_token(&head, body);
        }
        let caller = self.caller(&head, &route)?;
        let is_head = head.method == Method::HEAD;
        let (get, patch) = (head.method == Method::GET, head.method == Method::PATCH);
        let delete = head.method == Method::DELETE;
        let headers = &head.headers;
        match &route {
            Route::Page => self.page(),
            // A token is given out before anybody is known; see above.
            Route::Base | Route::Token => base(),
            Route::Catalog => self.list_repositories(query),
            Route::Tags(name) => self.list_tags(name, query),
            Route::Referrers(name, digest) => self.list_referrers(name, digest, query),
            Route::Manifest(name, version) if get || is_head => {
                self.get_manifest(name, version, is_head)
            }
            Route::Manifest(name, version) if delete => self.delete_manifest(name, version),
            Route::Manifest(name, version) => self.put_manifest(name, version, headers, body),
            Route::Blob(name, digest) if delete => self.delete_blob(name, digest),
            Route::Blob(name, digest) => self.get_blob(name, digest, headers, is_head),
            Route::Uploads(name) => {
                let may_pull = |name: &Name| caller.may(Action::Pull, Some(name));
                self.begin_upload(name, query, body, &may_pull)
            }
            Route::Upload(name, id) if get => self.upload_status(name, id),
            Route::Upload(name, id) if patch => self.patch_upload(name, id, headers, body),
            Route::Upload(name, id) if delete => self.cancel_upload(name, id),
            Route::Upload(name, id) => self.put_upload(name, id, query, headers, body),
        }
    }

    fn now(&self) -> Duration {
        (self.outside.now)()
    }

    /// Has the tags to oneself, as far as this server is concerned.
    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_garbage(&self) {
        self.garbage.store(true, Ordering::SeqCst);
    }
}

impl Transport for Server {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        Ok(self.handle(request))
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("settings", &self.settings)
            .field("uploads", &self.uploads)
            .finish_non_exhaustive()
    }
}

impl From<::http::Error> for Refusal {
    /// Only what the server itself put into a header can be the matter, such as a media type of
    /// a damaged store.
    fn from(error: ::http::Error) -> Self {
        let message = format!("the answer cannot be written: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
    }
}

/// The beginning of an answer.
fn answer(status: StatusCode) -> Builder {
    Head::builder().status(status)
}

/// Yes, this is a registry.
fn base() -> Result<Response, Refusal> {
    Ok(answer(StatusCode::OK)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, 2)
        .body(Body::from(b"{}".to_vec()))?)
}

fn wrong_method(method: &Method, allowed: &[Method]) -> Refusal {
    let allowed: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    let allowed = allowed.join(", ");
    let message = format!("{method} makes no sense here; what does is {allowed}");
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Refusal::new(status, "UNSUPPORTED", message).header(ALLOW, allowed)
}

/// There is no such repository.
fn name_unknown(name: &Name) -> Refusal {
    let mut refusal = Refusal::several(StatusCode::NOT_FOUND);
    let message = format!(
        "there is no repository {} in this registry; it comes about with the first push",
        name.shown
    );
    let detail = serde_json::json!({ "name": name.shown });
    refusal.add("NAME_UNKNOWN", message, &detail);
    refusal
}

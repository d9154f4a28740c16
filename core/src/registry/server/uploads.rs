//! Uploads: blobs on their way in, and what keeps them until a manifest names them.
//!
//! Sessions live in memory, and their bytes in the store's own files under way. So a server that
//! is killed leaves nothing that a store does not know how to sweep away, and a client whose
//! session is gone is told so and begins again, as the specification provides.
//!
//! As long as there is a session, or a blob that no manifest names yet, the store is held and
//! nothing is collected. All of it ends after a time in which nothing happened.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, LOCATION, RANGE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::contents::Links;
use super::refusal::Refusal;
use super::route::{Name, digest, parameter};
use super::{CONTENT_DIGEST, Server, answer};
use crate::digest::Digest;
use crate::registry::http::{Body, Response};
use crate::store::{BlobWriter, Hold, StoreError};

/// The session's name once more, as Docker's clients like it.
const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// How much of a body is read at once, in bytes. The store gathers more before it writes.
const PIECE: usize = 16 << 10;

/// Everything that is on its way.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<String, Session>,
    /// Blobs that no manifest of the repository names yet, and when they came.
    pending: BTreeMap<(String, Digest), Duration>,
    /// Keeps what is above from being collected; there while any of it is.
    hold: Option<Hold>,
}

/// One upload.
struct Session {
    /// The repository, by its name in the store.
    repository: String,
    /// How many bytes have been taken in.
    received: Arc<AtomicU64>,
    /// When something happened last.
    used: Duration,
    /// Where the bytes go. `None` while a request brings some.
    writer: Option<Box<dyn BlobWriter>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("repository", &self.repository)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Begins an upload; or ends it at once, because the blob is in another repository already
    /// (`mount`) or comes with the request (`digest`).
    ///
    /// Source: [distribution-spec, "Pushing blobs"](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-blobs).
    pub(super) fn begin_upload(
        &self,
        name: &Name,
        query: Option<&str>,
        body: Body,
        may_pull: &dyn Fn(&Name) -> bool,
    ) -> Result<Response, Refusal> {
        self.expire();
        // Waits for a collection that is under way; what is found after that stays.
        let hold = self.store.hold()?;
        if let Some(mount) = parameter(query, "mount") {
            let from = parameter(query, "from");
            let digest = mount.parse::<Digest>().ok();
            if let Some(digest) = digest
                && self.is_elsewhere(&digest, from.as_deref(), may_pull)?
            {
                self.uploads.add_pending(name, &digest, self.now(), hold);
                return created(name, &digest);
            }
        } else if let Some(expected) = parameter(query, "digest") {
            let expected = digest(&expected)?;
            let mut writer = self.store.create()?;
            let told = body.length();
            let count = copy(body, &mut writer, &AtomicU64::new(0)).map_err(cut_off)?;
            check_length(told, count)?;
            return self.finish(name, writer, &expected, hold);
        }
        let session = self.open_session(name, hold)?;
        progress(StatusCode::ACCEPTED, name, &session, 0)
    }

    /// How far an upload has come.
    pub(super) fn upload_status(&self, name: &Name, session: &str) -> Result<Response, Refusal> {
        let received = self.uploads.received(name, session)?;
        progress(StatusCode::NO_CONTENT, name, session, received)
    }

    /// Takes a chunk in.
    pub(super) fn patch_upload(
        &self,
        name: &Name,
        session: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Refusal> {
        let mut writer = self.take_writer(name, session)?;
        let result = self.write_chunk(name, session, headers, body, &mut writer);
        self.uploads.give_back(session, writer, self.now())?;
        let received = result?;
        progress(StatusCode::ACCEPTED, name, session, received)
    }

    /// Takes the last chunk in, which may be empty, and ends the upload. Content of another
    /// digest is refused, and the upload is over.
    pub(super) fn put_upload(
        &self,
        name: &Name,
        session: &str,
        query: Option<&str>,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Refusal> {
        let expected = parameter(query, "digest").ok_or_else(|| {
            let message = "an upload ends with ?digest=DIGEST, so that its content can be checked";
            Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
        })?;
        let expected = digest(&expected)?;
        let hold = self.store.hold()?;
        let mut writer = self.take_writer(name, session)?;
        if let Err(refusal) = self.write_chunk(name, session, headers, body, &mut writer) {
            self.uploads.give_back(session, writer, self.now())?;
            return Err(refusal);
        }
        let finished = self.finish(name, writer, &expected, hold);
        self.uploads.remove(session);
        finished
    }

    /// Ends an upload without a blob.
    pub(super) fn cancel_upload(&self, name: &Name, session: &str) -> Result<Response, Refusal> {
        self.uploads.received(name, session)?;
        self.uploads.remove(session);
        Ok(answer(StatusCode::NO_CONTENT).body(Body::empty())?)
    }

    /// Ends every upload, and forgets every blob, with which nothing has happened for as long as
    /// the settings say.
    pub(super) fn expire(&self) {
        let limit = self.now().saturating_sub(self.settings.patience);
        let mut state = self.uploads.state();
        let before = state.sessions.len() + state.pending.len();
        let is_fresh = |session: &mut Session| session.writer.is_none() || session.used >= limit;
        state.sessions.retain(|_, session| is_fresh(session));
        state.pending.retain(|_, since| *since >= limit);
        let after = state.sessions.len() + state.pending.len();
        state.let_go();
        drop(state);
        if after < before {
            self.note_garbage();
        }
    }

    fn open_session(&self, name: &Name, hold: Hold) -> Result<String, Refusal> {
        let session = Session {
            repository: name.kept.clone(),
            received: Arc::default(),
            used: self.now(),
            writer: Some(self.store.create()?),
        };
        let id = (self.outside.random)();
        let mut state = self.uploads.state();
        if state.sessions.len() >= self.settings.most_uploads {
            let message = format!(
                "{} uploads are under way, and no more are taken; try again in a moment",
                state.sessions.len()
            );
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Err(Refusal::new(status, "TOOMANYREQUESTS", message).header(RETRY_AFTER, "1"));
        }
        state.sessions.insert(id.clone(), session);
        state.hold.get_or_insert(hold);
        Ok(id)
    }

    fn take_writer(&self, name: &Name, id: &str) -> Result<Box<dyn BlobWriter>, Refusal> {
        let mut state = self.uploads.state();
        let session = state.session(name, id)?;
        session.used = self.now();
        session.writer.take().ok_or_else(|| {
            let message = "another request is writing to this upload; wait for it, or begin anew";
            Refusal::new(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID", message)
        })
    }

    /// Writes a request's body to the end of the upload. Returns how much has been taken in.
    fn write_chunk(
        &self,
        name: &Name,
        id: &str,
        headers: &HeaderMap,
        body: Body,
        writer: &mut Box<dyn BlobWriter>,
    ) -> Result<u64, Refusal> {
        let received = Arc::clone(&self.uploads.state().session(name, id)?.received);
        let before = received.load(Ordering::SeqCst);
        let told = body.length();
        let range = headers
            .get(CONTENT_RANGE)
            .map(|value| value.to_str().unwrap_or_default());
        let expected = match range {
            None => told,
            Some(range) => match chunk_length(range, before) {
                Some(length) if told.is_none_or(|told| told == length) => Some(length),
                _ => return Err(out_of_order(name, id, range, before)),
            },
        };
        // One byte more than there should be shows that there are more.
        let limit = expected.map_or(u64::MAX, |length| length.saturating_add(1));
        let count = copy(body.take(limit), writer, &received).map_err(cut_off)?;
        check_length(expected, count)?;
        Ok(before + count)
    }

    /// Makes a blob of what came, and keeps it in the repository until a manifest names it.
    fn finish(
        &self,
        name: &Name,
        writer: Box<dyn BlobWriter>,
        expected: &Digest,
        hold: Hold,
    ) -> Result<Response, Refusal> {
        match writer.commit(Some(expected)) {
            Ok(_) => {}
            Err(StoreError::Corrupt(error)) => {
                let mut refusal = Refusal::several(StatusCode::BAD_REQUEST);
                let detail = json!({ "digest": expected });
                refusal.add("DIGEST_INVALID", error.to_string(), &detail);
                return Err(refusal);
            }
            Err(error) => return Err(error.into()),
        }
        self.uploads.add_pending(name, expected, self.now(), hold);
        created(name, expected)
    }

    /// Whether a blob can be mounted: it is in the repository `from`, or, if none is named, in
    /// any; and the client may pull from there.
    fn is_elsewhere(
        &self,
        digest: &Digest,
        from: Option<&str>,
        may_pull: &dyn Fn(&Name) -> bool,
    ) -> Result<bool, Refusal> {
        if self.store.size(digest)?.is_none() {
            return Ok(false);
        }
        let names = match from {
            Some(from) => vec![from.to_owned()],
            None => self.shelves()?.into_keys().collect(),
        };
        for name in names {
            if let Ok(name) = Name::parse(&name)
                && may_pull(&name)
                && self.blob_in(&name, digest)?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Uploads {
    /// A thread that panicked elsewhere leaves no half-done change here: each is one insertion.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the blob waits in this repository for a manifest.
    pub(super) fn is_pending(&self, repository: &str, digest: &Digest) -> bool {
        let key = (repository.to_owned(), digest.clone());
        self.state().pending.contains_key(&key)
    }

    fn add_pending(&self, name: &Name, digest: &Digest, now: Duration, hold: Hold) {
        let mut state = self.state();
        let key = (name.kept.clone(), digest.clone());
        state.pending.insert(key, now);
        state.hold.get_or_insert(hold);
    }

    /// A manifest names these blobs now, which keeps them.
    pub(super) fn settle(&self, repository: &str, links: &Links) {
        let named: BTreeSet<&Digest> = links.blobs().map(|blob| &blob.digest).collect();
        let mut state = self.state();
        let is_other =
            |(other, digest): &(String, Digest)| other != repository || !named.contains(digest);
        state.pending.retain(|key, _| is_other(key));
        state.let_go();
    }

    /// Takes a blob that waits out of the repository; whether it was there.
    pub(super) fn forget(&self, repository: &str, digest: &Digest) -> bool {
        let mut state = self.state();
        let key = (repository.to_owned(), digest.clone());
        let was_there = state.pending.remove(&key).is_some();
        state.let_go();
        was_there
    }

    fn received(&self, name: &Name, id: &str) -> Result<u64, Refusal> {
        let mut state = self.state();
        let session = state.session(name, id)?;
        Ok(session.received.load(Ordering::SeqCst))
    }

    /// A request has brought what it had. The session may have been cancelled meanwhile.
    fn give_back(
        &self,
        id: &str,
        writer: Box<dyn BlobWriter>,
        now: Duration,
    ) -> Result<(), Refusal> {
        match self.state().sessions.get_mut(id) {
            Some(session) => {
                session.writer = Some(writer);
                session.used = now;
                Ok(())
            }
            None => Err(upload_unknown(id)),
        }
    }

    fn remove(&self, id: &str) {
        let mut state = self.state();
        let removed = state.sessions.remove(id);
        state.let_go();
        // Removing the file that was under way takes a moment, in which others need not wait.
        drop(state);
        drop(removed);
    }
}

impl State {
    /// The session of this name, if it belongs to the repository.
    fn session(&mut self, name: &Name, id: &str) -> Result<&mut Session, Refusal> {
        let session = self.sessions.get_mut(id);
        let session = session.filter(|session| session.repository == name.kept);
        session.ok_or_else(|| upload_unknown(id))
    }

    /// Lets the store go when nothing is on its way.
    fn let_go(&mut self) {
        if self.sessions.is_empty() && self.pending.is_empty() {
            self.hold = None;
        }
    }
}

/// Passes a body on and counts it as it goes, so that a client can ask how far it has come, and
/// what came before a cut is not lost.
fn copy(
    mut body: impl Read,
    writer: &mut Box<dyn BlobWriter>,
    received: &AtomicU64,
) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut count = 0;
    loop {
        let read = match body.read(&mut piece) {
            Ok(0) => return Ok(count),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        writer.write_all(&piece[..read])?;
        count += read as u64;
        received.fetch_add(read as u64, Ordering::SeqCst);
    }
}

/// The length of the chunk `first-last`; `None` when that is no range, or does not begin where
/// the upload has come to.
fn chunk_length(range: &str, received: u64) -> Option<u64> {
    // The specification's form has no unit; some clients write the one of RFC 9110, with a total.
    let range = range.strip_prefix("bytes ").unwrap_or(range);
    let (first, last) = range.split('/').next()?.split_once('-')?;
    let number = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (first, last) = (number(first)?, number(last)?);
    let fits = first == received && last >= first;
    fits.then(|| (last - first).checked_add(1)).flatten()
}

fn check_length(expected: Option<u64>, count: u64) -> Result<(), Refusal> {
    match expected {
        Some(expected) if expected != count => {
            let came = if count > expected { "more" } else { "fewer" };
            let message = format!("{expected} bytes were announced, and {came} came");
            let bad = StatusCode::BAD_REQUEST;
            Err(Refusal::new(bad, "SIZE_INVALID", message))
        }
        _ => Ok(()),
    }
}

fn created(name: &Name, digest: &Digest) -> Result<Response, Refusal> {
    Ok(answer(StatusCode::CREATED)
        .header(LOCATION, format!("/v2/{}/blobs/{digest}", name.shown))
        .header(CONTENT_LENGTH, 0)
        .header(CONTENT_DIGEST, digest.as_str())
        .body(Body::empty())?)
}

/// Where the upload goes on, and how far it has come. The last byte is part of the range, so an
/// upload without a byte looks like one with one byte; all registries write it so.
fn progress(
    status: StatusCode,
    name: &Name,
    session: &str,
    received: u64,
) -> Result<Response, Refusal> {
    let mut response = answer(status)
        .header(LOCATION, location(name, session))
        .header(RANGE, format!("0-{}", received.saturating_sub(1)))
        .header(UPLOAD_UUID, session);
    if status != StatusCode::NO_CONTENT {
        response = response.header(CONTENT_LENGTH, 0);
    }
    Ok(response.body(Body::empty())?)
}

fn location(name: &Name, session: &str) -> String {
    format!("/v2/{}/blobs/uploads/{session}", name.shown)
}

fn out_of_order(name: &Name, session: &str, range: &str, received: u64) -> Refusal {
    let message = format!(
        "the chunk {range:?} cannot be taken: {received} bytes are here, so the next chunk is \
         {received}-LAST and as long as its body"
    );
    let status = StatusCode::RANGE_NOT_SATISFIABLE;
    Refusal::new(status, "BLOB_UPLOAD_INVALID", message)
        .header(LOCATION, location(name, session))
        .header(RANGE, format!("0-{}", received.saturating_sub(1)))
}

fn cut_off(error: io::Error) -> Refusal {
    // What the store says about its own disk has a cause below it; a body's end has none.
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    );
    if full {
        return StoreError::io("write a blob", error).into();
    }
    let message = format!("the body was cut off: {error}; GET the upload to see how far it came");
    Refusal::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message)
}

fn upload_unknown(id: &str) -> Refusal {
    let mut refusal = Refusal::several(StatusCode::NOT_FOUND);
    let shown: String = id.chars().take(64).collect();
    let message = format!("there is no upload {shown:?} in this repository; begin a new one");
    refusal.add("BLOB_UPLOAD_UNKNOWN", message, &Value::Null);
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_begins_where_the_last_one_ended() {
        let check = |range: &str, received, expected| {
            assert_eq!(chunk_length(range, received), expected, "{range}");
        };
        check("0-9", 0, Some(10));
        check("10-10", 10, Some(1));
        check("bytes 0-9/20", 0, Some(10));
        for wrong in [
            "",
            "0",
            "-",
            "a-b",
            "9-0",
            "+0-9",
            "0--9",
            "0-99999999999999999999999",
        ] {
            check(wrong, 0, None);
        }
        check("0-18446744073709551615", 0, None);
        check("0-9", 10, None);
        check("11-20", 10, None);
    }
}

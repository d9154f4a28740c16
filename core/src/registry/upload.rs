//! Blobs on their way to a registry: whole or in pieces, unless they are there already.

use std::io::{self, Read};
use std::sync::mpsc::Sender;

use ::http::{Method, StatusCode, Uri, header};

use super::address;
use super::blobs::{MOST_IDLE, STRIDE, blob_call, progress, wrong_size};
use super::client::Client;
use super::error::RegistryError;
use super::exchange::{Answer, Call, Remote, Tell, pause, protocol};
use super::http::Body;
use crate::event::{Event, Transfer};
use crate::reference::Repository;
use crate::spec::Descriptor;

/// The bytes of a blob from an offset on, as often as they are needed.
pub(super) type Source<'s> = &'s dyn Fn(u64) -> Result<Box<dyn Read + Send>, RegistryError>;

/// How blobs are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pieces {
    /// Larger blobs are sent in pieces of this size, in bytes; smaller ones whole. After a cut
    /// only the piece is sent again, and some registries take no more in one request.
    pub size: u64,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { size: 64 << 20 }
    }
}

/// What became of a blob that was to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// The repository has it already.
    Present,
    /// Another repository on the registry has it, and lent it.
    Mounted(Repository),
    /// It was sent.
    Whole,
}

enum Begun {
    Mounted,
    Upload(Uri),
}

const OCTETS: &str = "application/octet-stream";

impl Client<'_> {
    /// Sees to it that the repository has a blob: it is there, or another repository `from` on the
    /// registry lends it, or it is sent.
    pub(super) fn give_blob(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        from: Option<&Repository>,
        source: Source<'_>,
        pieces: Pieces,
        tell: &mut Tell<'_>,
    ) -> Result<Sent, RegistryError> {
        if self.has_blob(remote, blob, tell)? {
            return Ok(Sent::Present);
        }
        let action = format!(
            "push blob {} to {}",
            blob.digest.short(),
            remote.repository.familiar()
        );
        let mut tries = 1;
        loop {
            let upload = match self.begin(remote, blob, from, &action, tell)? {
                Begun::Mounted => {
                    let lender = from.unwrap_or(&remote.repository);
                    return Ok(Sent::Mounted(lender.clone()));
                }
                Begun::Upload(upload) => upload,
            };
            match self.send_blob(remote, blob, upload, source, pieces, &action, tell) {
                Ok(()) => return Ok(Sent::Whole),
                Err(error) if tries < MOST_IDLE && may_pass(&error) => {
                    self.wait(pause(tries), &error.to_string(), tell);
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the repository has a blob.
    fn has_blob(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        tell: &mut Tell<'_>,
    ) -> Result<bool, RegistryError> {
        let action = format!(
            "look up blob {} of {}",
            blob.digest.short(),
            remote.repository.familiar()
        );
        let call = Call {
            scopes: vec![remote.push()],
            why: "what the registry has need not be sent",
            expects: &[StatusCode::NOT_FOUND],
            ..blob_call(remote, &blob.digest, Method::HEAD, &action)?
        };
        let answer = self.send(&remote.endpoint, &call, tell)?;
        Ok(answer.status().is_success())
    }

    fn begin(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        from: Option<&Repository>,
        action: &str,
        tell: &mut Tell<'_>,
    ) -> Result<Begun, RegistryError> {
        let mut uri = remote.address("blobs/uploads/")?;
        let mut scopes = vec![remote.push()];
        let mut why = "an upload begins: the registry says where the bytes shall go";
        if let Some(from) = from {
            let refused = |why: String| RegistryError::Unsupported {
                what: from.to_string(),
                why,
            };
            uri = address::with_query(&uri, "mount", blob.digest.as_str()).map_err(refused)?;
            uri = address::with_query(&uri, "from", from.path()).map_err(refused)?;
            scopes.push(super::auth::scope(from.path(), "pull"));
            why = "another repository there has the blob; mounted from it, it need not be sent";
        }
        let empty = || Ok(Body::empty());
        let call = Call {
            uri,
            scopes,
            why,
            body: Some(&empty),
            // An upload that was begun twice expires by itself.
            repeat: true,
            ..blob_call(remote, &blob.digest, Method::POST, action)?
        };
        let answer = match self.send(&remote.endpoint, &call, tell) {
            // Who may not read the other repository may still send the blob.
            Err(RegistryError::Denied { .. } | RegistryError::NotFound { .. })
                if from.is_some() =>
            {
                return self.begin(remote, blob, None, action, tell);
            }
            other => other?,
        };
        if from.is_some() && answer.status() == StatusCode::CREATED {
            return Ok(Begun::Mounted);
        }
        Ok(Begun::Upload(location(&call, &answer)?))
    }

    #[allow(clippy::too_many_arguments)] // all of them are what an upload is
    fn send_blob(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        mut upload: Uri,
        source: Source<'_>,
        pieces: Pieces,
        action: &str,
        tell: &mut Tell<'_>,
    ) -> Result<(), RegistryError> {
        let mut from = 0;
        let mut idle = 0;
        while blob.size > pieces.size && from < blob.size {
            let length = pieces.size.max(1).min(blob.size - from);
            match self.send_piece(remote, blob, &upload, (from, length), source, action, tell) {
                Ok(next) => {
                    (upload, from, idle) = (next, from + length, 0);
                    tell.say(progress(blob, Transfer::Sending { sent: from }));
                }
                Err(error) if idle + 1 < MOST_IDLE && may_pass(&error) => {
                    idle += 1;
                    self.wait(pause(idle), &error.to_string(), tell);
                    (upload, from) = self.resume(remote, blob, &upload, action, tell)?;
                    if from > blob.size {
                        return Err(wrong_size(blob, from));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let rest = blob.size - from;
        let uri = address::with_query(&upload, "digest", blob.digest.as_str());
        let live = tell.live.clone();
        let body = || body(blob, (from, rest), source, live.clone());
        let call = Call {
            headers: vec![
                (header::CONTENT_TYPE, OCTETS.to_owned()),
                (header::CONTENT_LENGTH, rest.to_string()),
            ],
            body: Some(&body),
            scopes: vec![remote.push()],
            why: "the upload ends with the digest, and the registry checks that it is the content's",
            repeat: false,
            ..blob_call(remote, &blob.digest, Method::PUT, action)?
        };
        let call = Call {
            uri: uri.map_err(|e| protocol(&call, &call.uri, &e))?,
            ..call
        };
        self.send(&remote.endpoint, &call, tell)?;
        Ok(())
    }

    /// Sends one piece; where the next one goes is the answer.
    #[allow(clippy::too_many_arguments)] // as above
    fn send_piece(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        upload: &Uri,
        (from, length): (u64, u64),
        source: Source<'_>,
        action: &str,
        tell: &mut Tell<'_>,
    ) -> Result<Uri, RegistryError> {
        let live = tell.live.clone();
        let body = || body(blob, (from, length), source, live.clone());
        let call = Call {
            uri: upload.clone(),
            headers: vec![
                (header::CONTENT_TYPE, OCTETS.to_owned()),
                (header::CONTENT_LENGTH, length.to_string()),
                (
                    header::CONTENT_RANGE,
                    format!("{from}-{}", from + length - 1),
                ),
            ],
            body: Some(&body),
            scopes: vec![remote.push()],
            why: "a large blob goes in pieces, so that a cut costs only one of them",
            repeat: false,
            ..blob_call(remote, &blob.digest, Method::PATCH, action)?
        };
        let answer = self.send(&remote.endpoint, &call, tell)?;
        location(&call, &answer)
    }

    /// Asks how far an upload has come: where it goes on, and from which byte.
    fn resume(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        upload: &Uri,
        action: &str,
        tell: &mut Tell<'_>,
    ) -> Result<(Uri, u64), RegistryError> {
        let call = Call {
            uri: upload.clone(),
            scopes: vec![remote.push()],
            why: "the connection broke off, so the registry is asked how much has arrived",
            ..blob_call(remote, &blob.digest, Method::GET, action)?
        };
        let answer = self.send(&remote.endpoint, &call, tell)?;
        let next = location(&call, &answer).unwrap_or_else(|_| upload.clone());
        let range = answer.header(&header::RANGE).unwrap_or_default();
        let range = range.trim_start_matches("bytes=");
        let last: Option<u64> = range
            .split_once('-')
            .and_then(|(_, last)| last.parse().ok());
        match last {
            // "0-0" is one byte to the specification, and none to the registry that wrote it.
            Some(0) | None => Ok((next, 0)),
            Some(last) => Ok((next, last + 1)),
        }
    }
}

/// Where an upload goes on: mostly at the registry, but large ones let other hosts take the bytes.
fn location(call: &Call<'_>, answer: &Answer) -> Result<Uri, RegistryError> {
    let Some(location) = answer.header(&header::LOCATION) else {
        let why = "it does not say where the upload goes on";
        return Err(protocol(call, &call.uri, &why));
    };
    // A registry behind a proxy that speaks TLS for it may not know that it does.
    let secure = location.strip_prefix("http://").and_then(|rest| {
        let authority = answer.uri.authority()?.as_str();
        let same = rest.strip_prefix(authority)?.starts_with('/');
        (same && answer.uri.scheme_str() == Some("https")).then(|| format!("https://{rest}"))
    });
    let location = secure.as_deref().unwrap_or(location);
    address::join(&answer.uri, location).map_err(|e| protocol(call, &call.uri, &e))
}

/// Whether the same may well succeed a little later.
fn may_pass(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::Transport {
            source: super::http::TransportError::Lost { .. },
            ..
        } | RegistryError::Refused {
            status: 408 | 416 | 500..=504,
            ..
        }
    )
}

/// A part of a blob as a body, which tells how far it is.
fn body(
    blob: &Descriptor,
    (from, length): (u64, u64),
    source: Source<'_>,
    live: Option<Sender<Event>>,
) -> Result<Body, RegistryError> {
    let counted = Counted {
        inner: source(from)?.take(length),
        blob: blob.clone(),
        sent: from,
        told: from,
        live,
    };
    Ok(Body::new(counted, Some(length)))
}

struct Counted<R> {
    inner: R,
    blob: Descriptor,
    sent: u64,
    told: u64,
    live: Option<Sender<Event>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.sent += n as u64;
        if self.sent - self.told >= STRIDE
            && let Some(live) = &self.live
        {
            self.told = self.sent;
            let sending = Transfer::Sending { sent: self.sent };
            // Nobody may be listening any more.
            let _ = live.send(progress(&self.blob, sending));
        }
        Ok(n)
    }
}

//! Blobs on their way: fetched piece by piece however often the connection breaks, and sent whole
//! or in pieces.

use std::io::{self, Read};
use std::sync::mpsc::Sender;

use ::http::{Method, StatusCode, Uri, header};

use super::address;
use super::client::{Answer, Call, Client, Remote, Tell, pause, protocol};
use super::error::RegistryError;
use super::http::Body;
use crate::digest::{Digest, DigestError};
use crate::event::{Event, Transfer};
use crate::reference::Repository;
use crate::spec::Descriptor;

/// Bytes that are read at a time.
const CHUNK: usize = 128 << 10;

/// After how many bytes it is told how far a blob is.
const STRIDE: u64 = 1 << 20;

/// How often a blob is begun or continued at most, and how often without a single new byte.
const MOST_CUTS: u32 = 20;
const MOST_IDLE: u32 = 5;

/// Where the bytes of a blob go.
pub(super) type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<(), RegistryError>;

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

impl Client<'_> {
    /// Fetches a blob, exactly as many bytes as its descriptor says. What the digest says is the
    /// business of whoever keeps the bytes.
    ///
    /// After a cut it goes on where it broke off.
    pub(super) fn fetch_blob(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        tell: &mut Tell<'_>,
        sink: Sink<'_>,
    ) -> Result<(), RegistryError> {
        let mut received = 0;
        let mut idle = 0;
        for tries in 1.. {
            let before = received;
            let part = self.fetch_part(remote, blob, &mut received, tell, sink)?;
            let Some(cut) = part else { return Ok(()) };
            idle = if received > before { 1 } else { idle + 1 };
            if tries >= MOST_CUTS || idle >= MOST_IDLE {
                return Err(RegistryError::Cut {
                    digest: blob.digest.clone(),
                    received,
                    size: blob.size,
                    tries,
                    reason: cut,
                });
            }
            let because = format!(
                "{}: cut off after {received} of {} bytes ({cut})",
                blob.digest.short(),
                blob.size
            );
            self.wait(pause(idle), &because, tell);
        }
        Ok(())
    }

    /// Fetches what is missing. `Some` with a reason when it broke off.
    fn fetch_part(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        received: &mut u64,
        tell: &mut Tell<'_>,
        sink: Sink<'_>,
    ) -> Result<Option<String>, RegistryError> {
        let from = *received;
        let action = format!(
            "fetch blob {} of {}",
            blob.digest.short(),
            remote.repository.familiar()
        );
        let call = Call {
            headers: match from {
                0 => Vec::new(),
                _ => vec![(header::RANGE, format!("bytes={from}-"))],
            },
            why: match from {
                0 => "a blob that is not here; its digest is checked while it is written",
                _ => "the connection broke off, so only the rest is asked for",
            },
            expects: &[StatusCode::NOT_FOUND],
            ..blob_call(remote, &blob.digest, Method::GET, &action)?
        };
        let answer = self.send(&remote.endpoint, &call, tell)?;
        let mut skip = match answer.status() {
            StatusCode::NOT_FOUND => {
                return Err(RegistryError::NotFound {
                    what: format!("blob {} of {}", blob.digest, remote.repository.familiar()),
                    said: "the registry has the manifest that names it, but not the blob; the image is incomplete there".to_owned(),
                });
            }
            StatusCode::PARTIAL_CONTENT => {
                let start = format!("bytes {from}-");
                let range = answer.header(&header::CONTENT_RANGE);
                if !range.is_some_and(|range| range.starts_with(&start)) {
                    let why =
                        format!("it was asked for the bytes from {from} on, and sends {range:?}");
                    return Err(protocol(&call, &answer.uri, &why));
                }
                0
            }
            // The whole of it once more; what has come already is passed over.
            _ => from,
        };
        let body = answer.response.into_body();
        let expected = blob.size - from + skip;
        if let Some(length) = body.length().filter(|length| *length != expected) {
            return Err(wrong_size(blob, length + from - skip));
        }
        let mut body = body;
        let mut buffer = vec![0; CHUNK];
        let mut told = *received;
        loop {
            let n = match body.read(&mut buffer) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Ok(Some(e.to_string())),
            };
            if n == 0 {
                break;
            }
            tell.go_on()?;
            let passed = usize::try_from(skip).unwrap_or(usize::MAX).min(n);
            skip -= passed as u64;
            *received += (n - passed) as u64;
            if *received > blob.size {
                return Err(wrong_size(blob, *received));
            }
            sink(&buffer[passed..n])?;
            if *received - told >= STRIDE {
                told = *received;
                tell.say(progress(blob, Transfer::Receiving { received: told }));
            }
        }
        let is_whole = *received == blob.size;
        Ok((!is_whole).then(|| "the connection ended".to_owned()))
    }

    /// Starts reading a blob from an offset on. Nothing is checked: whoever gets the bytes does.
    pub(super) fn open_blob(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, RegistryError> {
        let action = format!(
            "fetch blob {} of {}",
            blob.digest.short(),
            remote.repository.familiar()
        );
        let call = Call {
            headers: match offset {
                0 => Vec::new(),
                _ => vec![(header::RANGE, format!("bytes={offset}-"))],
            },
            ..blob_call(remote, &blob.digest, Method::GET, &action)?
        };
        // A body is made in the midst of another request, where nobody listens.
        let mut on = crate::event::ignore;
        let answer = self.send(&remote.endpoint, &call, &mut Tell::new(&mut on))?;
        let is_part = answer.status() == StatusCode::PARTIAL_CONTENT;
        let mut body = answer.response.into_body();
        if offset > 0 && !is_part {
            let mut passed = body.by_ref().take(offset);
            io::copy(&mut passed, &mut io::sink()).map_err(|e| protocol(&call, &call.uri, &e))?;
        }
        Ok(Box::new(body))
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

enum Begun {
    Mounted,
    Upload(Uri),
}

const OCTETS: &str = "application/octet-stream";

fn blob_call<'c>(
    remote: &Remote,
    digest: &Digest,
    method: Method,
    action: &'c str,
) -> Result<Call<'c>, RegistryError> {
    Ok(Call {
        method,
        uri: remote.address(&format!("blobs/{digest}"))?,
        headers: Vec::new(),
        body: None,
        scopes: vec![remote.pull()],
        action,
        why: "",
        expects: &[],
        repeat: true,
    })
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

fn wrong_size(blob: &Descriptor, actual: u64) -> RegistryError {
    RegistryError::Content {
        what: format!("blob {}", blob.digest.short()),
        source: DigestError::Size {
            digest: blob.digest.clone(),
            expected: blob.size,
            actual,
        },
    }
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

/// How far a blob is, as an event.
pub(super) fn progress(blob: &Descriptor, state: Transfer) -> Event {
    Event::Transfer {
        digest: blob.digest.clone(),
        size: blob.size,
        state,
    }
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

//! Blobs on their way from a registry, however often the connection breaks.

use std::io::{self, Read};
use std::time::Duration;

use ::http::{Method, StatusCode, header};

use super::client::Client;
use super::error::RegistryError;
use super::exchange::{Call, Remote, Tell, pause, protocol};
use crate::digest::{Digest, DigestError};
use crate::event::{Event, Transfer};
use crate::spec::Descriptor;

/// Bytes that are read at a time.
const CHUNK: usize = 128 << 10;

/// After how many bytes it is told how far a blob is.
pub(super) const STRIDE: u64 = 256 << 10;

/// How often a blob is begun or continued at most, and how often without a single new byte.
const MOST_CUTS: u32 = 20;
pub(super) const MOST_IDLE: u32 = 5;

/// What is too slow to be waited for: so few bytes in so long a time.
const SLOW: (Duration, u64) = (Duration::from_mins(1), 1024);

/// Where the bytes of a blob go.
pub(super) type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<(), RegistryError>;

impl Client<'_> {
    /// Fetches a blob, exactly as many bytes as its descriptor says. What the digest says is the
    /// business of whoever keeps the bytes.
    ///
    /// Of what is `there` already only the rest is asked for, and after a cut it goes on where it
    /// broke off.
    pub(super) fn fetch_blob(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        there: u64,
        tell: &mut Tell<'_>,
        sink: Sink<'_>,
    ) -> Result<(), RegistryError> {
        let mut received = there;
        if received > 0 && received == blob.size {
            return Ok(());
        }
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
                _ => "it broke off before, so only the rest is asked for",
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
        let mut minute = (self.now(), *received);
        loop {
            let n = match body.read(&mut buffer) {
                Ok(n) => n,
                // Nothing is missing; how it ended does not matter.
                Err(_) if *received == blob.size => break,
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
            if self.now().saturating_sub(minute.0) >= SLOW.0 {
                if *received - minute.1 < SLOW.1 {
                    return Ok(Some("almost nothing came for a minute".to_owned()));
                }
                minute = (self.now(), *received);
            }
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
}

pub(super) fn blob_call<'c>(
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

pub(super) fn wrong_size(blob: &Descriptor, actual: u64) -> RegistryError {
    RegistryError::Content {
        what: format!("blob {}", blob.digest.short()),
        source: DigestError::Size {
            digest: blob.digest.clone(),
            expected: blob.size,
            actual,
        },
    }
}

/// How far a blob is, as an event.
pub(super) fn progress(blob: &Descriptor, state: Transfer) -> Event {
    Event::Transfer {
        digest: blob.digest.clone(),
        size: blob.size,
        state,
    }
}

//! Blobs: given out, whole or in part, and taken away.

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::refusal::Refusal;
use super::route::Name;
use super::{CONTENT_DIGEST, Server, answer};
use crate::digest::Digest;
use crate::registry::http::{Body, Response};

impl Server {
    /// Pulls a blob, or the part of it that `Range` names. The bytes are not compared with the
    /// digest on the way out: the client must do that anyway, and it can ask again.
    ///
    /// Source: [distribution-spec, "Pulling blobs"](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-blobs).
    pub(super) fn get_blob(
        &self,
        name: &Name,
        digest: &Digest,
        headers: &HeaderMap,
        head: bool,
    ) -> Result<Response, Refusal> {
        let size = self.blob_in(name, digest)?;
        let size = size.ok_or_else(|| blob_unknown(name, digest))?;
        let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
        let mut response = answer(StatusCode::OK)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(ACCEPT_RANGES, "bytes")
            .header(CONTENT_DIGEST, digest.as_str());
        let (offset, length) = match range.map_or(Part::Whole, |range| part(range, size)) {
            Part::Whole => (0, size),
            Part::Nowhere => {
                let message =
                    format!("the blob has {size} bytes, and the range begins behind them");
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                return Err(Refusal::new(status, "SIZE_INVALID", message)
                    .header(CONTENT_RANGE, format!("bytes */{size}")));
            }
            Part::Of(first, last) => {
                response = response
                    .status(StatusCode::PARTIAL_CONTENT)
                    .header(CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
                (first, last - first + 1)
            }
        };
        let body = if head {
            Body::empty()
        } else {
            Body::new(self.store.open_range(digest, offset, length)?, Some(length))
        };
        Ok(response.header(CONTENT_LENGTH, length).body(body)?)
    }

    /// Takes a blob out of a repository. What a manifest still names stays, because without it
    /// the manifest would be a lie.
    pub(super) fn delete_blob(&self, name: &Name, digest: &Digest) -> Result<Response, Refusal> {
        let _writing = self.writing();
        let shelf = self.shelf(name)?.unwrap_or_default();
        if let Some(manifest) = self.naming(&shelf, digest)? {
            let message = format!("manifest {manifest} needs the blob; delete that first");
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Err(Refusal::new(status, "UNSUPPORTED", message));
        }
        if !self.uploads.forget(&name.kept, digest) {
            return Err(blob_unknown(name, digest));
        }
        self.note_garbage();
        Ok(answer(StatusCode::ACCEPTED)
            .header(CONTENT_LENGTH, 0)
            .body(Body::empty())?)
    }
}

fn blob_unknown(name: &Name, digest: &Digest) -> Refusal {
    let message = format!("repository {} has no blob {digest}", name.shown);
    let mut refusal = Refusal::several(StatusCode::NOT_FOUND);
    refusal.add("BLOB_UNKNOWN", message, &json!({ "digest": digest }));
    refusal
}

/// What part of a blob is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// The first and the last byte, both in it.
    Of(u64, u64),
    /// No byte of it.
    Nowhere,
}

/// Reads a `Range` header. What is not understood, and several ranges at once, may be answered
/// with the whole.
///
/// Source: [RFC 9110, section 14.2](https://www.rfc-editor.org/rfc/rfc9110#name-range).
fn part(range: &str, size: u64) -> Part {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Part::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => Part::Whole,
        (Some(first), last) if last.is_some() || range.ends_with('-') => {
            if first >= size {
                Part::Nowhere
            } else {
                Part::Of(first, last.unwrap_or(u64::MAX).min(size - 1))
            }
        }
        (None, Some(0)) if first.is_empty() => Part::Nowhere,
        (None, Some(suffix)) if first.is_empty() => match size {
            0 => Part::Nowhere,
            size => Part::Of(size.saturating_sub(suffix), size - 1),
        },
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_rfc_says() {
        let check = |range: &str, expected| assert_eq!(part(range, 10), expected, "{range}");
        check("bytes=0-0", Part::Of(0, 0));
        check("bytes=2-5", Part::Of(2, 5));
        check("bytes=2-", Part::Of(2, 9));
        check("bytes=2-99", Part::Of(2, 9));
        check("bytes=-3", Part::Of(7, 9));
        check("bytes=-99", Part::Of(0, 9));
        check("bytes=10-", Part::Nowhere);
        check("bytes=99999999999999999999999-", Part::Nowhere);
        check("bytes=-0", Part::Nowhere);
        for whole in [
            "bytes=5-2",
            "bytes=a-b",
            "bytes=1-2,4-5",
            "lines=1-2",
            "bytes=-",
            "bytes=+1-2",
        ] {
            check(whole, Part::Whole);
        }
        assert_eq!(part("bytes=-1", 0), Part::Nowhere);
    }
}

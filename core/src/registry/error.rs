//! What can go wrong between a client and a registry, in words.

use serde::Deserialize;

use super::http::TransportError;
use crate::digest::{DiffId, Digest, DigestError};
use crate::image::ImageError;
use crate::reference::Repository;
use crate::store::StoreError;

/// Why something of a registry could not be had, or not be given to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The store here refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The image cannot be used, or not on this platform.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// There was no answer.
    #[error("{action}: {source}{}", advice(source))]
    Transport {
        /// What was attempted.
        action: String,
        /// Why there was none.
        source: TransportError,
    },
    /// The registry has no such thing.
    #[error("{what} is not there: {said}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// What the registry said.
        said: String,
    },
    /// The registry does not let this user do that.
    #[error("{registry} does not let {} {action}: {said}\n{}", whom(user.as_deref()), remedy(registry, user.as_deref()))]
    Denied {
        /// The registry, as `coracle login` takes it.
        registry: String,
        /// What was attempted.
        action: String,
        /// Whose credentials were sent, if any were.
        user: Option<String>,
        /// What the registry said.
        said: String,
    },
    /// Too much was asked in too short a time.
    #[error("{action}: {host} wants fewer requests (429): {said}")]
    RateLimited {
        /// What was attempted.
        action: String,
        /// The host.
        host: String,
        /// The limit in words, and what to do.
        said: String,
    },
    /// The registry refuses, and will refuse again.
    #[error("{action}: {host} answers {status}: {said}")]
    Refused {
        /// What was attempted.
        action: String,
        /// The host.
        host: String,
        /// The status, such as 400.
        status: u16,
        /// What the registry said.
        said: String,
    },
    /// The answer is not one that the specification allows.
    #[error("{action}: {host} does not keep to the protocol: {why}")]
    Protocol {
        /// What was attempted.
        action: String,
        /// The host.
        host: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// What came is not what its digest says.
    #[error("{what}: {source}")]
    Content {
        /// What it should be.
        what: String,
        /// The difference.
        source: DigestError,
    },
    /// A blob did not come to its end, however often it was tried.
    #[error(
        "blob {digest}: the connection broke off after {received} of {size} bytes, {tries} times: {reason}; what has arrived whole is kept, run the command again"
    )]
    Cut {
        /// The blob.
        digest: Digest,
        /// How far it came, in bytes.
        received: u64,
        /// How large it is, in bytes.
        size: u64,
        /// How often it was tried.
        tries: u32,
        /// What the last connection said.
        reason: String,
    },
    /// A layer unpacks to something else than the image's config says.
    #[error(
        "layer {layer} unpacks to {actual}, but the config of the image promises {expected}; the image was made wrongly or changed, and is not kept"
    )]
    WrongLayer {
        /// The blob.
        layer: Digest,
        /// What the config promises.
        expected: DiffId,
        /// What is in it.
        actual: DiffId,
    },
    /// A layer cannot be unpacked.
    #[error("layer {layer} cannot be unpacked: {reason}")]
    Unpack {
        /// The blob.
        layer: Digest,
        /// Why.
        reason: String,
    },
    /// It is of a kind that is not handled here.
    #[error("{what} cannot be used: {why}")]
    Unsupported {
        /// What it is.
        what: String,
        /// Why not, and what to do.
        why: String,
    },
    /// Somebody else failed first, and this was given up.
    #[error("given up, because something else failed")]
    Stopped,
}

/// How a manifest or blob is called in messages: `docker.io/library/python:3.12`.
pub(super) fn named(repository: &Repository, reference: &str) -> String {
    let sign = if reference.contains(':') { '@' } else { ':' };
    format!("{}{sign}{reference}", repository.familiar())
}

fn whom(user: Option<&str>) -> String {
    match user {
        Some("") => "the identity that you logged in with".to_owned(),
        Some(user) => format!("the user {user:?}"),
        None => "somebody who is not logged in".to_owned(),
    }
}

fn remedy(registry: &str, user: Option<&str>) -> String {
    match user {
        None => format!(
            "Log in with `coracle login {registry}`. A repository that does not exist is refused in the same way, so look at the spelling, too."
        ),
        Some(_) => format!(
            "Ask its owner for access, or log in as somebody else: `coracle login {registry}`."
        ),
    }
}

fn advice(error: &TransportError) -> &'static str {
    match error {
        TransportError::Unreachable { .. } => {
            "\nIs this machine online, and the name spelt rightly? Images that are here can be used without a network."
        }
        TransportError::Untrusted { .. } => {
            "\nPut the certificate of the authority that signed it into certs.d/HOST/ca.crt (`coracle login --help` says where), or say --tls-verify=false if you know what that means."
        }
        TransportError::Lost { .. } | TransportError::Refused { .. } => "",
    }
}

/// The errors of an answer, told in words.
///
/// Source: [distribution-spec, error codes](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#error-codes).
pub(super) fn told(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: Option<String>,
    }
    let Ok(Errors { errors }) = serde_json::from_slice::<Errors>(body) else {
        let text = printable(&String::from_utf8_lossy(body));
        let is_page = text.trim_start().starts_with('<');
        return if text.trim().is_empty() || is_page {
            "it does not say why".to_owned()
        } else {
            text.trim().to_owned()
        };
    };
    let words = errors.iter().map(|error| {
        let meaning = meaning(&error.code);
        let message = error.message.as_deref().unwrap_or_default();
        match (meaning, message) {
            (Some(meaning), "") => meaning.to_owned(),
            (Some(meaning), message) => format!("{meaning} ({})", printable(message)),
            (None, "") => printable(&error.code),
            (None, message) => printable(message),
        }
    });
    let words: Vec<_> = words.take(4).collect();
    if words.is_empty() {
        "it does not say why".to_owned()
    } else {
        words.join("; ")
    }
}

fn meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "BLOB_UNKNOWN" => "it does not have the blob",
        "BLOB_UPLOAD_INVALID" => "the upload is not valid",
        "BLOB_UPLOAD_UNKNOWN" => "it does not know the upload (any more)",
        "DIGEST_INVALID" => "the digest is not the content's",
        "MANIFEST_BLOB_UNKNOWN" => "the manifest names a blob or manifest that it does not have",
        "MANIFEST_INVALID" => "it takes the manifest for wrong",
        "MANIFEST_UNKNOWN" => "it does not know this tag or digest",
        "NAME_INVALID" => "the repository's name is not one that it allows",
        "NAME_UNKNOWN" => "it does not know the repository",
        "SIZE_INVALID" => "the size is not the content's",
        "UNAUTHORIZED" => "one has to log in",
        "DENIED" => "access is denied",
        "UNSUPPORTED" => "it does not support that",
        "TOOMANYREQUESTS" => "too many requests",
        _ => return None,
    })
}

/// A stranger's text, on one line, not too long, and without what moves a terminal's cursor.
fn printable(text: &str) -> String {
    let mut out: String = text.chars().take(400).collect();
    out = out.replace(char::is_control, " ");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_specification_are_told_in_words() {
        let check = |body: &str, expected: &str| assert_eq!(told(body.as_bytes()), expected);
        check(
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#,
            "it does not know this tag or digest (manifest unknown)",
        );
        check(r#"{"errors":[{"code":"DENIED"}]}"#, "access is denied");
        check(
            r#"{"errors":[{"code":"X"},{"code":"Y","message":"why"}]}"#,
            "X; why",
        );
        check(r#"{"errors":[]}"#, "it does not say why");
        check("", "it does not say why");
        check("<html>Bad Gateway</html>", "it does not say why");
        check("no such\u{1b}[2Jthing\n", "no such [2Jthing");
    }
}

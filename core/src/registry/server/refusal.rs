//! What the server says when it does not do what was asked: a status, and errors as JSON.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response as Head, StatusCode};
use serde_json::{Value, json};

use super::super::http::{Body, Response};
use crate::store::StoreError;

/// Why a request is refused.
///
/// Source: [distribution-spec, "Error Codes"](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#error-codes).
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// One object each, with code, message and detail.
    errors: Vec<Value>,
    headers: Vec<(HeaderName, String)>,
    /// What the store said. It names files of the server, so it is for the log alone.
    pub(super) trouble: Option<StoreError>,
}

impl Refusal {
    /// A refusal for one reason.
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let mut refusal = Self {
            status,
            errors: Vec::new(),
            headers: Vec::new(),
            trouble: None,
        };
        refusal.add(code, message, &Value::Null);
        refusal
    }

    /// A refusal for several reasons; none yet.
    pub(super) fn several(status: StatusCode) -> Self {
        Self {
            status,
            errors: Vec::new(),
            headers: Vec::new(),
            trouble: None,
        }
    }

    /// One more reason.
    pub(super) fn add(&mut self, code: &str, message: impl Into<String>, detail: &Value) {
        let message = message.into();
        self.errors
            .push(json!({"code": code, "message": message, "detail": detail}));
    }

    /// Whether there is no reason to refuse.
    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The same refusal with one more header.
    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What goes over the wire.
    pub(super) fn response(self) -> Response {
        let bytes = json!({ "errors": self.errors }).to_string().into_bytes();
        let mut response = Head::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        for (name, value) in self.headers {
            // A value of ours with a character that no header may have would be a mistake of
            // ours; the errors are understood without it.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        *response.body_mut() = Body::from(bytes);
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let message = "the registry's own store failed; its log says how";
        let mut refusal = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message);
        refusal.trouble = Some(error);
        refusal
    }
}

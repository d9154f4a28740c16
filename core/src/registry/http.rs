//! HTTP as values: a request, a response, and whoever carries the one and brings the other.

use std::fmt;
use std::io::{self, Cursor, Read};

/// What a client asks: a method, an address, headers and a body.
pub type Request = ::http::Request<Body>;

/// What a server answers: a status, headers and a body.
pub type Response = ::http::Response<Body>;

/// Carries a request to a server and brings its response.
///
/// A socket is one ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110) says what goes over it);
/// a registry in the same process is another. Whatever the status, an answer is an answer:
/// redirects are not followed and nothing is tried again, because that needs to know what was
/// asked. Both are the client's business.
pub trait Transport: Send + Sync {
    /// Sends the request, body and all, and returns as soon as the head of the response is there.
    /// The body comes as it is read.
    fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// Why there was no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection came about: a wrong name, nobody listening, a cable pulled.
    #[error("cannot reach {host}: {reason}")]
    Unreachable {
        /// The host, with the port if the address has one.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The server's certificate is not one to be trusted.
    #[error("{host} shows a certificate that is not to be trusted: {reason}")]
    Untrusted {
        /// The host, with the port if the address has one.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The connection ended, or stood still for too long, before the head of the response.
    #[error("the connection to {host} was lost: {reason}")]
    Lost {
        /// The host, with the port if the address has one.
        host: String,
        /// What happened.
        reason: String,
    },
    /// Somebody on the way answers for the server, and says no.
    #[error("{reason}")]
    Refused {
        /// Why, in a sentence.
        reason: String,
    },
}

/// A body under way: bytes to be read once, and their number if it is known.
pub struct Body {
    reader: Box<dyn Read + Send>,
    length: Option<u64>,
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::from(Vec::new())
    }

    /// What `reader` gives. `length` is what will be told to the other side, in bytes; without
    /// it the body is sent in chunks.
    pub fn new(reader: impl Read + Send + 'static, length: Option<u64>) -> Self {
        Self {
            reader: Box::new(reader),
            length,
        }
    }

    /// The number of bytes as it was announced, which need not be the number that comes.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Reads the body into memory; more than `most` bytes are an error of the kind
    /// [`io::ErrorKind::FileTooLarge`].
    pub fn bytes(self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("the body is larger than {most} bytes"),
            ));
        }
        Ok(bytes)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        Self::new(Cursor::new(bytes), Some(length))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_its_length_and_is_read_once() {
        let body = Body::from(b"layer".to_vec());
        assert_eq!(body.length(), Some(5));
        assert_eq!(body.bytes(5).unwrap(), b"layer");
    }

    #[test]
    fn a_body_that_is_too_large_for_memory_is_refused() {
        let endless = Body::new(io::repeat(b'x'), None);
        let error = endless.bytes(1000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}

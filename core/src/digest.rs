//! Digests: the name of content is computed from the content.
//!
//! Three things look alike and are never the same, so they are three types.
//! A [`Digest`] names bytes as they are shipped, a [`DiffId`] the archive inside a layer's blob
//! (uncompressed), a [`ChainId`] the result of a whole stack of layers.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// The name of some bytes: an algorithm and a checksum, as in `sha256:2c26b4…`.
///
/// Source: [image-spec, descriptor, "Digests"](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    /// Always of the form `algorithm:hex`, with a known algorithm and the right number of
    /// lower-case hex digits.
    text: Box<str>,
}

/// The digest of a layer's archive, uncompressed. It stays the same however the blob is packed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

/// The name of what a stack of layers makes, computed from their diff IDs.
///
/// Source: [image-spec, config, "Layer ChainID"](https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(pub Digest);

/// The checksums that the OCI registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256, what everybody writes.
    Sha256,
    /// SHA-512, allowed by the specification and seen seldom.
    Sha512,
}

/// Why a digest cannot be used, or content is not what its digest says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// The text is not of the form `algorithm:hex`.
    #[error("{text:?} is not a digest: {reason}; a digest looks like sha256: and 64 hex digits")]
    Malformed {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The bytes have another digest than they should.
    #[error(
        "content does not match its digest: expected {expected}, got {actual}; the content is damaged or was changed, fetch or build it again"
    )]
    Mismatch {
        /// The digest that was promised.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// There are more or fewer bytes than there should be.
    #[error(
        "content of {digest} has {actual} bytes instead of {expected}; it is damaged or cut off"
    )]
    Size {
        /// The digest that was promised.
        digest: Digest,
        /// The size that was promised, in bytes.
        expected: u64,
        /// The size that came, in bytes. When too much came, where reading stopped.
        actual: u64,
    },
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm before the colon.
    pub fn algorithm(&self) -> Algorithm {
        if self.text.starts_with("sha512:") {
            Algorithm::Sha512
        } else {
            Algorithm::Sha256
        }
    }

    /// The hex digits after the colon.
    pub fn hex(&self) -> &str {
        let colon = self.text.find(':').unwrap_or(0);
        &self.text[colon + 1..]
    }

    /// The first twelve hex digits, as tables show them.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// The whole digest as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl ChainId {
    /// The chain ID of a stack whose lowest layer is first; `None` for an empty stack.
    pub fn of_stack<'a>(diff_ids: impl IntoIterator<Item = &'a DiffId>) -> Option<Self> {
        diff_ids.into_iter().fold(None, |below, diff_id| {
            Some(Self::on(below.as_ref(), diff_id))
        })
    }

    /// The chain ID of `diff_id` laid on the stack `below`.
    pub fn on(below: Option<&Self>, diff_id: &DiffId) -> Self {
        match below {
            None => Self(diff_id.0.clone()),
            Some(below) => Self(Digest::of(format!("{} {}", below.0, diff_id.0).as_bytes())),
        }
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let malformed = |reason| DigestError::Malformed {
            text: text.chars().take(160).collect(),
            reason,
        };
        let (algorithm, hex) = text
            .split_once(':')
            .ok_or_else(|| malformed("there is no colon"))?;
        let digits = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(malformed("the algorithm is neither sha256 nor sha512")),
        };
        if hex.len() != digits {
            return Err(malformed("the number of hex digits is wrong"));
        }
        if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(malformed("only the digits 0-9 and a-f are allowed"));
        }
        Ok(Self { text: text.into() })
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.text.into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A checksum under way.
#[derive(Debug, Clone)]
pub struct Hasher(State);

#[derive(Debug, Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// A checksum of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::default()),
        })
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        let text = match self.0 {
            State::Sha256(state) => format!("sha256:{}", hex(&state.finalize())),
            State::Sha512(state) => format!("sha512:{}", hex(&state.finalize())),
        };
        Digest { text: text.into() }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

/// A reader or writer that passes bytes on, counts them and computes their digest.
#[derive(Debug)]
pub struct Hashing<T> {
    inner: T,
    hasher: Hasher,
    count: u64,
}

impl<T> Hashing<T> {
    /// Computes the SHA-256 digest of what passes through `inner`.
    pub fn new(inner: T) -> Self {
        Self::with(inner, Algorithm::Sha256)
    }

    /// Computes the digest by `algorithm` of what passes through `inner`.
    pub fn with(inner: T, algorithm: Algorithm) -> Self {
        Self {
            inner,
            hasher: Hasher::new(algorithm),
            count: 0,
        }
    }

    /// The wrapped value, the digest of what passed, and how many bytes those were.
    pub fn finish(self) -> (T, Digest, u64) {
        (self.inner, self.hasher.finish(), self.count)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.hasher.update(&buf[..n]);
        self.count += n as u64;
        Ok(n)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.hasher.update(&buf[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A reader that checks what it passes on against a promised digest and size.
///
/// The end of file is only reported when the content was right; otherwise the last read fails
/// with a [`DigestError`] inside an [`io::Error`]. Reading never goes past the promised size by
/// more than one byte, so an endless liar is found out early.
#[derive(Debug)]
pub struct Verify<R> {
    inner: R,
    /// `None` once the content has been found right.
    hasher: Option<Hasher>,
    expected: Digest,
    size: u64,
    count: u64,
}

impl<R: Read> Verify<R> {
    /// Promises that `inner` yields exactly `size` bytes whose digest is `expected`.
    pub fn new(inner: R, expected: Digest, size: u64) -> Self {
        Self {
            inner,
            hasher: Some(Hasher::new(expected.algorithm())),
            expected,
            size,
            count: 0,
        }
    }

    fn wrong_size(&self) -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            DigestError::Size {
                digest: self.expected.clone(),
                expected: self.size,
                actual: self.count,
            },
        )
    }
}

impl<R: Read> Read for Verify<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || self.hasher.is_none() {
            return Ok(0);
        }
        let n = self.inner.read(buf)?;
        self.count += n as u64;
        if self.count > self.size || (n == 0 && self.count < self.size) {
            return Err(self.wrong_size());
        }
        if n > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buf[..n]);
            }
            return Ok(n);
        }
        let actual = self.hasher.take().map(Hasher::finish);
        match actual {
            Some(actual) if actual != self.expected => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                DigestError::Mismatch {
                    expected: self.expected.clone(),
                    actual,
                },
            )),
            _ => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOO: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

    #[test]
    fn the_digest_of_foo_is_the_one_everybody_gets() {
        assert_eq!(Digest::of(b"foo").to_string(), FOO);
        assert_eq!(Digest::of(b"foo").short(), "2c26b46b68ff");
    }

    #[test]
    fn malformed_digests_say_why() {
        let check = |text: &str, part: &str| {
            let error = text.parse::<Digest>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("", "no colon");
        check("md5:abc", "neither");
        check("sha256:abc", "number");
        check(&FOO.to_uppercase().replace("SHA", "sha"), "0-9 and a-f");
    }

    /// image-spec, config: `ChainID(L₀|…|Lₙ) = Digest(ChainID(L₀|…|Lₙ₋₁) + " " + DiffID(Lₙ))`.
    #[test]
    fn chain_ids_follow_the_rule() {
        let (a, b) = (DiffId(Digest::of(b"a")), DiffId(Digest::of(b"b")));
        assert_eq!(ChainId::of_stack([]), None);
        assert_eq!(ChainId::of_stack([&a]), Some(ChainId(a.0.clone())));
        let expected = Digest::of(format!("{a} {b}").as_bytes());
        assert_eq!(ChainId::of_stack([&a, &b]), Some(ChainId(expected)));
    }

    #[test]
    fn verify_passes_the_truth_and_nothing_else() {
        let check = |bytes: &[u8], size, part: Option<&str>| {
            let mut out = Vec::new();
            let result = Verify::new(bytes, FOO.parse().unwrap(), size).read_to_end(&mut out);
            match part {
                None => assert_eq!(out, b"foo"),
                Some(part) => {
                    let error = result.unwrap_err().to_string();
                    assert!(error.contains(part), "{error}");
                }
            }
        };
        check(b"foo", 3, None);
        check(b"bar", 3, Some("does not match"));
        check(b"fo", 3, Some("2 bytes instead of 3"));
        check(b"fooo", 3, Some("instead of 3"));
    }
}

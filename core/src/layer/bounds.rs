//! How much a layer may hold before it is taken for an attack on the disk or the memory.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much may come out of a blob. Whoever reads what a stranger packed says how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes, unpacked.
    pub bytes: u64,
    /// How many times as large as what was read it may be; see [`EXEMPT_FROM_RATIO`].
    pub ratio: u64,
    /// Entries of one archive.
    pub entries: u64,
}

/// Up to this many bytes a stream may be any multiple of what it was packed to: a file of zeros is
/// honest.
pub const EXEMPT_FROM_RATIO: u64 = 256 << 20;

/// The environment variable that sets [`Bounds::bytes`].
pub const MOST_BYTES: &str = "CORACLE_LAYER_MAX_BYTES";
/// The environment variable that sets [`Bounds::ratio`].
pub const MOST_RATIO: &str = "CORACLE_LAYER_MAX_RATIO";
/// The environment variable that sets [`Bounds::entries`].
pub const MOST_ENTRIES: &str = "CORACLE_LAYER_MAX_ENTRIES";

/// More comes than [`Bounds`] allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Of [`Bounds::bytes`].
    #[error(
        "it unpacks to more than {0} bytes, which looks like an attack on the disk; if you trust it, set --max-bytes or {MOST_BYTES} to a larger number"
    )]
    Bytes(u64),
    /// Of [`Bounds::ratio`].
    #[error(
        "it unpacks to more than {0} times its size, which looks like an attack on the disk; if you trust it, set --max-ratio or {MOST_RATIO} to a larger number"
    )]
    Ratio(u64),
    /// Of [`Bounds::entries`].
    #[error(
        "it has more than {0} entries, which looks like an attack on the memory; if you trust it, set --max-entries or {MOST_ENTRIES} to a larger number"
    )]
    Entries(u64),
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes: 256 << 30,
            // gzip packs zeros 1032 times, so only bombs of other makes are above this.
            ratio: 2000,
            // A layer as a value needs some hundred bytes an entry, so this is about a gigabyte.
            entries: 2_000_000,
        }
    }
}

impl Bounds {
    /// Whatever comes. For what was let into the store already and is only hashed: a check must
    /// not call something damaged that somebody has allowed.
    pub const NONE: Self = Self {
        bytes: u64::MAX,
        ratio: u64::MAX,
        entries: u64::MAX,
    };

    /// The default, with what the environment says where it says something. `environment` looks
    /// up a variable. The error is a sentence about a variable that is no number.
    pub fn from_environment(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str, default: u64| match environment(name) {
            None => Ok(default),
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| format!("{name} is {text:?}; it has to be a number")),
        };
        let default = Self::default();
        Ok(Self {
            bytes: number(MOST_BYTES, default.bytes)?,
            ratio: number(MOST_RATIO, default.ratio)?,
            entries: number(MOST_ENTRIES, default.entries)?,
        })
    }

    /// Refuses a number of bytes that is too large.
    pub(crate) fn check_bytes(&self, bytes: u64) -> Result<(), TooMuch> {
        allow(bytes <= self.bytes, TooMuch::Bytes(self.bytes))
    }

    /// Refuses a number of entries that is too large.
    pub(crate) fn check_entries(&self, entries: u64) -> Result<(), TooMuch> {
        allow(entries <= self.entries, TooMuch::Entries(self.entries))
    }

    /// Refuses what is unpacked to too many times its size, in bytes.
    fn check_ratio(&self, packed: u64, unpacked: u64) -> Result<(), TooMuch> {
        let honest = packed.saturating_mul(self.ratio).max(EXEMPT_FROM_RATIO);
        allow(unpacked <= honest, TooMuch::Ratio(self.ratio))
    }
}

fn allow(honest: bool, otherwise: TooMuch) -> Result<(), TooMuch> {
    if honest { Ok(()) } else { Err(otherwise) }
}

impl From<TooMuch> for io::Error {
    fn from(too_much: TooMuch) -> Self {
        Self::new(io::ErrorKind::InvalidData, too_much)
    }
}

/// A reader whose bytes are counted where somebody else can see it.
pub(super) struct Counting<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R> Counting<R> {
    /// Nothing was read yet.
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            count: Arc::default(),
        }
    }

    /// Where the bytes are counted.
    pub(super) fn count(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.count)
    }
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// What comes out of a decoder, as long as it is not too much.
pub(super) struct Bounded<R> {
    inner: R,
    /// Bytes that the decoder has read.
    packed: Arc<AtomicU64>,
    unpacked: u64,
    bounds: Bounds,
}

impl<R> Bounded<R> {
    /// What comes out of `decoder`, which reads what is counted in `packed`.
    pub(super) fn new(decoder: R, packed: Arc<AtomicU64>, bounds: Bounds) -> Self {
        Self {
            inner: decoder,
            packed,
            unpacked: 0,
            bounds,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.unpacked += n as u64;
        self.bounds.check_bytes(self.unpacked)?;
        let packed = self.packed.load(Ordering::Relaxed);
        self.bounds.check_ratio(packed, self.unpacked)?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_environment_says_how_much_or_is_told_that_it_does_not() {
        let check = |variables: &[(&str, &str)], expected: Result<Bounds, &str>| {
            let variables: BTreeMap<_, _> = variables.iter().copied().collect();
            let read =
                Bounds::from_environment(&|name| variables.get(name).map(|v| (*v).to_owned()));
            assert_eq!(read, expected.map_err(str::to_owned));
        };
        let default = Bounds::default();
        check(&[], Ok(default));
        check(
            &[(MOST_BYTES, "10"), (MOST_ENTRIES, " 17 ")],
            Ok(Bounds {
                bytes: 10,
                entries: 17,
                ..default
            }),
        );
        check(
            &[(MOST_RATIO, "lots")],
            Err("CORACLE_LAYER_MAX_RATIO is \"lots\"; it has to be a number"),
        );
    }
}

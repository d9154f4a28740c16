//! Reading ahead: a thread reads, decompresses and hashes while another writes files.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use crate::digest::{Digest, Hashing};

/// Bytes in a chunk, and how many chunks may be waiting.
const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 8;

/// Reads `source` to its end on a thread of its own, and gives `consume` a reader of the same
/// bytes. Returns what `consume` returned, and the digest of all the bytes when that is wanted
/// and `consume` read them all.
pub(super) fn ahead<T>(
    mut source: impl Read + Send,
    hash: bool,
    consume: impl FnOnce(&mut dyn Read) -> T,
) -> (T, Option<Digest>) {
    std::thread::scope(|scope| {
        let (full, filled) = sync_channel(CHUNKS);
        let (used, empty) = channel();
        let reader = scope.spawn(move || {
            if hash {
                let mut source = Hashing::new(source);
                let complete = fill(&mut source, &full, &empty);
                complete.then(|| source.finish().1)
            } else {
                fill(&mut source, &full, &empty);
                None
            }
        });
        let mut chunks = Chunks {
            filled,
            used,
            chunk: Vec::new(),
            at: 0,
        };
        let result = consume(&mut chunks);
        drop(chunks); // The reader stops when nobody listens any more.
        (result, reader.join().unwrap_or(None))
    })
}

/// Reads chunks until the end; whether that was reached without an error.
fn fill(
    source: &mut impl Read,
    full: &SyncSender<io::Result<Vec<u8>>>,
    empty: &Receiver<Vec<u8>>,
) -> bool {
    loop {
        let mut chunk: Vec<u8> = empty.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let mut length = 0;
        let end = loop {
            match source.read(&mut chunk[length..]) {
                Ok(0) => break true,
                Ok(n) => {
                    length += n;
                    if length == CHUNK {
                        break false;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let _ = full.send(Err(e)); // Nobody may be listening any more.
                    return false;
                }
            }
        };
        chunk.truncate(length);
        let sent = length == 0 || full.send(Ok(chunk)).is_ok();
        if end || !sent {
            return end && sent;
        }
    }
}

/// The consumer's side.
struct Chunks {
    filled: Receiver<io::Result<Vec<u8>>>,
    /// Chunks go back to be filled again.
    used: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Chunks {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            let Ok(next) = self.filled.recv() else {
                return Ok(0);
            };
            let done = std::mem::replace(&mut self.chunk, next?);
            self.at = 0;
            let _ = self.used.send(done); // The reader may have reached its end.
        }
        let n = buf.len().min(self.chunk.len() - self.at);
        buf[..n].copy_from_slice(&self.chunk[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_through_in_order() {
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK * 20 + 7] {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            let (read, digest) = ahead(bytes.as_slice(), true, |reader| {
                let mut read = Vec::new();
                reader.read_to_end(&mut read).unwrap();
                read
            });
            assert!(read == bytes);
            assert_eq!(digest, Some(Digest::of(&bytes)));
        }
    }

    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }

    #[test]
    fn a_consumer_that_stops_and_a_source_that_fails_hang_nobody() {
        let (first, digest) = ahead(io::repeat(7), true, |reader| {
            let mut byte = [0];
            reader.read_exact(&mut byte).unwrap();
            byte[0]
        });
        assert_eq!((first, digest), (7, None));

        let source = io::Read::chain(&b"ab"[..], Broken);
        let (result, digest) = ahead(source, true, |reader| {
            reader
                .read_to_end(&mut Vec::new())
                .map_err(|e| e.to_string())
        });
        assert_eq!((result, digest), (Err("broken".into()), None));
    }
}

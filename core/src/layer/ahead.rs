//! Reading ahead: one thread reads and decompresses, one hashes, and whoever asked consumes.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::bounds::Bounds;
use super::compress::{self, Compression};
use crate::digest::{Algorithm, Digest, Hasher};

/// Bytes in a chunk, and how many chunks may be waiting.
const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 8;

/// What goes from one thread to the next.
type Chunk = io::Result<Vec<u8>>;

/// Reads `source` to its end on a thread of its own, and gives `consume` a reader of the same
/// bytes. Returns what `consume` returned, and the digest of all the bytes when that is wanted
/// and `consume` read them all.
///
/// Hashing is a thread of its own, too: decompressing and hashing take about as long as writing
/// the files, so with both in one thread a second processor would wait. Chunks are handed on, not
/// copied.
pub(crate) fn ahead<T>(
    source: impl Read + Send,
    hash: bool,
    consume: impl FnOnce(&mut dyn Read) -> T,
) -> (T, Option<Digest>) {
    std::thread::scope(|scope| {
        let (full, filled) = sync_channel(CHUNKS);
        let (used, empty) = channel();
        scope.spawn(move || fill(source, &full, &empty));
        let (filled, hashing) = if hash {
            let (passed, summed) = sync_channel(CHUNKS);
            (summed, Some(scope.spawn(move || sum(&filled, &passed))))
        } else {
            (filled, None)
        };
        let mut chunks = Chunks {
            filled,
            used: Some(used),
            chunk: Vec::new(),
            at: 0,
        };
        let result = consume(&mut chunks);
        drop(chunks); // The threads stop when nobody listens any more.
        let digest = hashing.and_then(|thread| thread.join().unwrap_or(None));
        (result, digest)
    })
}

/// Reads chunks until the end, or an error, which is the last that is sent.
fn fill(mut source: impl Read, full: &SyncSender<Chunk>, empty: &Receiver<Vec<u8>>) {
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
                    return;
                }
            }
        };
        chunk.truncate(length);
        let sent = length == 0 || full.send(Ok(chunk)).is_ok();
        if end || !sent {
            return;
        }
    }
}

/// Hashes what it hands on; the digest is there when all of it was taken.
fn sum(filled: &Receiver<Chunk>, passed: &SyncSender<Chunk>) -> Option<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut complete = true;
    for chunk in filled {
        match &chunk {
            Ok(bytes) => hasher.update(bytes),
            Err(_) => complete = false,
        }
        passed.send(chunk).ok()?;
    }
    complete.then(|| hasher.finish())
}

/// A reader of chunks.
struct Chunks {
    filled: Receiver<Chunk>,
    /// Chunks go back to be filled again, to whoever wants them.
    used: Option<Sender<Vec<u8>>>,
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
            if let Some(used) = &self.used {
                let _ = used.send(done); // The reader may have reached its end.
            }
        }
        let n = buf.len().min(self.chunk.len() - self.at);
        buf[..n].copy_from_slice(&self.chunk[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Finds out what a packed blob unpacks to while somebody else does something with its bytes.
///
/// So a layer that is loaded is read once and not twice, and is stored by one processor while it
/// is decompressed by another.
pub(crate) struct Beside<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    bounds: Bounds,
    state: State<'scope>,
}

enum State<'scope> {
    /// No byte has come.
    Waiting,
    /// It is not packed, or there is no second thread, as in a browser.
    Idle,
    /// The bytes so far are on their way.
    Unpacking {
        full: SyncSender<Chunk>,
        thread: ScopedJoinHandle<'scope, Option<Digest>>,
    },
}

impl<'scope, 'env> Beside<'scope, 'env> {
    /// Nothing yet, on threads of `scope`. What unpacks to more than `bounds` allows counts as
    /// what cannot be unpacked.
    pub(crate) fn new(scope: &'scope Scope<'scope, 'env>, bounds: Bounds) -> Self {
        Self {
            scope,
            bounds,
            state: State::Waiting,
        }
    }

    /// Takes the next bytes of the blob. The first six say how it is packed; when fewer come first,
    /// it is taken for not packed.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Waiting) {
            self.state = self.start(bytes);
        }
        if let State::Unpacking { full, .. } = &self.state
            && full.send(Ok(bytes.to_vec())).is_err()
        {
            self.state = State::Idle; // It could not be unpacked.
        }
    }

    /// The digest of what all the bytes unpacked to; `None` when that is not known, and has to be
    /// found out in another way.
    pub(crate) fn finish(self) -> Option<Digest> {
        let State::Unpacking { full, thread } = self.state else {
            return None;
        };
        drop(full); // That is the end of the blob.
        thread.join().unwrap_or(None)
    }

    fn start(&self, bytes: &[u8]) -> State<'scope> {
        if Compression::detect(bytes) == Compression::None {
            return State::Idle;
        }
        let (full, filled) = sync_channel(CHUNKS);
        let bounds = self.bounds;
        let unpack = move || {
            let blob = Chunks {
                filled,
                used: None,
                chunk: Vec::new(),
                at: 0,
            };
            let archive = compress::decoder(blob, bounds).ok()?;
            let drain = |archive: &mut dyn Read| io::copy(archive, &mut io::sink()).ok();
            let (read, digest) = ahead(archive, true, drain);
            read.and(digest)
        };
        match Builder::new().spawn_scoped(self.scope, unpack) {
            Ok(thread) => State::Unpacking { full, thread },
            Err(_) => State::Idle,
        }
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

    #[test]
    fn what_a_blob_unpacks_to_is_known_when_it_could_be_unpacked() {
        let beside = |pieces: &[&[u8]]| {
            std::thread::scope(|scope| {
                let mut beside = Beside::new(scope, Bounds::default());
                for piece in pieces {
                    beside.take(piece);
                }
                beside.finish()
            })
        };
        let archive: Vec<u8> = (0..=250).cycle().take(CHUNK * 30).collect();
        let mut packed = compress::gzip_encoder(Vec::new());
        io::Write::write_all(&mut packed, &archive).unwrap();
        let packed = packed.finish().unwrap();
        let (front, back) = packed.split_at(packed.len() / 2);
        assert_eq!(beside(&[front, back]), Some(Digest::of(&archive)));
        assert_eq!(beside(&[front]), None, "cut off");
        assert_eq!(beside(&[front, front, back]), None, "damaged");
        assert_eq!(beside(&[&archive]), None, "not packed");
        assert_eq!(
            beside(&[&packed[..3], &packed[3..]]),
            Some(Digest::of(&archive))
        );
        assert_eq!(beside(&[]), None);
    }
}

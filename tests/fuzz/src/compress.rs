//! How blobs are packed: however they are cut, they unpack to the same, and in bounded memory.

use std::io::{self, Read, Write};

use coracle::layer::Bounds;
use coracle::layer::compress::{Compression, decoder, gzip_encoder};

/// More is not unpacked: a bomb is somebody else's concern, and time is bounded.
const MOST: u64 = 1 << 20;

pub(crate) fn run(bytes: &[u8]) {
    let whole = unpack(bytes);
    let dripped = unpack(Dripping(bytes));
    match (&whole, &dripped) {
        (Ok(whole), Ok(dripped)) => assert!(whole == dripped, "the cut of the input matters"),
        (Err(_), Err(_)) => {}
        _ => panic!("whole: {whole:?}, in pieces: {dripped:?}"),
    }
    check_packing(bytes);
    let Ok(whole) = whole else { return };
    let packing = Compression::detect(bytes);
    if packing == Compression::None {
        assert!(whole == bytes, "what is not packed is passed on");
        return;
    }
    if (whole.len() as u64) < MOST / 2 {
        // Members, frames and streams may follow one another, unless the last one is a frame to
        // be skipped, or padding, after which a reader of xz wants four bytes at a time.
        let twice = unpack([bytes, bytes].concat().as_slice());
        let twice = twice.expect("what can be unpacked once can be twice");
        assert!(twice == [whole.as_slice(), &whole].concat());
    }
    if packing == Compression::Zstd {
        check_twin(bytes, &whole);
    }
}

/// What was packed here unpacks again.
fn check_packing(bytes: &[u8]) {
    let mut encoder = gzip_encoder(Vec::new());
    encoder.write_all(bytes).expect("a vector takes everything");
    let packed = encoder.finish().expect("a vector takes everything");
    let again = unpack(packed.as_slice()).expect("what was packed is unpacked");
    assert!(again == bytes, "gzip gives something else back");
}

/// The decoder in pure Rust, which the browser has, gives the same bytes.
fn check_twin(mut bytes: &[u8], expected: &[u8]) {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let frame = ruzstd::decoding::StreamingDecoder::new(&mut bytes);
        let Ok(frame) = frame else { return };
        if frame.take(MOST).read_to_end(&mut out).is_err() {
            return;
        }
    }
    if (out.len() as u64) < MOST {
        assert!(out == expected, "the two decoders of zstd disagree");
    }
}

fn unpack(packed: impl Read + Send) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    decoder(packed, Bounds::default())?
        .take(MOST)
        .read_to_end(&mut out)?;
    Ok(out)
}

/// A stream that comes in small and uneven pieces.
struct Dripping<'a>(&'a [u8]);

impl Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = buffer.len().min(1 + self.0.len() % 3);
        self.0.read(&mut buffer[..n])
    }
}

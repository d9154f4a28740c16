//! How a blob is packed: found out from its first bytes, never from what its media type claims.

use std::io::{self, BufReader, Cursor, Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::bounds::{Bounded, Bounds, Counting};
use crate::codec;

/// The ways a layer's archive may be packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, with any number of members.
    Gzip,
    /// Zstandard, with any number of frames.
    Zstd,
    /// xz. Layers are never packed so, but people pack saved images so.
    Xz,
    /// bzip2, with any number of streams; as seldom as xz.
    Bzip2,
}

impl Compression {
    /// What the first bytes of a blob say. Six bytes are enough.
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A skippable frame may come first: magic 0x184D2A50 to 0x184D2A5F.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A block begins with the digits of pi, and the end of an empty file with those of
            // its square root.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// The OCI media type of a layer that is packed so; `None` for xz and bzip2.
    pub fn layer_media_type(self) -> Option<&'static str> {
        use crate::spec::media;
        match self {
            Self::None => Some(media::LAYER),
            Self::Gzip => Some(media::LAYER_GZIP),
            Self::Zstd => Some(media::LAYER_ZSTD),
            Self::Xz | Self::Bzip2 => None,
        }
    }
}

/// Unpacks `blob`, however it is packed. Reading fails as soon as more comes out than `bounds`
/// allows.
pub fn decoder<'a>(
    blob: impl Read + Send + 'a,
    bounds: Bounds,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut blob = Counting::new(blob);
    let packed = blob.count();
    // A pipe may give one byte at a time, so the first bytes are waited for.
    let mut start = Vec::new();
    blob.by_ref().take(6).read_to_end(&mut start)?;
    let compression = Compression::detect(&start);
    let blob = BufReader::with_capacity(1 << 16, Cursor::new(start).chain(blob));
    let archive: Box<dyn Read + Send + 'a> = match compression {
        Compression::None => Box::new(blob),
        Compression::Gzip => Box::new(MultiGzDecoder::new(blob)),
        Compression::Zstd => codec::zstd_decoder(blob)?,
        Compression::Xz => codec::xz_decoder(blob)?,
        Compression::Bzip2 => codec::bzip2_decoder(blob)?,
    };
    Ok(Box::new(Bounded::new(archive, packed, bounds)))
}

/// Packs with gzip at level 6. The header holds neither a name nor a time.
pub fn gzip_encoder<W: Write>(out: W) -> GzEncoder<W> {
    GzEncoder::new(out, flate2::Compression::new(6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::bounds::EXEMPT_FROM_RATIO;

    fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decoder(bytes, Bounds::default())?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = gzip_encoder(Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_packing_is_found_by_its_magic() {
        let hello_zst = [
            0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x05, 0x29, 0x00, 0x00, b'h', b'e', b'l', b'l', b'o',
        ];
        assert_eq!(unpack(b"hello").unwrap(), b"hello");
        assert_eq!(unpack(b"").unwrap(), b"");
        assert_eq!(unpack(&gzip(b"hello")).unwrap(), b"hello");
        assert_eq!(unpack(&hello_zst).unwrap(), b"hello");
        let two_members = [gzip(b"hel"), gzip(b"lo")].concat();
        assert_eq!(unpack(&two_members).unwrap(), b"hello");
        let two_frames = [hello_zst, hello_zst].concat();
        assert_eq!(unpack(&two_frames).unwrap(), b"hellohello");
        // RFC 8878, section 3.1.2: skippable frames are passed over, wherever they stand.
        let nothing = [0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'x', b'y', b'z'];
        let around = [&nothing[..], &hello_zst, &nothing, &hello_zst, &nothing].concat();
        assert_eq!(unpack(&around).unwrap(), b"hellohello");
        assert!(unpack(&around[..around.len() - 1]).is_err(), "cut off");
        // As pzstd and BGZF write them: members without content.
        let with_empty = [gzip(b""), gzip(b"hello"), gzip(b"")].concat();
        assert_eq!(unpack(&with_empty).unwrap(), b"hello");
    }

    #[test]
    fn the_magic_is_found_in_a_pipe_that_gives_single_bytes() {
        struct Dripping<'a>(&'a [u8]);
        impl Read for Dripping<'_> {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let n = buf.len().min(1);
                self.0.read(&mut buf[..n])
            }
        }
        let packed = gzip(b"hello");
        let mut out = Vec::new();
        let mut reader = decoder(Dripping(&packed), Bounds::default()).unwrap();
        reader.read_to_end(&mut out).unwrap();
        assert_eq!(out, b"hello");
    }

    #[test]
    fn too_much_is_an_error_and_a_larger_number_allows_it() {
        let check = |packed: &[u8], bytes: u64, ratio: u64, words: Option<&str>| {
            let bounds = Bounds {
                bytes,
                ratio,
                ..Bounds::default()
            };
            let read = io::copy(&mut decoder(packed, bounds).unwrap(), &mut io::sink());
            let told = read.map(drop).map_err(|e| e.to_string());
            match words {
                Some(words) => assert!(told.as_ref().unwrap_err().contains(words), "{told:?}"),
                None => assert_eq!(told, Ok(())),
            }
        };
        let thousand = gzip(&[7; 1000]);
        check(&thousand, 1000, 1, None);
        check(&thousand, 999, 2000, Some("set --max-bytes"));
        check(&[1; 100], 99, 1, Some("--max-bytes"));
        // One mebibyte more than any stream may.
        let count = usize::try_from(EXEMPT_FROM_RATIO >> 20).unwrap() + 1;
        let bomb = gzip(&vec![0; 1 << 20]).repeat(count);
        check(&bomb, u64::MAX, 100, Some("set --max-ratio"));
        check(&bomb, u64::MAX, 2000, None);
    }

    #[test]
    fn a_cut_off_stream_is_an_error() {
        let whole = gzip(&[7; 1000]);
        assert!(unpack(&whole[..whole.len() - 9]).is_err());
    }
}

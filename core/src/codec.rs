//! Decompressors in pure Rust, for where there is nothing else: the browser.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

/// Unpacks Zstandard frames.
#[allow(clippy::unnecessary_wraps)] // its native twin may fail
pub(crate) fn zstd_decoder<'a>(
    blob: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(Frames {
        source: blob,
        decoder: None,
    }))
}

/// Says that xz is not understood here.
pub(crate) fn xz_decoder<'a>(
    _blob: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this build of Coracle does not unpack xz; unpack the file first (xz -d)",
    ))
}

/// Says that bzip2 is not understood here.
pub(crate) fn bzip2_decoder<'a>(
    _blob: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this build of Coracle does not unpack bzip2; unpack the file first (bzip2 -d)",
    ))
}

/// Frame after frame of one stream.
struct Frames<R> {
    source: R,
    decoder: Option<Box<ruzstd::decoding::FrameDecoder>>,
}

impl<R: BufRead + Send> Read for Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let decoder = if let Some(decoder) = &mut self.decoder {
                decoder
            } else {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                let mut decoder = Box::new(ruzstd::decoding::FrameDecoder::new());
                match decoder.init(&mut self.source) {
                    Ok(()) => self.decoder.insert(decoder),
                    Err(FrameDecoderError::ReadFrameHeaderError(
                        ReadFrameHeaderError::SkipFrame { length, .. },
                    )) => {
                        skip(&mut self.source, length.into())?;
                        continue;
                    }
                    Err(error) => return Err(io::Error::other(error)),
                }
            };
            if !decoder.is_finished() {
                decoder
                    .decode_blocks(
                        &mut self.source,
                        ruzstd::decoding::BlockDecodingStrategy::UptoBytes(buf.len()),
                    )
                    .map_err(io::Error::other)?;
            }
            let n = decoder.read(buf)?;
            if n > 0 || buf.is_empty() {
                return Ok(n);
            }
            if decoder.is_finished() {
                self.decoder = None;
            }
        }
    }
}

/// Passes over a frame that holds nothing of the content.
fn skip(source: &mut impl BufRead, length: u64) -> io::Result<()> {
    if io::copy(&mut source.take(length), &mut io::sink())? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

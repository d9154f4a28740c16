//! Decompressors for native builds, where speed counts.

use std::io::{self, BufRead, Read};

/// Unpacks Zstandard frames.
pub(crate) fn zstd_decoder<'a>(
    blob: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(zstd::stream::read::Decoder::with_buffer(blob)?))
}

/// Unpacks xz streams, one after the other.
#[allow(clippy::unnecessary_wraps)] // its twin for the browser refuses
pub(crate) fn xz_decoder<'a>(
    blob: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(lzma_rust2::XzReader::new(blob, true)))
}

/// Unpacks bzip2 streams, one after the other.
#[allow(clippy::unnecessary_wraps)] // its twin for the browser refuses
pub(crate) fn bzip2_decoder<'a>(
    blob: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(blob)))
}

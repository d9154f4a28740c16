//! Decompressors for native builds, where speed counts.

use std::io::{self, BufRead, Read};

/// Unpacks Zstandard frames.
pub(crate) fn zstd_decoder<'a>(
    blob: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(zstd::stream::read::Decoder::with_buffer(blob)?))
}

/// The memory that unpacking xz may take, in KiB: four times what `xz -9` asks for. A few bytes
/// could ask for 4 GiB.
const MOST_XZ_MEMORY: u32 = 256 << 10;

/// Unpacks xz streams, one after the other.
#[allow(clippy::unnecessary_wraps)] // its twin for the browser refuses
pub(crate) fn xz_decoder<'a>(
    blob: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(lzma_rust2::XzReader::new_mem_limit(
        blob,
        true,
        MOST_XZ_MEMORY,
    )))
}

/// Unpacks bzip2 streams, one after the other.
#[allow(clippy::unnecessary_wraps)] // its twin for the browser refuses
pub(crate) fn bzip2_decoder<'a>(
    blob: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(blob)))
}

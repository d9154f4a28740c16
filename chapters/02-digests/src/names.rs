//! The three names of a layer: of the blob, of the archive in it, and of the pile that it ends.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::{Digest, Result, digest_of};

// ANCHOR: names
/// The names of one layer in a pile.
#[derive(Debug, PartialEq)]
pub struct Names {
    /// Of the blob, as it is shipped: packed, or not.
    pub digest: Digest,
    /// Of the archive, before it was packed.
    pub diff_id: Digest,
    /// Of this layer and all below it.
    pub chain_id: Digest,
}
// ANCHOR_END: names

/// The names of the layers of a pile, the lowest first.
pub fn names(blobs: &[Vec<u8>]) -> Result<Vec<Names>> {
    let mut diff_ids = Vec::new();
    for blob in blobs {
        diff_ids.push(digest_of(&unpacked(blob)?));
    }
    let chains = chain_ids(&diff_ids);
    let rows = blobs.iter().zip(diff_ids).zip(chains);
    let row = |((blob, diff_id), chain_id): ((&Vec<u8>, _), _)| Names {
        digest: digest_of(blob),
        diff_id,
        chain_id,
    };
    Ok(rows.map(row).collect())
}

// ANCHOR: chain_ids
/// The chain ID of each layer of a pile, the lowest first.
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    // TASK 5: The lowest is its own diff ID; each other is the digest of a text of two names.
    let mut chains: Vec<Digest> = Vec::new();
    for diff_id in diff_ids {
        let chain = match chains.last() {
            None => diff_id.clone(),
            Some(below) => digest_of(format!("{below} {diff_id}").as_bytes()),
        };
        chains.push(chain);
    }
    chains
    // TASK_END
}
// ANCHOR_END: chain_ids

/// The archive in a blob. What begins like gzip is gzip.
fn unpacked(blob: &[u8]) -> Result<Vec<u8>> {
    if !blob.starts_with(&[0x1f, 0x8b]) {
        return Ok(blob.to_owned());
    }
    let mut archive = Vec::new();
    MultiGzDecoder::new(blob).read_to_end(&mut archive)?;
    Ok(archive)
}

/// Bytes packed by gzip: `level` is 1 for quick to 9 for small.
pub fn packed(bytes: &[u8], level: u32) -> Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::new(level));
    packer.write_all(bytes)?;
    Ok(packer.finish()?)
}

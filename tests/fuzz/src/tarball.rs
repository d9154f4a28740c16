//! Archives, as far as a fuzzer cannot write them: headers with the right checksum.

const BLOCK: usize = 512;

/// `archive` with the checksum of every header put right.
///
/// It walks as any reader does: a header, then as many blocks as its size says. A PAX record that
/// gives another size leads a reader elsewhere, which is one more thing to try.
pub(crate) fn mended(archive: &[u8]) -> Vec<u8> {
    let mut mended = archive.to_vec();
    let mut at = 0;
    while at < mended.len() {
        let Some(header) = mended[at..].get_mut(..BLOCK) else {
            break;
        };
        if header.iter().any(|byte| *byte != 0) {
            header[148..156].copy_from_slice(b"        ");
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let content = match header[156] {
            b'1'..=b'6' => 0,
            _ => size(&header[124..136]),
        };
        at = at
            .saturating_add(BLOCK)
            .saturating_add(content)
            .checked_next_multiple_of(BLOCK)
            .unwrap_or(usize::MAX);
    }
    mended
}

/// Adds one entry of a type, such as `0` for a file, without its checksum.
pub(crate) fn push(archive: &mut Vec<u8>, kind: u8, name: &[u8], target: &[u8], content: &[u8]) {
    let mut header = [0; BLOCK];
    let size = format!("{:011o}", content.len());
    for (at, most, bytes) in [
        (0, 100, name),
        (100, 8, b"0000644"),
        (124, 12, size.as_bytes()),
        (156, 1, &[kind]),
        (157, 100, target),
        (257, 8, b"ustar\x0000"),
    ] {
        let length = bytes.len().min(most);
        header[at..at + length].copy_from_slice(&bytes[..length]);
    }
    archive.extend_from_slice(&header);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

/// A size in octal digits, or in base 256 when the first bit is set.
fn size(field: &[u8]) -> usize {
    if field[0] & 0x80 != 0 {
        let bytes = field[4..].try_into().unwrap_or_default();
        return usize::try_from(u64::from_be_bytes(bytes)).unwrap_or(usize::MAX);
    }
    let digits = field.iter().skip_while(|byte| **byte == b' ');
    let digits = digits.take_while(|byte| (b'0'..=b'7').contains(*byte));
    digits.fold(0, |size, digit| size * 8 + usize::from(digit - b'0'))
}

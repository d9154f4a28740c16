//! PAX extended headers: `length key=value` records that carry what ustar has no room for.
//!
//! Source: POSIX.1-2017, `pax`, "pax Extended Header". Values are bytes: an attribute such as
//! `security.capability` may hold line feeds, so records are cut by their length and nothing else.

use std::collections::BTreeMap;

use super::TarError;
use crate::tree::Timestamp;

/// The prefix of records that hold extended attributes, as star introduced and Docker writes it.
pub(super) const XATTR: &str = "SCHILY.xattr.";

/// The records of one extended header, by key.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Pax {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Pax {
    /// Reads records; `None` when they are malformed.
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut records = BTreeMap::new();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|b| *b == b' ')?;
            let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
            let record = bytes.get(space + 1..length)?;
            let (b'\n', record) = record.split_last()? else {
                return None;
            };
            let equals = record.iter().position(|b| *b == b'=')?;
            records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
            bytes = &bytes[length..];
        }
        Some(Self { records })
    }

    /// The records as bytes, in order of key.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in &self.records {
            let body = key.len() + value.len() + 3; // space, equals sign, line feed
            let mut length = body + 1;
            // The length counts its own digits, so it may grow while it is computed.
            while length != body + length.to_string().len() {
                length = body + length.to_string().len();
            }
            out.extend_from_slice(length.to_string().as_bytes());
            out.push(b' ');
            out.extend_from_slice(key);
            out.push(b'=');
            out.extend_from_slice(value);
            out.push(b'\n');
        }
        out
    }

    pub(super) fn set(&mut self, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.records.insert(key.into(), value);
    }

    /// A record's value. An empty value takes a record back, says POSIX, so it counts as none.
    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        self.records
            .get(key.as_bytes())
            .map(Vec::as_slice)
            .filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        std::str::from_utf8(self.get(key)?).ok()?.parse().ok()
    }

    /// The content's size, where the header's field was too small for it.
    pub(super) fn size(&self) -> Result<Option<u64>, TarError> {
        match self.get("size") {
            None => Ok(None),
            Some(text) => self.number("size").map(Some).ok_or(TarError::Entry {
                entry: String::from_utf8_lossy(self.get("path").unwrap_or_default()).into_owned(),
                reason: format!("has a size that is no number: {:?}", text.escape_ascii()),
            }),
        }
    }

    /// Whether the content is stored with its holes left out.
    pub(super) fn is_sparse(&self) -> bool {
        self.records
            .keys()
            .any(|key| key.starts_with(b"GNU.sparse."))
    }

    pub(super) fn xattrs(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.records
            .iter()
            .filter_map(|(key, value)| {
                let name = key.strip_prefix(XATTR.as_bytes())?;
                Some((name.to_vec(), value.clone()))
            })
            .collect()
    }
}

/// Reads a decimal time such as `-1.5`; digits after the ninth are dropped.
pub(super) fn time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanos: u32 = digits.parse().ok()?;
    // -1.5 is half a second before -1, so it is -2 s and 500,000,000 ns.
    if whole.starts_with('-') && nanos > 0 {
        return Some(Timestamp {
            seconds: seconds.checked_sub(1)?,
            nanos: 1_000_000_000 - nanos,
        });
    }
    Some(Timestamp { seconds, nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_hold_any_bytes_and_count_their_own_length() {
        let mut pax = Pax::default();
        pax.set("SCHILY.xattr.user.a", b"x\n1\0=\n".to_vec());
        pax.set("path", vec![b'p'; 91]); // 99 becomes 100: one digit more
        let bytes = pax.encode();
        assert_eq!(Pax::parse(&bytes), Some(pax));
        assert_eq!(Pax::parse(b"9 a=b\n"), None);
        assert_eq!(Pax::parse(b"x a=b\n"), None);
        assert_eq!(Pax::parse(b"7 a=b\n"), None);
        assert_eq!(Pax::parse(b"1 "), None);
        assert_eq!(Pax::parse(b""), Some(Pax::default()));
    }

    #[test]
    fn times_before_and_after_1970() {
        let check = |text: &str, seconds, nanos| {
            let expected = Timestamp { seconds, nanos };
            assert_eq!(time(text.as_bytes()), Some(expected), "{text}");
            assert_eq!(expected.to_string(), text);
        };
        check("0", 0, 0);
        check("1350244992.02396", 1_350_244_992, 23_960_000);
        check("-1.5", -2, 500_000_000);
        check("-0.25", -1, 750_000_000);
        check("-3", -3, 0);
        assert_eq!(time(b"x"), None);
        assert_eq!(time(b"1.x"), None);
    }
}

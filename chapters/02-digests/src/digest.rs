//! The name of bytes.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::Result;

// ANCHOR: digest
/// The name of bytes: `sha256:` and 64 hexadecimal digits.
///
/// Who holds one knows that it is well formed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// The 64 digits.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }
}
// ANCHOR_END: digest

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// ANCHOR: digest_of
/// The digest of bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    // TASK 1: Write the name of the bytes: `sha256:`, then two digits for each byte of the sum.
    let sum = Sha256::digest(bytes);
    let digits: Vec<String> = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    Digest(format!("sha256:{}", digits.concat()))
    // TASK_END
}
// ANCHOR_END: digest_of

impl Digest {
    // ANCHOR: parse
    /// Reads a digest that somebody wrote down.
    pub fn parse(text: &str) -> Result<Self> {
        // TASK 2: Accept `sha256:` and 64 digits, 0 to 9 and a to f, and say what else is wrong.
        let hex = text
            .strip_prefix("sha256:")
            .ok_or("a digest begins with `sha256:`")?;
        if hex.len() != 64 {
            return Err(format!("a digest has 64 digits, and this has {}", hex.len()).into());
        }
        if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err("a digest's digits are 0 to 9 and a to f".into());
        }
        Ok(Self(text.to_owned()))
        // TASK_END
    }
    // ANCHOR_END: parse
}

//! A session as the end of an address: `v1.` and the log, deflated, in base64url.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// The first characters of a link, which say how the rest is to be read.
const VERSION: &str = "v1.";

/// A longer link is cut off by some program on its way; a file is not.
pub const MOST_LINK: usize = 16 * 1024;

/// A log that is larger than this was made by nobody who means well.
const MOST_LOG: u64 = 4 << 20;

/// The log as a link's fragment, without `#`; `None` when that would be too long.
pub fn share(log: &str) -> Option<String> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(log.as_bytes()).ok()?;
    let bytes = encoder.finish().ok()?;
    let link = format!("{VERSION}{}", URL_SAFE_NO_PAD.encode(bytes));
    (link.len() <= MOST_LINK).then_some(link)
}

/// The log of a link's fragment. The error is a sentence with what to do.
pub fn unshare(fragment: &str) -> Result<String, String> {
    let fragment = fragment.trim_start_matches('#');
    let Some(text) = fragment.strip_prefix(VERSION) else {
        let version = fragment.split('.').next().unwrap_or_default();
        return Err(match version.strip_prefix('v').map(str::parse::<u32>) {
            Some(Ok(_)) => format!("This link is of version {version}, which this page does not know yet. Reload it, to have the newest."),
            _ => "This link is no session of the playground. Ask for it anew; perhaps its end is missing.".to_owned(),
        });
    };
    let broken = "This link is damaged; perhaps its end is missing. Ask for it anew, or for the log as a file.";
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| broken)?;
    let mut log = String::new();
    let read = DeflateDecoder::new(&*bytes)
        .take(MOST_LOG + 1)
        .read_to_string(&mut log);
    match read {
        Ok(_) if log.len() as u64 > MOST_LOG => {
            Err("This link holds more than a session does, so it is not opened.".to_owned())
        }
        Ok(_) => Ok(log),
        Err(_) => Err(broken.to_owned()),
    }
}

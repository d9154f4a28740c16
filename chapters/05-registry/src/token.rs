//! Who are you? A registry asks, a token server vouches for you, and the token is shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Result;

// ANCHOR: challenge
/// What a registry wants to see: a token from `realm`, for `service`, that allows `scope`.
#[derive(Debug, Default, PartialEq)]
pub struct Challenge {
    /// The token server's address.
    pub realm: String,
    /// The registry's own name.
    pub service: String,
    /// What the token must allow: `repository:team/app:pull,push`.
    pub scope: String,
}

/// Reads the header `www-authenticate`.
pub fn challenge(header: &str) -> Result<Challenge> {
    let mut rest = header
        .strip_prefix("Bearer ")
        .ok_or("the registry wants another kind of login than a token")?;
    let mut challenge = Challenge::default();
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"').ok_or("a quotation mark is missing")?;
        match name.trim_matches([',', ' ']) {
            "realm" => value.clone_into(&mut challenge.realm),
            "service" => value.clone_into(&mut challenge.service),
            "scope" => value.clone_into(&mut challenge.scope),
            _ => {}
        }
        rest = after;
    }
    Ok(challenge)
}
// ANCHOR_END: challenge

/// A name and a password as the header `authorization` carries them.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

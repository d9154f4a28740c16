//! The token server: who has shown a password gets a signed note of what they may do, and shows
//! that instead. So the password goes over the wire once, and a note that is stolen is worth
//! little, and not for long.
//!
//! A token is a JSON Web Token signed with HMAC-SHA-256
//! ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519), [RFC 7515](https://www.rfc-editor.org/rfc/rfc7515)).
//! Source: [token authentication](https://distribution.github.io/distribution/spec/auth/token/),
//! [OAuth 2](https://distribution.github.io/distribution/spec/auth/oauth/).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;

use super::access::{BASIC_CHALLENGE, basic, unauthorized};
use super::refusal::Refusal;
use super::route::parameters;
use super::{Server, answer};
use crate::registry::http::{Body, Response};

/// Signs tokens and checks them.
#[derive(Clone)]
pub struct Tokens {
    /// What only this registry knows. Private, so that it is never printed.
    secret: Vec<u8>,
    /// How long a token is good for. At least a minute, because old clients count on it.
    lifetime: Duration,
}

/// One thing that a token allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    /// `repository` or `registry`.
    #[serde(rename = "type")]
    kind: String,
    name: String,
    /// `pull`, `push`, `delete`; `*` for all of them.
    actions: Vec<String>,
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// Whose it is; nothing for nobody in particular.
    sub: String,
    /// For whom it is: always [`SERVICE`].
    aud: String,
    /// When it ends, in seconds since 1970.
    exp: u64,
    /// Set in tokens that only buy other tokens.
    #[serde(default)]
    refresh: bool,
    access: Vec<Grant>,
}

/// The name by which tokens know this registry.
pub(super) const SERVICE: &str = "coracle-registry";

/// The only header of a token that is accepted, so that nobody else chooses the algorithm.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// How long a refresh token is good for. Another secret ends all of them at once.
const REFRESH: Duration = Duration::from_hours(30 * 24);

/// The longest form that is read, in bytes.
const LONGEST_FORM: u64 = 64 << 10;

impl Tokens {
    /// Signs with `secret`, for `lifetime`.
    pub fn new(secret: Vec<u8>, lifetime: Duration) -> Self {
        Self {
            secret,
            lifetime: lifetime.max(Duration::from_mins(1)),
        }
    }

    /// What a token allows; `None` when it is not one of ours, or not any more.
    pub(super) fn check(&self, token: &str, now: Duration) -> Option<Vec<Grant>> {
        let claims = self.claims(token, now)?;
        (!claims.refresh).then_some(claims.access)
    }

    fn claims(&self, token: &str, now: Duration) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if header != URL_SAFE_NO_PAD.encode(HEADER) {
            return None;
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        mac.verify_slice(&signature).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        (claims.aud == SERVICE && claims.exp > now.as_secs()).then_some(claims)
    }

    fn sign(&self, claims: &Claims) -> Option<String> {
        let payload = serde_json::to_vec(claims).ok()?;
        let header = URL_SAFE_NO_PAD.encode(HEADER);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Some(format!("{signed}.{signature}"))
    }
}

impl Grant {
    pub(super) fn allows(&self, kind: &str, name: &str, action: &str) -> bool {
        let is_it = |a: &String| a == "*" || a == action;
        self.kind == kind && self.name == name && self.actions.iter().any(is_it)
    }

    /// Reads a scope, `repository:team/app:pull,push`. One that is none gives nothing.
    fn parse(scope: &str) -> Option<Self> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        Some(Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            actions: actions.split(',').map(str::to_owned).collect(),
        })
    }

    /// What somebody without a name gets of it.
    fn only_pull(mut self) -> Self {
        let is_catalog = self.kind == "registry";
        self.actions.retain(|action| action == "pull" || is_catalog);
        self
    }
}

/// What somebody asks the token server for.
#[derive(Default)]
struct Asked {
    scopes: Vec<Grant>,
    /// A user and a password.
    login: Option<(String, String)>,
    refresh: Option<String>,
    /// Whether a refresh token is wanted, too.
    offline: bool,
}

impl Server {
    /// Gives out a token for what is asked for, as far as it is allowed.
    pub(super) fn give_token(&self, head: &Parts, body: Body) -> Result<Response, Refusal> {
        let (Some(tokens), Some(users)) = (&self.access.tokens, &self.access.users) else {
            let message = "this registry gives out no tokens";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "UNSUPPORTED", message));
        };
        let asked = asked(head, body)?;
        let wrong = |message| unauthorized(message, BASIC_CHALLENGE);
        let user = match (&asked.login, &asked.refresh) {
            (Some((user, password)), _) if users(user, password) => Some(user.clone()),
            (Some(_), _) => return Err(wrong("the user or the password is wrong")),
            (None, Some(token)) => match tokens.claims(token, self.now()) {
                Some(claims) if claims.refresh => Some(claims.sub),
                _ => return Err(wrong("the refresh token is no good any more; log in again")),
            },
            (None, None) if self.access.anonymous_pull => None,
            (None, None) => return Err(wrong("a token needs a user and a password")),
        };
        let scopes = asked.scopes.into_iter();
        let access = match &user {
            Some(_) => scopes.collect(),
            None => scopes.map(Grant::only_pull).collect(),
        };
        let claims = |lifetime: Duration, refresh, access| Claims {
            sub: user.clone().unwrap_or_default(),
            aud: SERVICE.to_owned(),
            exp: (self.now() + lifetime).as_secs(),
            refresh,
            access,
        };
        let cannot_sign = || {
            let message = "the token cannot be signed";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
        };
        let token = tokens.sign(&claims(tokens.lifetime, false, access));
        let token = token.ok_or_else(cannot_sign)?;
        let mut document = json!({
            "token": token,
            "access_token": token,
            "expires_in": tokens.lifetime.as_secs(),
        });
        if user.is_some() && asked.offline {
            let refresh = tokens.sign(&claims(REFRESH, true, Vec::new()));
            document["refresh_token"] = refresh.ok_or_else(cannot_sign)?.into();
        }
        let bytes = document.to_string().into_bytes();
        Ok(answer(StatusCode::OK)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, bytes.len())
            .header(CACHE_CONTROL, "no-store")
            .body(Body::from(bytes))?)
    }
}

/// Reads what is asked: from the query and a Basic header, or from an OAuth 2 form.
fn asked(head: &Parts, body: Body) -> Result<Asked, Refusal> {
    let mut asked = Asked::default();
    let bad = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message);
    let is_form = head.method == Method::POST;
    let text = if is_form {
        let bytes = body.bytes(LONGEST_FORM).map_err(|e| bad(&e.to_string()))?;
        String::from_utf8(bytes).map_err(|_| bad("the form is no text"))?
    } else {
        head.uri.query().unwrap_or_default().to_owned()
    };
    let (mut user, mut password) = (None, None);
    for (key, value) in parameters(&text, true) {
        match key.as_str() {
            "scope" => asked
                .scopes
                .extend(value.split(' ').filter_map(Grant::parse)),
            "service" if value != SERVICE => {
                return Err(bad(&format!("tokens are for the service {SERVICE}")));
            }
            "offline_token" => asked.offline = value == "true",
            "access_type" => asked.offline = value == "offline",
            "username" if is_form => user = Some(value),
            "password" if is_form => password = Some(value),
            "refresh_token" if is_form => asked.refresh = Some(value),
            _ => {}
        }
    }
    asked.login = user.zip(password);
    if let Some(credentials) = head.headers.get(AUTHORIZATION) {
        let basic = credentials.to_str().ok().and_then(basic);
        let message = "the Authorization header has no user and password";
        asked.login = Some(basic.ok_or_else(|| unauthorized(message, BASIC_CHALLENGE))?);
    }
    Ok(asked)
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_as_long_as_nothing_of_it_is_changed_and_it_lasts() {
        let tokens = Tokens::new(b"a secret".to_vec(), Duration::from_mins(5));
        let access = vec![Grant::parse("repository:team/app:pull,push").unwrap()];
        let claims = |refresh| Claims {
            sub: "ann".to_owned(),
            aud: SERVICE.to_owned(),
            exp: 1000,
            refresh,
            access: access.clone(),
        };
        let token = tokens.sign(&claims(false)).unwrap();
        let at = Duration::from_secs;
        assert_eq!(tokens.check(&token, at(999)), Some(access.clone()));
        assert_eq!(tokens.check(&token, at(1000)), None);
        let other = Tokens::new(b"another".to_vec(), Duration::from_mins(5));
        assert_eq!(other.check(&token, at(0)), None);
        let refresh = tokens.sign(&claims(true)).unwrap();
        assert_eq!(tokens.check(&refresh, at(0)), None);
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last digit of 32 bytes in base 64 has two bits that mean nothing, and must be 0.
            assert_eq!(tokens.check(&changed, at(0)), None, "{place}");
        }
        // The old trick: a token that says it needs no signature.
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let payload = token.split('.').nth(1).unwrap();
        assert_eq!(tokens.check(&format!("{none}.{payload}."), at(0)), None);
    }

    #[test]
    fn a_grant_allows_what_it_says_and_no_more() {
        let check = |scope: &str, action: &str, expected| {
            let grant = Grant::parse(scope).unwrap();
            assert_eq!(
                grant.allows("repository", "a/b", action),
                expected,
                "{scope} {action}"
            );
        };
        check("repository:a/b:pull,push", "push", true);
        check("repository:a/b:pull", "push", false);
        check("repository:a/b:*", "delete", true);
        check("repository:a:pull", "pull", false);
        check("registry:a/b:pull", "pull", false);
        assert_eq!(Grant::parse("repository"), None);
        let pull = Grant::parse("repository:a/b:pull,push,*")
            .unwrap()
            .only_pull();
        assert_eq!(pull.actions, ["pull"]);
    }
}

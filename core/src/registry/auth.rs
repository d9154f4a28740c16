//! Who one is, for a registry: challenges, credentials and tokens.
//!
//! A registry that wants to know answers 401 and says how to prove it. `Basic` asks for the
//! password itself; `Bearer` names another server, which gives out a token for a while and for a
//! few actions on a few repositories.
//!
//! Source: [the token specification](https://distribution.github.io/distribution/spec/auth/token/).

use std::fmt;
use std::time::Duration;

use ::http::{HeaderMap, Method, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::address;
use super::http::{Body, Request};

/// What proves to a registry who one is.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Nothing: one is nobody in particular.
    #[default]
    Anonymous,
    /// A name and a password, or what is used as one.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// What a token server gave at the login instead of a password that would have to be kept.
    IdentityToken {
        /// The token, good for other tokens.
        token: String,
    },
}

/// Secrets are never shown.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { user, .. } => write!(f, "Password {{ user: {user:?}, … }}"),
            Self::IdentityToken { .. } => f.write_str("IdentityToken { … }"),
        }
    }
}

impl Credentials {
    /// Who that is, as messages say it: a name, or nothing for an identity token.
    pub(super) fn user(&self) -> Option<String> {
        match self {
            Self::Anonymous => None,
            Self::Password { user, .. } => Some(user.clone()),
            Self::IdentityToken { .. } => Some(String::new()),
        }
    }

    /// The value of the header that proves it directly.
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::Password { user, password } => Some(format!(
                "Basic {}",
                STANDARD.encode(format!("{user}:{password}"))
            )),
            _ => None,
        }
    }
}

/// How a server wants it proved who one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By a name and a password.
    Basic,
    /// By a token that is fetched elsewhere.
    Bearer {
        /// Where.
        realm: String,
        /// For whom it shall be.
        service: Option<String>,
        /// What the server says about the last token, such as `insufficient_scope`.
        error: Option<String>,
    },
}

impl Challenge {
    /// The challenge of an answer; a token is preferred to sending the password every time.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let mut found = None;
        for (scheme, parameters) in values.filter_map(|v| v.to_str().ok()).flat_map(challenges) {
            let get = |name: &str| {
                let mut pairs = parameters.iter();
                pairs.find(|(n, _)| n == name).map(|(_, v)| v.clone())
            };
            match scheme.as_str() {
                "bearer" => {
                    if let Some(realm) = get("realm") {
                        return Some(Self::Bearer {
                            realm,
                            service: get("service"),
                            error: get("error"),
                        });
                    }
                }
                "basic" => found = Some(Self::Basic),
                _ => {}
            }
        }
        found
    }
}

/// What one wants to do with a repository: `repository:library/python:pull`.
pub(super) fn scope(repository: &str, actions: &str) -> String {
    format!("repository:{repository}:{actions}")
}

/// A token under its owner's conditions.
#[derive(Clone)]
pub(super) struct Token {
    /// What goes behind `Bearer`.
    pub(super) text: String,
    /// Until when it is good, on the caller's clock.
    pub(super) until: Duration,
}

/// What a token server answers.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
    /// An identity token, when one was asked for.
    pub(super) refresh_token: Option<String>,
}

/// How long a token is good when its server does not say, in seconds.
const DEFAULT_LIFE: u64 = 60;

/// How long before its end a token is no longer used: the request takes its time, too.
const MARGIN: Duration = Duration::from_secs(5);

impl TokenAnswer {
    /// The token, as it can be used at the time `now`.
    pub(super) fn token(&self, now: Duration) -> Option<Token> {
        let text = self.token.clone().or_else(|| self.access_token.clone())?;
        let life = Duration::from_secs(self.expires_in.unwrap_or(DEFAULT_LIFE));
        Some(Token {
            text,
            until: now + life.saturating_sub(MARGIN),
        })
    }
}

/// The request for a token. With `offline`, an identity token is asked for beside it. The error
/// is a sentence.
pub(super) fn token_request(
    realm: &Uri,
    service: Option<&str>,
    scopes: &[String],
    credentials: &Credentials,
    offline: bool,
) -> Result<Request, String> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    if let Some(service) = service {
        pairs.push(("service", service));
    }
    for scope in scopes {
        pairs.push(("scope", scope));
    }
    let request = ::http::Request::builder();
    let request = if let Credentials::IdentityToken { token } = credentials {
        let scopes = scopes.join(" ");
        pairs.retain(|(name, _)| *name != "scope");
        pairs.push(("scope", &scopes));
        pairs.push(("grant_type", "refresh_token"));
        pairs.push(("client_id", CLIENT));
        pairs.push(("refresh_token", token));
        let form: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", address::encoded(value)))
            .collect();
        request
            .method(Method::POST)
            .uri(realm)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.join("&").into_bytes()))
    } else {
        if let Credentials::Password { user, .. } = credentials {
            pairs.push(("account", user));
        }
        if offline {
            pairs.push(("offline_token", "true"));
            pairs.push(("client_id", CLIENT));
        }
        let mut uri = realm.clone();
        for (name, value) in pairs {
            uri = address::with_query(&uri, name, value)?;
        }
        let mut request = request.method(Method::GET).uri(uri);
        if let Some(basic) = credentials.basic() {
            request = request.header(header::AUTHORIZATION, basic);
        }
        request.body(Body::empty())
    };
    request.map_err(|e| format!("the token cannot be asked for: {e}"))
}

/// What this client calls itself.
const CLIENT: &str = "coracle";

/// The challenges of one header's value: the scheme in small letters, and its parameters.
///
/// Source: [RFC 9110, section 11](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1).
fn challenges(value: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c == ',' || c.is_whitespace())
            .unwrap_or(rest.len());
        let word = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        if let Some(behind) = rest.strip_prefix('=') {
            let (text, behind) = parameter(behind.trim_start());
            rest = behind;
            if let Some((_, parameters)) = found.last_mut() {
                parameters.push((word, text));
            }
        } else if !word.is_empty() {
            found.push((word, Vec::new()));
        }
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        // A stray sign must not hold this up for ever.
        if end == 0 {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    found
}

/// A token or a quoted string, and what follows it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|c: char| c == ',' || c.is_whitespace())
            .unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut out = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (out, &quoted[at + 1..]),
            '\\' => out.extend(characters.next().map(|(_, c)| c)),
            _ => out.push(c),
        }
    }
    (out, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_understood_in_whatever_form_they_come() {
        let check = |values: &[&str], expected: Option<Challenge>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
            }
            assert_eq!(Challenge::of(&headers), expected, "{values:?}");
        };
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.to_owned(),
                service: service.map(str::to_owned),
                error: None,
            })
        };
        check(&[], None);
        check(&["Basic realm=\"r\""], Some(Challenge::Basic));
        check(&["basic"], Some(Challenge::Basic));
        check(
            &["Bearer realm=\"https://a/t\",service=\"s\""],
            bearer("https://a/t", Some("s")),
        );
        check(
            &["Bearer realm=https://a/t , x=y"],
            bearer("https://a/t", None),
        );
        check(
            &["Basic realm=\"x, y\", Bearer realm=\"https://a/\\\"t\""],
            bearer("https://a/\"t", None),
        );
        check(
            &["Basic realm=x", "Bearer realm=https://a"],
            bearer("https://a", None),
        );
        check(&["Bearer service=s"], None);
        check(&["=,=,\"\" ,", "Negotiate abc=="], None);
    }

    #[test]
    fn a_password_asks_by_get_and_an_identity_token_by_post() {
        let realm = address::parse("https://auth.example/token").unwrap();
        let scopes = [scope("a/b", "pull"), scope("c", "pull,push")];
        let password = Credentials::Password {
            user: "me".into(),
            password: "pw".into(),
        };
        let request = token_request(&realm, Some("s e"), &scopes, &password, false).unwrap();
        assert_eq!(request.method(), Method::GET);
        assert_eq!(
            request.uri(),
            "https://auth.example/token?service=s%20e&scope=repository%3Aa%2Fb%3Apull&scope=repository%3Ac%3Apull%2Cpush&account=me"
        );
        assert_eq!(request.headers()["authorization"], "Basic bWU6cHc=");

        let identity = Credentials::IdentityToken {
            token: "t&1".into(),
        };
        let request = token_request(&realm, Some("s"), &scopes, &identity, false).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert!(request.headers().get("authorization").is_none());
        let form = request.into_body().bytes(1000).unwrap();
        assert_eq!(
            String::from_utf8(form).unwrap(),
            "service=s&scope=repository%3Aa%2Fb%3Apull%20repository%3Ac%3Apull%2Cpush&grant_type=refresh_token&client_id=coracle&refresh_token=t%261"
        );
    }

    #[test]
    fn a_secret_is_not_shown() {
        for credentials in [
            Credentials::Password {
                user: "me".into(),
                password: "hunter2".into(),
            },
            Credentials::IdentityToken {
                token: "hunter2".into(),
            },
        ] {
            assert!(!format!("{credentials:?}").contains("hunter2"));
        }
    }
}

//! Who asks, and what they may do.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::Server;
use super::refusal::Refusal;
use super::route::{Name, Route};
pub use super::token::Tokens;
use super::token::{Grant, SERVICE};

/// Says whether a user has this password.
pub type Check = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// Who may do what.
#[derive(Clone, Default)]
pub struct Access {
    /// Knows the users. `None` lets everybody do everything.
    pub users: Option<Check>,
    /// Whether pulling needs no user.
    pub anonymous_pull: bool,
    /// Signs and checks tokens. `None` asks for a password with each request.
    pub tokens: Option<Tokens>,
}

/// What a request needs to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// To be known at all.
    Enter,
    /// To see which repositories there are.
    List,
    Pull,
    Push,
    Delete,
}

/// Who asks.
#[derive(Debug)]
pub(super) enum Caller {
    /// Somebody with a name, or anybody where there are no names.
    User,
    /// Nobody has said who they are.
    Anonymous {
        /// Whether pulling needs no user.
        may_pull: bool,
    },
    /// Somebody with a token, which says what for.
    Bearer(Vec<Grant>),
}

impl Caller {
    pub(super) fn may(&self, action: Action, name: Option<&Name>) -> bool {
        match self {
            Self::User => true,
            Self::Anonymous { may_pull } => {
                *may_pull && matches!(action, Action::Pull | Action::List)
            }
            Self::Bearer(grants) => {
                let (kind, name, action) = match (action, name) {
                    (Action::Enter, _) | (_, None) => {
                        return action != Action::List
                            || grants.iter().any(|g| g.allows("registry", "catalog", "*"));
                    }
                    (Action::Push, Some(name)) => ("repository", name, "push"),
                    (Action::Delete, Some(name)) => ("repository", name, "delete"),
                    (_, Some(name)) => ("repository", name, "pull"),
                };
                grants.iter().any(|g| g.allows(kind, &name.shown, action))
            }
        }
    }
}

impl Server {
    /// Finds out who asks, and refuses what they may not do.
    pub(super) fn caller(&self, head: &Parts, route: &Route) -> Result<Caller, Refusal> {
        let action = action(&head.method, route);
        if self.settings.read_only && matches!(action, Action::Push | Action::Delete) {
            let message = "this registry is read-only: it can be pulled from, and nothing else";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Err(Refusal::new(status, "UNSUPPORTED", message));
        }
        let challenge = self.challenge(head, route, action);
        let caller = self.identify(&head.headers, route).map_err(|reason| {
            let challenge = match reason {
                Unknown::Token => format!("{challenge},error=\"invalid_token\""),
                Unknown::Password => challenge.clone(),
            };
            let message = match reason {
                Unknown::Token => "the token is not one of this registry's, or has expired",
                Unknown::Password => "the user or the password is wrong",
            };
            unauthorized(message, challenge)
        })?;
        if caller.may(action, route.name()) {
            return Ok(caller);
        }
        let (message, challenge) = match caller {
            Caller::Bearer(_) => (
                "the token is not for this; ask for one with the scope that is named",
                format!("{challenge},error=\"insufficient_scope\""),
            ),
            _ => (
                "this needs a login: coracle login, or docker login",
                challenge,
            ),
        };
        Err(unauthorized(message, challenge))
    }

    fn identify(&self, headers: &HeaderMap, route: &Route) -> Result<Caller, Unknown> {
        let Some(users) = &self.access.users else {
            return Ok(Caller::User);
        };
        let Some(credentials) = headers.get(AUTHORIZATION) else {
            return Ok(Caller::Anonymous {
                may_pull: self.access.anonymous_pull,
            });
        };
        let credentials = credentials.to_str().unwrap_or_default();
        match (&self.access.tokens, route) {
            // People's browsers know passwords, not tokens.
            (Some(tokens), route) if *route != Route::Page => {
                let grants = bearer(credentials).and_then(|t| tokens.check(t, self.now()));
                grants.map(Caller::Bearer).ok_or(Unknown::Token)
            }
            _ => match basic(credentials) {
                Some((user, password)) if users(&user, &password) => Ok(Caller::User),
                _ => Err(Unknown::Password),
            },
        }
    }

    /// What a client has to do to be let in.
    ///
    /// Source: [token authentication](https://distribution.github.io/distribution/spec/auth/token/).
    fn challenge(&self, head: &Parts, route: &Route, action: Action) -> String {
        if self.access.tokens.is_none() || *route == Route::Page {
            return BASIC_CHALLENGE.to_owned();
        }
        let scheme = if self.settings.secure {
            "https"
        } else {
            "http"
        };
        let host = host(head);
        let scope = match (action, route.name()) {
            (Action::Pull, Some(name)) => format!(",scope=\"repository:{}:pull\"", name.shown),
            (Action::Delete, Some(name)) => format!(",scope=\"repository:{}:delete\"", name.shown),
            (_, Some(name)) => format!(",scope=\"repository:{}:pull,push\"", name.shown),
            (Action::List, None) => ",scope=\"registry:catalog:*\"".to_owned(),
            (_, None) => String::new(),
        };
        format!("Bearer realm=\"{scheme}://{host}/token\",service=\"{SERVICE}\"{scope}")
    }
}

/// Why somebody is not who they say they are.
#[derive(Debug, Clone, Copy)]
enum Unknown {
    Token,
    Password,
}

/// Asks for a user and a password.
pub(super) const BASIC_CHALLENGE: &str = "Basic realm=\"coracle registry\"";

/// The refusal that tells a client how to be let in.
pub(super) fn unauthorized(message: &str, challenge: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
        .header(WWW_AUTHENTICATE, challenge)
}

/// User and password of an `Authorization` header, if that is what is in it.
pub(super) fn basic(credentials: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(scheme(credentials, "basic")?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn bearer(credentials: &str) -> Option<&str> {
    scheme(credentials, "bearer")
}

/// What follows the name of a scheme, which is written in any case.
fn scheme<'a>(credentials: &'a str, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = credentials.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| rest.trim())
}

fn action(method: &Method, route: &Route) -> Action {
    match route {
        Route::Base | Route::Token => Action::Enter,
        Route::Page | Route::Catalog => Action::List,
        Route::Uploads(_) | Route::Upload(..) => Action::Push,
        _ if *method == Method::DELETE => Action::Delete,
        _ if *method == Method::PUT => Action::Push,
        _ => Action::Pull,
    }
}

/// The name by which the client knows this server. It goes into a header between quotes, so
/// nothing but what a host's name is made of may be in it.
fn host(head: &Parts) -> &str {
    let header = head.headers.get(HOST).and_then(|value| value.to_str().ok());
    let host = head
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or(header);
    let is_clean = |host: &&str| {
        let mut bytes = host.bytes();
        !host.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
    };
    host.filter(is_clean).unwrap_or("localhost")
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("users", &self.users.is_some())
            .field("anonymous_pull", &self.anonymous_pull)
            .field("tokens", &self.tokens.is_some())
            .finish()
    }
}

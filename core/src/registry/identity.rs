//! Proving who one is: answering challenges with credentials and tokens, and remembering both.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use ::http::{HeaderValue, StatusCode};

use super::address;
use super::auth::{self, Challenge, Credentials, Token, TokenAnswer};
use super::client::{Client, LARGEST_ANSWER};
use super::error::RegistryError;
use super::exchange::{Answer, Call, Patience, Tell, is_passing, protocol};
use super::hosts::Endpoint;

#[derive(Default)]
pub(super) struct Learnt {
    /// How a server wants it proved who one is, by its origin.
    challenges: BTreeMap<String, Challenge>,
    /// By origin and scope.
    tokens: BTreeMap<(String, String), Token>,
    /// By what they are for, see [`place`]. Asking for them may start another program.
    credentials: BTreeMap<String, Credentials>,
}

/// What a token is asked for.
pub(super) struct TokenCall<'c> {
    pub(super) endpoint: &'c Endpoint,
    pub(super) realm: &'c str,
    pub(super) service: Option<&'c str>,
    pub(super) scopes: &'c [String],
    pub(super) action: &'c str,
}

impl Client<'_> {
    /// The header that proves who one is, as far as it is known that one is needed.
    pub(super) fn authorization(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        // An upload may go on at another host, which is not to see what is for the registry.
        let origin = home(endpoint, call)?;
        let challenge = self.learnt().challenges.get(&origin).cloned();
        let text = match challenge {
            None => None,
            Some(Challenge::Basic) => self.credentials(endpoint, &call.scopes)?.basic(),
            Some(Challenge::Bearer { realm, service, .. }) => {
                let key = (origin, call.scopes.join(" "));
                let known = self.learnt().tokens.get(&key).cloned();
                let known = known.filter(|token| self.now() < token.until);
                let token = if let Some(token) = known {
                    token
                } else {
                    let asked = TokenCall {
                        endpoint,
                        realm: &realm,
                        service: service.as_deref(),
                        scopes: &call.scopes,
                        action: call.action,
                    };
                    let credentials = self.credentials(endpoint, &call.scopes)?;
                    let answer = self.ask_for_token(&asked, &credentials, false, tell)?;
                    let token = answer.token(self.now()).ok_or_else(|| {
                        protocol(call, &call.uri, &"its token server gives no token")
                    })?;
                    self.learnt().tokens.insert(key, token.clone());
                    token
                };
                Some(format!("Bearer {}", token.text))
            }
        };
        let value = |text: String| {
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                protocol(
                    call,
                    &call.uri,
                    &"the token has signs that no header may have",
                )
            })?;
            value.set_sensitive(true);
            Ok(value)
        };
        text.map(value).transpose()
    }

    /// Notes what a server wants to see; an error when it has seen it.
    pub(super) fn challenged(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        answer: Answer,
        refusals: u32,
        proved: bool,
    ) -> Result<(), RegistryError> {
        let Some(challenge) = Challenge::of(answer.response.headers()) else {
            let why = "it asks who this is, and does not say how to prove it";
            return Err(protocol(call, &call.uri, &why));
        };
        let hopeless = match &challenge {
            Challenge::Basic => {
                proved || self.credentials(endpoint, &call.scopes)?.basic().is_none()
            }
            // A token may have expired on the way, so a second one is asked for.
            Challenge::Bearer { .. } => refusals > 2,
        };
        if hopeless {
            return Err(self.refused(endpoint, call, answer));
        }
        let origin = home(endpoint, call)?;
        let mut learnt = self.learnt();
        learnt
            .tokens
            .remove(&(origin.clone(), call.scopes.join(" ")));
        learnt.challenges.insert(origin, challenge);
        Ok(())
    }

    /// Asks a token server; with `offline` for an identity token, too.
    pub(super) fn ask_for_token(
        &self,
        asked: &TokenCall<'_>,
        credentials: &Credentials,
        offline: bool,
        tell: &mut Tell<'_>,
    ) -> Result<TokenAnswer, RegistryError> {
        let wrong = |why: String| RegistryError::Protocol {
            action: asked.action.to_owned(),
            host: asked.endpoint.registry.clone(),
            why,
        };
        let realm = address::parse(asked.realm).map_err(&wrong)?;
        let is_clear = realm.scheme_str() != Some("https");
        if is_clear && asked.endpoint.base.starts_with("https://") {
            return Err(wrong(format!(
                "it wants the credentials to be sent to {} in the clear",
                address::host(&realm)
            )));
        }
        let why = match credentials {
            Credentials::Anonymous => {
                "the registry wants a token; nobody is logged in, so for anybody"
            }
            _ => "the registry wants a token; the credentials go to the token server only",
        };
        let mut patience = Patience::new();
        loop {
            let request =
                auth::token_request(&realm, asked.service, asked.scopes, credentials, offline)
                    .map_err(&wrong)?;
            let response = self.exchange(request, asked.action, why, tell)?;
            let status = response.status();
            if is_passing(status)
                && let Some(pause) = patience.next(None)
            {
                self.wait(pause, &format!("the token server answers {status}"), tell);
                continue;
            }
            let body = response.into_body().bytes(LARGEST_ANSWER);
            let body = body.map_err(|e| wrong(format!("its token server's answer: {e}")))?;
            return match status {
                StatusCode::OK => serde_json::from_slice(&body)
                    .map_err(|e| wrong(format!("its token server's answer: {e}"))),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
                    Err(RegistryError::Denied {
                        registry: asked.endpoint.registry.clone(),
                        action: asked.action.to_owned(),
                        user: credentials.user(),
                        said: "its token server does not accept the credentials".to_owned(),
                    })
                }
                status => Err(wrong(format!(
                    "its token server {} answers {status}",
                    address::host(&realm)
                ))),
            };
        }
    }

    /// What is stored for the repository that a request is about, or for the whole registry.
    pub(super) fn credentials(
        &self,
        endpoint: &Endpoint,
        scopes: &[String],
    ) -> Result<Credentials, RegistryError> {
        let registry = &endpoint.registry;
        let place = place(registry, scopes);
        if let Some(known) = self.learnt().credentials.get(&place) {
            return Ok(known.clone());
        }
        let found =
            (self.around.credentials)(&place).map_err(|why| RegistryError::Unsupported {
                what: format!("what is stored of the login at {registry}"),
                why,
            })?;
        let mut learnt = self.learnt();
        learnt.credentials.insert(place, found.clone());
        Ok(found)
    }

    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What credentials are asked for: a registry, and the repository in it if there is one. The first
/// scope is the repository that is worked on; a second one only lends to it.
fn place(registry: &str, scopes: &[String]) -> String {
    let repository = scopes.first().and_then(|scope| {
        let (name, _) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
        Some(name)
    });
    match repository {
        Some(name) => format!("{registry}/{name}"),
        None => registry.to_owned(),
    }
}

/// Scheme, host and port of the registry itself.
pub(super) fn home(endpoint: &Endpoint, call: &Call<'_>) -> Result<String, RegistryError> {
    let base = address::parse(&endpoint.base).map_err(|e| protocol(call, &call.uri, &e))?;
    Ok(address::origin(&base))
}

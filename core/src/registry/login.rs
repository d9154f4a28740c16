//! Logging in: finding out whether a registry accepts credentials before they are kept.

use ::http::{Method, StatusCode};

use super::address;
use super::auth::{Challenge, Credentials};
use super::client::Client;
use super::error::RegistryError;
use super::exchange::{Call, Remote, Tell};
use super::hosts::Endpoint;
use super::identity::TokenCall;
use crate::event::Event;
use crate::reference::Repository;

/// What a registry made of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// What to keep: an identity token if the registry gives one, otherwise what it was given.
    pub keep: Credentials,
    /// Whether the registry asks anybody for credentials at all.
    pub asked: bool,
}

/// Asks the registry whether it accepts the credentials that the client has for it.
pub fn log_in(
    client: &Client<'_>,
    registry: &str,
    on: &mut dyn FnMut(Event),
) -> Result<LoggedIn, RegistryError> {
    let mut tell = Tell::new(on);
    let endpoint = client.reach_registry(registry, &mut tell)?;
    let credentials =
        (client.around.credentials)(registry).map_err(|why| RegistryError::Unsupported {
            what: format!("the login at {registry}"),
            why,
        })?;
    let action = "log in";
    let call = ping(&endpoint, action)?;
    let first = Call {
        expects: &[StatusCode::UNAUTHORIZED],
        ..ping(&endpoint, action)?
    };
    let answer = client.ask(&endpoint, &first, &mut tell)?;
    let keep = match Challenge::of(answer.response.headers()) {
        Some(Challenge::Bearer { realm, service, .. }) => {
            let asked = TokenCall {
                endpoint: &endpoint,
                realm: &realm,
                service: service.as_deref(),
                scopes: &[],
                action,
            };
            let token = client.ask_for_token(&asked, &credentials, true, &mut tell)?;
            match token.refresh_token.filter(|token| !token.is_empty()) {
                Some(token) => Credentials::IdentityToken { token },
                None => credentials,
            }
        }
        _ => credentials,
    };
    client.send(&endpoint, &call, &mut tell)?;
    Ok(LoggedIn {
        keep,
        asked: answer.status() == StatusCode::UNAUTHORIZED,
    })
}

impl Client<'_> {
    /// The first of the ways to a repository's registry that leads there.
    pub(super) fn reach(
        &self,
        repository: &Repository,
        tell: &mut Tell<'_>,
    ) -> Result<Remote, RegistryError> {
        Ok(Remote {
            endpoint: self.reach_registry(repository.registry(), tell)?,
            repository: repository.clone(),
        })
    }

    fn reach_registry(
        &self,
        registry: &str,
        tell: &mut Tell<'_>,
    ) -> Result<Endpoint, RegistryError> {
        let mut endpoints = self.around.hosts.itself(registry);
        let last = endpoints.pop();
        for endpoint in endpoints {
            let call = Call {
                expects: &[StatusCode::UNAUTHORIZED],
                ..ping(&endpoint, "reach the registry")?
            };
            match self.ask(&endpoint, &call, tell) {
                Err(RegistryError::Transport { source, .. }) => tell.say(Event::Warning {
                    message: format!("{}: {source}", endpoint.base),
                }),
                _ => return Ok(endpoint),
            }
        }
        last.ok_or_else(|| RegistryError::Unsupported {
            what: registry.to_owned(),
            why: "there is no way to it".to_owned(),
        })
    }
}

/// Asks whether there is a registry, and what it wants to see.
fn ping<'c>(endpoint: &Endpoint, action: &'c str) -> Result<Call<'c>, RegistryError> {
    let uri = address::parse(&format!("{}/v2/", endpoint.base));
    Ok(Call {
        method: Method::GET,
        uri: uri.map_err(|why| RegistryError::Unsupported {
            what: format!("the registry {}", endpoint.registry),
            why,
        })?,
        headers: Vec::new(),
        body: None,
        scopes: Vec::new(),
        action,
        why: "whether there is a registry, and how it wants to know who this is",
        expects: &[],
        repeat: true,
    })
}

//! A transport that proves who one is: for a mirror, whose own clients know nothing of that.

use ::http::{HeaderName, Method, StatusCode};

use super::auth;
use super::client::Client;
use super::error::RegistryError;
use super::exchange::{Call, Tell};
use super::hosts::Endpoint;
use super::http::{Request, Response, Transport, TransportError};
use crate::event;

/// Carries requests that read to one registry, with what it wants to see of its users; redirects
/// are followed, and what passes is tried again.
#[derive(Debug)]
pub struct Forward<'a> {
    client: Client<'a>,
    endpoint: Endpoint,
}

impl<'a> Forward<'a> {
    /// To the registry at `address`: its name as it stands in references, such as `docker.io`, or
    /// an address that begins with `http://` or `https://`. The error is a sentence.
    pub fn to(client: Client<'a>, address: &str) -> Result<Self, String> {
        let address = address.trim_end_matches('/');
        let named = |host: &str| match host {
            "registry-1.docker.io" | "index.docker.io" => "docker.io".to_owned(),
            host => host.to_owned(),
        };
        let endpoint = match address.split_once("://") {
            None => {
                let ways = client.around.hosts.itself(&named(address));
                ways.into_iter().next()
            }
            Some(("http" | "https", host)) => Some(Endpoint {
                registry: named(host),
                base: address.to_owned(),
            }),
            Some((scheme, _)) => {
                return Err(format!(
                    "{scheme} is no way to a registry; http and https are"
                ));
            }
        };
        let endpoint = endpoint.ok_or("there is no way to it")?;
        let host = endpoint.base.split_once("://").map_or("", |(_, host)| host);
        if host.is_empty() || host.contains(['/', ' ', '?', '#', '@']) {
            return Err(format!(
                "{address:?} is not the address of a registry; it is written https://HOST[:PORT]"
            ));
        }
        Ok(Self { client, endpoint })
    }

    /// The address before `/v2/`, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.endpoint.base
    }
}

impl Transport for Forward<'_> {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let (head, _) = request.into_parts();
        let refused = |reason: String| TransportError::Refused { reason };
        if head.method != Method::GET && head.method != Method::HEAD {
            return Err(refused(format!("{} changes what is there", head.method)));
        }
        let headers = head.headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::clone(name), value.to_str().ok()?.to_owned()))
        });
        let action = format!("ask {} for {}", self.endpoint.registry, head.uri.path());
        let call = Call {
            method: head.method,
            headers: headers.collect(),
            body: None,
            scopes: repository(head.uri.path())
                .map(|name| auth::scope(name, "pull"))
                .into_iter()
                .collect(),
            uri: head.uri,
            action: &action,
            why: "",
            expects: &[StatusCode::NOT_FOUND],
            repeat: true,
        };
        let mut on = event::ignore;
        let answer = self
            .client
            .send(&self.endpoint, &call, &mut Tell::new(&mut on));
        match answer {
            Ok(answer) => Ok(answer.response),
            Err(RegistryError::Transport { source, .. }) => Err(source),
            Err(error) => Err(refused(error.to_string())),
        }
    }
}

/// The repository in `/v2/team/app/manifests/v1`.
fn repository(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v2/")?;
    let end = ["/manifests/", "/blobs/", "/tags/", "/referrers/"]
        .iter()
        .filter_map(|word| rest.rfind(word))
        .max()?;
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_what_stands_before_the_last_word() {
        let check = |path: &str, expected: Option<&str>| assert_eq!(repository(path), expected);
        check("/v2/team/app/manifests/v1", Some("team/app"));
        check(
            "/v2/a/blobs/manifests/blobs/sha256:0",
            Some("a/blobs/manifests"),
        );
        check("/v2/", None);
    }
}

//! One exchange with a registry, seen through to its end: proving who one is, following
//! redirects, waiting and trying again.

use std::sync::Mutex;
use std::time::Duration;

use ::http::{HeaderValue, StatusCode, header};

use super::auth::Credentials;
use super::error::{RegistryError, told};
use super::exchange::{Answer, Call, Patience, Tell, is_passing, leads_on, protocol, retry_after};
use super::hosts::{Endpoint, Hosts, is_loopback};
use super::http::{Body, Request, Response, Transport, TransportError};
use super::identity::{Learnt, home};
use super::{address, limits};
use crate::event::Event;

/// What a client has from outside: below the kernel's row nobody knows a socket, a clock or a
/// file.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Who carries requests.
    pub transport: &'a dyn Transport,
    /// Where the registries are.
    pub hosts: &'a Hosts,
    /// The credentials for a registry by its name in references, or for a repository in it, as
    /// `registry/repository`. The error is a sentence.
    pub credentials: &'a (dyn Fn(&str) -> Result<Credentials, String> + Sync),
    /// Lets time pass.
    pub wait: &'a (dyn Fn(Duration) + Sync),
    /// The time since some moment, on a clock that is never set.
    pub now: &'a (dyn Fn() -> Duration + Sync),
}

/// A client of any number of registries, and what it has learnt about them. Threads share it.
pub struct Client<'a> {
    pub(super) around: Around<'a>,
    pub(super) learnt: Mutex<Learnt>,
}

const MOST_REDIRECTS: usize = 10;

/// The largest answer that is not a blob, in bytes.
pub(super) const LARGEST_ANSWER: u64 = 1 << 20;

impl<'a> Client<'a> {
    /// A client that knows nothing yet.
    pub fn new(around: Around<'a>) -> Self {
        Self {
            around,
            learnt: Mutex::default(),
        }
    }

    /// Sends a call until there is an answer that is a success or expected.
    pub(super) fn send(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<Answer, RegistryError> {
        let mut patience = Patience::new();
        let mut refusals = 0;
        loop {
            tell.go_on()?;
            let authorization = self.authorization(endpoint, call, tell)?;
            let answer = match self.follow(endpoint, call, authorization.as_ref(), tell) {
                Err(RegistryError::Transport {
                    source: TransportError::Lost { host, reason },
                    action,
                }) => {
                    let pause = patience.next(None).filter(|_| call.repeat);
                    let Some(pause) = pause else {
                        let source = TransportError::Lost { host, reason };
                        return Err(RegistryError::Transport { action, source });
                    };
                    self.wait(pause, &format!("{host} was lost: {reason}"), tell);
                    continue;
                }
                other => other?,
            };
            let status = answer.status();
            if status.is_success() || call.expects.contains(&status) {
                return Ok(answer);
            }
            let asked = retry_after(&answer);
            if status == StatusCode::UNAUTHORIZED {
                refusals += 1;
                self.challenged(endpoint, call, answer, refusals, authorization.is_some())?;
            } else if is_passing(status)
                && (call.repeat || status == StatusCode::TOO_MANY_REQUESTS)
                && let Some(pause) = patience.next(asked)
            {
                let host = address::host(&answer.uri);
                self.wait(pause, &format!("{host} answers {status}"), tell);
            } else {
                return Err(self.refused(endpoint, call, answer));
            }
        }
    }

    /// Sends a call once, and follows where the answer leads. What proves who one is goes to the
    /// registry alone.
    fn follow(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        authorization: Option<&HeaderValue>,
        tell: &mut Tell<'_>,
    ) -> Result<Answer, RegistryError> {
        let home = home(endpoint, call)?;
        let mut uri = call.uri.clone();
        let mut why = call.why;
        for _ in 0..=MOST_REDIRECTS {
            let at_home = address::origin(&uri) == home;
            let mut request = ::http::Request::builder()
                .method(call.method.clone())
                .uri(&uri);
            for (name, value) in &call.headers {
                request = request.header(name, value);
            }
            if let Some(value) = authorization.filter(|_| at_home) {
                request = request.header(header::AUTHORIZATION, value);
            }
            let body = call.body.map_or_else(|| Ok(Body::empty()), |make| make())?;
            let request = request.body(body).map_err(|e| protocol(call, &uri, &e))?;
            let response = self.exchange(request, call.action, why, tell)?;
            let status = response.status();
            let location = response.headers().get(header::LOCATION);
            if !leads_on(status, &call.method) {
                if status == StatusCode::UNAUTHORIZED && !at_home {
                    let why = format!(
                        "it leads to {}, which asks for credentials; they are for the registry alone",
                        address::host(&uri)
                    );
                    return Err(protocol(call, &call.uri, &why));
                }
                return Ok(Answer { response, uri });
            }
            let location = location.and_then(|v| v.to_str().ok());
            let Some(location) = location else {
                return Err(protocol(call, &uri, &"it redirects without saying where"));
            };
            let next = address::join(&uri, location).map_err(|e| protocol(call, &uri, &e))?;
            if uri.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                let why = format!("it leads to {} in the clear", address::host(&next));
                return Err(protocol(call, &uri, &why));
            }
            uri = next;
            why = "the registry keeps this elsewhere; credentials do not go there";
        }
        let why = format!("it redirects more than {MOST_REDIRECTS} times");
        Err(protocol(call, &call.uri, &why))
    }

    /// One request and its response.
    pub(super) fn exchange(
        &self,
        request: Request,
        action: &str,
        why: &str,
        tell: &mut Tell<'_>,
    ) -> Result<Response, RegistryError> {
        let asked = format!("{} {}", request.method(), address::shown(request.uri()));
        let host = address::host(request.uri());
        let sent = if self.around.hosts.offline && !is_loopback(&host) {
            Err(TransportError::Unreachable {
                host,
                reason: "only this machine may be asked (CORACLE_OFFLINE is set)".to_owned(),
            })
        } else {
            self.around.transport.send(request)
        };
        match sent {
            Ok(response) => {
                tell.explain(format!("{asked} → {}", response.status()), why);
                Ok(response)
            }
            Err(source) => {
                tell.explain(format!("{asked} → {source}"), why);
                let action = action.to_owned();
                Err(RegistryError::Transport { action, source })
            }
        }
    }

    /// The error of an answer that is none.
    pub(super) fn refused(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        answer: Answer,
    ) -> RegistryError {
        let Answer { response, uri } = answer;
        let (head, body) = response.into_parts();
        let limit = limits::told(&head.headers);
        let body = body.bytes(LARGEST_ANSWER).unwrap_or_default();
        let mut said = told(&body);
        let is_clear = uri.scheme_str() == Some("http");
        if body.is_empty() && head.status == StatusCode::UNAUTHORIZED {
            "one has to log in".clone_into(&mut said);
        } else if is_clear && head.status == StatusCode::BAD_REQUEST {
            said += "; it was spoken to in the clear, so if it speaks TLS, say --tls-verify";
        }
        let action = call.action.to_owned();
        let host = address::host(&uri);
        match head.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Denied {
                registry: endpoint.registry.clone(),
                action,
                user: self
                    .credentials(endpoint, &call.scopes)
                    .ok()
                    .and_then(|c| c.user()),
                said,
            },
            StatusCode::NOT_FOUND => RegistryError::NotFound { what: action, said },
            StatusCode::TOO_MANY_REQUESTS => RegistryError::RateLimited {
                action,
                host,
                said: limit.unwrap_or(said),
            },
            status => RegistryError::Refused {
                action,
                host,
                status: status.as_u16(),
                said,
            },
        }
    }

    /// Sends a call once, as nobody in particular.
    pub(super) fn ask(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<Answer, RegistryError> {
        self.follow(endpoint, call, None, tell)
    }

    /// The time on the caller's clock.
    pub(super) fn now(&self) -> Duration {
        (self.around.now)()
    }

    pub(super) fn wait(&self, pause: Duration, because: &str, tell: &mut Tell<'_>) {
        let seconds = pause.as_secs_f64();
        tell.say(Event::Warning {
            message: format!("{because}; trying again in {seconds:.1} s"),
        });
        (self.around.wait)(pause);
    }
}

impl std::fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("hosts", self.around.hosts)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Around")
            .field("hosts", self.hosts)
            .finish_non_exhaustive()
    }
}

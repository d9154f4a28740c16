//! One exchange with a registry, seen through to its end: proving who one is, following
//! redirects, waiting and trying again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use super::auth::{self, Challenge, Credentials, Token, TokenAnswer};
use super::error::{RegistryError, told};
use super::hosts::{Endpoint, Hosts, is_loopback};
use super::http::{Body, Request, Response, Transport, TransportError};
use super::{address, limits};
use crate::event::{Event, Explanation};
use crate::reference::Repository;

/// What a client has from outside: below the kernel's row nobody knows a socket, a clock or a
/// file.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Who carries requests.
    pub transport: &'a dyn Transport,
    /// Where the registries are.
    pub hosts: &'a Hosts,
    /// The credentials for a registry by its name in references. The error is a sentence.
    pub credentials: &'a (dyn Fn(&str) -> Result<Credentials, String> + Sync),
    /// Lets time pass.
    pub wait: &'a (dyn Fn(Duration) + Sync),
    /// The time since some moment, on a clock that is never set.
    pub now: &'a (dyn Fn() -> Duration + Sync),
}

/// A client of any number of registries, and what it has learnt about them. Threads share it.
pub struct Client<'a> {
    pub(super) around: Around<'a>,
    learnt: Mutex<Learnt>,
}

#[derive(Default)]
struct Learnt {
    /// How a server wants it proved who one is, by its origin.
    challenges: BTreeMap<String, Challenge>,
    /// By origin and scope.
    tokens: BTreeMap<(String, String), Token>,
    /// By the registry's name. Asking for them may start another program.
    credentials: BTreeMap<String, Credentials>,
}

/// A repository, by one of the ways that lead to it.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    pub(super) endpoint: Endpoint,
    pub(super) repository: Repository,
}

impl Remote {
    /// The address of something in the repository: `blobs/uploads/`.
    pub(super) fn address(&self, what: &str) -> Result<Uri, RegistryError> {
        let text = format!(
            "{}/v2/{}/{what}",
            self.endpoint.base,
            self.repository.path()
        );
        address::parse(&text).map_err(|why| RegistryError::Unsupported {
            what: format!("the repository {}", self.repository),
            why,
        })
    }

    /// Reading, in the token server's words.
    pub(super) fn pull(&self) -> String {
        auth::scope(self.repository.path(), "pull")
    }

    /// Reading and writing.
    pub(super) fn push(&self) -> String {
        auth::scope(self.repository.path(), "pull,push")
    }
}

/// What is asked of a registry.
pub(super) struct Call<'c> {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: Vec<(HeaderName, String)>,
    /// Makes the body, as often as it has to be sent.
    pub(super) body: Option<&'c dyn Fn() -> Result<Body, RegistryError>>,
    /// For what a token must be good.
    pub(super) scopes: Vec<String>,
    /// What is attempted, for errors: `pull library/python`.
    pub(super) action: &'c str,
    /// Why, for `--explain`.
    pub(super) why: &'c str,
    /// Statuses that are an answer and no error, besides success.
    pub(super) expects: &'c [StatusCode],
    /// Whether it may be sent again when nobody knows what became of it.
    pub(super) repeat: bool,
}

/// A response, and who gave it in the end.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) uri: Uri,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}

/// Who is told what happens.
pub(super) struct Tell<'t> {
    pub(super) on: &'t mut dyn FnMut(Event),
    /// For what happens while a request is being sent.
    pub(super) live: Option<Sender<Event>>,
    /// Set once something else has failed, so that this need not go on.
    pub(super) stop: Option<&'t AtomicBool>,
}

impl<'t> Tell<'t> {
    pub(super) fn new(on: &'t mut dyn FnMut(Event)) -> Self {
        Self {
            on,
            live: None,
            stop: None,
        }
    }

    /// An error once something else has failed.
    pub(super) fn go_on(&self) -> Result<(), RegistryError> {
        match self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(RegistryError::Stopped),
            _ => Ok(()),
        }
    }

    pub(super) fn say(&mut self, event: Event) {
        (self.on)(event);
    }

    fn explain(&mut self, call: String, why: &str) {
        self.say(Event::Explain(Explanation {
            call,
            why: why.to_owned(),
            chapter: CHAPTER.to_owned(),
        }));
    }
}

/// The chapter that teaches all this.
const CHAPTER: &str = "05-registry";

/// How often something is tried, and how long it is waited for in all.
struct Patience {
    tries: u32,
    waited: Duration,
}

impl Patience {
    const TRIES: u32 = 5;
    const WAITS: Duration = Duration::from_mins(1);

    fn new() -> Self {
        Self {
            tries: 1,
            waited: Duration::ZERO,
        }
    }

    /// How long to wait before the next try: twice as long as before, or as the server asks;
    /// `None` when it is enough.
    fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let pause = asked.unwrap_or(pause(self.tries));
        self.tries += 1;
        self.waited += pause;
        (self.tries <= Self::TRIES && self.waited <= Self::WAITS).then_some(pause)
    }
}

/// How long to wait after the given number of failures: half a second, one, two, four.
pub(super) fn pause(failures: u32) -> Duration {
    Duration::from_millis(250 << failures.min(6))
}

const MOST_REDIRECTS: usize = 10;

/// The largest answer that is not a blob, in bytes.
const LARGEST_ANSWER: u64 = 1 << 20;

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
    fn exchange(
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

    /// The header that proves who one is, as far as it is known that one is needed.
    fn authorization(
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
            Some(Challenge::Basic) => self.credentials(endpoint)?.basic(),
            Some(Challenge::Bearer { realm, service, .. }) => {
                let key = (origin, call.scopes.join(" "));
                let known = self.learnt().tokens.get(&key).cloned();
                let known = known.filter(|token| (self.around.now)() < token.until);
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
                    let credentials = self.credentials(endpoint)?;
                    let answer = self.ask_for_token(&asked, &credentials, false, tell)?;
                    let token = answer.token((self.around.now)()).ok_or_else(|| {
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
    fn challenged(
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
            Challenge::Basic => proved || self.credentials(endpoint)?.basic().is_none(),
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

    /// The error of an answer that is none.
    fn refused(&self, endpoint: &Endpoint, call: &Call<'_>, answer: Answer) -> RegistryError {
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
                user: self.credentials(endpoint).ok().and_then(|c| c.user()),
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

    /// Sends a call once, as nobody in particular.
    pub(super) fn ask(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<Answer, RegistryError> {
        self.follow(endpoint, call, None, tell)
    }

    pub(super) fn wait(&self, pause: Duration, because: &str, tell: &mut Tell<'_>) {
        let seconds = pause.as_secs_f64();
        tell.say(Event::Warning {
            message: format!("{because}; trying again in {seconds:.1} s"),
        });
        (self.around.wait)(pause);
    }

    fn credentials(&self, endpoint: &Endpoint) -> Result<Credentials, RegistryError> {
        let registry = &endpoint.registry;
        if let Some(known) = self.learnt().credentials.get(registry) {
            return Ok(known.clone());
        }
        let found =
            (self.around.credentials)(registry).map_err(|why| RegistryError::Unsupported {
                what: format!("what is stored of the login at {registry}"),
                why,
            })?;
        let mut learnt = self.learnt();
        learnt.credentials.insert(registry.clone(), found.clone());
        Ok(found)
    }

    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a token is asked for.
pub(super) struct TokenCall<'c> {
    pub(super) endpoint: &'c Endpoint,
    pub(super) realm: &'c str,
    pub(super) service: Option<&'c str>,
    pub(super) scopes: &'c [String],
    pub(super) action: &'c str,
}

/// Scheme, host and port of the registry itself.
fn home(endpoint: &Endpoint, call: &Call<'_>) -> Result<String, RegistryError> {
    let base = address::parse(&endpoint.base).map_err(|e| protocol(call, &call.uri, &e))?;
    Ok(address::origin(&base))
}

pub(super) fn protocol(call: &Call<'_>, uri: &Uri, why: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::Protocol {
        action: call.action.to_owned(),
        host: address::host(uri),
        why: why.to_string(),
    }
}

/// Whether an answer leads elsewhere. A request with a body is not turned into another one.
fn leads_on(status: StatusCode, method: &Method) -> bool {
    let same = matches!(
        status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    );
    let reads = *method == Method::GET || *method == Method::HEAD;
    let other = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER
    );
    same || (reads && other)
}

/// Whether the same request may well succeed a little later.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// The seconds that the server asks for. A date instead of a number needs a clock that is set, so
/// the usual pause is made.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.header(&header::RETRY_AFTER)?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
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

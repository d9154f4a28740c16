//! What goes between a client and a registry, and whoever is told of it: the parts of one exchange.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use ::http::{HeaderName, Method, StatusCode, Uri, header};

use super::error::RegistryError;
use super::hosts::Endpoint;
use super::http::{Body, Response};
use super::{address, auth};
use crate::event::{Event, Explanation};
use crate::reference::Repository;

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

    pub(super) fn explain(&mut self, call: String, why: &str) {
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
pub(super) struct Patience {
    tries: u32,
    waited: Duration,
}

impl Patience {
    const TRIES: u32 = 5;
    const WAITS: Duration = Duration::from_mins(1);

    pub(super) fn new() -> Self {
        Self {
            tries: 1,
            waited: Duration::ZERO,
        }
    }

    /// How long to wait before the next try: twice as long as before, or as the server asks;
    /// `None` when it is enough.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
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

pub(super) fn protocol(call: &Call<'_>, uri: &Uri, why: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::Protocol {
        action: call.action.to_owned(),
        host: address::host(uri),
        why: why.to_string(),
    }
}

/// Whether an answer leads elsewhere. A request with a body is not turned into another one.
pub(super) fn leads_on(status: StatusCode, method: &Method) -> bool {
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
pub(super) fn is_passing(status: StatusCode) -> bool {
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

/// How long the server asks to wait: in seconds, or until a date. A date is counted from the one
/// that the answer itself bears, as our clock may be another.
pub(super) fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.header(&header::RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let now = date(answer.header(&header::DATE)?)?;
    // A date that is over means at once.
    Some(date(text)?.duration_since(now).unwrap_or_default())
}

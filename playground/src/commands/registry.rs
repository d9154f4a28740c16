//! `coracle push`, `pull` and `tags`, against the registries of this tab.
//!
//! Both sides are the real ones: the client speaks the protocol to a server that is a function.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coracle::event::{Event, Transfer};
use coracle::human::size;
use coracle::reference::Reference;
use coracle::registry::Pieces;
use coracle::registry::auth::Credentials;
use coracle::registry::client::{Around, Client};
use coracle::registry::hosts::Hosts;
use coracle::registry::http::{Body, Request, Response, Transport, TransportError};
use coracle::registry::pull::{self, PullOptions};
use coracle::registry::push::{self, PushOptions};
use coracle::registry::server::{Access, Outside, Server, Settings};
use coracle::store::{Store, TagStore};

use super::words::Words;
use super::{Failure, Outcome, Run};
use crate::names;
use crate::stack::BOUNDS;
use crate::state::{Registry, State, platform};
use crate::view::{BlobView, ExchangeView, VoyageView};

/// `coracle push`.
pub(super) fn push(run: &mut Run<'_>, mut words: Words) -> Outcome {
    words.flag(&["-q", "--quiet"]);
    let all = words.flag(&["-a", "--all-tags"]);
    let [name] = words.exactly("push [--all-tags] NAME[:TAG]")?;
    let reference: Reference = parse(&name)?;
    let state = &mut run.moment.state;
    let targets = targets(state, &reference, all)?;
    let mut lines = vec![format!(
        "The push refers to repository [{}]",
        reference.repository
    )];
    let host = reference.repository.registry().to_owned();
    let store = state.store.clone();
    let registry = registry(state, &host)?;
    let mut voyage = VoyageView {
        title: format!("push {}", reference.familiar()),
        ..VoyageView::default()
    };
    for (reference, target) in targets {
        let options = PushOptions {
            platform: None,
            own: platform(),
            jobs: 1,
            pieces: Pieces::default(),
        };
        let pushed = speak(registry, &host, &mut voyage, |client, on| {
            push::push(client, &store, &target, &reference, &options, on)
        });
        let pushed = pushed.map_err(|e| e.to_string())?;
        let tag = reference.tag_or_default();
        let tag = tag.map_or_else(String::new, |tag| tag.to_string());
        lines.extend(told(&voyage));
        lines.push(format!(
            "sent {} of {}",
            size(pushed.sent, 3),
            size(pushed.size, 3)
        ));
        lines.push(format!(
            "{tag}: digest: {} size: {}",
            pushed.target.digest, pushed.target.size
        ));
    }
    registry.last = Some(voyage);
    for line in lines {
        run.note(&line);
    }
    Ok(())
}

/// The images that are pushed: one, or all tags of a repository.
fn targets(
    state: &State,
    reference: &Reference,
    all: bool,
) -> Result<Vec<(Reference, coracle::spec::Descriptor)>, Failure> {
    let found = state
        .store
        .resolve(&reference.canonical())
        .map_err(|e| e.to_string())?;
    if !all {
        let Some(target) = found else {
            let typed = reference.familiar();
            return Err(match names::find(&state.store, &typed) {
                Err(message) => message.into(),
                Ok((named, _)) => format!(
                    "{typed} is no name to push; the image is called {}",
                    named.call()
                )
                .into(),
            });
        };
        return Ok(vec![(reference.clone(), target)]);
    }
    let images = names::all(&state.store);
    let of_repository = images.iter().flat_map(|named| {
        let same = named
            .references
            .iter()
            .filter(|r| r.repository == reference.repository);
        same.map(|r| (r.clone(), named.target.clone()))
    });
    let targets: Vec<_> = of_repository.collect();
    if targets.is_empty() {
        return Err(format!(
            "there is no tag of {} here",
            reference.repository.familiar()
        )
        .into());
    }
    Ok(targets)
}

/// `coracle pull`.
pub(super) fn pull(run: &mut Run<'_>, mut words: Words) -> Outcome {
    words.flag(&["-q", "--quiet"]);
    let [name] = words.exactly("pull NAME[:TAG|@DIGEST]")?;
    let reference = parse(&name)?;
    for line in fetch(&mut run.moment.state, &reference)? {
        run.note(&line);
    }
    Ok(())
}

/// Fetches an image and says how that went.
pub(super) fn fetch(state: &mut State, reference: &Reference) -> Result<Vec<String>, Failure> {
    let host = reference.repository.registry().to_owned();
    let store = state.store.clone();
    let registry = registry(state, &host)?;
    let mut voyage = VoyageView {
        title: format!("pull {}", reference.familiar()),
        ..VoyageView::default()
    };
    let options = PullOptions {
        platform: platform(),
        jobs: 1,
        bounds: BOUNDS,
    };
    let before = store.tags().map_err(|e| e.to_string())?;
    let pulled = speak(registry, &host, &mut voyage, |client, on| {
        pull::pull(client, reference, &store, &options, &mut |_| (), on)
    });
    let pulled = pulled.map_err(|e| e.to_string())?;
    // An image whose tag the pull has moved keeps its place under its digest, as in Docker.
    for (name, target) in before {
        let moved = name == pulled.reference.canonical() && target.digest != pulled.target.digest;
        let tags = store.tags().map_err(|e| e.to_string())?;
        if moved && !tags.iter().any(|(_, to)| to.digest == target.digest) {
            store
                .tag(target.digest.as_str(), &target)
                .map_err(|e| e.to_string())?;
        }
    }
    let mut lines = told(&voyage);
    lines.push(format!(
        "received {} of {}",
        size(pulled.received, 3),
        size(pulled.size, 3)
    ));
    lines.push(format!("Digest: {}", pulled.target.digest));
    lines.push(format!(
        "Status: {} {}",
        if pulled.was_here {
            "Image is up to date for"
        } else {
            "Downloaded newer image for"
        },
        pulled.reference.familiar()
    ));
    registry.last = Some(voyage);
    Ok(lines)
}

/// `coracle tags`.
pub(super) fn tags(run: &mut Run<'_>, words: Words) -> Outcome {
    let [name] = words.exactly("tags REPOSITORY")?;
    let reference = parse(&name)?;
    let host = reference.repository.registry().to_owned();
    let registry = registry(&mut run.moment.state, &host)?;
    let mut voyage = VoyageView {
        title: format!("tags {}", reference.repository.familiar()),
        ..VoyageView::default()
    };
    let listed = speak(registry, &host, &mut voyage, |client, on| {
        pull::list_tags(client, &reference.repository, on)
    });
    registry.last = Some(voyage);
    for tag in listed.map_err(|e| e.to_string())? {
        run.say(tag.as_str());
    }
    Ok(())
}

fn parse(name: &str) -> Result<Reference, Failure> {
    name.parse()
        .map_err(|e: coracle::reference::ReferenceError| e.to_string().into())
}

/// The registry of a host.
fn registry<'a>(state: &'a mut State, host: &str) -> Result<&'a mut Registry, Failure> {
    let hosts: Vec<_> = state.registries.keys().cloned().collect();
    state.registries.get_mut(host).ok_or_else(|| {
        let hosts = hosts.join(" and ");
        format!("there is no registry {host} in this tab, only {hosts}\nAn image whose name begins with one of these goes there.").into()
    })
}

/// What became of each blob, in the CLI's words.
fn told(voyage: &VoyageView) -> Vec<String> {
    let line = |blob: &BlobView| {
        let short = blob.digest.get(7..19).unwrap_or(&blob.digest);
        let words = match (blob.state, &blob.from) {
            ("mounted", Some(from)) => format!("mounted from {from}"),
            ("exists", _) => "already exists".to_owned(),
            (state, _) => format!("{state} {}", size(blob.size, 3)),
        };
        format!("{short}: {words}")
    };
    voyage.blobs.iter().map(line).collect()
}

/// Speaks to a registry, and writes down what was said.
fn speak<T>(
    registry: &Registry,
    host: &str,
    voyage: &mut VoyageView,
    work: impl FnOnce(&Client<'_>, &mut dyn FnMut(Event)) -> T,
) -> T {
    let store: Arc<dyn Store> = Arc::new(registry.store.clone());
    let names = Mutex::new(0_u64);
    let outside = Outside {
        now: Box::new(|| Duration::ZERO),
        random: Box::new(move || {
            // Nobody but this tab knows the registry, so nobody has to be kept from guessing.
            let mut number = names.lock().unwrap_or_else(PoisonError::into_inner);
            *number += 1;
            format!("upload-{number}")
        }),
        log: Box::new(|_| ()),
    };
    let server = Server::new(store, Settings::default(), Access::default(), outside);
    let wire = Wire {
        server,
        exchanges: Mutex::default(),
    };
    let hosts = Hosts::default();
    let around = Around {
        transport: &wire,
        hosts: &hosts,
        credentials: &|_| Ok(Credentials::Anonymous),
        wait: &|_| (),
        now: &|| Duration::ZERO,
    };
    let client = Client::new(around);
    let result = work(&client, &mut |event| match event {
        Event::Transfer {
            digest,
            size,
            state,
        } => note(voyage, digest.as_str(), size, state),
        Event::Explain(explanation) => wire.explain(explanation.why),
        _ => {}
    });
    let exchanges = wire
        .exchanges
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    voyage.sent = exchanges.iter().map(|e| e.sent).sum();
    voyage.received = exchanges.iter().map(|e| e.received).sum();
    voyage.exchanges.extend(exchanges);
    let _ = host;
    result
}

fn note(voyage: &mut VoyageView, digest: &str, size: u64, state: Transfer) {
    let (state, from) = match state {
        Transfer::Present => ("exists", None),
        Transfer::Mounted { from } => ("mounted", Some(from)),
        Transfer::Sent => ("sent", None),
        Transfer::Received => ("received", None),
        Transfer::Waiting | Transfer::Receiving { .. } | Transfer::Sending { .. } => return,
    };
    voyage.blobs.retain(|blob| blob.digest != digest);
    voyage.blobs.push(BlobView {
        digest: digest.to_owned(),
        size,
        state,
        from,
    });
}

/// The wire between client and server: all that goes over it is counted.
struct Wire {
    server: Server,
    exchanges: Mutex<Vec<ExchangeView>>,
}

impl Wire {
    /// Says what the request is for that was sent last, or will be next.
    fn explain(&self, why: String) {
        let mut exchanges = self
            .exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = exchanges.iter_mut().find(|e| e.why.is_empty()) {
            last.why = why;
        }
    }
}

impl Transport for Wire {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let (parts, body) = request.into_parts();
        let bytes = body
            .bytes(u64::MAX - 1)
            .map_err(|e| TransportError::Refused {
                reason: e.to_string(),
            })?;
        let mut exchange = ExchangeView {
            method: parts.method.to_string(),
            path: parts
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            status: 0,
            sent: bytes.len() as u64,
            received: 0,
            why: String::new(),
        };
        let request = Request::from_parts(parts, Body::from(bytes));
        let response = self.server.send(request)?;
        let (parts, body) = response.into_parts();
        let bytes = body
            .bytes(u64::MAX - 1)
            .map_err(|e| TransportError::Refused {
                reason: e.to_string(),
            })?;
        exchange.status = parts.status.as_u16();
        exchange.received = bytes.len() as u64;
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
        Ok(Response::from_parts(parts, Body::from(bytes)))
    }
}

//! The client against a registry that keeps to the protocol, and against one that lies.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::{HeaderMap, Method, StatusCode, header};

use super::auth::Credentials;
use super::client::{Around, Client};
use super::copy::{CopyOptions, Place, copy};
use super::error::RegistryError;
use super::hosts::{Hosts, Settings};
use super::http::{Body, Request, Response, Transport, TransportError};
use super::login::log_in;
use super::pull::{PullOptions, Pulled, list_tags, pull};
use super::push::{PushOptions, push};
use super::upload::Pieces;
use crate::digest::{DiffId, Digest};
use crate::event::{Event, Transfer, ignore};
use crate::image::StoredLayer;
use crate::layer::{Bounds, compress};
use crate::reference::Reference;
use crate::spec::{Descriptor, Document, ImageConfig, Index, Manifest, Platform, media};
use crate::store::memory::MemoryStore;
use crate::store::{BlobStore, TagStore};

/// What a request looked like.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    uri: String,
    headers: HeaderMap,
}

/// What the registry answers instead of the truth; the number counts the requests for the same
/// thing from 1.
type Lie = Box<dyn Fn(&Seen, usize) -> Option<Result<Response, TransportError>> + Send + Sync>;

#[derive(Default)]
struct Kept {
    blobs: BTreeMap<(String, String), Vec<u8>>,
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    uploads: BTreeMap<String, Vec<u8>>,
    /// How many uploads were begun: their names, so that two that begin at once have two.
    begun: usize,
    seen: Vec<Seen>,
    paused: Duration,
}

/// A registry in memory: `r.example`, its token server `auth.example` and the host that keeps its
/// blobs, `cdn.example`.
struct Fake {
    kept: Mutex<Kept>,
    lie: Option<Lie>,
    /// Whether a token is wanted for everything.
    private: bool,
    /// Whether blobs are elsewhere.
    elsewhere: bool,
    /// Whether referrers are listed.
    lists_referrers: bool,
}

const PASSWORD: &str = "hunter2-the-secret";

impl Fake {
    fn new() -> Self {
        Self {
            kept: Mutex::default(),
            lie: None,
            private: false,
            elsewhere: false,
            lists_referrers: false,
        }
    }

    fn lying(
        lie: impl Fn(&Seen, usize) -> Option<Result<Response, TransportError>> + Send + Sync + 'static,
    ) -> Self {
        let fake = Self {
            lie: Some(Box::new(lie)),
            ..Self::new()
        };
        fake.keep_image();
        fake
    }

    fn keep_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let key = (repository.to_owned(), digest.to_string());
        self.kept.lock().unwrap().blobs.insert(key, bytes.to_vec());
        digest
    }

    fn keep_manifest(&self, repository: &str, tag: &str, kind: &str, bytes: &[u8]) -> Descriptor {
        let digest = Digest::of(bytes);
        let mut kept = self.kept.lock().unwrap();
        for reference in [tag, digest.as_str()] {
            let key = (repository.to_owned(), reference.to_owned());
            kept.manifests
                .insert(key, (kind.to_owned(), bytes.to_vec()));
        }
        Descriptor::new(kind, digest, bytes.len() as u64)
    }

    /// An index with one image of two layers, as `a/b:1`.
    fn keep_image(&self) -> Descriptor {
        let manifest = self.keep_manifest_for("amd64", &[layer(b"lower"), layer(b"upper")]);
        let index = Document::write(Index::new(vec![manifest])).unwrap();
        self.keep_manifest("a/b", "1", media::INDEX, index.bytes())
    }

    fn keep_manifest_for(&self, architecture: &str, layers: &[(Vec<u8>, DiffId)]) -> Descriptor {
        let platform = Platform::linux(architecture);
        let mut config = ImageConfig::scratch(&platform);
        let mut blobs = Vec::new();
        for (blob, diff_id) in layers {
            let digest = self.keep_blob("a/b", blob);
            blobs.push(Descriptor::new(
                media::LAYER_GZIP,
                digest,
                blob.len() as u64,
            ));
            config.rootfs.diff_ids.push(diff_id.clone());
        }
        let config = Document::write(config).unwrap();
        self.keep_blob("a/b", config.bytes());
        let manifest = Manifest::new(config.descriptor(media::CONFIG), blobs);
        let manifest = Document::write(manifest).unwrap();
        let tag = format!("only-{architecture}");
        let mut entry = self.keep_manifest("a/b", &tag, media::MANIFEST, manifest.bytes());
        entry.platform = Some(platform);
        entry
    }

    fn requests(&self, method: &str, part: &str) -> usize {
        let kept = self.kept.lock().unwrap();
        let mut count = 0;
        for seen in &kept.seen {
            count += usize::from(seen.method == method && seen.uri.contains(part));
        }
        count
    }

    fn truth(&self, seen: &Seen, body: &[u8]) -> Response {
        let uri: ::http::Uri = seen.uri.parse().unwrap();
        let authorization = seen
            .headers
            .get(header::AUTHORIZATION)
            .map(|v| v.to_str().unwrap());
        match uri.host().unwrap() {
            "auth.example" => {
                let query = uri.query().unwrap_or_default();
                let scope = query
                    .split('&')
                    .find(|p| p.starts_with("scope="))
                    .unwrap_or_default();
                let token = format!(r#"{{"token":"for {scope}","expires_in":300}}"#);
                return response(200, &[], token.as_bytes());
            }
            "cdn.example" => {
                assert_eq!(authorization, None, "credentials went to another host");
                let digest = uri.path().trim_start_matches('/');
                let kept = self.kept.lock().unwrap();
                let blob = kept.blobs.iter().find(|((_, d), _)| d == digest).unwrap().1;
                return part_of(blob, &seen.headers);
            }
            _ => {}
        }
        if self.private && !authorization.is_some_and(|a| a.starts_with("Bearer for ")) {
            let realm = "Bearer realm=\"https://auth.example/token\",service=\"r\"";
            return response(401, &[("www-authenticate", realm)], b"");
        }
        let Some(path) = uri.path().strip_prefix("/v2/a/") else {
            return response(200, &[], b"{}");
        };
        let (name, rest) = path.split_once('/').unwrap();
        let repository = format!("a/{name}");
        let (what, which) = rest.split_once('/').unwrap();
        match what {
            "manifests" => self.manifest(seen, &repository, which, body),
            "blobs" if which.starts_with("uploads/") => self.upload(seen, &uri, &repository, body),
            "blobs" => self.blob(seen, &repository, which),
            "tags" => response(200, &[], br#"{"name":"a/b","tags":["1","2"]}"#),
            _ if self.lists_referrers => self.referrers(&repository, which),
            _ => response(404, &[], b""),
        }
    }

    fn referrers(&self, repository: &str, of: &str) -> Response {
        let kept = self.kept.lock().unwrap();
        let mut found = Vec::new();
        for ((r, reference), (kind, bytes)) in &kept.manifests {
            let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            if r == repository && reference.contains(':') && value["subject"]["digest"] == of {
                let digest = Digest::of(bytes);
                found.push(Descriptor::new(kind, digest, bytes.len() as u64));
            }
        }
        let index = Document::write(Index::new(found)).unwrap();
        response(200, &[("content-type", media::INDEX)], index.bytes())
    }

    fn manifest(&self, seen: &Seen, repository: &str, which: &str, body: &[u8]) -> Response {
        if seen.method == Method::PUT {
            let kind = seen.headers[header::CONTENT_TYPE].to_str().unwrap();
            let digest = self.keep_manifest(repository, which, kind, body).digest;
            let digest = digest.to_string();
            let value: serde_json::Value = serde_json::from_slice(body).unwrap();
            let subject = value["subject"]["digest"]
                .as_str()
                .filter(|_| self.lists_referrers);
            let mut headers = vec![("docker-content-digest", digest.as_str())];
            headers.extend(subject.map(|s| ("oci-subject", s)));
            return response(201, &headers, b"");
        }
        let kept = self.kept.lock().unwrap();
        let Some((kind, bytes)) = kept
            .manifests
            .get(&(repository.to_owned(), which.to_owned()))
        else {
            let said = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such thing"}]}"#;
            return response(404, &[], said);
        };
        let digest = Digest::of(bytes).to_string();
        let headers = [
            ("content-type", kind.as_str()),
            ("docker-content-digest", &digest),
        ];
        response(
            200,
            &headers,
            if seen.method == Method::HEAD {
                b""
            } else {
                bytes
            },
        )
    }

    fn blob(&self, seen: &Seen, repository: &str, digest: &str) -> Response {
        let kept = self.kept.lock().unwrap();
        match kept.blobs.get(&(repository.to_owned(), digest.to_owned())) {
            None => response(404, &[], b""),
            Some(_) if seen.method == Method::HEAD => response(200, &[], b""),
            Some(_) if self.elsewhere => {
                let location = format!("https://cdn.example/{digest}?X-Signature=secret");
                response(307, &[("location", &location)], b"")
            }
            Some(blob) => part_of(blob, &seen.headers),
        }
    }

    fn upload(&self, seen: &Seen, uri: &::http::Uri, repository: &str, body: &[u8]) -> Response {
        let query: BTreeMap<&str, String> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, value.replace("%3A", ":").replace("%2F", "/")))
            .collect();
        let mut kept = self.kept.lock().unwrap();
        let id = uri.path().rsplit('/').next().unwrap().to_owned();
        let place = |id: &str| format!("/v2/{repository}/blobs/uploads/{id}");
        match seen.method.as_str() {
            "POST" => {
                if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from"))
                    && let Some(blob) = kept.blobs.get(&(from.clone(), digest.clone())).cloned()
                {
                    kept.blobs
                        .insert((repository.to_owned(), digest.clone()), blob);
                    return response(201, &[], b"");
                }
                kept.begun += 1;
                let id = format!("u{}", kept.begun);
                kept.uploads.insert(id.clone(), Vec::new());
                response(202, &[("location", &place(&id))], b"")
            }
            "GET" => {
                let length = kept.uploads[&id].len();
                let range = format!("0-{}", length.saturating_sub(1));
                response(204, &[("location", &place(&id)), ("range", &range)], b"")
            }
            "PATCH" => {
                let upload = kept.uploads.get_mut(&id).unwrap();
                let range = seen.headers[header::CONTENT_RANGE].to_str().unwrap();
                let (start, end) = range.split_once('-').unwrap();
                assert_eq!(end.parse::<usize>().unwrap() + 1, upload.len() + body.len());
                if start.parse() != Ok(upload.len()) {
                    return response(416, &[], b"");
                }
                upload.extend(body);
                let range = format!("0-{}", upload.len() - 1);
                response(202, &[("location", &place(&id)), ("range", &range)], b"")
            }
            "PUT" => {
                let mut blob = kept.uploads.remove(&id).unwrap();
                blob.extend(body);
                let digest = query["digest"].clone();
                if Digest::of(&blob).as_str() != digest {
                    return response(400, &[], br#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
                }
                kept.blobs.insert((repository.to_owned(), digest), blob);
                response(201, &[], b"")
            }
            other => panic!("{other}"),
        }
    }
}

impl Transport for Fake {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let (head, body) = request.into_parts();
        let body = body.bytes(1 << 30).map_err(|e| TransportError::Lost {
            host: "r.example".into(),
            reason: e.to_string(),
        })?;
        let seen = Seen {
            method: head.method,
            uri: head.uri.to_string(),
            headers: head.headers,
        };
        let number = {
            let mut kept = self.kept.lock().unwrap();
            kept.seen.push(seen.clone());
            let same = kept
                .seen
                .iter()
                .filter(|s| (&s.method, &s.uri) == (&seen.method, &seen.uri));
            same.count()
        };
        if let Some(lie) = &self.lie
            && let Some(lied) = lie(&seen, number)
        {
            return lied;
        }
        Ok(self.truth(&seen, &body))
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let mut builder = ::http::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from(body.to_vec())).unwrap()
}

fn part_of(blob: &[u8], headers: &HeaderMap) -> Response {
    match headers.get(header::RANGE) {
        None => response(200, &[], blob),
        Some(range) => {
            let range = range.to_str().unwrap();
            let from: usize = range
                .strip_prefix("bytes=")
                .unwrap()
                .trim_end_matches('-')
                .parse()
                .unwrap();
            let told = format!("bytes {from}-{}/{}", blob.len() - 1, blob.len());
            response(206, &[("content-range", &told)], &blob[from..])
        }
    }
}

/// A layer's blob, packed, and its diff ID. Large enough to be cut.
fn layer(content: &[u8]) -> (Vec<u8>, DiffId) {
    let mut archive = content.repeat(3000);
    archive.extend((0..60_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()));
    let mut packed = compress::gzip_encoder(Vec::new());
    io::Write::write_all(&mut packed, &archive).unwrap();
    (packed.finish().unwrap(), DiffId(Digest::of(&archive)))
}

/// A body that gives these bytes and then an error.
fn cut(bytes: &[u8], length: Option<u64>, kind: io::ErrorKind) -> Body {
    struct Broken(io::ErrorKind);
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(self.0, "cable pulled"))
        }
    }
    Body::new(Cursor::new(bytes.to_vec()).chain(Broken(kind)), length)
}

/// Does something with a client of the fake registry. Nobody sleeps: pauses are added up.
fn with<T>(fake: &Fake, act: impl FnOnce(&Client<'_>) -> T) -> T {
    let hosts = Hosts::default();
    let credentials = |place: &str| {
        let (registry, _) = place.split_once('/').unwrap_or((place, ""));
        Ok(match registry {
            "r.example" | "docker.io" => Credentials::Password {
                user: "me".into(),
                password: PASSWORD.into(),
            },
            _ => Credentials::Anonymous,
        })
    };
    with_hosts(fake, &hosts, &credentials, act)
}

fn with_hosts<T>(
    fake: &Fake,
    hosts: &Hosts,
    credentials: &(dyn Fn(&str) -> Result<Credentials, String> + Sync),
    act: impl FnOnce(&Client<'_>) -> T,
) -> T {
    let wait = |pause| {
        let mut kept = fake.kept.lock().unwrap();
        kept.paused += pause;
        assert!(kept.paused < Duration::from_mins(10), "waits for ever");
    };
    let now = || fake.kept.lock().unwrap().paused;
    act(&Client::new(Around {
        transport: fake,
        hosts,
        credentials,
        wait: &wait,
        now: &now,
    }))
}

fn options() -> PullOptions {
    PullOptions {
        platform: Platform::linux("amd64"),
        jobs: 3,
        bounds: Bounds::default(),
    }
}

fn pull_into(fake: &Fake, store: &MemoryStore, name: &str) -> Result<Pulled, RegistryError> {
    with(fake, |client| {
        pull(
            client,
            &name.parse().unwrap(),
            store,
            &options(),
            &mut |_| (),
            &mut ignore,
        )
    })
}

/// What a liar ends in: success, or an error with these words and a store in which nothing is
/// tagged.
fn check(fake: &Fake, expected: Result<(), &[&str]>) {
    let store = MemoryStore::new();
    let mut told = String::new();
    let result = with(fake, |client| {
        let mut on = |event: Event| told += &serde_json::to_string(&event).unwrap();
        pull(
            client,
            &"r.example/a/b:1".parse().unwrap(),
            &store,
            &options(),
            &mut |_| (),
            &mut on,
        )
    });
    match (&result, expected) {
        (Ok(pulled), Ok(())) => {
            let tag = store.resolve("r.example/a/b:1").unwrap().unwrap();
            assert_eq!(tag.digest, pulled.target.digest);
            for layer in pulled.image.layers() {
                store.read(&layer.blob.digest).unwrap();
            }
        }
        (Err(error), Err(parts)) => {
            let error = error.to_string();
            for part in parts {
                assert!(error.contains(part), "no {part:?} in {error}");
            }
            assert!(!error.contains(PASSWORD), "{error}");
            assert!(store.tags().unwrap().is_empty(), "half-tagged");
        }
        (result, expected) => panic!("{result:?} instead of {expected:?}"),
    }
    assert!(
        !told.contains(PASSWORD) && !told.contains("aHVudGVy"),
        "{told}"
    );
    for seen in &fake.kept.lock().unwrap().seen {
        let uri: ::http::Uri = seen.uri.parse().unwrap();
        let home = ["r.example", "auth.example"].contains(&uri.host().unwrap());
        assert!(
            home || !seen.headers.contains_key(header::AUTHORIZATION),
            "credentials went to {}",
            seen.uri
        );
    }
}

fn is_blob(seen: &Seen) -> bool {
    seen.method == Method::GET && seen.uri.contains("/blobs/") && !seen.uri.contains("uploads")
}

fn is_manifest(seen: &Seen) -> bool {
    seen.uri.contains("/manifests/")
}

#[test]
fn an_image_is_pulled_once_and_then_known() {
    let fake = Fake::new();
    let target = fake.keep_image();
    let store = MemoryStore::new();
    let pulled = pull_into(&fake, &store, "r.example/a/b:1").unwrap();
    assert_eq!(pulled.target.digest, target.digest);
    assert!(!pulled.was_here && pulled.received == pulled.size);
    let before = fake.requests("GET", "");
    let again = pull_into(&fake, &store, "r.example/a/b:1").unwrap();
    assert!(again.was_here && again.received == 0);
    assert_eq!(fake.requests("GET", ""), before, "a HEAD is enough");
    // By digest nothing need be asked at all, and the image has that name.
    let name = format!("r.example/a/b:9@{}", target.digest);
    pull_into(&fake, &store, &name).unwrap();
    let by_digest = format!("r.example/a/b@{}", target.digest);
    assert!(store.resolve(&by_digest).unwrap().is_some());
}

#[test]
fn of_a_new_version_only_the_new_layer_comes() {
    let fake = Fake::new();
    fake.keep_image();
    let store = MemoryStore::new();
    pull_into(&fake, &store, "r.example/a/b:1").unwrap();
    let layers = [layer(b"lower"), layer(b"upper"), layer(b"new")];
    let manifest = fake.keep_manifest_for("amd64", &layers);
    let index = Document::write(Index::new(vec![manifest])).unwrap();
    fake.keep_manifest("a/b", "2", media::INDEX, index.bytes());
    let mut states = Vec::new();
    let pulled = with(&fake, |client| {
        let mut on = |event| {
            if let Event::Transfer { digest, state, .. } = event {
                states.push((digest, state));
            }
        };
        pull(
            client,
            &"r.example/a/b:2".parse().unwrap(),
            &store,
            &options(),
            &mut |_| (),
            &mut on,
        )
    })
    .unwrap();
    let config = pulled.image.manifest.value.config.size;
    assert_eq!(pulled.received, layers[2].0.len() as u64 + config);
    let digest = |n: usize| Digest::of(&layers[n].0);
    assert_eq!(states[0], (digest(0), Transfer::Present));
    assert_eq!(states[1], (digest(1), Transfer::Present));
    assert_eq!(states[2], (digest(2), Transfer::Waiting));
    assert_eq!(states.last(), Some(&(digest(2), Transfer::Received)));
}

/// The flow of Docker Hub: a token from another host, blobs from a third one.
#[test]
fn a_token_comes_from_one_host_and_blobs_from_another() {
    let mut fake = Fake::new();
    fake.keep_image();
    (fake.private, fake.elsewhere) = (true, true);
    check(&fake, Ok(()));
    assert_eq!(
        fake.requests("GET", "auth.example"),
        1,
        "one token is enough"
    );
    assert_eq!(fake.requests("GET", "cdn.example"), 3);
    let kept = fake.kept.lock().unwrap();
    let token = kept
        .seen
        .iter()
        .find(|s| s.uri.contains("auth.example"))
        .unwrap();
    assert!(
        token
            .uri
            .contains("scope=repository%3Aa%2Fb%3Apull&account=me"),
        "{}",
        token.uri
    );
}

#[test]
fn a_mirror_that_fails_is_passed_over() {
    let fake = Fake::new();
    fake.keep_image();
    let mut hosts = Hosts::default();
    let settings = Settings {
        mirrors: vec!["mirror.example".into()],
        ..Settings::default()
    };
    hosts.registries.insert("r.example".into(), settings);
    let lying = Fake {
        lie: Some(Box::new(|seen, _| {
            seen.uri
                .contains("mirror")
                .then(|| Ok(response(404, &[], b"")))
        })),
        kept: fake.kept,
        ..Fake::new()
    };
    let mut warned = false;
    let anonymous = |_: &str| Ok(Credentials::Anonymous);
    with_hosts(&lying, &hosts, &anonymous, |client| {
        let mut on = |event| warned |= matches!(event, Event::Warning { .. });
        pull(
            client,
            &"r.example/a/b:1".parse().unwrap(),
            &MemoryStore::new(),
            &options(),
            &mut |_| (),
            &mut on,
        )
    })
    .unwrap();
    assert!(warned);
    assert_eq!(lying.requests("HEAD", "mirror.example"), 1);
}

#[test]
fn nobody_is_asked_without_a_network() {
    let fake = Fake::new();
    let hosts = Hosts {
        offline: true,
        ..Hosts::default()
    };
    let anonymous = |_: &str| Ok(Credentials::Anonymous);
    let error = with_hosts(&fake, &hosts, &anonymous, |client| {
        pull(
            client,
            &"debian".parse().unwrap(),
            &MemoryStore::new(),
            &options(),
            &mut |_| (),
            &mut ignore,
        )
    })
    .unwrap_err()
    .to_string();
    for part in [
        "registry-1.docker.io",
        "CORACLE_OFFLINE",
        "without a network",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(fake.kept.lock().unwrap().seen.is_empty());
}

/// A login gives an identity token, which then stands for the password.
#[test]
fn a_login_is_tried_and_what_the_registry_gives_for_it_is_kept() {
    let fake = Fake {
        private: true,
        lie: Some(Box::new(|seen, _| {
            let identity = br#"{"access_token":"for x","refresh_token":"identity"}"#;
            let wants = seen.uri.contains("offline_token=true") || seen.method == Method::POST;
            (seen.uri.contains("auth.example") && wants).then(|| Ok(response(200, &[], identity)))
        })),
        ..Fake::new()
    };
    fake.keep_image();
    let logged_in = with(&fake, |client| log_in(client, "r.example", &mut ignore)).unwrap();
    let token = Credentials::IdentityToken {
        token: "identity".into(),
    };
    assert_eq!((&logged_in.keep, logged_in.asked), (&token, true));
    let hosts = Hosts::default();
    let identity = |_: &str| Ok(token.clone());
    with_hosts(&fake, &hosts, &identity, |client| {
        pull(
            client,
            &"r.example/a/b:1".parse().unwrap(),
            &MemoryStore::new(),
            &options(),
            &mut |_| (),
            &mut ignore,
        )
    })
    .unwrap();
    assert_eq!(fake.requests("POST", "https://auth.example/token"), 1);
    // Who asks for nothing has nothing to refuse.
    let open = with(&Fake::new(), |client| {
        log_in(client, "r.example", &mut ignore)
    })
    .unwrap();
    assert!(!open.asked && matches!(open.keep, Credentials::Password { .. }));
    // A wrong password is refused by the token server, or by the registry.
    for basic in [false, true] {
        let strict = Fake {
            private: true,
            lie: Some(Box::new(move |seen, _| {
                let challenge = ("www-authenticate", "Basic realm=x");
                if basic {
                    return Some(Ok(response(401, &[challenge], b"")));
                }
                seen.uri
                    .contains("auth")
                    .then(|| Ok(response(401, &[], b"")))
            })),
            ..Fake::new()
        };
        let error = with(&strict, |client| log_in(client, "r.example", &mut ignore));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("does not let the user \"me\" log in"),
            "{error}"
        );
    }
}

// ── a registry that lies ────────────────────────────────────────────────────────────────────

#[test]
fn lie_wrong_digest_of_a_blob() {
    let fake = Fake::lying(|seen, _| {
        is_blob(seen).then(|| {
            let length = layer(b"lower").0.len();
            Ok(response(200, &[], &vec![7; length]))
        })
    });
    // The config is found out by its size, and were it right, by its digest.
    check(&fake, Err(&["blob", "bytes instead of"]));
}

#[test]
fn lie_wrong_digest_of_the_right_size() {
    let fake = Fake::new();
    fake.keep_image();
    let key = {
        let kept = fake.kept.lock().unwrap();
        let largest = kept
            .blobs
            .iter()
            .max_by_key(|(_, blob)| blob.len())
            .unwrap();
        largest.0.clone()
    };
    let mut kept = fake.kept.lock().unwrap();
    kept.blobs.get_mut(&key).unwrap()[5000] ^= 1;
    drop(kept);
    check(&fake, Err(&["does not match its digest", &key.1]));
}

#[test]
fn lie_wrong_digest_of_a_manifest() {
    let fake = Fake::lying(|seen, _| {
        let other = br#"{"schemaVersion":2,"manifests":[]}"#;
        let headers = [("content-type", media::INDEX)];
        (is_manifest(seen) && seen.method == Method::GET)
            .then(|| Ok(response(200, &headers, other)))
    });
    check(
        &fake,
        Err(&["r.example/a/b@sha256:", "does not match its digest"]),
    );
}

#[test]
fn lie_short_body_is_continued_where_it_broke_off() {
    let fake = Fake::lying(|seen, number| {
        (is_blob(seen) && number == 1).then(|| {
            let blob = [layer(b"lower"), layer(b"upper")]
                .into_iter()
                .find(|(blob, _)| seen.uri.ends_with(Digest::of(blob).as_str()))?;
            let length = Some(blob.0.len() as u64);
            let body = cut(&blob.0[..1000], length, io::ErrorKind::UnexpectedEof);
            Some(Ok(::http::Response::new(body)))
        })?
    });
    check(&fake, Ok(()));
    let kept = fake.kept.lock().unwrap();
    let resumed = kept.seen.iter().filter(|s| {
        s.headers
            .get(header::RANGE)
            .is_some_and(|r| r == "bytes=1000-")
    });
    assert_eq!(resumed.count(), 2);
}

#[test]
fn lie_short_body_again_and_again() {
    let fake = Fake::lying(|seen, _| {
        is_blob(seen).then(|| Ok(::http::Response::new(Body::new(io::empty(), None))))
    });
    check(
        &fake,
        Err(&["broke off after 0 of", "run the command again"]),
    );
}

#[test]
fn lie_a_registry_that_knows_no_ranges() {
    let fake = Fake::lying(|seen, number| {
        let blobs = [layer(b"lower").0, layer(b"upper").0];
        let blob = blobs
            .into_iter()
            .find(|b| seen.uri.ends_with(Digest::of(b).as_str()))?;
        Some(Ok(match number {
            1 => ::http::Response::new(cut(&blob[..70_000], None, io::ErrorKind::ConnectionReset)),
            _ => response(200, &[], &blob),
        }))
    });
    check(&fake, Ok(()));
}

#[test]
fn lie_long_body() {
    let fake = Fake::lying(|seen, _| {
        is_blob(seen).then(|| Ok(::http::Response::new(Body::new(io::repeat(b'x'), None))))
    });
    check(&fake, Err(&["bytes instead of"]));
}

#[test]
fn lie_wrong_content_length() {
    let fake = Fake::lying(|seen, _| {
        is_blob(seen).then(|| Ok(::http::Response::new(Body::new(io::empty(), Some(7)))))
    });
    check(&fake, Err(&["has 7 bytes instead of"]));
}

#[test]
fn lie_wrong_content_range() {
    let fake = Fake::lying(|seen, number| {
        is_blob(seen).then(|| {
            Ok(match number {
                1 => ::http::Response::new(cut(b"{", None, io::ErrorKind::ConnectionReset)),
                _ => response(206, &[("content-range", "bytes 0-9/10")], b"0123456789"),
            })
        })
    });
    check(&fake, Err(&["asked for the bytes from 1 on"]));
}

#[test]
fn lie_stalled_body_and_reset_in_mid_blob() {
    for kind in [io::ErrorKind::TimedOut, io::ErrorKind::ConnectionReset] {
        let fake = Fake::lying(move |seen, _| {
            is_blob(seen).then(|| Ok(::http::Response::new(cut(b"", None, kind))))
        });
        check(&fake, Err(&["cable pulled", "5 times"]));
    }
}

/// A byte now and then would keep everybody waiting for ever.
#[test]
fn lie_a_body_that_drips() {
    struct Drip(Arc<AtomicU64>);
    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.fetch_add(20, Ordering::Relaxed);
            buffer[0] = b'x';
            Ok(1)
        }
    }
    let clock = Arc::new(AtomicU64::new(0));
    let seconds = Arc::clone(&clock);
    let fake = Fake::lying(move |seen, _| {
        let drip = Drip(Arc::clone(&seconds));
        is_blob(seen).then(|| Ok(::http::Response::new(Body::new(drip, None))))
    });
    let hosts = Hosts::default();
    let now = || Duration::from_secs(clock.load(Ordering::Relaxed));
    let client = Client::new(Around {
        transport: &fake,
        hosts: &hosts,
        credentials: &|_| Ok(Credentials::Anonymous),
        wait: &|_| (),
        now: &now,
    });
    let reference = "r.example/a/b:1".parse().unwrap();
    let error = pull(
        &client,
        &reference,
        &MemoryStore::new(),
        &options(),
        &mut |_| (),
        &mut ignore,
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("almost nothing came for a minute"),
        "{error}"
    );
    assert!(clock.load(Ordering::Relaxed) < 3600);
}

#[test]
fn lie_what_breaks_off_behind_the_last_byte_is_whole() {
    let fake = Fake::lying(|seen, _| {
        let blobs = [layer(b"lower").0, layer(b"upper").0];
        let mut blobs = blobs.into_iter();
        let blob = blobs.find(|b| seen.uri.ends_with(Digest::of(b).as_str()))?;
        let body = cut(&blob, None, io::ErrorKind::ConnectionReset);
        Some(Ok(::http::Response::new(body)))
    });
    check(&fake, Ok(()));
}

#[test]
fn lie_errors_of_the_server_pass_or_are_told() {
    for status in [408, 429, 500, 502, 503, 504] {
        let fake = Fake::lying(move |_, number| {
            (number < 3).then(|| Ok(response(status, &[("retry-after", "2")], b"")))
        });
        check(&fake, Ok(()));
        assert!(fake.kept.lock().unwrap().paused >= Duration::from_secs(8));
        let fake = Fake::lying(move |_, _| Some(Ok(response(status, &[], b""))));
        check(&fake, Err(&[&status.to_string()]));
        assert!(fake.requests("HEAD", "") == 5);
    }
}

#[test]
fn lie_a_pause_until_a_date_is_counted_by_the_servers_clock() {
    let until = |asked: &'static str| {
        let fake = Fake::lying(move |_, number| {
            let headers = [
                ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("retry-after", asked),
            ];
            (number < 3).then(|| Ok(response(503, &headers, b"")))
        });
        check(&fake, Ok(()));
        fake.kept.lock().unwrap().paused
    };
    let soon = until("Sun, 06 Nov 1994 08:49:44 GMT");
    assert!(soon >= Duration::from_secs(7), "{soon:?}");
    let over = until("Sun, 06 Nov 1994 08:49:30 GMT");
    assert!(over < Duration::from_secs(7), "{over:?}");
}

#[test]
fn lie_a_limit_is_told_in_words_and_a_long_wait_is_not_made() {
    let fake = Fake::lying(|_, _| {
        let headers = [
            ("retry-after", "86400"),
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "0;w=21600"),
        ];
        Some(Ok(response(429, &headers, b"")))
    });
    check(
        &fake,
        Err(&["the limit is 100 in 6 hours, 0 are left", "coracle login"]),
    );
    assert_eq!(fake.kept.lock().unwrap().paused, Duration::ZERO);
}

#[test]
fn lie_a_connection_that_is_lost_is_tried_again() {
    let lost = || TransportError::Lost {
        host: "r.example".into(),
        reason: "reset".into(),
    };
    let fake = Fake::lying(move |_, number| (number == 1).then(|| Err(lost())));
    check(&fake, Ok(()));
    let fake = Fake::lying(move |_, _| Some(Err(lost())));
    check(&fake, Err(&["r.example was lost", "reset"]));
}

#[test]
fn lie_endless_redirect() {
    let fake = Fake::lying(|seen, _| {
        let location = format!("{}x", seen.uri);
        is_blob(seen).then(|| Ok(response(307, &[("location", &location)], b"")))
    });
    check(&fake, Err(&["redirects more than 10 times"]));
}

#[test]
fn lie_redirect_to_another_host_that_asks_for_credentials() {
    let mut fake = Fake::lying(|seen, _| {
        if seen.uri.contains("evil.example") {
            let challenge = ("www-authenticate", "Basic realm=\"evil\"");
            return Some(Ok(response(401, &[challenge], b"")));
        }
        let location = ("location", "https://evil.example/x");
        is_blob(seen).then(|| Ok(response(302, &[location], b"")))
    });
    fake.private = true;
    check(&fake, Err(&["evil.example, which asks for credentials"]));
}

#[test]
fn lie_redirect_into_the_clear() {
    let fake = Fake::lying(|seen, _| {
        let location = ("location", "http://r.example/x");
        is_blob(seen).then(|| Ok(response(302, &[location], b"")))
    });
    check(&fake, Err(&["in the clear"]));
}

#[test]
fn lie_token_for_another_scope() {
    let fake = Fake::lying(|seen, _| {
        if seen.uri.contains("auth.example") {
            return None;
        }
        let realm = "Bearer realm=\"https://auth.example/token\",error=\"insufficient_scope\"";
        let said = br#"{"errors":[{"code":"UNAUTHORIZED","message":"other scope"}]}"#;
        Some(Ok(response(401, &[("www-authenticate", realm)], said)))
    });
    check(
        &fake,
        Err(&[
            "does not let the user \"me\"",
            "other scope",
            "coracle login r.example",
        ]),
    );
    assert_eq!(fake.requests("GET", "auth.example"), 2, "once renewed");
}

#[test]
fn lie_token_that_expires_at_once_is_renewed_for_every_request() {
    let mut fake = Fake::lying(|seen, _| {
        let token = br#"{"access_token":"for x","expires_in":0}"#;
        seen.uri
            .contains("auth.example")
            .then(|| Ok(response(200, &[], token)))
    });
    fake.private = true;
    check(&fake, Ok(()));
    assert!(fake.requests("GET", "auth.example") > 3);
}

#[test]
fn lie_a_token_with_a_line_break_in_it() {
    let mut fake = Fake::lying(|seen, _| {
        let token = br#"{"token":"x\r\nX-Injected: 1"}"#;
        seen.uri
            .contains("auth.example")
            .then(|| Ok(response(200, &[], token)))
    });
    fake.private = true;
    check(&fake, Err(&["signs that no header may have"]));
}

#[test]
fn lie_a_token_server_in_the_clear_gets_no_password() {
    let fake = Fake::lying(|_, _| {
        let realm = "Bearer realm=\"http://auth.example/token\"";
        Some(Ok(response(401, &[("www-authenticate", realm)], b"")))
    });
    check(&fake, Err(&["to be sent to auth.example in the clear"]));
    assert_eq!(fake.requests("GET", "auth.example"), 0);
}

#[test]
fn lie_a_password_that_is_refused_is_sent_once() {
    let fake = Fake::lying(|_, _| {
        Some(Ok(response(
            401,
            &[("www-authenticate", "Basic realm=x")],
            b"",
        )))
    });
    check(&fake, Err(&["does not let the user \"me\""]));
    assert_eq!(fake.kept.lock().unwrap().seen.len(), 2);
}

#[test]
fn lie_manifest_larger_than_the_limit() {
    let fake = Fake::lying(|seen, _| {
        let body = Body::new(io::repeat(b' '), None);
        (is_manifest(seen) && seen.method == Method::GET).then(|| Ok(::http::Response::new(body)))
    });
    check(&fake, Err(&["larger than 4194304 bytes"]));
}

#[test]
fn lie_index_without_our_platform() {
    let fake = Fake::new();
    let entries = ["arm64", "s390x"].map(|a| fake.keep_manifest_for(a, &[layer(b"x")]));
    let index = Document::write(Index::new(entries.to_vec())).unwrap();
    fake.keep_manifest("a/b", "1", media::INDEX, index.bytes());
    check(
        &fake,
        Err(&["no image for linux/amd64, only for linux/arm64, linux/s390x"]),
    );
}

#[test]
fn lie_an_image_for_another_platform_is_found_out_before_its_layers_come() {
    let fake = Fake::new();
    fake.keep_manifest_for("arm64", &[layer(b"x")]);
    let store = MemoryStore::new();
    let error = pull_into(&fake, &store, "r.example/a/b:only-arm64").unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("no image for linux/amd64, only for linux/arm64"),
        "{error}"
    );
    assert_eq!(fake.requests("GET", "/blobs/"), 1, "the config alone");
}

#[test]
fn lie_layer_media_type_that_is_not_so_does_no_harm() {
    // Called gzip, and not packed at all: what counts is what is in it.
    let fake = Fake::new();
    let archive = vec![0; 5000];
    let diff_id = DiffId(Digest::of(&archive));
    let manifest = fake.keep_manifest_for("amd64", &[(archive, diff_id)]);
    let index = Document::write(Index::new(vec![manifest])).unwrap();
    fake.keep_manifest("a/b", "1", media::INDEX, index.bytes());
    check(&fake, Ok(()));
}

#[test]
fn lie_layer_that_unpacks_to_something_else() {
    let fake = Fake::new();
    let (blob, _) = layer(b"x");
    let manifest = fake.keep_manifest_for("amd64", &[(blob.clone(), layer(b"y").1)]);
    let index = Document::write(Index::new(vec![manifest])).unwrap();
    fake.keep_manifest("a/b", "1", media::INDEX, index.bytes());
    check(
        &fake,
        Err(&["unpacks to", "the config of the image promises"]),
    );
    // It is not taken for good the next time either.
    let store = MemoryStore::new();
    for _ in 0..2 {
        pull_into(&fake, &store, "r.example/a/b:1").unwrap_err();
        assert_eq!(store.size(&Digest::of(&blob)).unwrap(), None);
    }
}

#[test]
fn lie_gzip_bomb() {
    let fake = Fake::new();
    let mut packed = compress::gzip_encoder(Vec::new());
    io::copy(&mut io::repeat(0).take(3 << 20), &mut packed).unwrap();
    let blob = packed.finish().unwrap();
    let diff_id = DiffId(Digest::of(&vec![0; 3 << 20]));
    let manifest = fake.keep_manifest_for("amd64", &[(blob, diff_id)]);
    let index = Document::write(Index::new(vec![manifest])).unwrap();
    fake.keep_manifest("a/b", "1", media::INDEX, index.bytes());
    check(&fake, Ok(()));
    let store = MemoryStore::new();
    let error = with(&fake, |client| {
        let bounds = Bounds {
            bytes: 1 << 20,
            ..Bounds::default()
        };
        let options = PullOptions {
            bounds,
            ..options()
        };
        pull(
            client,
            &"r.example/a/b:1".parse().unwrap(),
            &store,
            &options,
            &mut |_| (),
            &mut ignore,
        )
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("attack on the disk"), "{error}");
    assert!(store.tags().unwrap().is_empty());
}

#[test]
fn lie_tag_that_moves_between_requests() {
    // Whoever asks a second time by the tag gets another image; so nobody does.
    let fake = Fake::lying(|seen, _| {
        let other = br#"{"schemaVersion":2,"manifests":[]}"#;
        let by_tag = seen.method == Method::GET && seen.uri.ends_with("/manifests/1");
        by_tag.then(|| Ok(response(200, &[("content-type", media::INDEX)], other)))
    });
    check(&fake, Ok(()));
    assert_eq!(fake.requests("GET", "/manifests/1"), 0);
}

#[test]
fn lie_schema_1_and_artifacts_are_refused_with_the_reason() {
    let fake = Fake::new();
    let old = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    fake.keep_manifest("a/b", "1", old, br#"{"schemaVersion":1}"#);
    check(&fake, Err(&["schema 1", "push the image again"]));
    let fake = Fake::new();
    let config = fake.keep_blob("a/b", b"{}");
    let config = Descriptor::new("application/vnd.oci.empty.v1+json", config, 2);
    let artifact = Document::write(Manifest::new(config, vec![])).unwrap();
    fake.keep_manifest("a/b", "1", media::MANIFEST, artifact.bytes());
    check(&fake, Err(&["another artifact", "coracle copy"]));
}

#[test]
fn lie_names_that_climb_out_are_refused() {
    let fake = Fake::lying(|seen, _| {
        let list = br#"{"tags":["1","../../etc/passwd"]}"#;
        seen.uri
            .ends_with("/tags/list")
            .then(|| Ok(response(200, &[], list)))
    });
    let reference: Reference = "r.example/a/b".parse().unwrap();
    let error = with(&fake, |client| {
        list_tags(client, &reference.repository, &mut ignore)
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("../../etc/passwd") && error.contains("protocol"),
        "{error}"
    );
    for name in ["r.example/../b:1", "r.example/a/./b", "r.example/a\r\nx"] {
        name.parse::<Reference>().unwrap_err();
    }
}

#[test]
fn lie_lists_that_never_end_and_lead_elsewhere() {
    let check = |link: &'static str, part: &str| {
        let fake = Fake::lying(move |seen, _| {
            let next = link.replace("{}", &seen.uri.len().to_string());
            let link = ("link", next.as_str());
            let list = br#"{"tags":["1"]}"#;
            seen.uri
                .contains("/tags/list")
                .then(|| Ok(response(200, &[link], list)))
        });
        let reference: Reference = "r.example/a/b".parse().unwrap();
        let error = with(&fake, |client| {
            list_tags(client, &reference.repository, &mut ignore)
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(
        "</v2/a/b/tags/list?n={}>; rel=\"next\"",
        "more than 1000 pages",
    );
    check("<https://evil.example/>; rel=\"next\"", "another host");
}

// ── push and copy ───────────────────────────────────────────────────────────────────────────

/// A store with the fake registry's image in it.
fn pulled(fake: &Fake) -> (MemoryStore, Pulled) {
    let store = MemoryStore::new();
    let pulled = pull_into(fake, &store, "r.example/a/b:1").unwrap();
    (store, pulled)
}

fn push_options() -> PushOptions {
    PushOptions {
        platform: None,
        own: Platform::linux("amd64"),
        jobs: 3,
        pieces: Pieces::default(),
    }
}

#[test]
fn what_is_pushed_has_the_same_digests_and_nothing_is_sent_twice() {
    let from = Fake::new();
    from.keep_image();
    let (store, pulled) = pulled(&from);
    for private in [false, true] {
        let fake = Fake {
            private,
            ..Fake::new()
        };
        let push = |name: &str| {
            with(&fake, |client| {
                push(
                    client,
                    &store,
                    &pulled.target,
                    &name.parse().unwrap(),
                    &push_options(),
                    &mut ignore,
                )
            })
            .unwrap()
        };
        let pushed = push("r.example/a/c:7");
        assert_eq!(pushed.target.digest, pulled.target.digest);
        assert_eq!((pushed.sent, pushed.size), (pulled.size, pulled.size));
        assert_eq!(push("r.example/a/c:8").sent, 0, "it is there already");
        {
            let kept = fake.kept.lock().unwrap();
            let last = kept
                .seen
                .iter()
                .rev()
                .find(|s| s.method == Method::PUT)
                .unwrap();
            assert!(last.uri.ends_with("/manifests/8"), "the tag moves last");
        }
        // What another repository has is mounted.
        store.tag("r.example/a/c:7", &pulled.target).unwrap();
        store.untag("r.example/a/b:1").unwrap();
        assert_eq!(push("r.example/a/d:1").sent, 0);
        assert_eq!(fake.requests("POST", "/a/d/blobs/uploads/?mount=sha256"), 3);
        store.tag("r.example/a/b:1", &pulled.target).unwrap();
        store.untag("r.example/a/c:7").unwrap();
    }
}

#[test]
fn layers_are_told_as_they_arrive_lowest_first_and_without_a_gap() {
    let fake = Fake::new();
    fake.keep_image();
    let store = MemoryStore::new();
    let mut told: Vec<Vec<StoredLayer>> = Vec::new();
    let pulled = with(&fake, |client| {
        pull(
            client,
            &"r.example/a/b:1".parse().unwrap(),
            &store,
            &options(),
            &mut |layers| {
                for layer in layers {
                    let size = store.size(&layer.blob.digest).unwrap();
                    assert_eq!(size, Some(layer.blob.size), "told before it was there");
                }
                let alone = store.alone().unwrap();
                assert!(
                    alone.is_none(),
                    "a collection could take away what has no tag yet"
                );
                told.push(layers.to_vec());
            },
            &mut ignore,
        )
    });
    let all = pulled.unwrap().image.layers();
    assert!(told.iter().all(|layers| all.starts_with(layers)));
    assert!(told.is_sorted_by_key(Vec::len));
    assert_eq!(told.first(), Some(&Vec::new()), "nothing was there");
    assert_eq!(told.last(), Some(&all));
}

#[test]
fn large_blobs_go_in_pieces_and_a_cut_costs_one_of_them() {
    let from = Fake::new();
    from.keep_image();
    let (store, pulled) = pulled(&from);
    let fake = Fake {
        lie: Some(Box::new(|seen, number| {
            let lost = TransportError::Lost {
                host: "r.example".into(),
                reason: "reset".into(),
            };
            let is_second = seen.method == Method::PATCH && number == 2;
            is_second.then_some(Err(lost))
        })),
        ..Fake::new()
    };
    let options = PushOptions {
        pieces: Pieces { size: 50_000 },
        ..push_options()
    };
    with(&fake, |client| {
        push(
            client,
            &store,
            &pulled.target,
            &"r.example/a/c:7".parse().unwrap(),
            &options,
            &mut ignore,
        )
    })
    .unwrap();
    assert!(fake.requests("PATCH", "uploads/") > 4);
    assert!(
        fake.requests("GET", "uploads/") >= 2,
        "asked how much has arrived"
    );
    pull_into(&fake, &MemoryStore::new(), "r.example/a/c:7").unwrap();
}

#[test]
fn of_an_index_that_is_not_all_here_our_platform_goes_alone() {
    let from = Fake::new();
    let entries = ["arm64", "amd64"].map(|a| from.keep_manifest_for(a, &[layer(b"x")]));
    let index = Document::write(Index::new(entries.to_vec())).unwrap();
    from.keep_manifest("a/b", "1", media::INDEX, index.bytes());
    let (store, pulled) = pulled(&from);
    let fake = Fake::new();
    let mut warned = false;
    let pushed = with(&fake, |client| {
        let mut on = |event| warned |= matches!(event, Event::Warning { .. });
        push(
            client,
            &store,
            &pulled.target,
            &"r.example/a/c:7".parse().unwrap(),
            &push_options(),
            &mut on,
        )
    })
    .unwrap();
    assert!(warned && pushed.target.digest == entries[1].digest);
    // With both here, the index goes as it is.
    let mut other = options();
    other.platform = Platform::linux("arm64");
    with(&from, |client| {
        pull(
            client,
            &"r.example/a/b:1".parse().unwrap(),
            &store,
            &other,
            &mut |_| (),
            &mut ignore,
        )
    })
    .unwrap();
    let pushed = with(&fake, |client| {
        push(
            client,
            &store,
            &pulled.target,
            &"r.example/a/c:7".parse().unwrap(),
            &push_options(),
            &mut ignore,
        )
    });
    assert_eq!(pushed.unwrap().target.digest, pulled.target.digest);
}

/// A registry, a layout, a registry again: every byte is the same, and so is what refers to it,
/// whether the registries list referrers or not.
#[test]
fn a_copy_is_the_same_with_all_that_refers_to_it() {
    for lists in [true, false] {
        let from = Fake {
            lists_referrers: lists,
            ..Fake::new()
        };
        let target = from.keep_image();
        let config = from.keep_blob("a/b", b"{}");
        let config = Descriptor::new("application/vnd.oci.empty.v1+json", config, 2);
        let mut signature = Manifest::new(config, vec![]);
        let subject = serde_json::to_value(&target).unwrap();
        signature.extra.insert("subject".into(), subject);
        signature
            .extra
            .insert("artifactType".into(), "example/signature".into());
        let signature = Document::write(signature).unwrap();
        let signature = from.keep_manifest("a/b", "unused", media::MANIFEST, signature.bytes());
        if !lists {
            let index = Document::write(Index::new(vec![signature.clone()])).unwrap();
            let tag = target.digest.as_str().replace(':', "-");
            from.keep_manifest("a/b", &tag, media::INDEX, index.bytes());
        }
        let options = CopyOptions {
            platform: None,
            jobs: 2,
            pieces: Pieces::default(),
        };
        let layout = MemoryStore::new();
        let in_registry = |name: &str| Place::Registry(name.parse().unwrap());
        let in_layout = || Place::Layout {
            store: &layout,
            name: Some("v1".into()),
        };
        let copied = with(&from, |client| {
            copy(
                client,
                &in_registry("r.example/a/b:1"),
                &in_layout(),
                &options,
                &mut ignore,
            )
        })
        .unwrap();
        assert_eq!(
            (&copied.target.digest, copied.referrers),
            (&target.digest, 1)
        );
        let to = Fake {
            lists_referrers: lists,
            ..Fake::new()
        };
        with(&to, |client| {
            copy(
                client,
                &in_layout(),
                &in_registry("r.example/a/z:2"),
                &options,
                &mut ignore,
            )
        })
        .unwrap();
        let kept = to.kept.lock().unwrap();
        let has = |reference: &str| {
            kept.manifests
                .contains_key(&("a/z".into(), reference.into()))
        };
        assert!(has("2") && has(target.digest.as_str()) && has(signature.digest.as_str()));
        let list = kept
            .manifests
            .get(&("a/z".into(), target.digest.as_str().replace(':', "-")));
        assert_eq!(
            list.is_some(),
            !lists,
            "listed by a tag where nobody else does"
        );
        if let Some((_, bytes)) = list {
            let index: Index = serde_json::from_slice(bytes).unwrap();
            assert_eq!(
                index.manifests[0].artifact_type.as_deref(),
                Some("example/signature")
            );
        }
    }
}

#[test]
fn what_a_registry_says_of_a_manifest_that_it_refuses_is_told() {
    let from = Fake::new();
    from.keep_image();
    let (store, pulled) = pulled(&from);
    let fake = Fake {
        lie: Some(Box::new(|seen, _| {
            let said = br#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"x"}]}"#;
            (seen.method == Method::PUT && is_manifest(seen)).then(|| Ok(response(400, &[], said)))
        })),
        ..Fake::new()
    };
    let error = with(&fake, |client| {
        push(
            client,
            &store,
            &pulled.target,
            &"r.example/a/c:7".parse().unwrap(),
            &push_options(),
            &mut ignore,
        )
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("names a blob or manifest that it does not have"),
        "{error}"
    );
    let status = StatusCode::BAD_REQUEST.as_u16().to_string();
    assert!(error.contains(&status), "{error}");
}

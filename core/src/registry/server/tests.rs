//! The server by itself: what is its own decision, not the specification's. What the
//! specification demands has a test of its own in the conformance suite.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderName, Method};
use serde_json::{Value, json};

use super::{Access, Outside, Server, Settings, Tokens, Upstream};
use crate::digest::Digest;
use crate::registry::http::{Body, Request, Response, Transport, TransportError};
use crate::spec::{Descriptor, media};
use crate::store::memory::MemoryStore;
use crate::store::{BlobStore as _, TagStore as _, gc};

/// A server with a clock that stands still until it is moved.
struct Registry {
    server: Server,
    store: MemoryStore,
    clock: Arc<AtomicU64>,
}

/// A response whose body has been read.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: impl AsRef<str>) -> &str {
        let value = self.headers.get(name.as_ref());
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn refused(&self, status: u16, code: &str) -> &Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{body}");
        assert_eq!(self.json()["errors"][0]["code"], code, "{body}");
        self
    }

    #[track_caller]
    fn is(&self, status: u16) -> &Self {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}

impl Registry {
    fn new(settings: Settings, access: Access) -> Self {
        let store = MemoryStore::new();
        let clock = Arc::new(AtomicU64::new(1000));
        let (time, number) = (Arc::clone(&clock), AtomicU64::new(0));
        let outside = Outside {
            now: Box::new(move || Duration::from_secs(time.load(Ordering::SeqCst))),
            random: Box::new(move || format!("s{}", number.fetch_add(1, Ordering::SeqCst))),
            log: Box::new(|error| panic!("{error}")),
        };
        Self {
            server: Server::new(Arc::new(store.clone()), settings, access, outside),
            store,
            clock,
        }
    }

    fn open() -> Self {
        Self::new(Settings::default(), Access::default())
    }

    fn ask(
        &self,
        method: &Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: &[u8],
    ) -> Answer {
        self.ask_with(method, path, headers, Body::from(body.to_vec()))
    }

    fn ask_with(
        &self,
        method: &Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: Body,
    ) -> Answer {
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = format!("http://registry.test:5000{path}").parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (head, body) = self.server.handle(request).into_parts();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.bytes(1 << 20).unwrap(),
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(&Method::GET, path, &[], b"")
    }

    fn push_blob(&self, repository: &str, bytes: &[u8]) -> Descriptor {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.ask(&Method::POST, &path, &[], bytes).is(201);
        Descriptor::new(media::LAYER, digest, bytes.len() as u64)
    }

    /// Pushes an image of these layers under a tag, and says what its manifest is called.
    fn push(&self, repository: &str, tag: &str, layers: &[&str]) -> Digest {
        let mut config = self.push_blob(repository, b"{}");
        config.media_type = media::CONFIG.to_owned();
        let layers = layers
            .iter()
            .map(|l| self.push_blob(repository, l.as_bytes()));
        let layers: Vec<_> = layers.collect();
        let answer = self.put(repository, tag, &json!({
            "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": layers,
        }));
        answer.is(201);
        answer.header("docker-content-digest").parse().unwrap()
    }

    fn put(&self, repository: &str, tag: &str, manifest: &Value) -> Answer {
        let kind = manifest["mediaType"].as_str().unwrap_or(media::MANIFEST);
        let path = format!("/v2/{repository}/manifests/{tag}");
        let bytes = manifest.to_string().into_bytes();
        self.ask(&Method::PUT, &path, &[(CONTENT_TYPE, kind)], &bytes)
    }

    /// Begins an upload and says where it goes on.
    fn begin(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.ask(&Method::POST, &path, &[], b"");
        answer.is(202).header(LOCATION).to_owned()
    }
}

#[test]
fn a_blob_belongs_to_the_repositories_that_name_it() {
    let registry = Registry::open();
    registry.push("a", "v1", &["secret"]);
    let digest = Digest::of(b"secret");
    registry.get(&format!("/v2/a/blobs/{digest}")).is(200);
    registry
        .get(&format!("/v2/b/blobs/{digest}"))
        .refused(404, "BLOB_UNKNOWN");
    let mount = format!("/v2/b/blobs/uploads/?mount={digest}&from=a");
    registry.ask(&Method::POST, &mount, &[], b"").is(201);
    registry.get(&format!("/v2/b/blobs/{digest}")).is(200);
    // What stays unnamed is no part of it for ever.
    registry.clock.fetch_add(3601, Ordering::SeqCst);
    assert!(registry.server.tend());
    registry
        .get(&format!("/v2/b/blobs/{digest}"))
        .refused(404, "BLOB_UNKNOWN");
    registry.get(&format!("/v2/a/blobs/{digest}")).is(200);
}

#[test]
fn nothing_that_is_on_its_way_is_collected_and_everything_else_is() {
    let registry = Registry::open();
    let collect = || gc::collect(&registry.store, &[]).unwrap();
    let upload = registry.begin("a");
    assert_eq!(collect(), None, "an upload is under way");
    registry.ask(&Method::DELETE, &upload, &[], b"").is(204);
    registry.push_blob("a", b"waits");
    assert_eq!(collect(), None, "a blob waits for its manifest");
    registry.push("a", "v1", &["waits"]);
    assert_eq!(
        collect().unwrap().blobs,
        [],
        "nobody is pushing, and all is named"
    );
    let manifest = registry.push("a", "v2", &["waits", "goes"]);
    assert!(!registry.server.tend());
    let path = format!("/v2/a/manifests/{manifest}");
    registry.ask(&Method::DELETE, &path, &[], b"").is(202);
    assert!(registry.server.tend());
    let mut gone = [manifest, Digest::of(b"goes")];
    gone.sort();
    assert_eq!(collect().unwrap().blobs, gone);
    registry.get("/v2/a/manifests/v1").is(200);
    registry
        .get("/v2/a/manifests/v2")
        .refused(404, "MANIFEST_UNKNOWN");
}

#[test]
fn what_a_tag_pointed_to_stays_under_its_digest() {
    let registry = Registry::open();
    let old = registry.push("a", "v1", &["old"]);
    let entries = || -> Vec<String> {
        let tags = registry.store.tags().unwrap();
        tags.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(entries(), ["localhost/a:v1"]);
    let new = registry.push("a", "v1", &["new"]);
    assert_eq!(
        entries(),
        ["localhost/a:v1".to_owned(), format!("localhost/a@{old}")]
    );
    registry.get(&format!("/v2/a/manifests/{old}")).is(200);
    registry
        .ask(&Method::DELETE, "/v2/a/manifests/v1", &[], b"")
        .is(202);
    registry
        .get("/v2/a/manifests/v1")
        .refused(404, "MANIFEST_UNKNOWN");
    registry.get(&format!("/v2/a/manifests/{new}")).is(200);
    for digest in [old, new] {
        let path = format!("/v2/a/manifests/{digest}");
        registry.ask(&Method::DELETE, &path, &[], b"").is(202);
    }
    assert_eq!(entries(), Vec::<String>::new());
    registry.get("/v2/a/tags/list").refused(404, "NAME_UNKNOWN");
}

#[test]
fn a_store_that_others_filled_is_served() {
    let registry = Registry::open();
    let manifest = registry.push("python", "3.12", &["layer"]);
    let target = registry
        .store
        .resolve("localhost/python:3.12")
        .unwrap()
        .unwrap();
    registry
        .store
        .tag("docker.io/library/python:3.12", &target)
        .unwrap();
    let answer = registry.get("/v2/docker.io/library/python/manifests/3.12");
    assert_eq!(
        answer.is(200).header("docker-content-digest"),
        manifest.as_str()
    );
    let catalog = registry.get("/v2/_catalog").json();
    assert_eq!(
        catalog["repositories"],
        json!(["docker.io/library/python", "python"])
    );
}

#[test]
fn what_a_manifest_claims_is_checked() {
    let registry = Registry::open();
    let config = registry.push_blob("a", b"{}");
    let layer = registry.push_blob("a", b"layer");
    let image = json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": [layer],
    });
    let check = |change: &dyn Fn(&mut Value), code: &str| {
        let mut manifest = image.clone();
        change(&mut manifest);
        registry.put("a", "v1", &manifest).refused(400, code);
    };
    let elsewhere = Digest::of(b"elsewhere");
    check(
        &|m| m["layers"][0]["digest"] = elsewhere.as_str().into(),
        "MANIFEST_BLOB_UNKNOWN",
    );
    check(&|m| m["layers"][0]["size"] = 6.into(), "MANIFEST_INVALID");
    check(
        &|m| m["layers"][0]["digest"] = "sha256:x".into(),
        "MANIFEST_INVALID",
    );
    check(&|m| m["schemaVersion"] = 1.into(), "MANIFEST_INVALID");
    check(
        &|m| m["mediaType"] = "text/plain".into(),
        "MANIFEST_INVALID",
    );
    check(
        &|m| m["mediaType"] = media::INDEX.into(),
        "MANIFEST_INVALID",
    );
    // Two images in one document: each reader would see another one.
    check(&|m| m["manifests"] = json!([]), "MANIFEST_INVALID");
    let path = "/v2/a/manifests/v1";
    let kind = [(CONTENT_TYPE, media::DOCKER_MANIFEST)];
    let bytes = image.to_string().into_bytes();
    registry
        .ask(&Method::PUT, path, &kind, &bytes)
        .refused(400, "MANIFEST_INVALID");
    registry
        .ask(&Method::PUT, path, &[], b"{")
        .refused(400, "MANIFEST_INVALID");
    let large = vec![b' '; (4 << 20) + 1];
    registry
        .ask(&Method::PUT, path, &[], &large)
        .refused(413, "MANIFEST_INVALID");
    let endless = Body::new(std::io::repeat(b' '), None);
    registry
        .ask_with(&Method::PUT, path, &[], endless)
        .refused(413, "MANIFEST_INVALID");
    let short = Body::new(&b"{}"[..], Some(100));
    registry
        .ask_with(&Method::PUT, path, &[], short)
        .refused(400, "SIZE_INVALID");
    assert!(registry.store.tags().unwrap().is_empty());
    // What may not be distributed is not here, and says where it is.
    let mut foreign = image.clone();
    foreign["layers"][0]["digest"] = elsewhere.as_str().into();
    foreign["layers"][0]["urls"] = json!(["https://example.test/layer"]);
    registry.put("a", "v1", &foreign).is(201);
    registry.put("a", "v2", &image).is(201);
    let blob = format!("/v2/a/blobs/{}", Digest::of(b"layer"));
    registry
        .ask(&Method::DELETE, &blob, &[], b"")
        .refused(405, "UNSUPPORTED");
}

#[test]
fn an_upload_goes_wrong_in_words() {
    let settings = Settings {
        most_uploads: 2,
        ..Settings::default()
    };
    let registry = Registry::new(settings, Access::default());
    let upload = registry.begin("a");
    let patch = |headers: &[(HeaderName, &str)], body: &[u8]| {
        registry.ask(&Method::PATCH, &upload, headers, body)
    };
    assert_eq!(
        patch(&[(CONTENT_RANGE, "0-4")], b"layer")
            .is(202)
            .header("range"),
        "0-4"
    );
    for range in ["0-4", "6-9", "5-9", "nonsense", "5-4"] {
        let answer = patch(&[(CONTENT_RANGE, range)], b"more");
        assert_eq!(
            answer.refused(416, "BLOB_UPLOAD_INVALID").header("range"),
            "0-4"
        );
    }
    let short = Body::new(&b"ab"[..], Some(3));
    registry
        .ask_with(&Method::PATCH, &upload, &[], short)
        .refused(400, "SIZE_INVALID");
    // What came is kept: the client asks how far it is.
    let status = registry.get(&upload);
    assert_eq!(status.is(204).header("range"), "0-6");
    registry
        .get(&upload.replace("/a/", "/b/"))
        .refused(404, "BLOB_UPLOAD_UNKNOWN");
    registry.begin("a");
    let path = "/v2/a/blobs/uploads/";
    let answer = registry.ask(&Method::POST, path, &[], b"");
    assert_eq!(
        answer.refused(429, "TOOMANYREQUESTS").header("retry-after"),
        "1"
    );
    let put =
        |digest: &str| registry.ask(&Method::PUT, &format!("{upload}?digest={digest}"), &[], b"");
    registry
        .ask(&Method::PUT, &upload, &[], b"")
        .refused(400, "DIGEST_INVALID");
    put("sha256:12").refused(400, "DIGEST_INVALID");
    put(Digest::of(b"other").as_str()).refused(400, "DIGEST_INVALID");
    // The content was not what it should be, so the upload is over.
    put(Digest::of(b"layerab").as_str()).refused(404, "BLOB_UPLOAD_UNKNOWN");
    registry.clock.fetch_add(3601, Ordering::SeqCst);
    registry.begin("a");
    registry.begin("a");
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn guarded(anonymous_pull: bool, tokens: bool) -> Registry {
    let access = Access {
        users: Some(Arc::new(|user, password| {
            (user, password) == ("ann", "pass:word")
        })),
        anonymous_pull,
        tokens: tokens.then(|| Tokens::new(b"secret".to_vec(), Duration::from_mins(5))),
    };
    Registry::new(Settings::default(), access)
}

#[test]
fn a_password_opens_and_nothing_else_does() {
    let registry = guarded(false, false);
    let path = "/v2/a/blobs/uploads/";
    let ask =
        |credentials: &str| registry.ask(&Method::POST, path, &[(AUTHORIZATION, credentials)], b"");
    ask(&basic("ann", "pass:word")).is(202);
    for wrong in [
        &basic("ann", "other"),
        &basic("bob", "pass:word"),
        "Basic !",
        "Bearer x",
        "",
    ] {
        let answer = ask(wrong);
        let challenge = answer.refused(401, "UNAUTHORIZED").header(WWW_AUTHENTICATE);
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
    }
    for path in ["/v2/", "/v2/_catalog", "/", "/v2/a/tags/list"] {
        registry.get(path).refused(401, "UNAUTHORIZED");
    }
    let registry = guarded(true, false);
    registry.get("/v2/a/tags/list").refused(404, "NAME_UNKNOWN");
    registry.get("/v2/_catalog").is(200);
    // Asked for their names, clients give them; so the base asks although pulling needs none.
    registry.get("/v2/").refused(401, "UNAUTHORIZED");
    registry
        .ask(&Method::POST, path, &[], b"")
        .refused(401, "UNAUTHORIZED");
}

#[test]
fn a_token_opens_what_it_is_for() {
    let registry = guarded(true, true);
    let answer = registry.get("/v2/");
    assert_eq!(
        answer.refused(401, "UNAUTHORIZED").header(WWW_AUTHENTICATE),
        "Bearer realm=\"http://registry.test:5000/token\",service=\"coracle-registry\""
    );
    let push = "/v2/team/app/blobs/uploads/";
    let answer = registry.ask(&Method::POST, push, &[], b"");
    let challenge = answer.refused(401, "UNAUTHORIZED").header(WWW_AUTHENTICATE);
    assert!(
        challenge.ends_with(",scope=\"repository:team/app:pull,push\""),
        "{challenge}"
    );

    let token = |path: &str, credentials: Option<&str>| {
        let header = credentials.map(|c| (AUTHORIZATION, c));
        registry.ask(&Method::GET, path, header.as_slice(), b"")
    };
    let scope = "/token?service=coracle-registry&scope=repository:team/app:pull,push";
    let bearer = |answer: &Answer| {
        format!(
            "Bearer {}",
            answer.is(200).json()["token"].as_str().unwrap()
        )
    };
    let ann = bearer(&token(scope, Some(&basic("ann", "pass:word"))));
    let with = |path: &str, bearer: &str| {
        registry.ask(&Method::POST, path, &[(AUTHORIZATION, bearer)], b"")
    };
    with(push, &ann).is(202);
    let other = with("/v2/team/other/blobs/uploads/", &ann);
    let challenge = other.refused(401, "UNAUTHORIZED").header(WWW_AUTHENTICATE);
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    // Somebody without a name may pull, whatever they ask for.
    let nobody = bearer(&token(scope, None));
    with(push, &nobody).refused(401, "UNAUTHORIZED");
    token(scope, Some(&basic("ann", "wrong"))).refused(401, "UNAUTHORIZED");
    token("/token?service=another", None).refused(400, "UNSUPPORTED");
    registry.clock.fetch_add(301, Ordering::SeqCst);
    let late = with(push, &ann);
    let challenge = late.refused(401, "UNAUTHORIZED").header(WWW_AUTHENTICATE);
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
}

#[test]
fn an_identity_token_buys_tokens() {
    let registry = guarded(false, true);
    let post = |form: &str| registry.ask(&Method::POST, "/token", &[], form.as_bytes());
    let scope = "&service=coracle-registry&scope=repository:a:push+repository:b:pull";
    let login = "grant_type=password&username=ann&password=pass%3Aword&access_type=offline";
    let answer = post(&format!("{login}{scope}"));
    let refresh = answer.is(200).json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = post(&format!(
        "grant_type=refresh_token&refresh_token={refresh}{scope}"
    ));
    let bearer = format!(
        "Bearer {}",
        answer.is(200).json()["access_token"].as_str().unwrap()
    );
    let push = |name: &str, bearer: &str| {
        let path = format!("/v2/{name}/blobs/uploads/");
        registry.ask(&Method::POST, &path, &[(AUTHORIZATION, bearer)], b"")
    };
    push("a", &bearer).is(202);
    push("b", &bearer).refused(401, "UNAUTHORIZED");
    // It is no token itself.
    push("a", &format!("Bearer {refresh}")).refused(401, "UNAUTHORIZED");
    post("grant_type=refresh_token&refresh_token=x.y.z").refused(401, "UNAUTHORIZED");
    post("grant_type=password&username=ann").refused(401, "UNAUTHORIZED");
}

#[test]
fn the_challenge_repeats_no_host_that_is_none() {
    let registry = guarded(false, true);
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = "/v2/".parse().unwrap();
    let evil = "evil\",service=\"x".parse().unwrap();
    request.headers_mut().insert(http::header::HOST, evil);
    let response = registry.server.handle(request);
    assert_eq!(
        response.headers()[WWW_AUTHENTICATE],
        "Bearer realm=\"http://localhost/token\",service=\"coracle-registry\""
    );
}

#[test]
fn a_read_only_registry_takes_nothing() {
    let settings = Settings {
        read_only: true,
        ..Settings::default()
    };
    let registry = Registry::new(settings, Access::default());
    registry.get("/v2/").is(200);
    let digest = Digest::of(b"");
    for (method, path) in [
        (Method::POST, "/v2/a/blobs/uploads/".to_owned()),
        (Method::PUT, "/v2/a/manifests/v1".to_owned()),
        (Method::DELETE, "/v2/a/manifests/v1".to_owned()),
        (Method::DELETE, format!("/v2/a/blobs/{digest}")),
    ] {
        registry
            .ask(&method, &path, &[], b"")
            .refused(405, "UNSUPPORTED");
    }
}

#[test]
fn the_page_shows_who_shares_what() {
    let registry = Registry::open();
    registry.push("a", "v1", &["shared", "of a"]);
    registry.push("team/b", "v2", &["shared", "of b"]);
    let answer = registry.get("/");
    assert_eq!(
        answer.is(200).header("content-type"),
        "text/html; charset=utf-8"
    );
    let page = String::from_utf8(answer.body).unwrap();
    let row = |content: &[u8], others: &str| {
        let (digest, size) = (Digest::of(content), content.len());
        format!("<tr><td><code>{digest}</code><td class=\"size\">{size} B<td>{others}</tr>")
    };
    for part in [
        "2 repositories, 2 tags, 4 blobs, 16 B together",
        "<h2>a</h2>",
        "<h2>team/b</h2>",
        &row(b"shared", "team/b:v2"),
        &row(b"shared", "a:v1"),
        &row(b"of a", ""),
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

/// A registry that others mirror, with a plug that can be pulled.
struct Distant {
    registry: Registry,
    asked: AtomicU64,
    is_down: AtomicBool,
    /// Content that is given instead of a blob's.
    lies: Mutex<Option<&'static [u8]>>,
}

impl Transport for Distant {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_down.load(Ordering::SeqCst) {
            return Err(TransportError::Unreachable {
                host: "distant.test".to_owned(),
                reason: "no route to host".to_owned(),
            });
        }
        let is_blob = request.uri().path().contains("/blobs/");
        let response = self.registry.server.send(request)?;
        match *self.lies.lock().unwrap() {
            Some(lie) if is_blob => Ok(Response::new(Body::from(lie.to_vec()))),
            _ => Ok(response),
        }
    }
}

fn mirror() -> (Arc<Distant>, Registry) {
    let distant = Arc::new(Distant {
        registry: Registry::open(),
        asked: AtomicU64::new(0),
        is_down: AtomicBool::new(false),
        lies: Mutex::default(),
    });
    let mut mirror = Registry::open();
    let transport: Arc<dyn Transport> = distant.clone();
    mirror.server = mirror
        .server
        .mirroring(Upstream::new(transport, "http://distant.test/"));
    (distant, mirror)
}

#[test]
fn a_mirror_fetches_what_it_does_not_have_and_keeps_it() {
    let (distant, mirror) = mirror();
    let old = distant.registry.push("team/app", "v1", &["layer", "of v1"]);
    let asked = || distant.asked.swap(0, Ordering::SeqCst);
    let pull = |tag: &str| {
        let answer = mirror.get(&format!("/v2/team/app/manifests/{tag}"));
        answer.is(200).header("docker-content-digest").to_owned()
    };
    assert_eq!(pull("v1"), old.as_str());
    assert_eq!(asked(), 4, "the manifest, the config, two layers");
    assert_eq!(pull("v1"), old.as_str());
    assert_eq!(asked(), 1, "tags move, so the tag alone is asked for");
    let blob = format!("/v2/team/app/blobs/{}", Digest::of(b"of v1"));
    assert_eq!(mirror.get(&blob).is(200).body, b"of v1");
    assert_eq!(pull(old.as_str()), old.as_str());
    assert_eq!(asked(), 0, "a digest does not move");
    let new = distant.registry.push("team/app", "v1", &["layer", "of v2"]);
    asked();
    assert_eq!(pull("v1"), new.as_str());
    assert_eq!(asked(), 2, "the manifest and the new layer");
    mirror
        .get("/v2/team/app/manifests/v9")
        .refused(404, "MANIFEST_UNKNOWN");
    mirror
        .get("/v2/none/manifests/v1")
        .refused(404, "NAME_UNKNOWN");
    distant.is_down.store(true, Ordering::SeqCst);
    assert_eq!(pull("v1"), new.as_str());
    mirror
        .get("/v2/team/app/manifests/v9")
        .refused(502, "UNKNOWN");
}

#[test]
fn a_mirror_keeps_nothing_that_is_not_whole() {
    let (distant, mirror) = mirror();
    distant.registry.push("a", "v1", &["layer"]);
    *distant.lies.lock().unwrap() = Some(b"something else");
    mirror.get("/v2/a/manifests/v1").refused(502, "UNKNOWN");
    assert!(mirror.store.tags().unwrap().is_empty());
    *distant.lies.lock().unwrap() = None;
    mirror.get("/v2/a/manifests/v1").is(200);
}

#[test]
fn a_mirror_fetches_of_an_index_what_is_asked_for() {
    let (distant, mirror) = mirror();
    let platforms: Vec<Value> = ["amd64", "arm64"]
        .into_iter()
        .map(|processor| {
            let digest = distant.registry.push("a", processor, &[processor]);
            let path = format!("/v2/a/manifests/{digest}");
            let size = distant.registry.get(&path).body.len();
            json!({ "mediaType": media::MANIFEST, "digest": digest, "size": size })
        })
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": platforms });
    distant.registry.put("a", "v1", &index).is(201);
    mirror.get("/v2/a/manifests/v1").is(200);
    let size = |content: &[u8]| mirror.store.size(&Digest::of(content)).unwrap();
    assert_eq!((size(b"amd64"), size(b"arm64")), (None, None));
    let digest = platforms[1]["digest"].as_str().unwrap();
    mirror.get(&format!("/v2/a/manifests/{digest}")).is(200);
    assert_eq!((size(b"amd64"), size(b"arm64")), (None, Some(5)));
    mirror
        .get(&format!("/v2/a/blobs/{}", Digest::of(b"arm64")))
        .is(200);
}

//! A registry of one's own, served by `coracle`: real clients push to it and pull from it, with
//! and without a login and TLS, and the digests are the same everywhere. It is killed in the
//! middle, collected under the hands of its clients, and asked by many at once.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coracle::digest::Digest;
use coracle::spec::media;
use coracle::store::gc;
use coracle::store::layout::Layout;
use coracle_tests::registry::{DockerRegistry, Peer};
use coracle_tests::wire::Wire;
use coracle_tests::{Call, Daemon, Outcome, Person, Podman, Sandbox, Serving, installed, skip};
use http::Method;
use rustix::process::Signal;
use serde_json::json;

// ── The peers ───────────────────────────────────────────────────────────────────────────────

/// The user `ann` with the password `secret`, hashed in the fewest rounds that there are.
const USERS: &str = "ann:$2b$04$c6UTfHJY/sZc284z6pM38OWtB5wEPkkLhKXUjb1krgfCTkXM0DCRK\n";

/// How the registry is guarded, and the options for that.
const GUARDS: &[(&str, &[&str])] = &[
    ("open", &[]),
    ("password", &["--htpasswd", "users"]),
    (
        "token",
        &["--htpasswd", "users", "--token-secret", "signing"],
    ),
    (
        "anonymous",
        &[
            "--htpasswd",
            "users",
            "--token-secret",
            "signing",
            "--anonymous-pull",
        ],
    ),
    (
        "tls",
        &[
            "--htpasswd",
            "users",
            "--token-secret",
            "signing",
            "--tls-cert",
            "server.pem",
            "--tls-key",
            "server.key",
        ],
    ),
];

/// Each tool pushes, and each pulls what each has pushed: with one digest.
#[test]
fn skopeo_podman_and_buildah_push_and_pull() {
    let Some((sandbox, podman)) = scene() else {
        return;
    };
    for (guard, options) in GUARDS {
        let registry = Serving::start(&sandbox, &format!("{guard}/store"), options);
        let tools = Tools {
            sandbox: &sandbox,
            podman: &podman,
            guard,
        };
        sandbox.file(&format!("{guard}/auth.json"), "{}");
        let host = registry.address.to_string();
        if *guard != "open" {
            tools.push("skopeo", &format!("{host}/denied:1")).fails();
            let wrong = ["login", "--username=ann", "--password=wrong", &host];
            tools.run("podman", &wrong).fails();
            for tool in TOOLS {
                let login = ["login", "--username=ann", "--password=secret", &host];
                tools.run(tool, &login).succeeds();
            }
        }
        let mut pushed = Vec::new();
        for tool in TOOLS {
            let name = format!("{host}/team/{tool}:1");
            tools.push(tool, &name).succeeds();
            let digest = tools.digest("skopeo", &name);
            pushed.push((name, digest));
        }
        if *guard == "anonymous" {
            tools.run("podman", &["logout", &host]).succeeds();
            tools.push("skopeo", &format!("{host}/denied:1")).fails();
        }
        for (name, digest) in &pushed {
            for tool in TOOLS {
                assert_eq!(
                    tools.digest(tool, name),
                    *digest,
                    "{guard}: {tool} pulls {name}"
                );
            }
        }
        registry.ends_well();
        fsck(&sandbox, guard).says(&["everything is as it should be: 3 tags"]);
    }
}

/// From Debian's registry to ours and back, with one digest.
#[test]
fn skopeo_copies_between_two_registries() {
    let Some((sandbox, podman)) = scene() else {
        return;
    };
    let Some(theirs) = DockerRegistry::start(sandbox.path()) else {
        return;
    };
    let ours = Serving::start(&sandbox, "open/store", &[]);
    sandbox.file("open/auth.json", "{}");
    let tools = Tools {
        sandbox: &sandbox,
        podman: &podman,
        guard: "open",
    };
    let [ours_at, theirs_at] = [ours.address, theirs.wire.address].map(|a| format!("{a}/team/app"));
    tools.push("skopeo", &format!("{theirs_at}:1")).succeeds();
    let copy = |from: &str, to: &str| {
        let (from, to) = (format!("docker://{from}"), format!("docker://{to}"));
        let insecure = "--src-tls-verify=false";
        tools
            .run(
                "skopeo",
                &["copy", "-q", "--preserve-digests", insecure, &from, &to],
            )
            .succeeds();
    };
    copy(&format!("{theirs_at}:1"), &format!("{ours_at}:2"));
    copy(&format!("{ours_at}:2"), &format!("{theirs_at}:3"));
    let digest = tools.digest("skopeo", &format!("{theirs_at}:1"));
    for name in [format!("{ours_at}:2"), format!("{theirs_at}:3")] {
        assert_eq!(tools.digest("skopeo", &name), digest, "{name}");
    }
    ours.ends_well();
}

/// Docker's daemon and the registry in one network namespace.
#[test]
fn docker_logs_in_pushes_and_pulls() {
    let Some((sandbox, _podman)) = scene() else {
        return;
    };
    let Some(docker) = Daemon::docker(&sandbox) else {
        return;
    };
    // The loopback is down in a new namespace. An address beside 127.0.0.0/8 is one for which
    // Docker insists on TLS, with a certificate that it trusts.
    let script = "ip link set lo up && ip addr add 10.9.8.7/32 dev lo &&
        mount -t tmpfs tmpfs /etc/docker && mkdir -p /etc/docker/certs.d/10.9.8.7:5443 &&
        cp \"$1\" /etc/docker/certs.d/10.9.8.7:5443/ca.crt";
    let authority = sandbox.path().join("ca/ca.crt").display().to_string();
    inside(&docker, &["--mount", "sh", "-ec", script, "sh", &authority])
        .run()
        .succeeds();
    docker.call(&["load", "-qi", "docker.tar"]).run().succeeds();
    for (guard, options) in GUARDS {
        let host = if *guard == "tls" {
            "10.9.8.7:5443"
        } else {
            "127.0.0.1:5000"
        };
        let store = sandbox
            .path()
            .join(format!("{guard}/store"))
            .display()
            .to_string();
        let binary = sandbox.binary().display().to_string();
        let words = [
            binary.as_str(),
            "registry",
            "serve",
            "--listen",
            host,
            "--store",
            &store,
        ];
        let call = inside(&docker, &[&words[..], options].concat());
        let server = call.dir(sandbox.path()).start();
        let name = format!("{host}/team/app:1");
        let denied = format!("{host}/denied:1");
        docker.call(&["tag", IMAGE, &name]).run().succeeds();
        docker.call(&["tag", IMAGE, &denied]).run().succeeds();
        let ping = [
            "sh",
            "-c",
            "until ss -Hltn | grep -q \"$1\"; do sleep 0.05; done",
            "sh",
            host,
        ];
        inside(&docker, &ping)
            .limit(Duration::from_secs(20))
            .run()
            .succeeds();
        if *guard != "open" {
            docker.call(&["push", &denied]).run().fails();
            let wrong = ["login", "--username=ann", "--password=wrong", host];
            docker.call(&wrong).run().fails();
            let login = ["login", "--username=ann", "--password=secret", host];
            docker.call(&login).run().succeeds();
        }
        docker.call(&["push", &name]).run().succeeds();
        let digests = || {
            let format = "{{index .RepoDigests 0}} {{.Id}}";
            let said = docker
                .call(&["inspect", "-f", format, &name])
                .run()
                .succeeds();
            said.line().to_owned()
        };
        docker.call(&["rmi", &denied]).run().succeeds();
        let before = digests();
        docker.call(&["rmi", &name]).run().succeeds();
        docker.call(&["pull", "-q", &name]).run().succeeds();
        let after = digests();
        let (repository, id) = (before.split(' ').next(), before.split(' ').nth(1));
        assert_eq!(after.split(' ').nth(1), id, "{guard}");
        assert_eq!(after.split(' ').next(), repository, "{guard}");
        docker.call(&["rmi", &name]).run().succeeds();
        docker.call(&["logout", host]).run().succeeds();
        server.signal(Signal::TERM);
        server.wait().succeeds();
        fsck(&sandbox, guard).says(&["everything is as it should be: 1 tags"]);
    }
}

// ── Accidents ───────────────────────────────────────────────────────────────────────────────

/// However far a push has come when the server is killed, the store is whole, and the push can be
/// done again.
#[test]
fn a_server_that_is_killed_leaves_no_lie() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let layer: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for delay in [0, 3, 10, 20, 40, 80, 160] {
        let registry = Serving::start(&sandbox, "kept/store", &[]);
        let wire = registry.wire();
        let pushing = {
            let layer = layer.clone();
            std::thread::spawn(move || {
                for number in 0_u32.. {
                    let mut layer = layer.clone();
                    layer[..4].copy_from_slice(&number.to_le_bytes());
                    let peer = Peer { transport: &wire };
                    push(&peer, "team/app", &format!("{delay}-{number}"), &[&layer]);
                }
            })
        };
        std::thread::sleep(Duration::from_millis(100 + delay));
        registry.running.signal(Signal::KILL);
        assert_eq!(registry.running.wait().signal, Some(9));
        // The pusher ends with the server; that it is cut off is its panic.
        assert!(pushing.join().is_err(), "nobody was cut off");
        let said = fsck(&sandbox, "kept");
        assert!(
            !said.stdout.contains("problems, 0") && said.code == Some(0),
            "{said}"
        );
    }
    let registry = Serving::start(&sandbox, "kept/store", &[]);
    let peer = registry.wire();
    let peer = Peer { transport: &peer };
    push(&peer, "team/app", "whole", &[b"layer"]);
    // What the dead left is taken away while the server runs.
    let store = Layout::open(sandbox.path().join("kept/store")).unwrap();
    let begin = Instant::now();
    while !gc::unreachable(&store, &[]).unwrap().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(30), "nobody collects");
        std::thread::sleep(Duration::from_millis(100));
    }
    registry.ends_well();
    fsck(&sandbox, "kept").says(&["everything is as it should be"]);
}

/// Another process collects as often as it can while clients push, pull and delete.
#[test]
fn garbage_is_collected_while_clients_push_and_pull() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let registry = Serving::start(&sandbox, "busy/store", &[]);
    let wire = registry.wire();
    let store = Layout::open(sandbox.path().join("busy/store")).unwrap();
    let over = AtomicBool::new(false);
    let collections = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                if gc::collect(&store, &[]).unwrap().is_some() {
                    collections.fetch_add(1, Ordering::SeqCst);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let clients: Vec<_> = (0..4)
            .map(|client| scope.spawn(move || client_of_a_busy_registry(&wire, client)))
            .collect();
        let results: Vec<_> = clients
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        over.store(true, Ordering::SeqCst);
        assert!(results.iter().all(Result::is_ok), "a client saw an error");
    });
    assert!(
        collections.load(Ordering::SeqCst) > 0,
        "nobody was ever alone"
    );
    registry.ends_well();
    fsck(&sandbox, "busy").exits(0);
}

fn client_of_a_busy_registry(wire: &Wire, client: usize) {
    let peer = Peer { transport: wire };
    let repository = format!("client/{client}");
    for round in 0..25 {
        let own = format!("layer {round} of {client}").into_bytes();
        // One layer is everybody's, so deleting takes away what others are pushing again.
        let digest = push(&peer, &repository, "v", &[b"everybody's", &own]);
        pull(&peer, &repository, "v");
        std::thread::sleep(Duration::from_millis(5));
        if round % 2 == 0 {
            let at = format!("/v2/{repository}/manifests/{digest}");
            peer.ask(&Method::DELETE, &at, &[], b"").is(202);
        }
    }
}

/// 64 clients push and pull at once; nobody sees an error, and every digest is right.
#[test]
fn many_clients_push_and_pull_at_once() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let registry = Serving::start(&sandbox, "many/store", &[]);
    let wire = registry.wire();
    std::thread::scope(|scope| {
        for client in 0..64 {
            scope.spawn(move || {
                let peer = Peer { transport: &wire };
                let own = vec![u8::try_from(client).unwrap(); 300_000];
                for tag in ["v1", "v2", "v3"] {
                    let repository = format!("client/{client}");
                    push(
                        &peer,
                        &repository,
                        tag,
                        &[b"everybody's", &own, tag.as_bytes()],
                    );
                    pull(&peer, &repository, tag);
                }
            });
        }
    });
    registry.ends_well();
    fsck(&sandbox, "many").says(&["everything is as it should be: 192 tags"]);
}

/// What cannot be is said before anything is served.
#[test]
fn options_that_cannot_be_are_refused() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("users", USERS);
    sandbox.file("md5", "ann:$apr1$x$y\n");
    sandbox.file("short", "secret");
    let check = |options: &[&str], parts: &[&str]| {
        let call = sandbox.coracle(["registry", "serve"]);
        call.args(options)
            .limit(Duration::from_secs(20))
            .run()
            .fails()
            .complains(parts);
    };
    check(
        &["--listen", "nonsense"],
        &["listen on nonsense", "ADDRESS:PORT"],
    );
    check(&["--htpasswd", "none"], &["read none"]);
    check(&["--htpasswd", "md5"], &["md5: line 1", "htpasswd -B"]);
    check(
        &["--htpasswd", "users", "--token-secret", "short"],
        &["short has 6 bytes", "urandom"],
    );
    check(&["--token-secret", "short"], &["--htpasswd"]);
    check(
        &["--tls-cert", "users", "--tls-key", "users"],
        &["users", "PEM"],
    );
    check(&["--tls-cert", "users"], &["--tls-key"]);
}

// ── What the tests share ────────────────────────────────────────────────────────────────────

const TOOLS: [&str; 3] = ["skopeo", "podman", "buildah"];

/// The image that is pushed.
const IMAGE: &str = "localhost/peer:1";

/// A sandbox with the image as archives, users, a signing secret, and a certificate by a private
/// authority.
fn scene() -> Option<(Sandbox, Podman)> {
    let sandbox = Sandbox::new()?;
    if !sandbox.person.is_root() || !Person::me().is_root() {
        skip("needs root to give files to others");
        return None;
    }
    if !["skopeo", "buildah", "openssl"].into_iter().all(installed) {
        return None;
    }
    let podman = Podman::new(&sandbox)?;
    sandbox.file(
        "app/Dockerfile",
        "FROM scratch\nCOPY a /\nCOPY b /\nCMD [\"/a\"]\n",
    );
    sandbox.file("app/a", "a".repeat(100_000));
    sandbox.file("app/b", "b");
    let coracle = |words: &[&str]| sandbox.coracle(words).run().succeeds();
    coracle(&["build", "-q", "-t", IMAGE, "app"]);
    coracle(&["save", "--oci", "-o", "oci.tar", IMAGE]);
    coracle(&["save", "--format=docker", "-o", "docker.tar", IMAGE]);
    sandbox.file("users", USERS);
    sandbox.file("signing", "0123456789abcdef0123456789abcdef");
    sandbox.file("names", "subjectAltName=IP:127.0.0.1,IP:10.9.8.7\n");
    std::fs::create_dir(sandbox.path().join("ca")).unwrap();
    let script = "
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority \
            -keyout ca.key -out ca/ca.crt
        openssl req -newkey rsa:2048 -nodes -subj /CN=registry -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca/ca.crt -CAkey ca.key -CAcreateserial -days 2 \
            -extfile names -out server.pem";
    sandbox.stagehand("sh", ["-ec", script]).run().succeeds();
    Some((sandbox, podman))
}

/// Where buildah keeps what is its own.
const STORAGE: [&str; 3] = ["--root=b", "--runroot=b-run", "--storage-driver=vfs"];

struct Tools<'a> {
    sandbox: &'a Sandbox,
    podman: &'a Podman,
    guard: &'a str,
}

impl Tools<'_> {
    /// Runs a tool's command with what it needs to believe the registry.
    fn run(&self, tool: &str, words: &[&str]) -> Outcome {
        let authority = self.sandbox.path().join("ca").display().to_string();
        let (command, rest) = words.split_first().unwrap();
        let mut all = vec![(*command).to_owned()];
        // What copies has two ends, and each of them its own option.
        let [insecure, certificates] = match (tool, *command) {
            ("skopeo", "copy") => ["--dest-tls-verify=false", "--dest-cert-dir"],
            _ => ["--tls-verify=false", "--cert-dir"],
        };
        let asks_a_registry = ["copy", "inspect", "login", "push", "pull"].contains(command);
        match self.guard {
            _ if !asks_a_registry || (tool, *command) == ("podman", "inspect") => {}
            "tls" => all.extend([certificates.to_owned(), authority]),
            _ => all.push(insecure.to_owned()),
        }
        all.extend(rest.iter().map(|word| (*word).to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let call = match tool {
            "podman" => self.podman.call(&all),
            "buildah" => self.limited("buildah").args(STORAGE).args(&all),
            other => self.limited(other).args(&all),
        };
        // One file of logins for all three.
        call.env(
            "REGISTRY_AUTH_FILE",
            self.sandbox.path().join(self.guard).join("auth.json"),
        )
        .run()
    }

    fn limited(&self, program: &str) -> Call {
        let call = self
            .sandbox
            .stagehand("timeout", ["--signal=KILL", "100", program]);
        call.env("TMPDIR", self.sandbox.path())
    }

    /// Pushes the image under this name.
    fn push(&self, tool: &str, name: &str) -> Outcome {
        let to = format!("docker://{name}");
        if tool == "skopeo" {
            let words = [
                "copy",
                "-q",
                "--preserve-digests",
                "oci-archive:oci.tar",
                &to,
            ];
            return self.run(tool, &words);
        }
        let load = ["pull", "-q", "oci-archive:oci.tar"];
        let loaded = match tool {
            "podman" => self.podman.call(&load),
            _ => self.limited("buildah").args(STORAGE).args(load),
        };
        loaded.run().succeeds();
        self.run(tool, &["push", "-q", IMAGE, &to])
    }

    /// The digest of the manifest as the tool sees it: skopeo in the registry, the others after
    /// they have pulled it.
    fn digest(&self, tool: &str, name: &str) -> String {
        let at = format!("docker://{name}");
        let said = match tool {
            "skopeo" => self.run(tool, &["inspect", "--format", "{{.Digest}}", &at]),
            "podman" => {
                self.run(tool, &["pull", "-q", name]).succeeds();
                let said = self.run(tool, &["inspect", "--format", "{{.Digest}}", name]);
                self.run(tool, &["rmi", "-f", name]).succeeds();
                said
            }
            _ => {
                self.run(tool, &["pull", "-q", name]).succeeds();
                let said = self.run(tool, &["images", "--format", "{{.Digest}}", name]);
                self.run(tool, &["rmi", "-f", name]).succeeds();
                said
            }
        };
        let said = said.succeeds();
        // buildah says it once for each name that the image has.
        let mut lines: Vec<&str> = said.line().lines().collect();
        lines.dedup();
        assert_eq!(lines.len(), 1, "{said}");
        lines[0].to_owned()
    }
}

/// A call in the daemon's network namespace; with the first word `--mount` in its files, too.
fn inside(daemon: &Daemon, words: &[&str]) -> Call {
    let mut command = Command::new("nsenter");
    command
        .args(["--net", &format!("--target={}", daemon.id())])
        .args(words);
    Call::new(command).limit(Duration::from_mins(5))
}

/// `coracle fsck` of the store in this folder.
fn fsck(sandbox: &Sandbox, folder: &str) -> Outcome {
    let root = sandbox.path().join(folder);
    sandbox
        .coracle(["--root", root.to_str().unwrap(), "fsck"])
        .run()
        .exits(0)
}

/// Pushes an image of these layers, as clients do: what is there is not sent again.
#[track_caller]
fn push(peer: &Peer, repository: &str, tag: &str, layers: &[&[u8]]) -> Digest {
    let mut config = push_blob(peer, repository, b"{}");
    config["mediaType"] = "application/vnd.oci.empty.v1+json".into();
    let layers = layers
        .iter()
        .map(|layer| push_blob(peer, repository, layer));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config,
        "layers": layers.collect::<Vec<_>>(),
    });
    let at = format!("/v2/{repository}/manifests/{tag}");
    let bytes = manifest.to_string().into_bytes();
    peer.ask(
        &Method::PUT,
        &at,
        &[("content-type", media::MANIFEST)],
        &bytes,
    )
    .is(201);
    Digest::of(&bytes)
}

#[track_caller]
fn push_blob(peer: &Peer, repository: &str, bytes: &[u8]) -> serde_json::Value {
    let digest = Digest::of(bytes);
    let at = format!("/v2/{repository}/blobs/{digest}");
    if peer.ask(&Method::HEAD, &at, &[], b"").status != 200 {
        let at = format!("/v2/{repository}/blobs/uploads/");
        let reply = peer.ask(&Method::POST, &at, &[], b"");
        let upload = reply.is(202).header("location").to_owned();
        let half = bytes.len() / 2;
        peer.ask(&Method::PATCH, &upload, &[], &bytes[..half])
            .is(202);
        let at = format!("{upload}?digest={digest}");
        peer.ask(&Method::PUT, &at, &[], &bytes[half..]).is(201);
    }
    json!({ "mediaType": "application/x.test", "digest": digest, "size": bytes.len() })
}

/// Pulls an image and compares everything with its digest.
#[track_caller]
fn pull(peer: &Peer, repository: &str, tag: &str) {
    let reply = peer.get(&format!("/v2/{repository}/manifests/{tag}"));
    let digest = Digest::of(&reply.is(200).body);
    assert_eq!(reply.header("docker-content-digest"), digest.as_str());
    let manifest = reply.json();
    let layers = manifest["layers"].as_array().unwrap();
    for blob in layers.iter().chain([&manifest["config"]]) {
        let digest = blob["digest"].as_str().unwrap();
        let reply = peer.get(&format!("/v2/{repository}/blobs/{digest}"));
        assert_eq!(Digest::of(&reply.is(200).body).as_str(), digest);
    }
}

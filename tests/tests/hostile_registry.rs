//! Clients that attack a registry, over a real socket: each gets a clear answer or is cut off in a
//! bounded time, and the next honest client is served as if nothing had been.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use coracle::digest::Digest;
use coracle::registry::net::server::Limits;
use coracle::registry::server::{Access, Settings, Tokens};
use coracle::store::layout::Layout;
use coracle::store::memory::MemoryStore;
use coracle_tests::registry::{Peer, Served, server};
use http::Method;

/// A second of patience instead of half a minute.
fn impatient() -> Limits {
    Limits {
        quiet: Duration::from_secs(1),
        pace: Duration::from_secs(1),
        ..Limits::default()
    }
}

fn start() -> Served {
    let store = Arc::new(MemoryStore::new());
    Served::start(
        server(store, Settings::default(), Access::default()),
        impatient(),
    )
}

/// Whether the server still does what it is there for.
#[track_caller]
fn serves(served: &Served) {
    let begin = Instant::now();
    let peer = Peer {
        transport: &served.wire,
    };
    let digest = Digest::of(b"honest");
    let at = format!("/v2/honest/blobs/uploads/?digest={digest}");
    peer.ask(&Method::POST, &at, &[], b"honest").is(201);
    assert_eq!(
        peer.get(&format!("/v2/honest/blobs/{digest}")).is(200).body,
        b"honest"
    );
    let took = begin.elapsed();
    assert!(
        took < Duration::from_secs(2),
        "an honest client waited {took:?}"
    );
}

/// Begins an upload and says where it goes on.
fn begin(served: &Served) -> String {
    let peer = Peer {
        transport: &served.wire,
    };
    let reply = peer.ask(&Method::POST, "/v2/a/blobs/uploads/", &[], b"");
    reply.is(202).header("location").to_owned()
}

/// What comes back until the server ends the connection, which it must do soon.
#[track_caller]
fn hear(mut stream: TcpStream) -> Vec<u8> {
    let begin = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut heard = Vec::new();
    if let Err(e) = stream.read_to_end(&mut heard) {
        let kind = e.kind();
        let reset = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&kind);
        assert!(reset, "the server hangs: {e}");
    }
    assert!(begin.elapsed() < Duration::from_secs(10));
    heard
}

#[test]
fn what_is_said_wrongly_is_refused_in_words() {
    let served = start();
    let check = |request: &str, parts: &[&str]| {
        let answer = served.wire.say(request.as_bytes()).unwrap();
        for part in parts {
            assert!(
                answer.contains(part),
                "{request:?}: no {part:?} in {answer:?}"
            );
        }
        for part in ["Set-Cookie", "root:"] {
            assert!(!answer.contains(part), "{request:?}: {answer}");
        }
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let name = &["HTTP/1.1 400", "NAME_INVALID"];
    check(&get("/v2/../../../etc/passwd/tags/list"), name);
    check(&get("/v2/%2e%2e/%2e%2e/etc/passwd/manifests/latest"), name);
    check(&get("/v2/..%2f..%2fetc%2fpasswd/tags/list"), name);
    check(&get("/v2//etc/passwd/tags/list"), name);
    check(&get("/v2/a%00b/tags/list"), name);
    check(
        &get("/v2/a%0d%0aSet-Cookie:%20x=y/tags/list").replace("Set-Cookie", "Set-Kookie"),
        name,
    );
    check(&get("/v2/\u{202e}a/tags/list"), &["HTTP/1.1 400"]);
    check(&get("/v2/a/manifests/..%2f..%2fx"), &["HTTP/1.1 4"]);
    check(
        &get("/v2/a/blobs/sha256:..%2f..%2f..%2fetc%2fpasswd"),
        &["HTTP/1.1 4"],
    );
    check(
        &get("/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e"),
        &["400", "DIGEST_INVALID"],
    );
    check(&get("/v2/a/tags/list?n=-1"), &["HTTP/1.1 4"]);
    check(&get("/etc/passwd"), &["HTTP/1.1 404"]);
    check(
        &get("/v2/").replace("GET", "BREW"),
        &["HTTP/1.1 405", "allow: GET, HEAD"],
    );
    check(
        &get(&format!("/v2/{}", "x".repeat(70_000))),
        &["HTTP/1.1 4"],
    );
    check(
        &get("/v2/").replace("Host: x", &format!("X: {}", "x".repeat(40_000))),
        &["HTTP/1.1 431"],
    );
    let many = "X: y\r\n".repeat(200);
    check(
        &get("/v2/").replace("Host: x\r\n", &many),
        &["HTTP/1.1 431"],
    );
    check(
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\r\n\r\n",
        &["HTTP/1.1 400"],
    );
    check("GET /v2/ HTTP/1.0\r\n\r\n", &["HTTP/1.0 200"]);
    serves(&served);
}

/// A manifest that is announced too large is refused before it is sent; one that is not announced
/// is refused when it has become too large.
#[test]
fn a_manifest_that_is_too_large_is_refused() {
    let served = start();
    let head = "PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let refused = |heard: &[u8]| {
        let heard = String::from_utf8_lossy(heard);
        assert!(
            heard.contains("HTTP/1.1 413") && heard.contains("MANIFEST_INVALID"),
            "{heard}"
        );
    };
    let mut stream = served.wire.connect().unwrap();
    write!(stream, "{head}Content-Length: 1000000000000\r\n\r\n").unwrap();
    refused(&hear(stream));
    let mut stream = served.wire.connect().unwrap();
    write!(stream, "{head}Transfer-Encoding: chunked\r\n\r\n").unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    for _ in 0..80 {
        stream.write_all(&chunk).unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    refused(&hear(stream));
    serves(&served);
}

#[test]
fn bodies_that_are_not_as_they_were_announced_are_refused() {
    let served = start();
    let peer = Peer {
        transport: &served.wire,
    };
    let upload = begin(&served);
    let say = |headers: &str, body: &str| {
        let mut stream = served.wire.connect().unwrap();
        write!(
            stream,
            "PATCH {upload} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}"
        )
        .unwrap();
        // The server may have refused and gone already.
        let _ = stream.shutdown(Shutdown::Write);
        String::from_utf8_lossy(&hear(stream)).into_owned()
    };
    let so_far = || peer.get(&upload).is(204).header("range").to_owned();
    // Shorter: what came is kept, and the client can ask how much that is.
    let answer = say("Content-Length: 100", "0123456789");
    assert!(
        answer.is_empty() || answer.contains("BLOB_UPLOAD_INVALID"),
        "{answer}"
    );
    wait_until(|| so_far() == "0-9");
    // Longer: what is too much is the next request, and none.
    let answer = say(
        "Content-Length: 5\r\nContent-Range: 10-14",
        "abcdeGARBAGE\r\n\r\n",
    );
    assert!(
        answer.contains("HTTP/1.1 202") && answer.contains("HTTP/1.1 400"),
        "{answer}"
    );
    assert_eq!(so_far(), "0-14");
    for (headers, body, part) in [
        (
            "Content-Length: 5\r\nContent-Range: 0-4",
            "abcde",
            "HTTP/1.1 416",
        ),
        (
            "Content-Length: 5\r\nContent-Range: 15-99",
            "abcde",
            "HTTP/1.1 416",
        ),
        (
            "Content-Length: 5\r\nContent-Range: x",
            "abcde",
            "HTTP/1.1 416",
        ),
        ("Content-Length: -5", "abcde", "HTTP/1.1 400"),
        (
            "Content-Length: 5\r\nContent-Length: 6",
            "abcde",
            "HTTP/1.1 400",
        ),
        ("Transfer-Encoding: gzip", "abcde", "HTTP/1.1 400"),
    ] {
        let answer = say(headers, body);
        assert!(answer.contains(part), "{headers}: {answer}");
        assert_eq!(so_far(), "0-14", "{headers}");
    }
    // Not chunks at all: refused, or the connection ends.
    let answer = say("Transfer-Encoding: chunked", "zz\r\nabc\r\n0\r\n\r\n");
    assert!(!answer.contains("HTTP/1.1 20"), "{answer}");
    // Two framings at once are how requests are smuggled past a proxy: one answer, and the
    // connection ends, so that nothing behind it is taken for a request.
    let hidden = "0\r\n\r\nGET /v2/_catalog HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = say("Content-Length: 5\r\nTransfer-Encoding: chunked", hidden);
    assert!(!answer.contains("repositories"), "{answer}");
    peer.ask(&Method::DELETE, &upload, &[], b"").is(204);
    let answer = say("Content-Length: 5", "abcde");
    assert!(
        answer.contains("HTTP/1.1 404") && answer.contains("BLOB_UPLOAD_UNKNOWN"),
        "{answer}"
    );
    serves(&served);
}

#[test]
fn an_upload_has_one_writer_at_a_time() {
    let served = start();
    let peer = Peer {
        transport: &served.wire,
    };
    let upload = begin(&served);
    let mut first = served.wire.connect().unwrap();
    write!(
        first,
        "PATCH {upload} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234"
    )
    .unwrap();
    wait_until(|| peer.get(&upload).is(204).header("range") == "0-4");
    let reply = peer.ask(&Method::PATCH, &upload, &[], b"second");
    reply.refuses(409, "BLOB_UPLOAD_INVALID");
    first.write_all(b"56789").unwrap();
    wait_until(|| peer.get(&upload).is(204).header("range") == "0-9");
    let at = format!("{upload}?digest={}", Digest::of(b"0123456789"));
    peer.ask(&Method::PUT, &at, &[], b"").is(201);
}

/// Slow loris, in the head, in the body and in what it takes: each is cut off, and while a crowd
/// of them is at it, others are served.
#[test]
fn slow_clients_are_cut_off_and_starve_nobody() {
    let served = start();
    let peer = Peer {
        transport: &served.wire,
    };
    let large = vec![7; 32 << 20];
    let blob = Digest::of(&large);
    let at = format!("/v2/a/blobs/uploads/?digest={blob}");
    peer.ask(&Method::POST, &at, &[], &large).is(201);
    let mut slow = Vec::new();
    for _ in 0..40 {
        let mut head = served.wire.connect().unwrap();
        head.write_all(b"GET /v2/ HTTP/1.1\r\nHo").unwrap();
        let mut body = served.wire.connect().unwrap();
        let upload = begin(&served);
        write!(
            body,
            "PATCH {upload} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n"
        )
        .unwrap();
        let mut taker = served.wire.connect().unwrap();
        write!(taker, "GET /v2/a/blobs/{blob} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        slow.push((head, body, taker));
    }
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(3500) {
        for (head, body, _) in &mut slow {
            // A byte now and then is no pace.
            let _ = head.write_all(b"x");
            let _ = body.write_all(b"x");
        }
        serves(&served);
        std::thread::sleep(Duration::from_millis(300));
    }
    for (head, body, taker) in slow {
        let heard = hear(head);
        assert!(
            !heard.starts_with(b"HTTP/1.1 2"),
            "{}",
            String::from_utf8_lossy(&heard)
        );
        let heard = hear(body);
        assert!(
            !heard.starts_with(b"HTTP/1.1 2"),
            "{}",
            String::from_utf8_lossy(&heard)
        );
        assert!(hear(taker).len() < large.len(), "nobody was cut off");
    }
    serves(&served);
}

/// A connection that says nothing, and one that has said all it wanted, do not stay for ever.
#[test]
fn quiet_connections_are_ended() {
    let served = start();
    let quiet = served.wire.connect().unwrap();
    let mut done = served.wire.connect().unwrap();
    done.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert!(hear(done).starts_with(b"HTTP/1.1 200"));
    hear(quiet);
    serves(&served);
}

#[test]
fn credentials_that_are_none_are_refused() {
    let access = Access {
        users: Some(Arc::new(|user, password| {
            (user, password) == ("ann", "secret")
        })),
        anonymous_pull: false,
        tokens: Some(Tokens::new(vec![7; 32], Duration::from_mins(5))),
    };
    let store = Arc::new(MemoryStore::new());
    let served = Served::start(server(store, Settings::default(), access), impatient());
    let peer = Peer {
        transport: &served.wire,
    };
    for credentials in [
        "Bearer",
        "Bearer ..",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Basic YW5uOnNlY3JldA==",
        "Digest username=\"ann\"",
        &format!("Bearer {}", "x".repeat(20_000)),
    ] {
        let reply = peer.ask(&Method::GET, "/v2/", &[("authorization", credentials)], b"");
        reply.refuses(401, "UNAUTHORIZED");
        assert!(
            reply
                .header("www-authenticate")
                .starts_with("Bearer realm=\"http://127.0.0.1:")
        );
    }
    let form = vec![b'x'; 100_000];
    peer.ask(&Method::POST, "/token", &[], &form)
        .refuses(400, "UNSUPPORTED");
    // The host's name comes back in a header.
    let evil = "GET /v2/ HTTP/1.1\r\nHost: x\",realm=\"evil\r\nConnection: close\r\n\r\n";
    let answer = served.wire.say(evil.as_bytes()).unwrap();
    assert!(!answer.contains("evil"), "{answer}");
}

/// A stopped server takes no new connection and finishes what is under way.
#[test]
fn a_stopped_server_finishes_what_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(folder.path().join("store")).unwrap();
    let new = server(Arc::new(layout), Settings::default(), Access::default());
    let mut served = Served::start(new, Limits::default());
    let wire = served.wire;
    let content = vec![7; 1 << 20];
    let digest = Digest::of(&content);
    let mut push = wire.connect().unwrap();
    write!(
        push,
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        content.len()
    )
    .unwrap();
    push.write_all(&content[..1000]).unwrap();
    let idle = wire.connect().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let ending = std::thread::spawn(move || (served.end(), served));
    wait_until(|| wire.connect().is_err());
    hear(idle);
    push.write_all(&content[1000..]).unwrap();
    assert!(hear(push).starts_with(b"HTTP/1.1 201"));
    assert!(ending.join().unwrap().0, "something was left");
    let blob = folder.path().join("store/blobs/sha256").join(digest.hex());
    assert_eq!(std::fs::read(blob).unwrap(), content);
}

#[track_caller]
fn wait_until(mut happens: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !happens() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "it never happens"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

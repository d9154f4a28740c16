//! ADD of http addresses, from a server on the loopback.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use coracle_tests::http::Server;
use coracle_tests::{Outcome, Sandbox};

/// Builds this Dockerfile as `app`.
fn build(sandbox: &Sandbox, dockerfile: &str) -> Outcome {
    sandbox.file("app/Dockerfile", dockerfile);
    let words = ["build", "--progress", "plain", "-t", "app", "app"];
    sandbox.coracle(words).run()
}

fn files(sandbox: &Sandbox) -> String {
    let listed = sandbox.coracle(["image", "ls-files", "app"]);
    listed.run().succeeds().stdout
}

#[test]
fn a_file_is_fetched_and_cached_by_what_it_is() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let moved = "302 Found\r\nLocation: /tool?x=1";
    let server = Server::start(&[
        ("/moved", moved, b""),
        (
            "/tool?x=1",
            "200 OK\r\nLast-Modified: Tue, 01 Jul 2025 10:00:00 GMT",
            b"tool",
        ),
    ]);
    let one = format!("FROM scratch\nADD {} /bin/\n", server.url("/tool?x=1"));
    build(&sandbox, &one).succeeds();
    let listed = files(&sandbox);
    let line = listed
        .lines()
        .find(|line| line.contains("/bin/tool"))
        .unwrap();
    for word in ["0600", " 4 "] {
        assert!(line.contains(word), "no {word}: {line}");
    }
    let again = build(&sandbox, &one).succeeds();
    assert!(again.stderr.contains("CACHED"), "{again}");
    assert_eq!(server.asked(), ["/tool?x=1", "/tool?x=1"]);
    // A redirect is followed; the name is that of the address as written.
    let other = format!(
        "FROM scratch\nADD --chmod=755 --chown=3:4 {} /a\nADD {} /b/\n",
        server.url("/moved"),
        server.url("/moved"),
    );
    build(&sandbox, &other).succeeds();
    let listed = files(&sandbox);
    for path in ["/a", "/b/moved"] {
        assert!(
            listed
                .lines()
                .any(|line| line.ends_with(path) || line.contains(&format!("{path} "))),
            "no {path}\n{listed}"
        );
    }
    assert!(listed.contains("0755"), "{listed}");
}

#[test]
fn a_checksum_is_checked_and_spares_the_way() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let server = Server::start(&[("/tool", "200 OK", b"tool")]);
    // printf tool | sha256sum
    let digest = "sha256:7c9bbe5ec9b3fb774e8fa0f54247e93c34ddf8e5d16fe3073420de0ae81a262d";
    let add = |sum: &str| {
        format!(
            "FROM scratch\nADD --checksum={sum} {} /\n",
            server.url("/tool")
        )
    };
    let wrong = format!("sha256:{}", "0".repeat(64));
    let refused = build(&sandbox, &add(&wrong)).fails();
    let said = format!("write --checksum={digest}");
    refused.complains(&["is not what --checksum says", &said, "Dockerfile:2"]);
    build(&sandbox, &add(digest)).succeeds();
    build(&sandbox, &add(digest)).succeeds();
    assert_eq!(server.asked().len(), 2, "what is here was fetched again");
    build(&sandbox, &add("sha256:1234"))
        .fails()
        .complains(&["sha256sum"]);
    let two = format!(
        "FROM scratch\nADD --checksum={digest} {} Dockerfile /\n",
        server.url("/tool")
    );
    build(&sandbox, &two)
        .fails()
        .complains(&["one http address"]);
}

#[test]
fn an_archive_is_unpacked_only_when_asked() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    sandbox.file("packed/inner", "inner");
    let tar = ["-C", "packed", "-czf", "a.tgz", "."];
    sandbox.stagehand("tar", tar).run().succeeds();
    let archive = std::fs::read(sandbox.path().join("a.tgz")).unwrap();
    let server = Server::start(&[("/a.tgz", "200 OK", &archive)]);
    let url = server.url("/a.tgz");
    let add = format!("FROM scratch\nADD {url} /kept/\nADD --unpack=true {url} /unpacked/\n");
    build(&sandbox, &add).succeeds();
    let listed = files(&sandbox);
    for path in ["/kept/a.tgz", "/unpacked/inner"] {
        assert!(listed.contains(path), "no {path}\n{listed}");
    }
    assert!(!listed.contains("/kept/inner"), "{listed}");
}

#[test]
fn what_cannot_be_fetched_says_why_and_where() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let short = "200 OK\r\nContent-Length: 100";
    let server = Server::start(&[("/short", short, b"tool"), ("/broken", "503 Busy", b"")]);
    let check = |url: &str, words: &[&str]| {
        let add = format!("FROM scratch\nADD {url} /\n");
        let outcome = build(&sandbox, &add).fails();
        outcome.complains(&["Dockerfile:2", url]).complains(words);
    };
    check(&server.url("/none"), &["404 Not Found"]);
    check(&server.url("/broken"), &["503"]);
    check(&server.url("/short"), &["fetch "]);
    let port = server.port;
    drop(server);
    check(&format!("http://127.0.0.1:{port}/x"), &["refused"]);
    check("https://example.org/x.git", &["git repository"]);
    let images = sandbox.coracle(["images", "-q"]).run().succeeds();
    assert_eq!(images.stdout, "");
}

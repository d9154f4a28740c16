//! The ways that lead to a registry: IPv6, and the proxies of the environment.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use coracle_tests::docker_registry::DockerRegistry;
use coracle_tests::http::Server;
use coracle_tests::proxy::Proxy;
use coracle_tests::{Sandbox, Serving, certificates, installed};

/// A name that no resolver knows (RFC 6761), so that only a proxy can lead there.
const FAR: &str = "registry.test:5000";

fn build(sandbox: &Sandbox, tag: &str) {
    sandbox.file("app/one", "one");
    sandbox.file("app/Dockerfile", "FROM scratch\nCOPY one /\n");
    let words = ["build", "-q", "-t", tag, "app"];
    sandbox.coracle(words).run().succeeds();
}

/// What `FAR` is: a registry in the clear.
fn in_the_clear(sandbox: &Sandbox) {
    let toml = format!("[registry.\"{FAR}\"]\nplain-http = true\n");
    sandbox.file("home/.config/coracle/registries.toml", toml);
}

#[test]
fn a_registry_may_have_an_address_of_ipv6() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let free = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let registry = Serving::start_at(&sandbox, address, "six", &[]);
    assert!(matches!(address, SocketAddr::V6(_)));
    let name = registry.image("team/app:1");
    assert!(name.starts_with("[::1]:"), "{name}");
    build(&sandbox, &name);
    sandbox.coracle(["push", &name]).run().succeeds();
    let pull = ["--root", "fresh", "pull", &name];
    let pulled = sandbox.coracle(pull).run().succeeds();
    assert!(pulled.stdout.contains(&name), "{pulled}");
    let repository = name.strip_suffix(":1").unwrap();
    let tags = sandbox.coracle(["tags", repository]).run().succeeds();
    tags.says(&[&format!("{repository}   1")]);
    registry.ends_well();
}

#[test]
fn a_registry_in_the_clear_is_asked_through_the_proxy_for_http() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let registry = Serving::start(&sandbox, "far", &[]);
    let (right, wrong) = (Proxy::to(Some(registry.address.port())), Proxy::to(None));
    in_the_clear(&sandbox);
    let name = format!("{FAR}/team/app:1");
    build(&sandbox, &name);
    let push = || sandbox.coracle(["push", &name]).env("CORACLE_OFFLINE", "0");
    push()
        .env("HTTP_PROXY", right.url())
        .env("HTTPS_PROXY", wrong.url())
        .run()
        .succeeds();
    assert_eq!(right.asked(), [format!("CONNECT {FAR} HTTP/1.1")]);
    assert_eq!(wrong.asked(), Vec::<String>::new());

    // Exceptions are asked straight, and nobody knows that name.
    let straight = push()
        .env("http_proxy", wrong.url())
        .env("no_proxy", "other.test,.test:5000");
    straight.run().fails().complains(&["registry.test"]);
    assert_eq!(wrong.asked(), Vec::<String>::new());

    // Nor is this machine asked through one.
    let near = registry.image("team/app:2");
    sandbox.coracle(["tag", &name, &near]).run().succeeds();
    let push = sandbox.coracle(["push", &near]);
    push.env("ALL_PROXY", wrong.url()).run().succeeds();
    assert_eq!(wrong.asked(), Vec::<String>::new());
    registry.ends_well();
}

#[test]
fn a_proxy_that_refuses_or_is_none_is_said() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let proxy = Proxy::to(None);
    in_the_clear(&sandbox);
    let pull = || {
        let name = format!("{FAR}/team/app:1");
        sandbox.coracle(["pull", &name]).env("CORACLE_OFFLINE", "0")
    };
    let refused = pull().env("HTTP_PROXY", proxy.url()).run().fails();
    refused.complains(&[FAR, "403"]);
    let socks = pull().env("HTTP_PROXY", "socks5://me:secret@127.0.0.1:1");
    let outcome = socks.run().fails().complains(&["HTTP_PROXY does not say"]);
    assert!(!outcome.stderr.contains("secret"), "{outcome}");
}

#[test]
fn tls_goes_through_the_proxy_for_https_from_end_to_end() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !installed("openssl") {
        return;
    }
    certificates::make(&sandbox, "DNS:registry.test");
    let file = |name: &str| sandbox.path().join(name).display().to_string();
    let tls = format!(
        ", tls: {{certificate: {}, key: {}}}",
        file("server.crt"),
        file("server.key")
    );
    let Some(registry) = DockerRegistry::start(&sandbox, "registry", &tls, "") else {
        return;
    };
    let (right, wrong) = (Proxy::to(Some(registry.port)), Proxy::to(None));
    let toml = format!("[registry.\"{FAR}\"]\nca = {:?}\n", file("ca.crt"));
    sandbox.file("home/.config/coracle/registries.toml", toml);
    let name = format!("{FAR}/team/app:1");
    build(&sandbox, &name);
    let call = |words: &[&str]| {
        sandbox
            .coracle(words)
            .env("CORACLE_OFFLINE", "0")
            .env("HTTPS_PROXY", right.url())
            .env("HTTP_PROXY", wrong.url())
    };
    call(&["push", &name]).run().succeeds();
    call(&["--root", "fresh", "pull", &name]).run().succeeds();
    assert_eq!(right.asked(), [format!("CONNECT {FAR} HTTP/1.1")]);
    assert_eq!(wrong.asked(), Vec::<String>::new());
}

#[test]
fn what_add_names_is_fetched_through_the_proxy() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let server = Server::start(&[("/tool", "200 OK", b"tool")]);
    let (right, wrong) = (Proxy::to(Some(server.port)), Proxy::to(None));
    sandbox.file(
        "app/Dockerfile",
        "FROM scratch\nADD http://files.test/tool /\n",
    );
    let build = |offline: &str| {
        let build = sandbox.coracle(["build", "-t", "app", "app"]);
        let build = build.env("HTTP_PROXY", right.url());
        let build = build.env("HTTPS_PROXY", wrong.url());
        build.env("CORACLE_OFFLINE", offline).run()
    };
    build("1").fails().complains(&["CORACLE_OFFLINE is set"]);
    assert_eq!(right.asked(), Vec::<String>::new());
    build("0").succeeds();
    assert_eq!(right.asked(), ["CONNECT files.test:80 HTTP/1.1"]);
    assert_eq!(wrong.asked(), Vec::<String>::new());
    assert_eq!(server.asked(), ["/tool"]);
}

//! Task 3: `follow` sends a request where an answer says, and no login to another host.
//!
//! Reread: Go there, but not with your keys

use ch05_registry::{Request, follow};
use lesson::{accepted, refused, same};

fn request() -> Request {
    let mut request = Request::new("PUT", "localhost:5000", "/v2/a")
        .with("authorization", "Bearer secret")
        .with("accept", "anything");
    request.body = b"bytes".to_vec();
    request
}

fn names(request: &Request) -> Vec<&str> {
    request.headers.iter().map(|(name, _)| *name).collect()
}

#[test]
fn a_path_is_on_the_same_host() {
    let next = accepted("/there?x=1", follow(&request(), "/there?x=1"));
    same("the host", &next.host.as_str(), &"localhost:5000");
    same("the path", &next.path.as_str(), &"/there?x=1");
    same(
        "the headers",
        &names(&next),
        &vec!["authorization", "accept"],
    );
}

#[test]
fn the_same_host_may_be_said_in_full() {
    let next = accepted(
        "the same host",
        follow(&request(), "http://localhost:5000/there"),
    );
    same("the path", &next.path.as_str(), &"/there");
    same(
        "the headers",
        &names(&next),
        &vec!["authorization", "accept"],
    );
}

#[test]
fn another_host_sees_no_login() {
    for elsewhere in [
        "http://evil.example/there",
        "http://localhost:5001/there",
        "http://localhost/there",
    ] {
        let next = accepted(elsewhere, follow(&request(), elsewhere));
        same(elsewhere, &names(&next), &vec!["accept"]);
        same("the path", &next.path.as_str(), &"/there");
    }
}

#[test]
fn method_and_body_go_along() {
    let next = accepted("/there", follow(&request(), "/there"));
    same("the method", &next.method, &"PUT");
    same("the body", &next.body, &b"bytes".to_vec());
}

#[test]
fn other_ways_are_refused() {
    for wrong in ["ftp://x/y", "https://x/y", "there", ""] {
        refused(
            &format!("{wrong:?}"),
            follow(&request(), wrong),
            "neither a path nor http",
        );
    }
}

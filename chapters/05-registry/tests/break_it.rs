//! Break it: a client that keeps its login when it is sent elsewhere gives it away.

#![allow(clippy::unwrap_used)]

mod server;

use ch05_registry::{Client, Request, follow};
use server::{USER, at, image, ok, says, shelf};

#[test]
fn a_login_that_goes_along_is_given_away() {
    let (elsewhere, seen) = says(|_| ok(b"thank you"));
    let location = format!("http://{elsewhere}/here");
    let request =
        Request::new("GET", "localhost:5000", "/v2/").with("authorization", "Bearer secret");

    // `follow` without its one rule.
    let mut careless = request.clone();
    careless.host.clone_from(&elsewhere);
    careless.send(&elsewhere).unwrap();
    assert!(seen.lock().unwrap().pop().unwrap().1);

    follow(&request, &location)
        .unwrap()
        .send(&elsewhere)
        .unwrap();
    assert!(!seen.lock().unwrap().pop().unwrap().1);
}

/// The third lie: a registry leads to another host, and that one asks who you are.
#[test]
fn a_host_to_which_one_is_led_gets_neither_token_nor_password() {
    let (thief, stolen) = says(|_| ok(b"{\"token\":\"x\"}"));
    let (elsewhere, seen) = asks_who_you_are(&thief);
    let (registry, _) = says(move |_| {
        let head = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{elsewhere}/x\r\ncontent-length: 0\r\n\r\n"
        );
        head.into_bytes()
    });
    let client = Client {
        user: Some((USER.0.to_owned(), USER.1.to_owned())),
        ..Client::default()
    };
    let request = Request::new("GET", &registry, "/v2/a/blobs/b");
    let request = request.with("authorization", "Bearer secret");
    assert_eq!(client.ask(request).unwrap().status, 401);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.as_slice(), [("GET /x HTTP/1.1".to_owned(), false)]);
    assert!(
        stolen.lock().unwrap().is_empty(),
        "the thief was asked for a token"
    );
}

/// The same lie, told to somebody who asks where to send a blob.
#[test]
fn a_host_to_which_a_blob_shall_be_sent_gets_no_password_either() {
    let (thief, stolen) = says(|_| ok(b"{\"token\":\"x\"}"));
    let (elsewhere, seen) = asks_who_you_are(&thief);
    let (registry, _) = says(move |first| {
        let head = match first.split(' ').next() {
            Some("POST") => format!("HTTP/1.1 202 Accepted\r\nlocation: http://{elsewhere}/up\r\n"),
            _ => "HTTP/1.1 404 Not Found\r\n".to_owned(),
        };
        format!("{head}content-length: 0\r\n\r\n").into_bytes()
    });
    let (_place, shelf) = shelf();
    image(&shelf, "1", &[b"{}", b"base"]);
    let client = Client {
        user: Some((USER.0.to_owned(), USER.1.to_owned())),
        ..Client::default()
    };
    let error = client.push(&shelf, "1", &at(&registry, "team/app", "1"));
    assert!(error.unwrap_err().to_string().contains("401"));
    assert!(!seen.lock().unwrap().iter().any(|(_, login)| *login));
    let stolen = stolen.lock().unwrap();
    assert!(stolen.is_empty(), "the thief was asked for a token");
}

/// A server that wants a token of a certain other one.
fn asks_who_you_are(tokens: &str) -> (String, server::Seen) {
    let wanted = format!("Bearer realm=\"http://{tokens}/token\",service=\"s\"");
    says(move |_| {
        let head = format!(
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: {wanted}\r\ncontent-length: 0\r\n\r\n"
        );
        head.into_bytes()
    })
}

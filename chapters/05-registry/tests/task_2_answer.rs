//! Task 2: `read_answer` reads status, headers and body, and believes only what is complete.
//!
//! Reread: An answer is text, and then bytes

use ch05_registry::{Answer, Result, read_answer};
use lesson::{accepted, refused, same};

fn read(text: &str) -> Result<Answer> {
    read_answer(&mut text.as_bytes(), true)
}

#[test]
fn status_headers_and_body_are_read() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLocation:  /v2/x:y \r\n\r\nhello";
    let answer = accepted("a whole answer", read(text));
    same("the status", &answer.status, &200);
    same("the body", &answer.body, &b"hello".to_vec());
    same("a header", &answer.header("location"), &Some("/v2/x:y"));
    same("a header that is not there", &answer.header("range"), &None);
}

#[test]
fn a_status_needs_no_words() {
    let answer = accepted(
        "no words",
        read("HTTP/1.1 404 \r\ncontent-length: 0\r\n\r\n"),
    );
    same("the status", &answer.status, &404);
}

#[test]
fn the_body_ends_where_the_header_says() {
    let answer = accepted(
        "more than it says",
        read("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabcd"),
    );
    same("the body", &answer.body, &b"ab".to_vec());
}

#[test]
fn a_short_body_is_a_lie() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
    refused("5 of 10 bytes", read(text), "cut off");
    refused(
        "no byte of 10",
        read("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"),
        "cut off",
    );
}

#[test]
fn a_head_that_ends_too_early_is_one_too() {
    refused("nothing at all", read(""), "cut off");
    refused("half a status", read("HTTP/1.1 20"), "cut off");
    refused(
        "no empty line",
        read("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"),
        "cut off",
    );
}

#[test]
fn a_length_must_be_said_and_be_bearable() {
    refused(
        "no length",
        read("HTTP/1.1 200 OK\r\n\r\nhello"),
        "how long",
    );
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n";
    refused("a terabyte", read(text), "too large");
}

#[test]
fn what_is_no_answer_is_refused() {
    refused("another language", read("SSH-2.0-OpenSSH\r\n"), "no status");
    refused("no number", read("HTTP/1.1 abc\r\n\r\n"), "no status");
    refused(
        "a header without a colon",
        read("HTTP/1.1 200 OK\r\noops\r\n\r\n"),
        "no header",
    );
}

#[test]
fn the_answer_to_head_has_no_body() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
    let answer = accepted(
        "an answer to HEAD",
        read_answer(&mut text.as_bytes(), false),
    );
    same("the body", &answer.body, &Vec::new());
    same("the length", &answer.header("content-length"), &Some("10"));
}

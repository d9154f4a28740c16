//! A request to a server on this machine, as small as HTTP allows.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code, such as 200.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Asks for `path` until a server on this port of the loopback answers; None after `patience`.
pub fn get(port: u16, path: &str, patience: Duration) -> Option<Answer> {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        if let Some(answer) = once(port, path) {
            return Some(answer);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// Whether something listens on this port of the loopback.
pub fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Version 1.0, because it knows neither chunks nor connections that stay: the body is all that
/// comes until the end.
fn once(port: u16, path: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        body: body.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).unwrap();
            assert!(request[..count].starts_with(b"GET /x HTTP/1.0\r\n"));
            stream
                .write_all(b"HTTP/1.1 404 Not Found\r\n\r\nno")
                .unwrap();
        });
        let answer = get(port, "/x", Duration::from_secs(5)).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (404, "no"));
        server.join().unwrap();
    }
}

//! A request to a server on this machine, and a server, as small as HTTP allows.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
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

/// A server on the loopback that gives out a few fixed answers, until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Its port.
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server; each answer is a path, the head's first line and further lines without
    /// `HTTP/1.1`, and the body.
    pub fn start(answers: &[(&str, &str, &[u8])]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers: Vec<_> = answers
            .iter()
            .map(|(path, head, body)| ((*path).to_owned(), (*head).to_owned(), body.to_vec()))
            .collect();
        let (asked, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (notes, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                answer(stream, &answers, &notes);
            }
        });
        Self {
            port,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The paths that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(
    mut stream: TcpStream,
    answers: &[(String, String, Vec<u8>)],
    asked: &Mutex<Vec<String>>,
) {
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&part[..count]),
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    let found = answers.iter().find(|(known, ..)| *known == path);
    let (head, body) = found.map_or(("404 Not Found", &[][..]), |(_, head, body)| (head, body));
    asked.lock().unwrap().push(path);
    let length = if head.contains("Content-Length") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let head = format!("HTTP/1.1 {head}\r\n{length}Connection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
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
        let server = Server::start(&[("/x", "200 OK", b"yes")]);
        let check = |path: &str, status, body: &str| {
            let answer = get(server.port, path, Duration::from_secs(5)).unwrap();
            assert_eq!((answer.status, answer.body.as_str()), (status, body));
        };
        check("/x", 200, "yes");
        check("/y", 404, "");
        assert_eq!(server.asked(), ["/x", "/y"]);
    }
}

//! HTTP over a socket: a request is a few lines of text, and so is the beginning of an answer.

use std::io::{BufRead, Read as _, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Result;

/// The largest body that is read: 256 MiB.
const MOST: u64 = 256 << 20;

// ANCHOR: request
/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is wanted: `GET`, `HEAD`, `POST`, `PUT`.
    pub method: &'static str,
    /// Who is asked: `localhost:5000`.
    pub host: String,
    /// For what: `/v2/team/app/manifests/1`.
    pub path: String,
    /// Names in small letters, and values.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent along.
    pub body: Vec<u8>,
}
// ANCHOR_END: request

// ANCHOR: answer
/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// 200 is well, 404 is not there, 401 asks who you are.
    pub status: u16,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// What came along.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}
// ANCHOR_END: answer

impl Request {
    /// A request without headers and body.
    pub fn new(method: &'static str, host: &str, path: impl Into<String>) -> Self {
        Self {
            method,
            host: host.to_owned(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    // ANCHOR: send
    /// Sends the request to `address`, and reads the answer.
    pub fn send(&self, address: &str) -> Result<Answer> {
        let mut socket = TcpStream::connect(address)
            .map_err(|error| format!("connect to {}: {error}", self.host))?;
        // Nobody may keep us waiting for ever.
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let (method, path, host) = (self.method, &self.path, &self.host);
        let own = self.headers.iter();
        let own = own.map(|(name, value)| format!("{name}: {value}\r\n"));
        let own = own.collect::<Vec<_>>().concat();
        let length = self.body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{own}\
             content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(head.as_bytes())?;
        socket.write_all(&self.body)?;
        let mut answer = std::io::BufReader::new(socket);
        let read = read_answer(&mut answer, self.method != "HEAD");
        Ok(read.map_err(|error| format!("{method} {host}{path}: {error}"))?)
    }
    // ANCHOR_END: send
}

// ANCHOR: read_answer
/// Reads an answer: a line with the status, headers, an empty line, and a body that is exactly
/// as long as the header `content-length` says. An answer to HEAD has none, whatever that says.
pub fn read_answer(from: &mut impl BufRead, has_body: bool) -> Result<Answer> {
    // TASK 2: Read the first line, the headers and the body, and believe only what is complete.
    let first = line(from)?;
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| format!("{first:?} is no status"))?;
    let mut headers = Vec::new();
    loop {
        let line = line(from)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("{line:?} is no header"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if has_body {
        let length = answer
            .header("content-length")
            .ok_or("nobody says how long it is")?;
        let length: u64 = length.parse()?;
        if length > MOST {
            return Err(format!("it is too large: {length} bytes").into());
        }
        let mut body = Vec::new();
        from.take(length).read_to_end(&mut body)?;
        if (body.len() as u64) < length {
            return Err(format!("it is cut off: {} of {length} bytes came", body.len()).into());
        }
        answer.body = body;
    }
    Ok(answer)
    // TASK_END
}

/// One line without its end, which is `\r\n`.
fn line(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    // A line of the head is short; who sends more wants to fill the memory.
    from.take(64 << 10).read_line(&mut line)?;
    let line = line
        .strip_suffix("\r\n")
        .ok_or("it is cut off in the middle of a line")?;
    Ok(line.to_owned())
}
// ANCHOR_END: read_answer

// ANCHOR: follow
/// The same request, sent where an answer says: to a path, or to `http://host/path`.
pub fn follow(request: &Request, location: &str) -> Result<Request> {
    // TASK 3: Go there, and leave the header `authorization` behind when the host is another one.
    let (host, path) = match location.strip_prefix("http://") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (&rest[..end], &rest[end..])
        }
        None if location.starts_with('/') => (request.host.as_str(), location),
        None => return Err(format!("{location:?} is neither a path nor http").into()),
    };
    let mut next = Request {
        host: host.to_owned(),
        path: path.to_owned(),
        ..request.clone()
    };
    if host != request.host {
        next.headers.retain(|(name, _)| *name != "authorization");
    }
    Ok(next)
    // TASK_END
}
// ANCHOR_END: follow

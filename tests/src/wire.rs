//! HTTP over a plain socket, said word by word: a transport for tests that want to see the wire,
//! and for clients that no library would let one be.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use coracle::registry::http::{Body, Request, Response, Transport, TransportError};

/// One connection for each request.
#[derive(Debug, Clone, Copy)]
pub struct Wire {
    /// Where the server listens.
    pub address: SocketAddr,
}

/// How long a server may be silent before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

impl Transport for Wire {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.exchange(request).map_err(|e| TransportError::Lost {
            host: self.address.to_string(),
            reason: e.to_string(),
        })
    }
}

impl Wire {
    /// A connection to the server.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Says these bytes and returns everything that comes back until the server ends the
    /// connection. That the server stops listening half-way is no error.
    pub fn say(&self, bytes: &[u8]) -> io::Result<String> {
        let mut stream = self.connect()?;
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(e) if e.kind() != io::ErrorKind::ConnectionReset => Err(e),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    }

    fn exchange(&self, request: Request) -> io::Result<Response> {
        let (head, mut body) = request.into_parts();
        let mut stream = self.connect()?;
        let target = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut text = format!(
            "{} {target} HTTP/1.1\r\nHost: {}\r\n",
            head.method, self.address
        );
        for (name, value) in &head.headers {
            let value = value.to_str().map_err(io::Error::other)?;
            text.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        let framing = match body.length() {
            Some(length) => format!("Content-Length: {length}"),
            None => "Transfer-Encoding: chunked".to_owned(),
        };
        text.extend([
            &framing,
            "
Connection: close

",
        ]);
        stream.write_all(text.as_bytes())?;
        if body.length().is_some() {
            // A server that refuses early may not take all of it.
            let _ = io::copy(&mut body, &mut stream);
        } else {
            let mut piece = [0; 4096];
            loop {
                let count = body.read(&mut piece)?;
                stream.write_all(format!("{count:x}\r\n").as_bytes())?;
                stream.write_all(&piece[..count])?;
                stream.write_all(b"\r\n")?;
                if count == 0 {
                    break;
                }
            }
        }
        answer(BufReader::new(stream), head.method == http::Method::HEAD)
    }
}

fn answer(mut stream: BufReader<TcpStream>, is_head: bool) -> io::Result<Response> {
    let line = |stream: &mut BufReader<TcpStream>| -> io::Result<String> {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    };
    let status = line(&mut stream)?;
    let status: u16 = status
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no status line: {status:?}")))?;
    let mut response = http::Response::builder().status(status);
    let mut length = None;
    loop {
        let header = line(&mut stream)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
        response = response.header(name, value.trim());
    }
    let body = match length {
        _ if is_head || status == 204 || status == 304 => Body::empty(),
        Some(length) => {
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            stream.read_exact(&mut bytes)?;
            Body::new(Cursor::new(bytes), Some(length))
        }
        None => return Err(io::Error::other("an answer without a length")),
    };
    response.body(body).map_err(io::Error::other)
}

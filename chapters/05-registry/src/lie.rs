//! A registry that lies, for experiments: one of its blobs is not what its digest says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use coracle::digest::Digest;
use serde_json::json;

const CONFIG: &[u8] = b"{}";
const PROMISED: &[u8] = b"pay 100 to ann";
const SENT: &[u8] = b"pay 900 to ann";

/// Serves one image under every name, until the process ends.
pub fn lie(listener: &TcpListener) {
    for client in listener.incoming().flatten() {
        // Whoever goes away in the middle is no loss.
        let _ = answer(client);
    }
}

fn answer(mut client: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let config = Digest::of(CONFIG);
    let layer = Digest::of(PROMISED);
    let manifest = json!({
        "schemaVersion": 2,
        "config": { "digest": config.as_str(), "size": CONFIG.len() },
        "layers": [{ "digest": layer.as_str(), "size": PROMISED.len() }],
    });
    let manifest = manifest.to_string();
    let (status, body) = match first.split(' ').nth(1).unwrap_or_default() {
        path if path.contains("/manifests/") => ("200 OK", manifest.as_bytes()),
        path if path.ends_with(config.hex()) => ("200 OK", CONFIG),
        path if path.ends_with(layer.hex()) => ("200 OK", SENT),
        _ => ("404 Not Found", &b"{}"[..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body)
}

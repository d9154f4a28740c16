//! Registries for the tests: core's server on the loopback, and servers that answer as they are
//! told.

#![allow(dead_code)] // each test uses a part of it
#![allow(clippy::unwrap_used)] // a test may fail

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ch05_registry::{Client, Reference, Shelf};
use coracle::registry::net::server::{Limits, serve, stop};
use coracle::registry::server::{Access, Outside, Server, Settings, Tokens};
use coracle::store::memory::MemoryStore;
use serde_json::json;
use tempfile::TempDir;

/// The user whom a registry with a login knows.
pub(crate) const USER: (&str, &str) = ("ann", "secret");

/// Core's registry on a free port, until the test's process ends.
pub(crate) fn registry(with_login: bool) -> SocketAddr {
    let numbers = AtomicU64::new(0);
    let outside = Outside {
        now: Box::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap()),
        random: Box::new(move || format!("upload-{}", numbers.fetch_add(1, Ordering::SeqCst))),
        log: Box::new(|_| {}),
    };
    let access = if with_login {
        Access {
            users: Some(Arc::new(|user, password| (user, password) == USER)),
            tokens: Some(Tokens::new(vec![7; 32], Duration::from_mins(5))),
            anonymous_pull: false,
        }
    } else {
        Access::default()
    };
    let store = Arc::new(MemoryStore::new());
    let server = Arc::new(Server::new(store, Settings::default(), access, outside));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = stop();
    std::thread::spawn(move || {
        let _running = stop;
        serve(&server, listener, None, &Limits::default(), stopped)
    });
    address
}

/// Who asked for what, as a server saw it: the first line, and whether there was a login.
pub(crate) type Seen = Arc<Mutex<Vec<(String, bool)>>>;

/// A server that gives the same bytes to everybody: an answer from its first line to its end.
pub(crate) fn says(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut reader = BufReader::new(client.try_clone().unwrap());
            let (mut first, mut length, mut login) = (String::new(), 0, false);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim_end().to_ascii_lowercase();
                login |= line.starts_with("authorization:");
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let first = first.trim_end().to_owned();
            notes.lock().unwrap().push((first.clone(), login));
            let _ = client.write_all(&answer(&first));
        }
    });
    (host, seen)
}

/// An answer with a body.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A client without a login.
pub(crate) fn anybody() -> Client {
    Client::default()
}

/// Where an image is.
pub(crate) fn at(host: &str, repository: &str, tag: &str) -> Reference {
    Reference {
        registry: host.to_owned(),
        repository: repository.to_owned(),
        tag: tag.to_owned(),
    }
}

/// An empty shelf.
pub(crate) fn shelf() -> (TempDir, Shelf) {
    let place = TempDir::new().unwrap();
    let shelf = Shelf::open(place.path()).unwrap();
    (place, shelf)
}

/// A manifest that names these blobs; the first is the config.
pub(crate) fn manifest(blobs: &[&[u8]]) -> Vec<u8> {
    let pointer = |blob: &&[u8]| {
        json!({
            "mediaType": "application/octet-stream",
            "digest": coracle::digest::Digest::of(blob).as_str(),
            "size": blob.len(),
        })
    };
    let mut pointers = blobs.iter().map(pointer);
    let config = pointers.next();
    let layers: Vec<_> = pointers.collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": layers,
    });
    manifest.to_string().into_bytes()
}

/// Puts an image of these blobs on a shelf.
pub(crate) fn image(shelf: &Shelf, name: &str, blobs: &[&[u8]]) {
    for blob in blobs {
        shelf.put(blob).unwrap();
    }
    let manifest = shelf.put(&manifest(blobs)).unwrap();
    shelf.tag(name, &manifest).unwrap();
}

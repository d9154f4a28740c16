//! A folder at an address of this machine: the book, or the whole site.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};

use crate::Result;

/// The port when none was asked for.
const PORT: u16 = 3000;

/// The port that was asked for; 3000 when none was.
pub(crate) fn port(words: &[&str]) -> Result<u16> {
    match words {
        [] => Ok(PORT),
        [port] => port.parse().map_err(|_| format!("{port:?} is no port")),
        _ => Err("--serve takes one port".to_owned()),
    }
}

/// Gives a folder to browsers of this machine until Ctrl-C. Each reload of a page shows what was
/// written last.
pub(crate) fn serve(folder: &Path, port: u16) -> Result<()> {
    answer_all(folder, &listen(port)?, |_| Ok(()))
}

/// Serves a folder, at another port if the usual one is taken, and shows it in the desktop's
/// browser: from files alone, browsers start no module and no worker.
pub(crate) fn serve_and_open(folder: &Path) -> Result<()> {
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => listen(0)?,
        _ => listen(PORT)?,
    };
    answer_all(folder, &listener, |address| crate::open(address.as_ref()))
}

fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| format!("listen on port {port}: {error}; name another: --serve 3001"))
}

/// Answers every request; `ready` is told the address as soon as one will be.
fn answer_all(
    folder: &Path,
    listener: &TcpListener,
    ready: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    let port = listener
        .local_addr()
        .map_err(|error| format!("ask for the port that is listened on: {error}"))?
        .port();
    let address = format!("http://127.0.0.1:{port}/");
    println!("{address} (Ctrl-C ends it)");
    if let Err(message) = ready(&address) {
        // Whoever has no desktop here can still go to the address by hand.
        eprintln!("{message}");
    }
    for stream in listener.incoming().flatten() {
        let folder = folder.to_owned();
        // A browser that goes away in the middle harms nobody.
        std::thread::spawn(move || answer(&folder, &stream).ok());
    }
    Ok(())
}

fn answer(folder: &Path, mut stream: &TcpStream) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("/");
    if let Some(inside) = moved(folder, path) {
        return write!(
            stream,
            "HTTP/1.1 301 Moved Permanently\r\nlocation: {inside}\r\ncontent-length: 0\r\n\
             cache-control: no-store\r\nconnection: close\r\n\r\n"
        );
    }
    let found = file(folder, path).and_then(|file| Some((kind(&file), std::fs::read(file).ok()?)));
    let (status, kind, body) = match found {
        Some((kind, body)) => ("200 OK", kind, body),
        None => (
            "404 Not Found",
            "text/plain",
            b"there is no such page\n".to_vec(),
        ),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
         cache-control: no-store\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}

/// The file that an address means; none outside of the folder.
fn file(folder: &Path, address: &str) -> Option<PathBuf> {
    let path = address.split(['?', '#']).next()?.trim_start_matches('/');
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !Path::new(path).components().all(inside) {
        return None;
    }
    let file = folder.join(path);
    Some(if file.is_dir() {
        file.join("index.html")
    } else {
        file
    })
}

/// Where a folder's address leads that has no stroke at its end: without it, the folder's page
/// would look for its files one level too high.
fn moved(folder: &Path, address: &str) -> Option<String> {
    let path = address.split(['?', '#']).next()?;
    let folder = !path.ends_with('/') && file(folder, path)?.ends_with("index.html");
    let name = path.rsplit('/').next()?;
    // `//host` would lead to another host.
    (folder && name != "index.html").then(|| format!("/{}/", path.trim_start_matches('/')))
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("md" | "txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("wasm") => "application/wasm",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_book_is_given_out() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("book")).unwrap();
        let folder = place.path().join("book");
        let at = |address: &str| file(&folder, address);
        assert_eq!(at("/"), Some(folder.join("index.html")));
        assert_eq!(at("/a.html?x#y"), Some(folder.join("a.html")));
        for address in ["/../secret", "/a/../../secret", "//../x"] {
            assert_eq!(at(address), None, "{address}");
            assert_eq!(moved(&folder, address), None, "{address}");
        }
    }

    #[test]
    fn a_folder_is_moved_to_its_own_address() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("book/css")).unwrap();
        let check = |address: &str, expected: Option<&str>| {
            assert_eq!(
                moved(place.path(), address).as_deref(),
                expected,
                "{address}"
            );
        };
        check("/book", Some("/book/"));
        check("/book/css?x", Some("/book/css/"));
        check("//book", Some("/book/"));
        check("/book/", None);
        check("/", None);
        check("/book/index.html", None);
        check("/book/a.html", None);
    }
}

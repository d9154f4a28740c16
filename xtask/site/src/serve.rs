//! A folder at an address of this machine: the book, or the whole site.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};

use crate::Result;

/// The port that was asked for; 3000 when none was.
pub(crate) fn port(words: &[&str]) -> Result<u16> {
    match words {
        [] => Ok(3000),
        [port] => port.parse().map_err(|_| format!("{port:?} is no port")),
        _ => Err("--serve takes one port".to_owned()),
    }
}

/// Gives a folder to browsers of this machine until Ctrl-C. Each reload of a page shows what was
/// written last.
pub(crate) fn serve(folder: &Path, port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| format!("listen on port {port}: {error}; name another: --serve 3001"))?;
    println!("http://127.0.0.1:{port}/ (Ctrl-C ends it)");
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

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
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
        }
    }
}

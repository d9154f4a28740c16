//! The sessions that the book prints, executed against core's registry and one that lies.

#![allow(clippy::unwrap_used)] // a test may fail

mod server;

use std::net::TcpListener;

#[test]
fn the_book_tells_the_truth() {
    let honest = server::registry(false);
    let liar = TcpListener::bind("127.0.0.1:0").unwrap();
    let lying = liar.local_addr().unwrap();
    std::thread::spawn(move || ch05_registry::lie(&liar));
    let connect = format!("localhost:5000={honest},localhost:6666={lying}");
    lesson::sessions_with(
        "registry",
        env!("CARGO_BIN_EXE_registry"),
        &[("REGISTRY_CONNECT", &connect)],
    );
}

//! Debian's docker-registry on a port of the loopback, and a slow way to it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::http;
use crate::sandbox::Sandbox;

/// A registry that runs until it is dropped. Drop it before its sandbox.
#[derive(Debug)]
pub struct DockerRegistry {
    /// Its name in references: `127.0.0.1:PORT`.
    pub name: String,
    /// Its port.
    pub port: u16,
    child: Child,
}

impl DockerRegistry {
    /// Starts a registry whose data is in the sandbox's folder `folder`, with further lines of
    /// its configuration. `http` is what stands behind the address there, such as `, tls: {…}`.
    ///
    /// None, said as a skip, where Debian's registry is not installed.
    pub fn start(sandbox: &Sandbox, folder: &str, http: &str, more: &str) -> Option<Self> {
        if !crate::installed("docker-registry") {
            return None;
        }
        let port = free_port();
        let data = sandbox.path().join(folder);
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\"{http}}}\n{more}\n",
            data.display()
        );
        let config = sandbox.file(&format!("{folder}.yml"), config);
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let name = format!("127.0.0.1:{port}");
        let registry = Self { name, port, child };
        let begin = Instant::now();
        while !http::listens(port) {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "it does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// The name of an image in it: `127.0.0.1:PORT/REST`.
    pub fn image(&self, rest: &str) -> String {
        format!("{}/{rest}", self.name)
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A way to a server on this machine that is slow, and counts what comes from there.
#[derive(Debug)]
pub struct SlowWay {
    /// The port on this end.
    pub port: u16,
    carried: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SlowWay {
    /// Leads to `port`; each connection carries at most so many bytes a second towards the client.
    pub fn to(port: u16, bytes_per_second: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let (carried, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, stopped) = (Arc::clone(&carried), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
                    continue;
                };
                let (asks, answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (count, stopped) = (Arc::clone(&count), Arc::clone(&stopped));
                std::thread::spawn(move || carry(asks, server, u64::MAX, None, None));
                std::thread::spawn(move || {
                    carry(
                        answers,
                        client,
                        bytes_per_second,
                        Some(&count),
                        Some(&stopped),
                    );
                });
            }
        });
        Self {
            port: own,
            carried,
            stop,
            thread: Some(thread),
        }
    }

    /// How many bytes have come from the server so far.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::SeqCst)
    }
}

impl Drop for SlowWay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    bytes_per_second: u64,
    count: Option<&AtomicU64>,
    stop: Option<&AtomicBool>,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..n]).is_err() || stop.is_some_and(|s| s.load(Ordering::SeqCst)) {
            break;
        }
        if let Some(count) = count {
            count.fetch_add(n as u64, Ordering::SeqCst);
        }
        let pause = n as u64 * 1_000_000 / bytes_per_second;
        std::thread::sleep(Duration::from_micros(pause));
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

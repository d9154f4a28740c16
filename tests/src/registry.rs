//! Registries to talk to: ours in this process, with a socket and without, and Debian's.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coracle::registry::http::{Body, Request, Transport};
use coracle::registry::net::server::{Limits, Stop, serve, stop};
use coracle::registry::server::{Access, Outside, Server, Settings};
use coracle::store::Store;
use http::{HeaderMap, Method};
use rustix::process::Signal;
use serde_json::Value;

use crate::call::Running;
use crate::wire::Wire;
use crate::{Call, installed};

/// Our server over a store, with this machine's clock.
pub fn server(store: Arc<dyn Store>, settings: Settings, access: Access) -> Arc<Server> {
    let number = AtomicU64::new(0);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let outside = Outside {
        now: Box::new(now),
        random: Box::new(move || format!("upload-{}", number.fetch_add(1, Ordering::SeqCst))),
        log: Box::new(|error| eprintln!("registry: {error}")),
    };
    Arc::new(Server::new(store, settings, access, outside))
}

/// Our server on a socket of the loopback, until it is dropped.
#[derive(Debug)]
pub struct Served {
    /// How to talk to it.
    pub wire: Wire,
    stop: Stop,
    thread: Option<JoinHandle<bool>>,
}

impl Served {
    /// Puts a server on a free port.
    pub fn start(server: Arc<Server>, limits: Limits) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = stop();
        let serve = move || serve(&server, listener, None, &limits, stopped).unwrap();
        Self {
            wire: Wire { address },
            stop,
            thread: Some(std::thread::spawn(serve)),
        }
    }

    /// Stops the server; whether everything that was under way has been finished.
    pub fn end(&mut self) -> bool {
        self.stop.now();
        self.thread
            .take()
            .is_some_and(|thread| thread.join().unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

/// Debian's docker-registry with its state in a folder, until it is dropped.
#[derive(Debug)]
pub struct DockerRegistry {
    /// How to talk to it.
    pub wire: Wire,
    running: Option<Running>,
}

impl DockerRegistry {
    /// Starts it in `folder`; None, said as a skip, when it is not installed.
    pub fn start(folder: &Path) -> Option<Self> {
        if !installed("docker-registry") {
            return None;
        }
        let address = free_address();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {:?}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: {:?}}}\n",
            folder.join("docker-registry").display().to_string(),
            address.to_string(),
        );
        let file = folder.join("docker-registry.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(file);
        let running = Call::new(command).limit(Duration::from_mins(30)).start();
        let mut registry = Self {
            wire: Wire { address },
            running: Some(running),
        };
        let begin = Instant::now();
        while registry.wire.connect().is_err() {
            let runs = registry.running.as_mut().is_some_and(Running::runs);
            assert!(
                runs && begin.elapsed() < Duration::from_secs(30),
                "no docker-registry"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(registry)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.running.as_ref().map_or(0, Running::id)
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::TERM);
            running.wait();
        }
    }
}

/// An address of the loopback that nobody listens on.
pub fn free_address() -> SocketAddr {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    free.local_addr().unwrap()
}

/// A registry as a test asks it.
pub struct Peer<'a> {
    /// Who answers.
    pub transport: &'a dyn Transport,
}

/// A response whose body has been read.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Peer<'_> {
    /// Sends a request and reads the whole response.
    #[track_caller]
    pub fn ask(&self, method: &Method, at: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        // A location is absolute or relative, as the server likes.
        let at = if at.starts_with('/') {
            format!("http://registry.test{at}")
        } else {
            at.to_owned()
        };
        let mut request = Request::new(Body::from(body.to_vec()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = at.parse().unwrap();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (head, body) = self.transport.send(request).unwrap().into_parts();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.bytes(64 << 20).unwrap(),
        }
    }

    /// `GET`.
    #[track_caller]
    pub fn get(&self, at: &str) -> Reply {
        self.ask(&Method::GET, at, &[], b"")
    }
}

impl Reply {
    /// A header's value; nothing when there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Asserts the status.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{body}");
        self
    }

    /// Asserts the status and the code of the first error.
    #[track_caller]
    pub fn refuses(&self, status: u16, code: &str) -> &Self {
        self.is(status);
        assert_eq!(self.json()["errors"][0]["code"], code);
        self
    }
}

impl std::fmt::Debug for Peer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").finish_non_exhaustive()
    }
}

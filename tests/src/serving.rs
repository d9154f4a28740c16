//! `coracle registry serve`, run as a person runs it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Sandbox;
use crate::call::Running;
use crate::registry::free_address;
use crate::wire::Wire;

/// `coracle registry serve` as the sandbox's person.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process.
    pub running: Running,
}

impl Serving {
    /// Starts it over a store below the sandbox's folder, and waits until it listens.
    pub fn start(sandbox: &Sandbox, store: &str, options: &[&str]) -> Self {
        Self::start_at(sandbox, free_address(), store, options)
    }

    /// The same at this address.
    pub fn start_at(sandbox: &Sandbox, address: SocketAddr, store: &str, options: &[&str]) -> Self {
        let listen = address.to_string();
        let words = ["registry", "serve", "--listen", &listen, "--store", store];
        let call = sandbox
            .coracle(words)
            .args(options)
            .limit(Duration::from_mins(10));
        let mut registry = Self {
            address,
            running: call.start(),
        };
        let begin = Instant::now();
        while registry.wire().connect().is_err() {
            if !registry.running.runs() || begin.elapsed() > Duration::from_secs(30) {
                registry.running.kill_group();
                panic!("it does not listen\n{}", registry.running.wait());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        registry
    }

    /// Something to speak with it by hand.
    pub fn wire(&self) -> Wire {
        Wire {
            address: self.address,
        }
    }

    /// The name of an image there.
    pub fn image(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// Ends it as a service manager does.
    #[track_caller]
    pub fn ends_well(self) {
        self.running.signal(Signal::TERM);
        let outcome = self.running.wait().succeeds();
        outcome.says(&["registry on http", "store"]);
    }
}

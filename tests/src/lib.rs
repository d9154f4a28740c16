//! What the end-to-end, golden, hostile and twin tests share.
//!
//! An end-to-end test begins with a [`Sandbox`]: a folder of its own, a person who types, and a
//! fresh `CORACLE_ROOT`. It ends when the sandbox is dropped, which fails the test if a process or
//! a mount is left.
//!
//! ```no_run
//! use coracle_tests::Sandbox;
//!
//! let Some(sandbox) = Sandbox::new() else { return };
//! sandbox.coracle(["version"]).run().succeeds();
//! ```

// Tests talk to whoever runs them, and end loudly when their own set-up fails.
#![allow(clippy::print_stderr, clippy::unwrap_used, clippy::missing_panics_doc)]
// An assertion that hands its subject on has done its work even if nobody takes it.
#![allow(clippy::return_self_not_must_use)]

pub mod archive;
pub mod buildah;
pub mod call;
pub mod certificates;
pub mod daemon;
pub mod docker_registry;
pub mod fixtures;
pub mod http;
pub mod inside;
pub mod leaks;
pub mod person;
pub mod podman;
pub mod proxy;
pub mod registry;
pub mod sandbox;
pub mod scene;
pub mod serving;
pub mod wire;

pub use archive::{Archive, Entry};
pub use buildah::Buildah;
pub use call::{Call, Outcome};
pub use daemon::Daemon;
pub use docker_registry::DockerRegistry;
pub use person::Person;
pub use podman::Podman;
pub use sandbox::Sandbox;
pub use scene::Scene;
pub use serving::Serving;

/// Says that the running test cannot run here; the test then returns.
///
/// `cargo x test` counts the line, and fails unless `tests/allowed-skips.txt` allows it.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    eprintln!("SKIP {}: {reason}", thread.name().unwrap_or("?"));
}

/// The reason of a skip for want of something that the set-up installs when root runs it.
///
/// For root it is a set-up that failed, which no list allows; for anybody else it is no fault.
pub fn missing(what: &str, command: &str) -> String {
    if Person::me().is_root() {
        format!("no {what}, although the set-up should have made it: {command}")
    } else {
        format!("needs root for {what}: {command}")
    }
}

/// Whether Debian's program of this name is here; if not, it is said as a skip.
pub fn installed(program: &str) -> bool {
    let found = std::path::Path::new("/usr/bin").join(program).is_file();
    if !found {
        skip(&missing(program, &format!("apt-get install {program}")));
    }
    found
}

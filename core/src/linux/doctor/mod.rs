//! What this kernel and this user offer to containers, what they withhold, and what to do about it.

mod cgroups;
mod child;
mod kernel;
mod look;
mod namespaces;
mod probe;
mod security;
mod surroundings;
mod table;
mod users;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use child::answer;
pub use probe::{Answer, Probes, Program, Store, User};
pub use table::table;

/// A machine to examine: its files below a directory, and what it answered when it was asked.
#[derive(Debug, Clone)]
pub struct Host {
    /// The directory that stands for `/`; `proc`, `sys`, `etc` are read below it.
    pub root: PathBuf,
    /// What trying showed.
    pub probes: Probes,
}

/// One thing that containers need or like, as this machine has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name, one or two words, the same on every machine.
    pub name: &'static str,
    /// Whether it is there.
    pub state: State,
    /// What was seen, in a few words.
    pub seen: String,
    /// Why it matters, in one sentence.
    pub why: &'static str,
    /// Whether no container can run without it.
    pub needed: bool,
    /// What to do, in one line, when it is limited or missing.
    pub remedy: Option<String>,
    /// The chapter that teaches it, such as `10-users`.
    pub chapter: &'static str,
}

/// How much of a thing is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All of it.
    Ok,
    /// Some of it: something will be less than it could be.
    Limited,
    /// Nothing of it.
    Missing,
    /// It was not tried, because something else comes first, or it cannot be seen from here.
    Unknown,
}

/// Looks at everything, in the order of the table.
pub fn examine(host: &Host) -> Vec<Finding> {
    let mut findings = vec![
        kernel::version(host),
        surroundings::surroundings(host),
        kernel::openat2(host),
    ];
    findings.extend(namespaces::each(host));
    findings.extend([
        users::subordinate_ids(host),
        kernel::overlay(host),
        kernel::proc(host),
        cgroups::version(host),
        cgroups::limits(host),
        security::capabilities(host),
        security::seccomp(host),
        security::apparmor(host),
        security::selinux(host),
        security::landlock(host),
        surroundings::tun(host),
        surroundings::user_network(host),
        surroundings::fuse(host),
        surroundings::store(host),
    ]);
    findings
}

/// Whether containers can run here, in one word: the worst state of what they need, and
/// [`State::Limited`] when only something else is not all there.
pub fn verdict(findings: &[Finding]) -> State {
    let worst = findings.iter().map(|finding| match finding.state {
        State::Missing if !finding.needed => State::Limited,
        // What comes first is a finding of its own.
        State::Unknown => State::Ok,
        state => state,
    });
    worst.max().unwrap_or(State::Ok)
}

impl Host {
    /// The running machine, asked for this user. `state` is where Coracle keeps its state; the
    /// file system there decides about overlays. The asking happens in a child process that
    /// re-executes this binary (see [`answer`]), and leaves nothing behind.
    pub fn live(state: &Path) -> Self {
        Self {
            root: PathBuf::from("/"),
            probes: Probes::ask(state),
        }
    }

    /// The text of a file of the machine, without white space at its ends; `None` when it is
    /// not there or not readable.
    fn text(&self, path: &str) -> Option<String> {
        let bytes = fs::read(self.root.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// A number in a file of its own, as sysctls are.
    fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    fn exists(&self, path: &str) -> bool {
        self.root.join(path).symlink_metadata().is_ok()
    }

    /// The value of a line `key: value` in `/proc/self/status`.
    fn status(&self, key: &str) -> Option<String> {
        let status = self.text("proc/self/status")?;
        let mut lines = status.lines();
        lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name == key).then(|| value.trim().to_owned())
        })
    }

    fn is_root(&self) -> bool {
        self.probes.user.uid == 0
    }
}

/// What is known of a thing before looking: the fixed part of its finding.
#[derive(Debug, Clone, Copy)]
struct Topic {
    name: &'static str,
    why: &'static str,
    chapter: &'static str,
    needed: bool,
}

impl Topic {
    fn ok(self, seen: impl Into<String>) -> Finding {
        self.finding(State::Ok, seen.into(), None)
    }

    fn limited(self, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
        self.finding(State::Limited, seen.into(), Some(remedy.into()))
    }

    fn missing(self, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
        self.finding(State::Missing, seen.into(), Some(remedy.into()))
    }

    fn unknown(self, seen: impl Into<String>) -> Finding {
        self.finding(State::Unknown, seen.into(), None)
    }

    fn finding(self, state: State, seen: String, remedy: Option<String>) -> Finding {
        Finding {
            name: self.name,
            state,
            seen,
            why: self.why,
            needed: self.needed,
            remedy,
            chapter: self.chapter,
        }
    }
}

/// A program that a package brings, by the command that installs it on this machine's system.
fn install(host: &Host, packages: &[(&str, &str)]) -> String {
    let release = host.text("etc/os-release").unwrap_or_default();
    let ids = release.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        ["ID", "ID_LIKE"]
            .contains(&key)
            .then(|| value.trim_matches('"'))
    });
    let ids: Vec<&str> = ids.flat_map(str::split_whitespace).collect();
    let manager = ids.iter().find_map(|id| match *id {
        "debian" | "ubuntu" => Some(("debian", "sudo apt-get install")),
        "fedora" | "rhel" | "centos" => Some(("fedora", "sudo dnf install")),
        "alpine" => Some(("alpine", "sudo apk add")),
        "arch" => Some(("arch", "sudo pacman -S")),
        "suse" | "opensuse" => Some(("suse", "sudo zypper install")),
        _ => None,
    });
    let package = |system: &str| packages.iter().find(|(s, _)| *s == system).map(|(_, p)| p);
    match manager.and_then(|(system, command)| Some((command, package(system)?))) {
        Some((command, package)) => format!("{command} {package}"),
        None => format!(
            "install the package {}",
            packages.first().map_or("", |(_, p)| p)
        ),
    }
}

#[cfg(test)]
mod tests;

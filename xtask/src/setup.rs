//! What the suites and the benchmark need from the machine: installed when this user may,
//! otherwise said.
//!
//! Nothing is promised here: a suite looks for itself whether it can run, and is skipped, with its
//! reason, when it cannot.

use std::path::Path;
use std::process::Command;

use crate::command;
use crate::fixtures;
use crate::wasm;

/// What is called: a program, the Debian packages that have it, and how the names of the suites
/// begin that call it, or of the benchmark.
const PROGRAMS: &[(&str, &str, &[&str])] = &[
    ("bsdtar", "libarchive-tools", &["e2e"]),
    ("buildah", "buildah", &["e2e", BENCH]),
    ("busybox", "busybox-static", &["e2e"]),
    ("bzip2", "bzip2", &["cli", "e2e"]),
    ("chromium", "chromium", &["browser"]),
    ("containerd", "containerd", &["e2e"]),
    ("c++", "g++", &["fuzz"]),
    ("crun", "crun", &["e2e", BENCH]),
    ("curl", "curl", &[BENCH]),
    ("debootstrap", "debootstrap", &["e2e", BENCH]),
    ("docker-registry", "docker-registry", &["e2e", BENCH]),
    ("dockerd", "docker.io", &["e2e", BENCH]),
    ("hunspell", "hunspell hunspell-en-gb", &["book"]),
    ("ip", "iproute2", &["e2e", BENCH]),
    ("iptables", "iptables", &["e2e", BENCH]),
    ("jq", "jq", &[BENCH]),
    ("newuidmap", "uidmap", NAMESPACES),
    ("npm", "nodejs npm", PAGE),
    ("openssl", "openssl", &["e2e"]),
    ("podman", "podman", &["e2e", "browser", BENCH]),
    ("python3", "python3-pip", &["e2e"]),
    ("script", "bsdutils", &["e2e"]),
    ("setpriv", "util-linux", &["e2e"]),
    ("skopeo", "skopeo", &["e2e", "browser", BENCH]),
    ("ssh-agent", "openssh-client", &["e2e"]),
    ("umoci", "umoci", &["e2e", BENCH]),
    ("unshare", "util-linux", NAMESPACES),
    ("xz", "xz-utils", &["cli", "e2e"]),
    ("zstd", "zstd", &["cli", "e2e"]),
];

/// What the benchmark is called here.
pub(crate) const BENCH: &str = "bench";

/// The suites that build the playground's page.
const PAGE: &[&str] = &["playground", "browser"];

/// The suites that make user namespaces.
const NAMESPACES: &[&str] = &["unit", "twins", "hostile", "e2e"];

/// The ordinary user of the end-to-end tests who has subordinate ids.
pub(crate) const USER: &str = "coracle-test";

/// The ordinary user of the end-to-end tests who has none.
pub(crate) const LONE: &str = "coracle-lone";

/// Installs and makes what the named suites, or the benchmark, need and this machine lacks.
pub(crate) fn prepare(names: &[&str], project: &Path, log: &Path) {
    let wanted = |family: &str| names.iter().any(|name| name.starts_with(family));
    let any = |families: &[&str]| families.iter().any(|family| wanted(family));
    let called = PROGRAMS.iter().filter(|(.., families)| any(families));
    let missing = called.filter(|(program, ..)| !command::found(program));
    let their = missing.flat_map(|(_, packages, _)| packages.split(' '));
    let mut packages: Vec<String> = their.map(str::to_owned).collect();
    let compiles = wanted("wasm") || any(PAGE);
    let no_target = compiles && wasm::toolchain().is_none() && !wasm::add_by_rustup(log);
    if no_target || !packages.is_empty() {
        refresh(log);
    }
    if no_target {
        packages.extend(wasm::packages());
    }
    if !packages.is_empty() {
        install(&packages, log);
    }
    if any(NAMESPACES) && is_root() {
        add_user(USER, true, log);
        add_user(LONE, false, log);
    }
    if wanted("e2e")
        && let Err(message) = fixtures::python(project, log)
    {
        say(&message);
    }
}

/// Whether this process may do everything: its effective user is 0.
pub(crate) fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        line.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
    })
}

/// One line about the set-up.
pub(crate) fn say(message: &str) {
    println!("{:<10} {message}", "setup");
}

/// Lets apt look what there is: on a fresh machine it knows no package at all, and so no version.
fn refresh(log: &Path) {
    if may_install() && !apt(&["update"], log) {
        say(&format!("apt-get update failed, see {}", log.display()));
    }
}

/// Installs Debian packages, or says how it is done.
fn install(packages: &[String], log: &Path) {
    let mut words = vec!["install", "-y", "--no-install-recommends"];
    words.extend(packages.iter().map(String::as_str));
    if may_install() {
        say(&format!("installing {}", packages.join(" ")));
        if apt(&words, log) {
            return;
        }
        say(&format!("apt-get failed, see {}", log.display()));
    }
    say(&format!("missing; as root: apt-get {}", words.join(" ")));
}

fn may_install() -> bool {
    is_root() && command::found("apt-get")
}

fn apt(words: &[&str], log: &Path) -> bool {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(words);
    command::run(&mut apt, log).success
}

/// Makes a user for the tests: no password, no home, and subordinate ids or none.
fn add_user(name: &str, subordinate: bool, log: &Path) {
    let run = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command::run(command.args(&words[1..]), log).success
    };
    // A system user, because useradd gives those no subordinate ids of its own accord.
    let add = ["useradd", "--system", "--no-create-home", "--home-dir"];
    let rest = ["/nonexistent", "--shell", "/bin/sh", name];
    if !listed("/etc/passwd", name) && !run(&[&add[..], &rest[..]].concat()) {
        say(&format!(
            "cannot add the user {name}, see {}",
            log.display()
        ));
        return;
    }
    for (file, option) in [
        ("/etc/subuid", "--add-subuids"),
        ("/etc/subgid", "--add-subgids"),
    ] {
        if subordinate && !listed(file, name) {
            let range = free_range(&std::fs::read_to_string(file).unwrap_or_default());
            run(&["usermod", option, &range, name]);
        }
    }
}

/// Whether a line of the file begins with `name:`.
fn listed(file: &str, name: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .any(|line| line.split(':').next() == Some(name))
}

/// A range of 65,536 ids behind all that a subuid or subgid file gives away: `FIRST-LAST`.
fn free_range(text: &str) -> String {
    let ends = text.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(1);
        let first: u64 = fields.next()?.parse().ok()?;
        let count: u64 = fields.next()?.trim().parse().ok()?;
        Some(first + count)
    });
    let first = ends.max().unwrap_or(0).max(100_000);
    format!("{first}-{}", first + 65_535)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_does_not_overlap_another() {
        let check = |text: &str, expected: &str| assert_eq!(free_range(text), expected, "{text}");
        check("", "100000-165535");
        check("alice:100000:65536\n", "165536-231071");
        check("alice:300000:10\nbob:100000:65536\n", "300010-365545");
        check("nonsense\n", "100000-165535");
    }
}

//! What the suites need from the machine: installed when this user may, otherwise said.

use std::path::Path;
use std::process::Command;

use crate::command;
use crate::suites::Suite;
use crate::wasm;

/// Installs what the suites need and this machine lacks.
///
/// Nothing is promised: a suite looks for itself whether it can run, and is skipped, with the
/// command that would help, when it cannot.
pub(crate) fn prepare(suites: &[Suite], log: &Path) {
    let wanted = |name: &str| suites.iter().any(|suite| suite.name == name);
    if wanted("wasm") && wasm::toolchain().is_none() && !wasm::add_by_rustup(log) {
        println!("setup      installing Debian's WebAssembly toolchain");
        install(&wasm::PACKAGES, log);
    }
}

/// Installs Debian packages; only root can.
fn install(packages: &[&str], log: &Path) -> bool {
    if !is_root() || !command::found("apt-get") {
        return false;
    }
    let apt = |words: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-o", "DPkg::Lock::Timeout=300"])
            .args(words);
        command::run(&mut apt, log).success
    };
    let mut words = vec!["install", "-y", "--no-install-recommends"];
    words.extend(packages);
    apt(&["update"]) && apt(&words)
}

/// Whether this process may do everything: its effective user is 0.
fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        line.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
    })
}

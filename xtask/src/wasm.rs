//! The WebAssembly target: which of the three ways to have it works on this machine.

use std::path::Path;
use std::process::Command;

use crate::command;

/// The target's name.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A toolchain that can compile to WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The toolchain in use has the target's standard library.
    Installed,
    /// Debian's `rustc-web`, which compiles the standard library from its own source.
    Debian,
}

/// Finds a toolchain that has the target, without installing anything.
pub(crate) fn toolchain() -> Option<Toolchain> {
    if installed() {
        Some(Toolchain::Installed)
    } else if debian() {
        Some(Toolchain::Debian)
    } else {
        None
    }
}

/// Asks rustup for the target; false when there is no rustup or it cannot fetch.
pub(crate) fn add_by_rustup(log: &Path) -> bool {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    command::found("rustup") && command::run(&mut rustup, log).success && installed()
}

/// Debian's packages for the target: a compiler, the standard library's source, and a linker,
/// whose version is that of the distribution, as far as apt knows it by now.
pub(crate) fn packages() -> Vec<String> {
    let mut packages: Vec<String> = ["rustc-web", "cargo-web", "rust-web-src"]
        .map(str::to_owned)
        .into();
    packages.push(newest_linker().unwrap_or_else(|| "lld".to_owned()));
    packages
}

/// The newest `lld-N` that Debian offers.
fn newest_linker() -> Option<String> {
    let listed = Command::new("apt-cache")
        .args(["pkgnames", "lld-"])
        .output()
        .ok()?;
    let names = String::from_utf8_lossy(&listed.stdout);
    let number = |name: &str| name.strip_prefix("lld-")?.parse::<u32>().ok();
    let newest = names.lines().filter_map(number).max()?;
    Some(format!("lld-{newest}"))
}

/// The linker for the target that is installed, where the toolchain brings none.
///
/// The newest with a number comes first: the one without is the distribution's default, which may
/// be older than the compiler, and then cannot read what that writes.
fn linker() -> Option<String> {
    let names = (14..40).rev().map(|version| format!("wasm-ld-{version}"));
    names
        .chain(std::iter::once("wasm-ld".to_owned()))
        .find(|name| command::found(name))
}

/// A cargo command for the target: `check` it, or `build` it.
pub(crate) fn cargo(toolchain: Toolchain, verb: &str, project: &Path) -> Command {
    let mut cargo = match toolchain {
        Toolchain::Installed => Command::new("cargo"),
        Toolchain::Debian => {
            let mut cargo = Command::new("/usr/bin/cargo");
            cargo
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTC", "/usr/bin/rustc");
            cargo
        }
    };
    // A directory of its own: two compilers in one directory rebuild each other's work.
    cargo
        .current_dir(project)
        .env("RUSTFLAGS", "-D warnings")
        .args([verb, "--target", TARGET, "--target-dir", "target/wasm"]);
    if toolchain == Toolchain::Debian {
        cargo.arg("-Zbuild-std=std,panic_abort");
        if let Some(linker) = linker() {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
    cargo
}

fn installed() -> bool {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output();
    output.is_ok_and(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let target = Path::new(&sysroot).join("lib/rustlib").join(TARGET);
        target.join("lib").is_dir()
    })
}

/// Compiler, library and linker: one of the three alone would fail in the middle of the work.
fn debian() -> bool {
    let tools = ["/usr/bin/cargo", "/usr/bin/rustc"];
    tools.iter().all(|tool| Path::new(tool).is_file())
        && Path::new("/usr/lib/rustlib/src/rust/library/std").is_dir()
        && linker().is_some()
}

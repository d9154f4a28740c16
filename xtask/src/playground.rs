//! `cargo x playground`: the engine in WebAssembly, the page around it, and the book beside it.
//!
//! ```text
//! playground/src ─ cargo ─▶ .wasm ─┐
//! playground/web ─ npm ci ─────────┴▶ coracle-site: bindgen, wasm-opt, esbuild ─▶ target/site/
//! ```

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::command::{self, Outcome};
use crate::setup;
use crate::wasm;

/// The folder of the page's sources, seen from the project.
pub(crate) const WEB: &str = "playground/web";

/// Builds the page, and then serves or opens it if that is asked for.
pub(crate) fn main(project: &Path, words: &[&str]) -> ExitCode {
    let log = project.join("target/x-playground.log");
    let _ = std::fs::create_dir_all(project.join("target"));
    let _ = std::fs::write(&log, "");
    setup::prepare(&["playground"], project, &log);
    let made = build(project, &log, &mut |step| println!("{step}"));
    if let Err(message) = made {
        eprintln!("{message}");
        return ExitCode::FAILURE;
    }
    crate::site(project, &[&["--site"], words].concat())
}

/// The table of what is loaded, beside what it may be, seen from the project.
const SIZES: &str = "target/site/sizes.md";

/// The table of how fast the engine is, beside what is promised, seen from the project.
const TIMES: &str = "target/site/budgets.md";

/// The file of tests that measures how fast the engine is, seen from the page's sources.
pub(crate) const SPEED: &str = "tests/budgets.test.mjs";

/// The oldest Node.js that everything in the lock file runs on: Debian 12's.
const NODE: u32 = 18;

/// Builds the page, step by step. The error is a sentence with what to do.
pub(crate) fn build(project: &Path, log: &Path, say: &mut dyn FnMut(&str)) -> Result<(), String> {
    node()?;
    // Whoever reads the table reads that of this build.
    let _ = std::fs::remove_file(project.join(SIZES));
    say("compiling the engine to WebAssembly (the first time takes some minutes)");
    let engine = engine(project, log)?;
    say("fetching the page's libraries");
    libraries(project, log)?;
    say("putting the page together");
    let mut site = Command::new("cargo");
    let run = ["run", "--quiet", "--package", "coracle-site", "--"];
    site.current_dir(project)
        .args(run)
        .arg("--playground")
        .arg(engine);
    let outcome = command::run(&mut site, log);
    for line in outcome.lines.iter().skip(1) {
        say(line);
    }
    check(&outcome, "the page cannot be put together", log)
}

/// The table of sizes that the last build wrote, line by line; nothing when there was none.
pub(crate) fn sizes(project: &Path) -> Vec<String> {
    lines(&project.join(SIZES))
}

/// The table of times that [`SPEED`] wrote, likewise.
pub(crate) fn times(project: &Path) -> Vec<String> {
    lines(&project.join(TIMES))
}

fn lines(table: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(table).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Writes down what logs lead to here, for the engine in WebAssembly to agree with.
pub(crate) fn cases(project: &Path, log: &Path) -> bool {
    let mut cargo = Command::new("cargo");
    let run = [
        "run",
        "--quiet",
        "--package",
        "coracle-playground",
        "--example",
        "cases",
    ];
    let output = cargo.current_dir(project).args(run).output();
    let Ok(output) = output else { return false };
    command::append(log, &[String::from_utf8_lossy(&output.stderr).into_owned()]);
    let written = std::fs::write(project.join("target/playground/cases.json"), output.stdout);
    output.status.success() && written.is_ok()
}

/// The files of the page's tests, in order, seen from the page's sources.
pub(crate) fn tests(project: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(project.join(WEB).join("tests"));
    let names = entries.into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut tests: Vec<String> = names
        .filter(|name| name.ends_with(".test.mjs"))
        .map(|name| format!("tests/{name}"))
        .collect();
    tests.sort();
    tests
}

/// Compiles the engine, and returns where it is.
fn engine(project: &Path, log: &Path) -> Result<PathBuf, String> {
    let Some(toolchain) = wasm::toolchain() else {
        let debian = wasm::packages().join(" ");
        return Err(format!(
            "no toolchain for {}: rustup target add {}, or on Debian: apt-get install {debian}",
            wasm::TARGET,
            wasm::TARGET
        ));
    };
    let mut cargo = wasm::cargo(toolchain, "build", project);
    cargo.args(["--profile", "wasm", "--package", "coracle-playground"]);
    let outcome = command::run(&mut cargo, log);
    check(&outcome, "the engine does not compile", log)?;
    let made = format!("target/wasm/{}/wasm/coracle_playground.wasm", wasm::TARGET);
    Ok(project.join(made))
}

/// Whether there is a Node.js that will do, asked before minutes are spent on the engine.
fn node() -> Result<(), String> {
    let remedy = "on Debian, apt-get install nodejs npm";
    let output = Command::new("node").arg("--version").output();
    let output = output.map_err(|_| format!("node is missing: {remedy}"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if major(&said).is_some_and(|version| version >= NODE) {
        return Ok(());
    }
    Err(format!(
        "node {NODE} or newer is needed, and this one says {said:?}: {remedy}"
    ))
}

/// 18 of `v18.20.4`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Fetches the libraries that the lock file names, unless they are there already.
fn libraries(project: &Path, log: &Path) -> Result<(), String> {
    let web = project.join(WEB);
    let changed = |path: &str| {
        web.join(path)
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
    };
    // npm writes this file last.
    let fetched = changed("node_modules/.package-lock.json");
    if fetched.is_some() && fetched >= changed("package-lock.json") {
        return Ok(());
    }
    if !command::found("npm") {
        return Err("npm is missing: on Debian, apt-get install npm".to_owned());
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&web)
        .args(["ci", "--no-fund", "--no-audit"]);
    check(
        &command::run(&mut npm, log),
        "npm cannot fetch the page's libraries",
        log,
    )
}

fn check(outcome: &Outcome, message: &str, log: &Path) -> Result<(), String> {
    if outcome.success {
        return Ok(());
    }
    let last = outcome.lines.len().saturating_sub(20);
    let tail = outcome.lines[last..].join("\n");
    Err(format!(
        "{message}; the whole log is in {}\n{tail}",
        log.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_measures_is_one_of_the_tests() {
        let tests = tests(&crate::project());
        assert!(tests.iter().any(|test| test == SPEED), "{tests:?}");
        assert!(tests.iter().all(|test| !test.contains("support")));
    }

    #[test]
    fn the_version_of_node_is_understood() {
        let check = |said: &str, expected| assert_eq!(major(said), expected, "{said}");
        check("v18.20.4", Some(18));
        check("v9.0.0", Some(9));
        check("18", None);
        check("", None);
    }
}

//! `cargo x bench`: installs the peers, builds both programs for release, and starts the benchmark,
//! which lives in `tests/bench` because it needs more than a light xtask may.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::command;
use crate::setup::{self, BENCH};
use crate::test::fresh;

/// Runs the benchmark with these words.
pub(crate) fn main(project: &Path, words: &[&str]) -> ExitCode {
    match run(project, words) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("cargo x bench: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(project: &Path, words: &[&str]) -> Result<ExitCode, String> {
    let logs = project.join("target/x-test");
    std::fs::create_dir_all(&logs)
        .map_err(|error| format!("cannot make {}: {error}", logs.display()))?;
    if !words.contains(&"--list") {
        setup::prepare(&[BENCH], project, &fresh(&logs, "bench-setup")?);
    }
    let log = fresh(&logs, "bench-build")?;
    setup::say("building for release");
    let mut build = Command::new("cargo");
    build.current_dir(project).args(["build", "--release"]);
    build.args(["--workspace", "--bin", "coracle", "--bin", "bench"]);
    if !command::run(&mut build, &log).success {
        return Err(format!("the build failed, see {}", log.display()));
    }
    let program = project.join("target/release/bench");
    // In a mount namespace of its own, so that no engine's mount can stay on this machine.
    let mut bench = if setup::is_root() && command::found("unshare") {
        let mut unshare = Command::new("unshare");
        unshare.arg("--mount").arg(program);
        unshare
    } else {
        Command::new(program)
    };
    let status = bench
        .current_dir(project)
        .args(words)
        .status()
        .map_err(|error| format!("cannot start {}: {error}", command::told(&bench)))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

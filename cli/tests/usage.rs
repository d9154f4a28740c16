//! Help, usage errors and exit codes, as somebody at a terminal meets them.

#![allow(clippy::unwrap_used)] // a test may fail

use std::process::{Command, Output};

fn coracle(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(line.split_whitespace())
        .env("COLUMNS", "80")
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", "/nonexistent/coracle")
        .output()
        .unwrap()
}

/// A wrong command line: the exit code, a part of what standard error says, and nothing on
/// standard output.
fn check(line: &str, code: i32, part: &str) {
    let output = coracle(line);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}: {error}");
    assert!(error.starts_with("coracle: "), "{line}: {error}");
    assert!(error.contains(part), "{line}: {error}");
    assert!(output.stdout.is_empty(), "{line}");
}

#[test]
fn unknown_commands_get_a_suggestion() {
    check("versoin", 1, "Did you mean 'coracle version'?");
    check(
        "xyzzy",
        1,
        "unknown command: coracle xyzzy\n\nRun 'coracle --help'",
    );
}

#[test]
fn what_docker_has_is_never_unknown() {
    check(
        "logs -f",
        1,
        "logs: Docker has this, Coracle does not (yet)",
    );
    check("compose up", 1, "chapter 19-compose");
    check(
        "swarm init",
        1,
        "swarm: Docker has this, Coracle does not\n",
    );
}

#[test]
fn options_of_docker_that_are_missing_say_when_they_come() {
    check(
        "run -d base",
        125,
        "run -d: Docker has this, Coracle does not (yet); it comes with the engine",
    );
    check("run -itd base", 125, "run -d: Docker has this");
    check("run --memory=1g base", 125, "run --memory: Docker has this");
    check("container run -p 80:80 base", 125, "chapter 17-network");
    check("build --sbom=true .", 125, "build --sbom: Docker has this");
    check(
        "run --isolation=x base",
        125,
        "--isolation: Docker has this, Coracle does not\n",
    );
    check("run --nmae x base", 125, "unknown flag: --nmae");
    check("run --detahc base", 125, "unknown flag: --detahc");
    check(
        "run --pull=sometimes base",
        125,
        "must be one of always, missing, never",
    );
    check("run", 125, "'coracle run' needs more arguments: IMAGE");
}

#[test]
fn wrong_options_are_usage_errors() {
    check(
        "version --nonsense",
        125,
        "unknown flag: --nonsense\n\nUsage:  coracle version [OPTIONS]\n\nRun 'coracle version --help' for more information",
    );
    check(
        "version --fromat=json",
        125,
        "unknown flag: --fromat; did you mean --format?",
    );
    check(
        "reference parse -- app --format json",
        125,
        "--format stands behind --, where it is an argument",
    );
    check("version --format", 125, "flag needs an argument: --format");
    check(
        "version extra",
        125,
        "'coracle version' does not take \"extra\"",
    );
    check(
        "completion tcsh",
        125,
        "it must be one of bash, elvish, fish, powershell, zsh",
    );
    check(
        "completion",
        125,
        "'coracle completion' needs more arguments: SHELL",
    );
    check("version --format {{.Nope}}", 1, "there is no field .Nope");
}

/// Every command's help, as it looks at 80 columns.
#[test]
fn help() {
    for path in [
        "",
        "base",
        "build",
        "commit",
        "completion",
        "container",
        "container prune",
        "container run",
        "context ls",
        "copy",
        "cp",
        "create",
        "demo",
        "diff",
        "dockerfile",
        "dockerfile expand",
        "dockerfile explain",
        "dockerfile lint",
        "dockerfile parse",
        "dockerignore check",
        "doctor",
        "export",
        "fsck",
        "glossary",
        "history",
        "image",
        "image check",
        "image ls",
        "image ls-files",
        "images",
        "image rm",
        "image tree",
        "image unpack",
        "import",
        "inspect",
        "layer",
        "layer apply",
        "layer diff",
        "layer ls",
        "load",
        "login",
        "logout",
        "manifest",
        "manifest inspect",
        "ps",
        "pull",
        "push",
        "reference",
        "reference parse",
        "registry",
        "registry serve",
        "rename",
        "rm",
        "rmi",
        "run",
        "save",
        "start",
        "system",
        "system df",
        "system prune",
        "tag",
        "tags",
        "version",
    ] {
        let output = coracle(&format!("{path} --help"));
        assert!(output.status.success(), "{path}");
        let name = format!("help {path}").trim().replace(' ', "-");
        insta::assert_snapshot!(name, String::from_utf8(output.stdout).unwrap());
    }
}

#[test]
fn references_are_taken_apart_or_the_wrong_character_is_shown() {
    let output = coracle("reference parse --format json python");
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
    let output = coracle("reference parse Python:3.12");
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap());
}

#[test]
fn completion_scripts_name_the_program() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let output = coracle(&format!("completion {shell}"));
        assert!(output.status.success());
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("coracle"),
            "{shell}"
        );
    }
}

//! What the package managers leave, on the images that have them.

use std::collections::BTreeMap;

use crate::accounts::Identity;
use crate::build::sim::{Journal, Shell, fixtures};
use crate::path::RootedPath;
use crate::tree::{Kind, Timestamp, Tree};

/// Runs scripts one after the other, each as a RUN of its own, on the files of an image. Gives the
/// last code, all that was written and the tree.
fn run(image: &str, scripts: &[&str]) -> (i32, String, Tree) {
    let image = fixtures::find(&image.parse().unwrap()).unwrap();
    let mut tree = image.tree();
    let mut said = String::new();
    let mut code = 0;
    for script in scripts {
        let mut env: BTreeMap<String, String> = BTreeMap::new();
        for entry in &image.config.env {
            let (name, value) = entry.split_once('=').unwrap();
            env.insert(name.to_owned(), value.to_owned());
        }
        env.insert("HOME".to_owned(), "/root".to_owned());
        let mut shell = Shell {
            tree: &mut tree,
            env,
            cwd: RootedPath::root(),
            user: Identity::default(),
            time: Timestamp::default(),
            umask: 0o022,
            read_only: Vec::new(),
            journal: Journal::default(),
            pretend: &BTreeMap::new(),
            all_commands: false,
            other: &mut |_| None,
        };
        let args = ["/bin/sh".to_owned(), "-c".to_owned(), (*script).to_owned()];
        code = shell
            .run_args(&args, &mut |_, text| said.push_str(text))
            .unwrap();
    }
    (code, said, tree)
}

fn at(path: &str) -> RootedPath {
    RootedPath::root().resolve(path)
}

/// How many bytes the files below a directory have.
fn size(tree: &Tree, path: &str) -> u64 {
    let root = at(path);
    let below = tree.below(&root).map(|(_, node)| match &node.kind {
        Kind::File(content) => content.size(),
        _ => 0,
    });
    below.sum()
}

#[test]
fn managers_say_what_the_real_ones_say() {
    let check = |image: &str, script: &str, code: i32, parts: &[&str]| {
        let (got, said, _) = run(image, &[script]);
        assert_eq!(got, code, "{script}\n{said}");
        for part in parts {
            assert!(said.contains(part), "no {part:?} in {script}\n{said}");
        }
    };
    let debian = "debian:bookworm-slim";
    check(
        debian,
        "apt-get install -y curl",
        100,
        &["E: Unable to locate package curl"],
    );
    check(
        debian,
        "apt-get update && apt-get install -y nosuch",
        100,
        &["E: Unable to locate package nosuch"],
    );
    check(
        debian,
        "apt-get update && apt-get install curl",
        1,
        &["Do you want to continue? [Y/n] Abort."],
    );
    check(
        debian,
        "apt-get update && apt-get install -y curl && curl --version && apt-get install -y curl",
        0,
        &[
            "Setting up curl",
            "Setting up ca-certificates",
            "curl 7.88.1",
            "curl is already the newest version",
        ],
    );
    check(
        debian,
        "apt-get update && apt-get install -y curl=1.0",
        100,
        &["E: Version '1.0' for 'curl' was not found"],
    );
    check(debian, "make", 127, &["/bin/sh: 1: make: not found"]);
    check(
        "alpine",
        "apk add curl",
        1,
        &["curl (no such package)", "required by: world[curl]"],
    );
    check(
        "alpine",
        "apk add --no-cache nosuch",
        1,
        &["nosuch (no such package)"],
    );
    check(
        "alpine",
        "apk add --no-cache curl && apk del curl && curl",
        127,
        &[
            "(3/3) Installing curl (8.9.1-r1)",
            "Purging curl",
            "MiB in 7 packages",
            "curl: not found",
        ],
    );
    check(
        "python:3.12-slim",
        "pip install nosuch",
        1,
        &["No matching distribution found for nosuch"],
    );
    check(
        "python:3.12-slim",
        "pip install flask==9",
        1,
        &["(from versions: 3.0.3)"],
    );
    check(
        "python:3.12-slim",
        "echo 'Flask==3.0.3 # web' > r.txt && pip install --no-cache-dir -r r.txt && python --version",
        0,
        &["Successfully installed blinker-1.8.2", "Python 3.12.6"],
    );
    check(
        "node:22-alpine",
        "npm install",
        254,
        &["Could not read package.json"],
    );
    check(
        "node:22-alpine",
        "npm ci",
        1,
        &["existing package-lock.json"],
    );
    check(
        "node:22-alpine",
        "npm install nosuch",
        1,
        &["404 Not Found"],
    );
    check(
        "node:22-alpine",
        "npm install express && npm ci && ls node_modules",
        0,
        &["added 6 packages", "express"],
    );
    check(
        "golang:1.23-alpine",
        "cd /tmp && echo 'package main' > m.go && go build -o /app . && stat -c %s /app",
        0,
        &["7000"],
    );
    check(
        "golang:1.23-alpine",
        "mkdir /e && cd /e && go build",
        1,
        &["no Go files in /e"],
    );
}

#[test]
fn what_is_cleaned_in_the_same_step_is_not_there() {
    let (_, _, dirty) = run(
        "debian",
        &["apt-get update && apt-get install -y --no-install-recommends curl"],
    );
    assert!(size(&dirty, "var/lib/apt/lists") > 18_000);
    assert_eq!(
        size(&dirty, "var/cache/apt/archives"),
        0,
        "docker-clean sees to it"
    );
    let clean = "apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*";
    let (_, _, clean) = run("debian", &[clean]);
    assert_eq!(size(&clean, "var/lib/apt/lists"), 0);
    assert!(clean.get(&at("usr/bin/curl")).is_some());
    assert!(clean.get(&at("usr/sbin/update-ca-certificates")).is_none());
    let (_, _, kept) = run(
        "debian",
        &["rm /etc/apt/apt.conf.d/docker-clean; apt-get update; apt-get install -y jq"],
    );
    assert!(size(&kept, "var/cache/apt/archives") > 60);
}

#[test]
fn caches_are_kept_unless_somebody_says_no() {
    let sizes = |image: &str, script: &str, path: &str| size(&run(image, &[script]).2, path);
    assert_eq!(sizes("alpine", "apk add --no-cache jq", "var/cache/apk"), 0);
    assert!(sizes("alpine", "apk update && apk add jq", "var/cache/apk") > 2000);
    assert_eq!(
        sizes(
            "python:3.12-slim",
            "pip install --no-cache-dir numpy",
            "root/.cache"
        ),
        0
    );
    assert!(sizes("python:3.12-slim", "pip install numpy", "root/.cache") >= 16_000);
    let npm = "npm install lodash && npm cache clean --force";
    assert_eq!(sizes("node:22-alpine", npm, "root/.npm"), 0);
    assert!(sizes("node:22-alpine", "npm install lodash", "root/.npm") > 300);
}

#[test]
fn other_sources_make_another_program() {
    let program = |text: &str| {
        let script = format!("mkdir /s && cd /s && echo '{text}' > m.go && go build -o /app");
        let (code, said, tree) = run("golang:1.23-alpine", &[&script]);
        assert_eq!(code, 0, "{said}");
        tree.get(&at("app")).unwrap().clone()
    };
    assert_eq!(program("a"), program("a"));
    assert_ne!(program("a"), program("b"));
}

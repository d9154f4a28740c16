//! The same folder built by Coracle, by BuildKit and by buildah: same tree, same config, or a
//! difference that has a reason.
//!
//! ```text
//! golden/builds/AREA.cases
//!   === what the case shows
//!   $ a line for a shell, which makes the build context in an empty folder
//!   ! more words for every builder
//!   - PEER and why it is not asked
//!   FROM …                         and the rest is the Dockerfile
//! ```
//!
//! Our own results are snapshots, so that they are held where no peer is installed. Times are not
//! compared: BuildKit keeps those of the context, and Coracle's are fixed.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use coracle_tests::{Buildah, Daemon, Outcome, Sandbox, fixtures, skip};
use serde_json::Value;

mod peers;
use peers::{Difference, EXPLAINED, OF_BUILDAH};

#[test]
fn copy() {
    compare("copy");
}

#[test]
fn ignore() {
    compare("ignore");
}

#[test]
fn add() {
    compare("add");
}

#[test]
fn variables() {
    compare("variables");
}

#[test]
fn config() {
    compare("config");
}

#[test]
fn run() {
    compare("run");
}

/// What no peer of the version that Debian has knows yet.
#[test]
fn newer() {
    compare("newer");
}

/// One build.
struct Case {
    name: String,
    /// Makes the context.
    script: String,
    /// Words for the builder.
    words: Vec<String>,
    /// Who is not asked, because it would not live to answer.
    spared: Vec<String>,
    dockerfile: String,
}

/// What a builder made of it: a line for each file and each field, by name; or why it did not.
type Made = Result<BTreeMap<String, String>, String>;

/// Builds all cases of an area with everybody who is here.
fn compare(area: &str) {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if area == "run" && !sandbox.person.has_many_ids() {
        return skip("one id only: RUN changes owners and becomes other users");
    }
    let cases = cases(area);
    let peers = Peers::new(&sandbox);
    let on_base = cases
        .iter()
        .any(|case| case.dockerfile.contains("FROM base"));
    let base = if on_base {
        peers.base(&sandbox)
    } else {
        BTreeSet::new()
    };
    let mut ours = String::new();
    let mut failures = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let folder = folder(&sandbox, number, case);
        let own = own(&sandbox, &folder, case, &base);
        let _ = writeln!(ours, "=== {}\n{}", case.name, shown(&own));
        for (peer, made) in peers.build(&sandbox, &folder, case, &base) {
            let explained = EXPLAINED.iter().find(|d| d.is(area, &case.name, peer));
            failures.extend(judged(case, peer, &own, &made, explained));
        }
    }
    let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
    for explained in EXPLAINED.iter().filter(|d| d.area == area) {
        if !names.contains(explained.case) {
            failures.push(format!("there is no case {:?}", explained.case));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // The snapshots were made on amd64, and say so where a build asks for its platform.
    let ours = ours.replace(goarch(), "amd64");
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!(area, ours);
    });
}

/// This machine's architecture, as Go and the OCI name it.
fn goarch() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

/// What is wrong with a case: a difference that nobody explains, or an explanation of none.
fn judged(
    case: &Case,
    peer: &str,
    own: &Made,
    theirs: &Made,
    explained: Option<&Difference>,
) -> Option<String> {
    let everywhere = if peer == "buildah" { OF_BUILDAH } else { &[] };
    let differences = differences(own, theirs, everywhere);
    let head = format!("{:?}, {peer}:", case.name);
    match (differences.is_empty(), explained) {
        (true, None) | (false, Some(_)) => None,
        (true, Some(explained)) => Some(format!(
            "{head} there is no difference, but it is explained: {}",
            explained.reason
        )),
        (false, None) => Some(format!("{head}\n  {}", differences.join("\n  "))),
    }
}

fn differences(own: &Made, theirs: &Made, everywhere: &[(&str, Option<&str>)]) -> Vec<String> {
    let (own, theirs) = match (own, theirs) {
        (Ok(own), Ok(theirs)) => (own, theirs),
        (Err(_), Err(_)) => return Vec::new(),
        (Ok(_), Err(why)) => return vec![format!("they refuse it: {why}")],
        (Err(why), Ok(_)) => return vec![format!("we refuse it: {why}")],
    };
    let names: BTreeSet<_> = own.keys().chain(theirs.keys()).collect();
    let known = |name: &str| everywhere.contains(&(name, own.get(name).map(String::as_str)));
    let of = |made: &BTreeMap<String, String>, name: &String| {
        made.get(name).map_or("nothing", String::as_str).to_owned()
    };
    names
        .into_iter()
        .filter(|name| own.get(*name) != theirs.get(*name) && !known(name))
        .map(|name| format!("{name}: we {}, they {}", of(own, name), of(theirs, name)))
        .collect()
}

fn shown(made: &Made) -> String {
    match made {
        Ok(lines) => lines.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name}: {value}");
            text
        }),
        Err(why) => format!("refused: {why}\n"),
    }
}

fn cases(area: &str) -> Vec<Case> {
    let path = fixtures::path(&format!("../golden/builds/{area}.cases"));
    let text = std::fs::read_to_string(path).unwrap();
    let case = |text: &str| {
        let (name, rest) = text.split_once('\n').unwrap();
        let lines = |start: &str| {
            rest.lines()
                .filter_map(|l| l.strip_prefix(start).map(str::to_owned))
                .collect()
        };
        let words: Vec<String> = lines("! ");
        let script: Vec<String> = lines("$ ");
        let spared: Vec<String> = lines("- ");
        let of_file = |line: &&str| !["$ ", "! ", "- "].iter().any(|mark| line.starts_with(mark));
        let dockerfile: Vec<_> = rest.lines().filter(of_file).collect();
        Case {
            name: name.to_owned(),
            script: script.join("\n"),
            words: words
                .iter()
                .flat_map(|l| l.split(' ').map(str::to_owned))
                .collect(),
            spared,
            dockerfile: dockerfile.join("\n").trim_end().to_owned() + "\n",
        }
    };
    let cases: Vec<_> = text.split("=== ").skip(1).map(case).collect();
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(
        names.len(),
        cases.len(),
        "two cases of {area} have one name"
    );
    cases
}

/// The case's context, in a folder of its own.
fn folder(sandbox: &Sandbox, number: usize, case: &Case) -> PathBuf {
    let name = format!("case-{number}");
    let folder = sandbox.path().join(&name);
    std::fs::create_dir(&folder).unwrap();
    sandbox.give(&name);
    let script = format!("umask 022\n{}", case.script);
    let call = sandbox.program("/bin/sh".as_ref(), ["-euc", &script]);
    call.dir(&folder).run().succeeds();
    if case.dockerfile.trim() != "" {
        sandbox.file(&format!("{name}/Dockerfile"), &case.dockerfile);
    }
    folder
}

/// What Coracle makes.
fn own(sandbox: &Sandbox, folder: &Path, case: &Case, base: &BTreeSet<String>) -> Made {
    let words = ["build", "-q", "-t", "own"];
    let call = sandbox.coracle(words).args(&case.words).args(["."]);
    let outcome = call.dir(folder).run();
    if outcome.code == Some(0) {
        return Ok(read(sandbox, "own", base));
    }
    let lines = outcome.stderr.lines();
    let errors: Vec<_> = lines.filter(|line| line.starts_with("error: ")).collect();
    let first = outcome.stderr.lines().next().unwrap_or_default();
    Err(if errors.is_empty() {
        first.to_owned()
    } else {
        errors.join("; ")
    })
}

/// The files and the config of an image, without what is in the base.
fn read(sandbox: &Sandbox, image: &str, base: &BTreeSet<String>) -> BTreeMap<String, String> {
    let list = ["image", "ls-files", "--format", "json", image];
    let list = sandbox.coracle(list).run().succeeds();
    let mut made = BTreeMap::new();
    for line in list.stdout.lines() {
        let file: Value = serde_json::from_str(line).unwrap();
        let (path, said) = said(&file);
        let root = path == "/" && said == "dir 0755 0:0";
        if !root && !base.contains(&format!("{path} {said}")) {
            made.insert(path, said);
        }
    }
    let config = ["image", "inspect", "--format", "{{json .Config}}", image];
    fold(&sandbox.coracle(config).run().succeeds().json(), &mut made);
    made
}

/// Adds the fields of a config that say something.
fn fold(config: &Value, made: &mut BTreeMap<String, String>) {
    for (field, value) in config.as_object().unwrap() {
        let mut value = value.clone();
        if let Some(labels) = value.as_object_mut() {
            // buildah notes its own version, in a label that nobody asked for.
            labels.remove("io.buildah.version");
        }
        let empty = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        // Only Windows knows what arguments are that need no escape, and no image is a host.
        if !empty && field != "ArgsEscaped" && field != "Hostname" {
            made.insert(format!("config.{field}"), value.to_string());
        }
    }
}

/// A file's path, and what is compared of it.
fn said(file: &Value) -> (String, String) {
    let text = |field: &str| match &file[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut said = format!(
        "{} {} {}:{}",
        text("type"),
        text("mode"),
        text("uid"),
        text("gid")
    );
    match file["type"].as_str() {
        Some("file") => {
            let _ = write!(said, " {} {}", text("size"), &text("sha256")[..8]);
        }
        // The mode of a link means nothing.
        Some("symlink") => {
            said = format!(
                "symlink {}:{} -> {}",
                text("uid"),
                text("gid"),
                text("target")
            );
        }
        _ => {}
    }
    (text("path"), said)
}

/// The builders that are here.
struct Peers {
    docker: Option<Daemon>,
    buildah: Option<Buildah>,
}

impl Peers {
    fn new(sandbox: &Sandbox) -> Self {
        let buildah = Buildah::new(sandbox);
        let docker = if sandbox.person.is_root() {
            Daemon::docker(sandbox)
        } else {
            skip("needs root to compare owners with docker's");
            None
        };
        Self { docker, buildah }
    }

    /// Makes the base image and gives it to everybody. Returns its files.
    fn base(&self, sandbox: &Sandbox) -> BTreeSet<String> {
        sandbox.coracle(["base", "-q"]).run().succeeds();
        let save = ["save", "-o", "base.tar", "base"];
        sandbox.coracle(save).run().succeeds();
        if let Some(docker) = &self.docker {
            docker
                .call(&["load", "-q", "-i", "base.tar"])
                .run()
                .succeeds();
        }
        if let Some(buildah) = &self.buildah {
            buildah
                .call(&["pull", "-q", "docker-archive:base.tar"])
                .run()
                .succeeds();
        }
        let files = read(sandbox, "base", &BTreeSet::new());
        files
            .iter()
            .map(|(path, said)| format!("{path} {said}"))
            .collect()
    }

    /// What each of them makes of a case, both at the same time.
    fn build(
        &self,
        sandbox: &Sandbox,
        folder: &Path,
        case: &Case,
        base: &BTreeSet<String>,
    ) -> Vec<(&'static str, Made)> {
        let asked = |peer: &str| !case.spared.iter().any(|line| line.starts_with(peer));
        let docker = self.docker.as_ref().filter(|_| asked("docker"));
        let buildah = self.buildah.as_ref().filter(|_| asked("buildah"));
        std::thread::scope(|scope| {
            let docker = docker.map(|d| scope.spawn(|| by_docker(d, sandbox, folder, case, base)));
            let buildah = buildah.map(|b| ("buildah", by_buildah(b, sandbox, folder, case, base)));
            let docker = docker.map(|running| ("docker", running.join().unwrap()));
            docker.into_iter().chain(buildah).collect()
        })
    }
}

fn by_docker(
    docker: &Daemon,
    sandbox: &Sandbox,
    folder: &Path,
    case: &Case,
    base: &BTreeSet<String>,
) -> Made {
    let words = case.words.iter().map(String::as_str);
    let fixed = ["build", "-q", "--network=host", "-t", "docker"];
    let words: Vec<_> = fixed.into_iter().chain(words).chain(["."]).collect();
    let call = docker.call(&words).env("DOCKER_BUILDKIT", "1");
    let made = built(&call.dir(folder).run(), || {
        let saved = docker.call(&["save", "-o", "docker.tar", "docker"]).run();
        if !saved.stderr.contains("empty export") {
            return read_archive(sandbox, &saved, "docker", base);
        }
        // Docker saves no image without layers.
        let inspect = ["image", "inspect", "--format", "{{json .Config}}", "docker"];
        let mut made = BTreeMap::new();
        fold(&docker.call(&inspect).run().succeeds().json(), &mut made);
        made
    });
    // A daemon that is gone would refuse everything.
    docker.call(&["version"]).run().succeeds();
    made
}

fn by_buildah(
    buildah: &Buildah,
    sandbox: &Sandbox,
    folder: &Path,
    case: &Case,
    base: &BTreeSet<String>,
) -> Made {
    let words = case.words.iter().map(String::as_str);
    // The OCI format has no field for HEALTHCHECK, SHELL and ONBUILD.
    let fixed = ["-q", "--format=docker", "-t", "buildah"];
    let words: Vec<_> = fixed.into_iter().chain(words).chain(["."]).collect();
    built(&buildah.build(&words).dir(folder).run(), || {
        let push = [
            "push",
            "-q",
            "buildah",
            "docker-archive:buildah.tar:buildah",
        ];
        read_archive(sandbox, &buildah.call(&push).run(), "buildah", base)
    })
}

/// What another builder made, or the last line that it said.
fn built(outcome: &Outcome, read: impl FnOnce() -> BTreeMap<String, String>) -> Made {
    if outcome.code == Some(0) {
        return Ok(read());
    }
    let last = outcome.stderr.lines().rfind(|line| !line.trim().is_empty());
    Err(last.unwrap_or_default().to_owned())
}

/// The image in the archive that a peer has saved under its own name.
fn read_archive(
    sandbox: &Sandbox,
    saved: &Outcome,
    peer: &str,
    base: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    assert_eq!(saved.code, Some(0), "{saved}");
    let archive = format!("{peer}.tar");
    let load = ["load", "-q", "-i", &archive];
    sandbox.coracle(load).run().succeeds();
    std::fs::remove_file(sandbox.path().join(&archive)).unwrap();
    read(sandbox, peer, base)
}

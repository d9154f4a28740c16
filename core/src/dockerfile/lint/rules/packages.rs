//! Packages: what package managers ask, what they leave behind, and what changes under one's feet.

use std::collections::{BTreeMap, BTreeSet};

use super::super::rule::{CORACLE, Check, Rule};
use super::super::shell::{Command, Joint, Word, program};
use super::super::view::{RunScript, View, found};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::dockerfile::ast::{Instruction, Kind};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "InstallWithoutYes",
        reason: "Nobody is there to answer when it asks whether to go on, and the build fails",
        bad: "FROM fedora:43\nRUN dnf install git-2.51.0 && dnf clean all\n",
        good: "FROM fedora:43\nRUN dnf install -y git-2.51.0 && dnf clean all\n",
        check: Check::Rule(without_yes),
        ..CORACLE
    },
    Rule {
        name: "AptInScript",
        reason: "`apt` is made for people, and warns that its options may change; scripts use \
                 apt-get",
        bad: "FROM debian:13\nRUN apt remove -y nano\n",
        good: "FROM debian:13\nRUN apt-get remove -y nano\n",
        check: Check::Rule(apt),
        ..CORACLE
    },
    Rule {
        name: "AptUpdateAlone",
        reason: "The cache keeps the list of packages from the day it was made, and a later install \
                 asks for versions that are gone",
        bad: "FROM debian:13\nRUN apt-get update\nRUN apt-get install -y --no-install-recommends git\n",
        good: "FROM debian:13\nRUN apt-get update && apt-get install -y --no-install-recommends git \
               && rm -rf /var/lib/apt/lists/*\n",
        check: Check::Rule(update_alone),
        ..CORACLE
    },
    Rule {
        name: "AptListsKept",
        reason: "The lists of packages stay in the layer, and are old when anybody could use them; \
                 they must go in the same RUN",
        bad: "FROM debian:13\nRUN apt-get update && apt-get install -y --no-install-recommends git\n",
        good: "FROM debian:13\nRUN apt-get update && apt-get install -y --no-install-recommends git \
               && rm -rf /var/lib/apt/lists/*\n",
        check: Check::Rule(apt_lists),
        ..CORACLE
    },
    Rule {
        name: "AptRecommends",
        severity: Severity::Info,
        reason: "Recommended packages are seldom needed in a container, and can be most of its size",
        bad: "FROM debian:13\nRUN apt-get update && apt-get install -y git \
              && rm -rf /var/lib/apt/lists/*\n",
        good: "FROM debian:13\nRUN apt-get update && apt-get install -y --no-install-recommends git \
               && rm -rf /var/lib/apt/lists/*\n",
        check: Check::Rule(recommends),
        ..CORACLE
    },
    Rule {
        name: "ApkCacheKept",
        reason: "The index of packages stays in the layer, and is old when anybody could use it",
        bad: "FROM alpine:3.22\nRUN apk add git\n",
        good: "FROM alpine:3.22\nRUN apk add --no-cache git\n",
        check: Check::Rule(apk_cache),
        ..CORACLE
    },
    Rule {
        name: "DnfCacheKept",
        reason: "What was downloaded stays in the layer; it must go in the same RUN",
        bad: "FROM fedora:43\nRUN dnf install -y git\n",
        good: "FROM fedora:43\nRUN dnf install -y git && dnf clean all\n",
        check: Check::Rule(dnf_cache),
        ..CORACLE
    },
    Rule {
        name: "PipCacheKept",
        reason: "What pip keeps for the next time stays in the layer, where there is no next time",
        bad: "FROM python:3.14\nRUN pip install flask==3.1\n",
        good: "FROM python:3.14\nRUN pip install --no-cache-dir flask==3.1\n",
        check: Check::Rule(pip_cache),
        ..CORACLE
    },
    Rule {
        name: "UnpinnedPackage",
        severity: Severity::Info,
        reason: "The version is whichever is newest on the day of the build, so that two builds of \
                 one file differ",
        bad: "FROM node:24\nRUN npm install -g typescript\n",
        good: "FROM node:24\nRUN npm install -g typescript@5.9.2\n",
        check: Check::Rule(unpinned),
        ..CORACLE
    },
    Rule {
        name: "SystemUpgrade",
        severity: Severity::Info,
        reason: "What it changes depends on the day, and lies in the image twice; a newer tag of the \
                 base has it all",
        bad: "FROM debian:13\nRUN apt-get update && apt-get upgrade -y \
              && rm -rf /var/lib/apt/lists/*\n",
        good: "FROM debian:13.1\n",
        check: Check::Rule(upgrade),
        ..CORACLE
    },
];

/// A call of a package manager, taken apart.
struct Call<'a> {
    /// Its name, without a directory.
    program: &'a str,
    /// What it is to do: `install`.
    verb: &'a Word,
    /// The options, before and behind the verb.
    options: Vec<&'a str>,
    /// Everything else.
    arguments: Vec<&'a Word>,
}

/// Options of package managers that take the next word as their value.
const WITH_VALUE: [(&str, &str); 7] = [
    ("apk", "-t --virtual -X --repository -p --root"),
    (
        "apt",
        "-o -c -t --option --target-release --default-release",
    ),
    (
        "apt-get",
        "-o -c -t --option --target-release --default-release",
    ),
    (
        "dnf",
        "--repo --installroot --releasever --enablerepo --setopt",
    ),
    (
        "gem",
        "-v --version -i --install-dir -n --bindir --source -s",
    ),
    ("npm", "--prefix --registry -C"),
    (
        "pip",
        "-r -c -e -i -f -t --requirement --constraint --editable --index-url --extra-index-url \
         --find-links --target --prefix --root --platform --python-version --trusted-host \
         --no-binary --only-binary",
    ),
];

impl<'a> Call<'a> {
    /// The package manager that a command runs, if it is one of those that rules know.
    fn of(command: &'a Command) -> Option<Self> {
        let mut words = unwrapped(&command.words);
        let python = program(words).trim_start_matches("python");
        let module = python.chars().all(|c| c.is_ascii_digit() || c == '.');
        if program(words).starts_with("python") && module {
            let is_module = words.get(1).is_some_and(|word| word.text == "-m");
            words = words.get(2..).filter(|_| is_module)?;
        }
        let program = match program(words) {
            "pip2" | "pip3" => "pip",
            "yum" | "microdnf" | "dnf5" | "tdnf" => "dnf",
            other => other,
        };
        let mut options = Vec::new();
        let mut plain = Vec::new();
        let mut rest = words.get(1..)?.iter();
        while let Some(word) = rest.next() {
            if word.text.starts_with('-') {
                options.push(word.text.as_str());
                if takes_value(program, &word.text) {
                    options.extend(rest.next().map(|value| value.text.as_str()));
                }
            } else {
                plain.push(word);
            }
        }
        let (verb, arguments) = plain.split_first()?;
        Some(Self {
            program,
            verb,
            options,
            arguments: arguments.to_vec(),
        })
    }

    fn is(&self, programs: &[&str], verbs: &[&str]) -> bool {
        programs.contains(&self.program) && verbs.contains(&self.verb.text.as_str())
    }

    /// Whether one of the options is `long`, or a cluster of short ones that holds `short`.
    fn has(&self, short: Option<char>, long: &[&str]) -> bool {
        self.options.iter().any(|option| {
            let cluster = option
                .strip_prefix('-')
                .filter(|rest| !rest.starts_with('-'));
            let in_cluster = |c| cluster.is_some_and(|cluster| cluster.contains(c));
            short.is_some_and(in_cluster)
                || long
                    .iter()
                    .any(|long| option.split('=').next() == Some(*long))
        })
    }
}

/// Whether an option of a package manager takes the next word as its value.
fn takes_value(program: &str, option: &str) -> bool {
    let options = WITH_VALUE.iter().find(|(name, _)| *name == program);
    options.is_some_and(|(_, options)| options.split_whitespace().any(|o| o == option))
}

/// The words of a command without what only runs it: `sudo`, `env A=b`, `exec`.
pub(super) fn unwrapped(mut words: &[Word]) -> &[Word] {
    while matches!(
        program(words),
        "sudo" | "env" | "exec" | "command" | "nice" | "time" | "eatmydata"
    ) {
        words = &words[1..];
        while words
            .first()
            .is_some_and(|word| word.text.starts_with('-') || word.text.contains('='))
        {
            words = &words[1..];
        }
    }
    words
}

/// All calls of package managers in a script.
fn calls<'a>(script: &'a RunScript<'_>) -> impl Iterator<Item = (&'a Command, Call<'a>)> {
    let commands = script.commands().iter();
    commands.filter_map(|command| Some((command, Call::of(command)?)))
}

const APT: [&str; 3] = ["apt", "apt-get", "aptitude"];

fn without_yes(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        // A configuration file, or an answer through a pipe, may say yes as well.
        let configured = ["Assume-Yes", "assumeyes"];
        if configured.iter().any(|word| script.text().contains(word)) {
            continue;
        }
        for (command, call) in calls(script) {
            if !asks(&call) || says_yes(&call) || command.before == Joint::Pipe {
                continue;
            }
            let name = program(unwrapped(&command.words));
            let message = format!("{name} {} asks before it goes on", call.verb.text);
            let finding = found(script.command(command), message);
            findings.push(finding.fix("add -y", script.behind(call.verb), " -y"));
        }
    }
    findings
}

/// Whether a call wants an answer before it goes on.
fn asks(call: &Call<'_>) -> bool {
    let verbs = match call.program {
        "apt" | "apt-get" | "aptitude" => {
            "install remove purge upgrade dist-upgrade full-upgrade autoremove build-dep"
        }
        "dnf" => "install remove update upgrade groupinstall reinstall downgrade autoremove",
        "zypper" => "install in remove rm update up patch dup",
        _ => "",
    };
    verbs.split(' ').any(|verb| verb == call.verb.text)
}

/// Whether its options have the answer, or make it answer nothing.
fn says_yes(call: &Call<'_>) -> bool {
    match call.program {
        "zypper" => call.has(Some('y'), &[]) || call.has(Some('n'), &["--non-interactive"]),
        "dnf" => call.has(Some('y'), &["--assumeyes", "--downloadonly"]),
        _ => {
            let short = call
                .options
                .iter()
                .filter(|option| !option.starts_with("--"));
            let quiet: usize = short.map(|option| option.matches('q').count()).sum();
            let long = [
                "--yes",
                "--assume-yes",
                "--simulate",
                "--dry-run",
                "--download-only",
            ];
            quiet > 1
                || call.options.contains(&"-q=2")
                || call.has(Some('y'), &long)
                || call.has(Some('s'), &[])
        }
    }
}

fn apt(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        for (command, call) in calls(script).filter(|(_, call)| call.program == "apt") {
            let Some(word) = unwrapped(&command.words).first() else {
                continue;
            };
            let finding = found(script.word(word), "`apt` is used in a script");
            let same = "install update upgrade remove purge autoremove clean autoclean build-dep";
            let same = same.split(' ').any(|verb| verb == call.verb.text);
            let plain = word.text == "apt" && !word.quoted;
            findings.push(if same && plain {
                finding.fix("write apt-get", script.word(word), "apt-get")
            } else {
                finding
            });
        }
    }
    findings
}

fn update_alone(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        let used = calls(script)
            .any(|(_, call)| APT.contains(&call.program) && call.verb.text != "update");
        // Something else may use the lists, such as a script that was fetched.
        let alone = script.commands().len() == 1;
        for (command, call) in calls(script) {
            if call.is(&APT, &["update"]) && !used && alone && !script.mounts("/var/lib/apt/lists")
            {
                let message = "the list of packages gets a layer of its own";
                findings.push(found(script.command(command), message));
            }
        }
    }
    findings
}

fn apt_lists(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in view.shipped() {
        let removed = script.commands().iter().any(|command| {
            let removes = matches!(program(unwrapped(&command.words)), "rm" | "find");
            let lists = |word: &Word| {
                word.text.starts_with("/var/lib/apt") || word.text.starts_with("/var/lib/{apt")
            };
            removes && command.words.iter().any(lists)
        });
        let update = calls(script).find(|(_, call)| call.is(&APT, &["update"]));
        let Some((command, _)) = update.filter(|_| !removed) else {
            continue;
        };
        if script.mounts("/var/lib/apt/lists") {
            continue;
        }
        let finding = found(
            script.command(command),
            "the lists of apt stay in the layer",
        );
        let remove = "rm -rf /var/lib/apt/lists/*";
        findings.push(match script.append(view.source, view.file.escape, remove) {
            Some((at, text)) => finding.fix("remove the lists at the end", at, text),
            None => finding,
        });
    }
    findings
}

fn recommends(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    // A configuration file may say it for all that follows.
    let said = view
        .scripts
        .iter()
        .filter(|script| script.text().contains("Install-Recommends"));
    let said: BTreeSet<_> = said.map(|script| script.stage).collect();
    for script in view
        .shipped()
        .filter(|script| !said.contains(&script.stage))
    {
        for (command, call) in calls(script) {
            let off = ["--no-install-recommends", "--install-recommends"];
            if call.is(&APT, &["install"]) && !call.has(None, &off) && !call.arguments.is_empty() {
                let message = "recommended packages are installed, too";
                let finding = found(script.command(command), message);
                let at = script.behind(last_option(command, call.verb));
                let option = match call.program {
                    "aptitude" => "--without-recommends",
                    _ => off[0],
                };
                findings.push(finding.fix(format!("add {option}"), at, format!(" {option}")));
            }
        }
    }
    findings
}

/// The last of the options that stand directly behind `verb`, or itself.
fn last_option<'a>(command: &'a Command, verb: &'a Word) -> &'a Word {
    let behind = command
        .words
        .iter()
        .skip_while(|word| *word != verb)
        .skip(1);
    let options =
        behind.take_while(|word| word.text.starts_with('-') && !takes_value("apt-get", &word.text));
    options.last().unwrap_or(verb)
}

fn apk_cache(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in view.shipped() {
        let removed = removes(script, &["/var/cache/apk", "/etc/apk/cache", "/var/cache"]);
        if removed || script.mounts("/var/cache/apk") || script.mounts("/etc/apk/cache") {
            continue;
        }
        for (command, call) in calls(script) {
            if call.is(&["apk"], &["add"]) && !call.has(None, &["--no-cache"]) {
                let finding = found(
                    script.command(command),
                    "the index of apk stays in the layer",
                );
                let at = script.behind(call.verb);
                findings.push(finding.fix("add --no-cache", at, " --no-cache"));
            }
        }
    }
    findings
}

/// Whether a script removes one of the directories, or what is in it.
fn removes(script: &RunScript<'_>, directories: &[&str]) -> bool {
    script.commands().iter().any(|command| {
        let words = unwrapped(&command.words);
        program(words) == "rm"
            && words.iter().any(|word| {
                let path = word.text.trim_end_matches('*').trim_end_matches('/');
                directories.contains(&path)
            })
    })
}

fn dnf_cache(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in view.shipped() {
        let cleaned = calls(script).any(|(_, call)| call.is(&["dnf", "zypper"], &["clean", "cc"]));
        let directories = [
            "/var/cache/dnf",
            "/var/cache/yum",
            "/var/cache/libdnf5",
            "/var/cache",
        ];
        let mounted = directories.iter().any(|directory| script.mounts(directory));
        if cleaned || mounted || removes(script, &directories) {
            continue;
        }
        let verbs = ["install", "in", "update", "upgrade", "groupinstall"];
        let install = calls(script).find(|(_, call)| call.is(&["dnf", "zypper"], &verbs));
        let Some((command, _)) = install else {
            continue;
        };
        let name = program(unwrapped(&command.words));
        let message = format!("what {name} downloads stays in the layer");
        let clean = match name {
            "zypper" => "zypper clean --all".to_owned(),
            _ => format!("{name} clean all"),
        };
        let finding = found(script.command(command), message);
        findings.push(match script.append(view.source, view.file.escape, &clean) {
            Some((at, text)) => finding.fix(format!("add {clean}"), at, text),
            None => finding,
        });
    }
    findings
}

fn pip_cache(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut off = BTreeMap::new();
    for script in view.shipped() {
        let purged = calls(script).any(|(_, call)| call.is(&["pip"], &["cache"]));
        let options = script.run.mounts.iter().flat_map(|mount| &mount.options);
        let mut values = options.filter_map(|option| option.value.as_ref());
        if purged || values.any(|value| value.contains(".cache")) {
            continue;
        }
        for (command, call) in calls(script) {
            let here = command
                .assignments
                .iter()
                .any(|word| word.text.starts_with(PIP_SWITCH));
            let set = off.entry(script.stage);
            let set = || *set.or_insert_with(|| view.inherited(script.stage).any(switches_off));
            let keeps = call.is(&["pip"], &["install"]) && !call.has(None, &["--no-cache-dir"]);
            if keeps && !here && !set() {
                let finding = found(script.command(command), "pip keeps what it downloads");
                let at = script.behind(call.verb);
                findings.push(finding.fix("add --no-cache-dir", at, " --no-cache-dir"));
            }
        }
    }
    findings
}

/// The variable by which pip keeps nothing.
const PIP_SWITCH: &str = "PIP_NO_CACHE_DIR";

fn switches_off(instruction: &Instruction) -> bool {
    match &instruction.kind {
        Kind::Env(pairs) => pairs.iter().any(|pair| *pair.key == PIP_SWITCH),
        Kind::Arg(list) => list.iter().any(|declared| *declared.name == PIP_SWITCH),
        _ => false,
    }
}

fn unpinned(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        for (_, call) in calls(script) {
            let packages: Vec<_> = call
                .arguments
                .iter()
                .filter(|word| names_package(word) && !is_pinned(&call, &word.text))
                .collect();
            let [first, ..] = packages.as_slice() else {
                continue;
            };
            let last = packages[packages.len() - 1];
            let span = Span::new(script.word(first).start, script.word(last).end);
            let message = match packages.len() {
                1 => format!("`{}` has no version", first.text),
                2 => format!("`{}` and `{}` have no version", first.text, last.text),
                n => format!("`{}` and {} more have no version", first.text, n - 1),
            };
            findings.push(found(span, message));
        }
    }
    findings
}

/// Whether a word names a package, and no file, address or variable.
fn names_package(word: &Word) -> bool {
    let text = word.text.as_str();
    let file = text.starts_with(['.', '/', '~']) || text.contains("://");
    let file = file
        || [".deb", ".rpm", ".whl", ".apk", ".tgz", ".gem", ".zip"]
            .iter()
            .any(|e| text.ends_with(e));
    !word.varies && !file && !text.is_empty()
}

/// Whether a package has a version; also of calls that install nothing by name.
fn is_pinned(call: &Call<'_>, text: &str) -> bool {
    match (call.program, call.verb.text.as_str()) {
        ("apt" | "apt-get" | "aptitude", "install") => {
            text.contains(['=', '/']) || text.ends_with('-')
        }
        ("apk", "add") => text.contains(['=', '<', '>', '~', '@']),
        ("pip", "install") => text.contains("==") || text.contains("~=") || text.contains('@'),
        ("npm", "install" | "i" | "add") => {
            text[text.len().min(1)..].contains('@')
                || text.contains(['/', ':']) && !text.starts_with('@')
        }
        ("gem", "install") => text.contains(':') || call.has(Some('v'), &["--version"]),
        _ => true,
    }
}

fn upgrade(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in view.shipped() {
        for (command, call) in calls(script) {
            let everything = call.is(&APT, &["upgrade", "dist-upgrade", "full-upgrade"])
                || call.is(&["apk"], &["upgrade"]) && call.arguments.is_empty()
                || call.is(&["dnf", "zypper"], &["update", "upgrade", "up", "dup"])
                    && call.arguments.is_empty();
            if everything {
                let message = "all packages of the base are replaced";
                findings.push(found(script.command(command), message));
            }
        }
    }
    findings
}

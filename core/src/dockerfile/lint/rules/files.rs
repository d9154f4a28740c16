//! Files: what COPY and ADD take, where it goes, and what happens to it afterwards.

use std::collections::{BTreeMap, BTreeSet};

use super::super::rule::{BUILDKIT, CORACLE, Check, Rule};
use super::super::shell::Command;
use super::super::view::{RunScript, View, before, found, is_below};
use super::form::is_lower;
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::dockerfile::ast::{Files, Instruction, Kind, Source, Spanned};
use crate::path::RootedPath;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "WorkdirRelativePath",
        reason: "A relative path goes on from wherever the base image is, which may change",
        bad: "FROM scratch\nWORKDIR app\n",
        good: "FROM scratch\nWORKDIR /app\n",
        check: Check::Rule(relative_workdir),
        ..BUILDKIT
    },
    Rule {
        name: "CopyIgnoredFile",
        reason: "What the ignore file leaves out is not in the build context",
        bad: "FROM scratch\nCOPY notes.tmp /\n",
        good: "FROM scratch\nCOPY notes.txt /\n",
        ignore: "*.tmp\n",
        check: Check::Rule(ignored),
        ..BUILDKIT
    },
    Rule {
        name: "CopyDestination",
        severity: Severity::Error,
        reason: "Several sources need a directory, and only a slash at the end says that it is one",
        bad: "FROM scratch\nCOPY a b /c\n",
        good: "FROM scratch\nCOPY a b /c/\n",
        check: Check::Rule(destination),
        ..CORACLE
    },
    Rule {
        name: "CopyToRelativePath",
        reason: "A relative destination lies below the base image's directory, which may change",
        bad: "FROM alpine:3.22\nCOPY app.conf conf/\n",
        good: "FROM alpine:3.22\nWORKDIR /app\nCOPY app.conf conf/\n",
        check: Check::Rule(relative_destination),
        ..CORACLE
    },
    Rule {
        name: "AddForLocalFile",
        reason: "ADD unpacks archives and fetches addresses; COPY only copies, and says so",
        bad: "FROM scratch\nADD app.py /app/\n",
        good: "FROM scratch\nCOPY app.py /app/\n",
        check: Check::Rule(add),
        ..CORACLE
    },
    Rule {
        name: "CopyAllBeforeInstall",
        severity: Severity::Info,
        reason: "Every change of any file then installs everything anew; copy the list of \
                 dependencies first, install, and copy the rest behind it",
        bad: "FROM node:24\nWORKDIR /app\nCOPY . .\nRUN npm ci\n",
        good: "FROM node:24\nWORKDIR /app\nCOPY package.json package-lock.json ./\nRUN npm ci\n\
               COPY . .\n",
        check: Check::Rule(copy_all_first),
        ..CORACLE
    },
    Rule {
        name: "ChownAfterCopy",
        severity: Severity::Info,
        reason: "A layer that changes owner or mode holds all the files once more; COPY --chown and \
                 --chmod set them at once",
        bad: "FROM alpine:3.22\nCOPY app /app\nRUN chown -R nobody /app\n",
        good: "FROM alpine:3.22\nCOPY --chown=nobody app /app\n",
        check: Check::Rule(chown),
        ..CORACLE
    },
];

fn relative_workdir(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let Some(first) = view.inherited(stage.number).find_map(workdir) else {
            continue;
        };
        // The first of a chain belongs to the stage that holds it.
        let here = stage.body.iter().any(|i| workdir(i) == Some(first));
        if !here || is_absolute(first) {
            continue;
        }
        let message = format!("`{}` is seen from an unknown directory", **first);
        let finding = found(first.span, message);
        let from_nothing = view.image(stage.number).is_none();
        let at = Span::new(first.span.start, first.span.start);
        let path = first.trim_start_matches("./");
        findings.push(if from_nothing && path == first.as_str() {
            finding.fix(format!("write /{path}"), at, "/")
        } else {
            finding
        });
    }
    findings
}

fn workdir(instruction: &Instruction) -> Option<&Spanned<String>> {
    match &instruction.kind {
        Kind::Workdir(path) => Some(path),
        _ => None,
    }
}

/// Whether a path does not depend on the directory; a variable is given the benefit of the doubt.
fn is_absolute(path: &str) -> bool {
    let path = path.trim_start_matches(['"', '\'']);
    let drive = path.chars().nth(1) == Some(':');
    path.starts_with(['/', '$', '\\']) || drive
}

/// COPY and ADD with what they have in common, and whether they take from the context.
fn copies(instruction: &Instruction) -> Option<(&Files, bool)> {
    match &instruction.kind {
        Kind::Copy(copy) => Some((&copy.files, copy.from.is_none())),
        Kind::Add(add) => Some((&add.files, true)),
        _ => None,
    }
}

fn paths(files: &Files) -> impl Iterator<Item = &Spanned<String>> {
    files.sources.iter().filter_map(|source| match source {
        Source::Path(path) => Some(path),
        Source::Heredoc(_) => None,
    })
}

fn ignored(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let Some(ignore) = view.options.ignore else {
        return findings;
    };
    for instruction in &view.file.instructions {
        let Some((files, true)) = copies(instruction) else {
            continue;
        };
        for source in paths(files).filter(|source| is_plain(source)) {
            let path = RootedPath::root().resolve(source.as_bytes());
            let decision = ignore.check(&path);
            if !decision.ignored || ignore.may_take_back_below(&path) {
                continue;
            }
            let line = decision.by.unwrap_or_default();
            let message = format!("line {line} of the ignore file leaves `{}` out", **source);
            findings.push(found(source.span, message));
        }
    }
    findings
}

/// Whether a source is one local path, without variables and wildcards.
fn is_plain(source: &str) -> bool {
    !is_remote(source) && !source.contains(['$', '*', '?', '[', '\\', '"', '\''])
}

fn is_remote(source: &str) -> bool {
    source.contains("://") || source.starts_with("git@")
}

fn destination(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for instruction in &view.file.instructions {
        let Some((files, _)) = copies(instruction) else {
            continue;
        };
        let to = &files.destination;
        let directory = ["/", "/.", "/..", "\\"].iter().any(|end| to.ends_with(end));
        let unsure = matches!(to.as_str(), "." | "..") || to.ends_with(['}', '"', '\'']);
        let varies = to.rsplit('/').next().is_some_and(|last| last.contains('$'));
        // A variable may hold nothing, and then it is no source.
        let sources = files.sources.iter().filter(|source| match source {
            Source::Path(path) => !path.contains('$'),
            Source::Heredoc(_) => true,
        });
        if sources.count() < 2 || directory || unsure || varies {
            continue;
        }
        let message = format!("several files cannot become the one file `{}`", **to);
        let finding = found(to.span, message);
        let at = Span::new(to.span.end, to.span.end);
        findings.push(if instruction.json {
            finding
        } else {
            finding.fix("add a slash", at, "/")
        });
    }
    findings
}

fn relative_destination(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let below = view.stages.below(stage.number);
        let known = below
            .iter()
            .flat_map(|stage| &stage.body)
            .any(|i| workdir(i).is_some());
        // From scratch, the directory is the root and nothing else.
        if known || view.image(stage.number).is_none() {
            continue;
        }
        // One finding is enough: one WORKDIR above mends all that follow.
        let unknown = stage.body.iter().take_while(|i| workdir(i).is_none());
        let mut copies = unknown.filter_map(|i| Some(&copies(i)?.0.destination));
        if let Some(to) = copies.find(|to| !is_absolute(to)) {
            let message = format!("`{}` is seen from an unknown directory", **to);
            findings.push(found(to.span, message));
        }
    }
    findings
}

fn add(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for instruction in &view.file.instructions {
        let Kind::Add(add) = &instruction.kind else {
            continue;
        };
        let special = add.checksum.is_some() || add.keep_git_dir.is_some() || add.unpack.is_some();
        let mut sources = paths(&add.files);
        if special || sources.any(|source| needs_add(source)) {
            continue;
        }
        let keyword = &instruction.keyword;
        let copy = if is_lower(keyword) { "copy" } else { "COPY" };
        let finding = found(keyword.span, "ADD copies local files here");
        findings.push(finding.fix(format!("write {copy}"), keyword.span, copy));
    }
    findings
}

/// Whether ADD does, or may do, something with a source that COPY does not.
fn needs_add(source: &str) -> bool {
    let name = source.trim_end_matches(['"', '\'']).to_lowercase();
    let archives = "tar gz tgz bz2 tbz2 tbz xz txz zst tzst lzma";
    let extension = name
        .rsplit('/')
        .next()
        .and_then(|file| file.rsplit_once('.'));
    let extension = extension.map_or("", |(_, extension)| extension);
    is_remote(source)
        || source.contains('$')
        || extension.contains(['*', '?', '['])
        || name.ends_with('*')
        || archives.split(' ').any(|archive| archive == extension)
}

/// What installs the things that a list of dependencies names. Whoever names packages besides
/// installs those, and needs no list; `-r` must be there, other options may.
const INSTALLERS: [&str; 22] = [
    "bun install",
    "bundle install",
    "cargo fetch",
    "composer install",
    "dotnet restore",
    "go mod download",
    "gradle dependencies",
    "mix deps.get",
    "mvn dependency:go-offline",
    "npm ci",
    "npm i",
    "npm install",
    "pip install -r",
    "pip3 install -r",
    "pipenv install",
    "pipenv sync",
    "pnpm i",
    "pnpm install",
    "poetry install",
    "uv sync",
    "yarn",
    "yarn install",
];

fn copy_all_first(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for script in &view.scripts {
        let Some(install) = script.commands().iter().find(|command| installs(command)) else {
            continue;
        };
        // Who installed before copying did it right, and now installs the rest.
        if !seen.insert(script.stage) {
            continue;
        }
        let stage = &view.stages.list[script.stage];
        if let Some(all) = before(stage, script.place).iter().find(|i| copies_all(i)) {
            let program = install.program();
            let line = script.instruction.start_line;
            let message = format!("everything is copied before {program} in line {line} installs");
            findings.push(found(all.span, message));
        }
    }
    findings
}

fn installs(command: &Command) -> bool {
    let words = command.words.iter().skip(1).map(|word| word.text.as_str());
    let words: Vec<_> = [command.program()].into_iter().chain(words).collect();
    let plain: Vec<_> = words
        .iter()
        .filter(|w| !w.starts_with('-'))
        .copied()
        .collect();
    let plain = plain.join(" ");
    INSTALLERS
        .iter()
        .any(|installer| match installer.strip_suffix(" -r") {
            Some(start) => words.contains(&"-r") && plain.starts_with(start),
            None => plain == *installer,
        })
}

fn copies_all(instruction: &Instruction) -> bool {
    let Some((files, true)) = copies(instruction) else {
        return false;
    };
    paths(files).any(|path| matches!(path.as_str(), "." | "./" | "/" | "*" | "./*"))
}

fn chown(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut scripts = view.shipped().peekable();
    for stage in view.stages.list.iter().filter(|stage| stage.ships) {
        // Where each path was copied that is there so far.
        let mut made = BTreeMap::new();
        for (place, instruction) in stage.body.iter().enumerate() {
            if let Some((files, _)) = copies(instruction) {
                let paths = paths_made(files).into_iter();
                made.extend(paths.map(|path| (path, instruction.start_line)));
            }
            let here =
                |script: &&RunScript<'_>| (script.stage, script.place) == (stage.number, place);
            let Some(script) = scripts.next_if(here) else {
                continue;
            };
            for command in script.commands() {
                if let Some(line) = copied(&made, command) {
                    let program = command.program();
                    let message = format!("{program} copies again what line {line} has copied");
                    findings.push(found(script.command(command), message));
                }
            }
        }
    }
    findings
}

/// The line that has copied a file or directory which the command changes.
fn copied(made: &BTreeMap<String, usize>, command: &Command) -> Option<usize> {
    if !matches!(command.program(), "chown" | "chmod" | "chgrp") {
        return None;
    }
    let mut words = command.words.iter().skip(1);
    let recursive = words.clone().any(|word| {
        word.text == "--recursive" || (word.text.starts_with('-') && word.text.contains('R'))
    });
    words.find_map(|word| {
        let path = word.text.trim_end_matches('/');
        if !path.starts_with('/') || word.varies {
            return None;
        }
        let below = || made.range(format!("{path}/")..).next();
        let below = || below().filter(|(inner, _)| is_below(inner, path));
        let same = made.get(path).copied();
        same.or_else(|| below().filter(|_| recursive).map(|(_, line)| *line))
    })
}

/// The absolute paths that a COPY makes, as far as the names tell, without a slash at the end.
fn paths_made(files: &Files) -> Vec<String> {
    let to = files.destination.as_str();
    if !to.starts_with('/') || to.contains('$') {
        return Vec::new();
    }
    let directory = to.trim_end_matches('/');
    let mut made = vec![directory.to_owned()];
    if to.ends_with('/') {
        let names = paths(files).filter_map(|path| path.trim_end_matches('/').rsplit('/').next());
        made.extend(names.map(|name| format!("{directory}/{name}")));
    }
    made
}

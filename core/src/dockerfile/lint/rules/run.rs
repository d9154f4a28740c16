//! RUN as a whole: what outlives it, what goes wrong unseen in it, and as whom it all runs.

use super::super::rule::{CORACLE, Check, Rule};
use super::super::shell::{Command, Joint};
use super::super::view::{RunScript, View, found};
use super::commands::names_root;
use super::form::is_lower;
use crate::diagnostic::{Diagnostic, Severity};
use crate::dockerfile::ast::{Instruction, Kind};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "PipefailUnset",
        reason: "A pipe succeeds when its last command does, whatever became of the others",
        bad: "FROM debian:13\nRUN curl -fsS https://example.org/a.tar | tar x\n",
        good: "FROM debian:13\nSHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\n\
               RUN curl -fsS https://example.org/a.tar | tar x\n",
        check: Check::Rule(pipefail),
        ..CORACLE
    },
    Rule {
        name: "LostState",
        reason: "Every RUN has a shell of its own, and what it knows ends with it",
        bad: "FROM alpine:3.22\nRUN cd /app\nRUN export MODE=fast\n",
        good: "FROM alpine:3.22\nWORKDIR /app\nENV MODE=fast\n",
        check: Check::Rule(lost),
        ..CORACLE
    },
    Rule {
        name: "CdInRun",
        severity: Severity::Info,
        reason: "WORKDIR holds for everything that follows, and whoever reads sees where they are",
        bad: "FROM alpine:3.22\nRUN cd /app && ./configure\n",
        good: "FROM alpine:3.22\nWORKDIR /app\nRUN ./configure\n",
        check: Check::Rule(cd),
        ..CORACLE
    },
    Rule {
        name: "ConsecutiveRuns",
        severity: Severity::Info,
        reason: "Each RUN is a layer of its own, in which what a later one removes stays",
        bad: "FROM alpine:3.22\nRUN ./configure\nRUN make install\n",
        good: "FROM alpine:3.22\nRUN ./configure && make install\n",
        check: Check::Rule(consecutive),
        ..CORACLE
    },
    Rule {
        name: "LastUserRoot",
        reason: "The program runs as root, and whoever breaks into it is root in the container",
        bad: "FROM alpine:3.22\nUSER root\nCMD [\"app\"]\n",
        good: "FROM alpine:3.22\nUSER nobody\nCMD [\"app\"]\n",
        check: Check::Rule(last_user),
        ..CORACLE
    },
];

fn pipefail(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in view.scripts.iter().filter(|script| !script.shell.pipefail) {
        let sets = |command: &Command| {
            command.program() == "set" && command.words.iter().any(|w| w.text == "pipefail")
        };
        let commands = script.commands();
        let set = commands.iter().position(sets).unwrap_or(commands.len());
        let mut piped = commands[..set].iter().filter(|command| {
            // What is substituted is lost to `set -e` anyway, and what only prints cannot fail.
            let prints = ["echo", "printf", "yes", "true", ":"].contains(&command.program());
            command.after == Joint::Pipe && !command.substituted && !prints
        });
        if let Some(first) = piped.next() {
            let message = format!("a failure of {} goes unseen", first.program());
            findings.push(found(script.command(first), message));
        }
    }
    findings
}

fn lost(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        let Some(last) = script.commands().iter().rfind(|command| command.depth == 0) else {
            continue;
        };
        let state = matches!(
            last.program(),
            "alias"
                | "cd"
                | "export"
                | "set"
                | "shopt"
                | "source"
                | "ulimit"
                | "umask"
                | "unset"
                | "."
        );
        // `. script` and `set` may be there for what they do, when they are not alone.
        let alone = script.commands().len() == 1;
        let meant = matches!(last.program(), "." | "source" | "set") && !alone;
        if !state || meant || last.words.len() < 2 || last.before == Joint::Or {
            continue;
        }
        let message = format!("what {} sets is gone when the RUN ends", last.program());
        let finding = found(script.command(last), message);
        findings.push(match kept(view, script, last).filter(|_| alone) {
            Some(text) => finding.fix(format!("write {text}"), script.instruction.span, text),
            None => finding,
        });
    }
    findings
}

/// The instruction that keeps what a lone command sets.
fn kept(view: &View<'_>, script: &RunScript<'_>, command: &Command) -> Option<String> {
    let instruction = script.instruction;
    let arguments = &command.words[1..];
    let plain = arguments.iter().all(|word| !word.varies)
        && script.heredoc.is_none()
        && command.assignments.is_empty()
        && command.redirects.is_empty()
        && instruction.flags.is_empty()
        && matches!(instruction.kind, Kind::Run(_))
        && instruction.start_line == instruction.end_line
        && command.after == Joint::Edge
        && !script.script.open;
    if !plain {
        return None;
    }
    let text = &view.source[script.word(arguments.first()?).start..instruction.span.end];
    let (text, lower) = (text.trim_end(), is_lower(&instruction.keyword));
    let keyword = |name: &str| {
        if lower {
            name.to_lowercase()
        } else {
            name.to_owned()
        }
    };
    match (command.program(), arguments) {
        ("cd", [to]) if !to.quoted && !matches!(to.text.as_str(), "-" | "~") => {
            Some(format!("{} {text}", keyword("WORKDIR")))
        }
        ("export", words) if words.iter().all(|word| has_value(&word.text)) => {
            Some(format!("{} {text}", keyword("ENV")))
        }
        _ => None,
    }
}

fn has_value(text: &str) -> bool {
    text.find('=').is_some_and(|equals| equals > 0) && !text.starts_with('-')
}

fn cd(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        let [first, _, ..] = script.commands() else {
            continue;
        };
        let [program, to] = first.words.as_slice() else {
            continue;
        };
        let goes = program.text == "cd" && to.text.starts_with('/') && !to.varies;
        if goes && first.depth == 0 && matches!(first.after, Joint::And | Joint::Then) {
            let message = format!("the whole RUN is in {}", to.text);
            findings.push(found(script.command(first), message));
        }
    }
    findings
}

fn consecutive(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in view.stages.list.iter().filter(|stage| stage.ships) {
        for (place, instruction) in stage.body.iter().enumerate().skip(1) {
            let above = stage.body[place - 1];
            // One finding for a row of them is enough.
            let row = place >= 2 && joins(stage.body[place - 2], above);
            if joins(above, instruction) && !row {
                let message = format!("line {} could do this, too", above.start_line);
                findings.push(found(instruction.keyword.span, message));
            }
        }
    }
    findings
}

/// Whether two RUNs are made alike, so that one could do what both do.
fn joins(above: &Instruction, instruction: &Instruction) -> bool {
    let is_plain = |i: &Instruction| {
        matches!(i.kind, Kind::Run(_)) && i.flags.is_empty() && i.heredocs.is_empty() && !i.json
    };
    is_plain(above) && is_plain(instruction)
}

fn last_user(view: &View<'_>) -> Vec<Diagnostic> {
    let Some(target) = view.stages.target else {
        return Vec::new();
    };
    let users = view
        .inherited(target)
        .filter_map(|instruction| match &instruction.kind {
            Kind::User(user) => Some(user),
            _ => None,
        });
    let last = users.last().filter(|user| names_root(user));
    last.map(|user| found(user.span, "the last USER is root"))
        .into_iter()
        .collect()
}

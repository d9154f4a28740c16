//! Commands: single programs that do not do in a RUN what they seem to do.

use super::super::rule::{CORACLE, Check, Rule};
use super::super::shell::{Command, Joint};
use super::super::view::{RunScript, View, before, found};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::dockerfile::ast::Kind;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "SudoInRun",
        reason: "Most images have no sudo; USER says as whom what follows is run",
        bad: "FROM debian:13\nUSER root\nRUN sudo ldconfig\nUSER nobody\n",
        good: "FROM debian:13\nUSER root\nRUN ldconfig\nUSER nobody\n",
        check: Check::Rule(sudo),
        ..CORACLE
    },
    Rule {
        name: "SourceInSh",
        reason: "/bin/sh of Debian knows `.` and no `source`",
        bad: "FROM python:3.14\nRUN source /venv/bin/activate && pip check\n",
        good: "FROM python:3.14\nRUN . /venv/bin/activate && pip check\n",
        check: Check::Rule(source),
        ..CORACLE
    },
    Rule {
        name: "UselessCommand",
        reason: "Nothing but files outlives a RUN: what it starts has ended, and nobody is there to \
                 look",
        bad: "FROM debian:13\nRUN service nginx start\nCMD [\"nginx\"]\n",
        good: "FROM debian:13\nCMD [\"nginx\", \"-g\", \"daemon off;\"]\n",
        check: Check::Rule(useless),
        ..CORACLE
    },
    Rule {
        name: "CurlWithoutFail",
        reason: "Without --fail curl saves the server's error page and reports success",
        bad: "FROM alpine:3.22\nRUN curl -o /tool https://example.org/tool\n",
        good: "FROM alpine:3.22\nRUN curl --fail -o /tool https://example.org/tool\n",
        check: Check::Rule(curl),
        ..CORACLE
    },
    Rule {
        name: "WgetProgress",
        severity: Severity::Info,
        reason: "Its progress bar fills the log with thousands of lines",
        bad: "FROM alpine:3.22\nRUN wget https://example.org/tool\n",
        good: "FROM alpine:3.22\nRUN wget --progress=dot:giga https://example.org/tool\n",
        check: Check::Rule(wget),
        ..CORACLE
    },
    Rule {
        name: "WgetAndCurl",
        severity: Severity::Info,
        reason: "One program for downloads is enough, and the other need not be installed",
        bad: "FROM alpine:3.22\nRUN wget -q https://example.org/a \
              && curl -f -O https://example.org/b\n",
        good: "FROM alpine:3.22\nRUN wget -q https://example.org/a https://example.org/b\n",
        check: Check::Rule(both),
        ..CORACLE
    },
];

fn sudo(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        for command in script.commands() {
            let [first, second, ..] = command.words.as_slice() else {
                continue;
            };
            if first.text != "sudo" {
                continue;
            }
            let finding = found(script.word(first), "sudo is used in a RUN");
            // Who is root anyway can do without; who is not must become root by USER.
            let cut = Span::new(script.word(first).start, script.word(second).start);
            let plain = !second.text.starts_with('-') && !second.text.contains('=');
            let one_line = !view.source[cut.range()].contains('\n');
            findings.push(if is_root(view, script) && plain && one_line {
                finding.fix("remove sudo", cut, "")
            } else {
                finding.note("write USER root before, and the other user again behind")
            });
        }
    }
    findings
}

/// Whether a USER before the script says that it is run as root.
fn is_root(view: &View<'_>, script: &RunScript<'_>) -> bool {
    let stage = &view.stages.list[script.stage];
    let mut earlier = before(stage, script.place).iter().rev();
    let user = earlier.find_map(|instruction| match &instruction.kind {
        Kind::User(user) => Some(user.as_str()),
        _ => None,
    });
    user.is_some_and(names_root)
}

/// Whether USER names root.
pub(super) fn names_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    matches!(name.trim_matches(['"', '\'']), "root" | "0")
}

fn source(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in view.scripts.iter().filter(|s| s.shell.name == "sh") {
        for command in script.commands() {
            let Some(first) = command.words.first().filter(|word| word.text == "source") else {
                continue;
            };
            let finding = found(script.word(first), "`source` is no command of /bin/sh");
            findings.push(if first.quoted {
                finding
            } else {
                finding.fix("write `.`", script.word(first), ".")
            });
        }
    }
    findings
}

fn useless(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        for command in script.commands() {
            let words = super::packages::unwrapped(&command.words);
            let program = super::super::shell::program(words);
            let argument = |n: usize| words.get(n).map_or("", |word| word.text.as_str());
            let useless = match program {
                // Enabling a service writes files.
                "systemctl" => matches!(
                    argument(1),
                    "start" | "restart" | "status" | "daemon-reload"
                ),
                "service" => argument(2) == "start" || argument(2) == "restart",
                "free" | "htop" | "ifconfig" | "less" | "nano" | "ps" | "reboot" | "shutdown"
                | "top" | "vi" | "vim" => true,
                // Asking its version, or for a key, is no visit.
                "ssh" => !argument(1).starts_with("-V") && words.len() > 1,
                _ => false,
            };
            if useless {
                let message = format!("{program} has nothing to do in a RUN");
                findings.push(found(script.command(command), message));
            }
        }
    }
    findings
}

fn curl(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        for command in script.commands() {
            let words = super::packages::unwrapped(&command.words);
            if super::super::shell::program(words) != "curl" || !keeps_output(command) {
                continue;
            }
            let options: Vec<_> = words
                .iter()
                .skip(1)
                .map(|word| word.text.as_str())
                .collect();
            let fails = options
                .iter()
                .any(|o| o.starts_with("--fail") || short(o, 'f', CURL_VALUES));
            // Who asks for the status looks at it; who reads a file of options may have said it.
            let looks = options.iter().any(|option| {
                *option == "--write-out"
                    || *option == "--config"
                    || option.starts_with('$')
                    || short(option, 'w', CURL_VALUES)
                    || short(option, 'K', CURL_VALUES)
                    || short(option, 'I', CURL_VALUES)
            });
            if fails || looks {
                continue;
            }
            let message = "curl takes an error page for the file";
            let finding = found(script.command(command), message);
            let at = script.behind(&words[0]);
            findings.push(finding.fix("add --fail", at, " --fail"));
        }
    }
    findings
}

/// Short options of curl that take a value, which may stand directly behind.
const CURL_VALUES: &str = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";

/// Whether a cluster of short options holds `wanted`, before one of those that take a value.
fn short(word: &str, wanted: char, with_value: &str) -> bool {
    let Some(cluster) = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else {
        return false;
    };
    let end = cluster
        .find(|c| with_value.contains(c))
        .map_or(cluster.len(), |end| end + 1);
    cluster[..end].contains(wanted)
}

/// Whether the output of curl goes to a file or another program.
fn keeps_output(command: &Command) -> bool {
    let saved = command.words.iter().skip(1).any(|word| {
        let text = word.text.as_str();
        matches!(text, "--output" | "--remote-name" | "--remote-name-all")
            || text.starts_with("--output=")
            || short(text, 'o', CURL_VALUES)
            || short(text, 'O', CURL_VALUES)
    });
    let file = command.redirects.iter().any(|(operator, word)| {
        matches!(operator.as_str(), ">" | ">>" | ">|") && word.text != "/dev/null"
    });
    saved || file || command.after == Joint::Pipe
}

fn wget(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for script in &view.scripts {
        for command in script.commands() {
            let words = super::packages::unwrapped(&command.words);
            if super::super::shell::program(words) != "wget" || words.len() < 2 {
                continue;
            }
            let quiet = words.iter().skip(1).any(|word| {
                let text = word.text.as_str();
                let long = [
                    "--quiet",
                    "--no-verbose",
                    "--progress",
                    "--output-file",
                    "--spider",
                    "--version",
                ];
                long.iter().any(|o| text.split('=').next() == Some(*o))
                    || text == "-nv"
                    || short(text, 'q', "aAeiIlOoPRtTUwXY")
                    || short(text, 'o', "aAeiIlOPRtTUwXY")
                    || text.starts_with('$')
            });
            if !quiet {
                let finding = found(
                    script.command(command),
                    "wget draws its progress into the log",
                );
                let at = script.behind(&words[0]);
                let option = "--progress=dot:giga";
                findings.push(finding.fix(format!("add {option}"), at, format!(" {option}")));
            }
        }
    }
    findings
}

fn both(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let scripts = view.scripts.iter().filter(|s| s.stage == stage.number);
        let uses = scripts.flat_map(|script| {
            let commands = script.commands().iter();
            commands.map(move |command| (script, command, command.program()))
        });
        let uses: Vec<_> = uses
            .filter(|(.., p)| matches!(*p, "wget" | "curl"))
            .collect();
        let Some((.., first)) = uses.first() else {
            continue;
        };
        if let Some((script, command, program)) = uses.iter().find(|(.., p)| p != first) {
            let message = format!("{program} is used although {first} is there");
            findings.push(found(script.command(command), message));
        }
    }
    findings
}

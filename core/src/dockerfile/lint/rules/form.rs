//! How instructions are written: keywords, forms, and what came later and is better.

use super::super::rule::{BUILDKIT, CORACLE, Check, Rule};
use super::super::view::{View, found};
use crate::diagnostic::{Diagnostic, Span};
use crate::dockerfile::ast::{CommandLine, Instruction, Kind, Pair, Separator, Spanned};
use crate::dockerfile::values;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "ConsistentInstructionCasing",
        reason: "One case for all instructions lets the eye find them",
        bad: "FROM alpine:3.22\nrun apk info\nUser app\nCMD [\"sh\"]\n",
        good: "FROM alpine:3.22\nRUN apk info\nUSER app\nCMD [\"sh\"]\n",
        check: Check::Rule(instruction_casing),
        ..BUILDKIT
    },
    Rule {
        name: "NoEmptyContinuation",
        reason: "An empty line inside an instruction is skipped today and will be an error",
        bad: "FROM scratch\nENV A=1 \\\n\n    B=2\n",
        good: "FROM scratch\nENV A=1 \\\n    B=2\n",
        ..BUILDKIT
    },
    Rule {
        name: "JSONArgsRecommended",
        reason: "In shell form the program is a child of `sh -c`, which does not pass signals on, so \
                 that `stop` waits and then kills it",
        bad: "FROM nginx:1.29\nCMD nginx -g \"daemon off;\"\n",
        good: "FROM nginx:1.29\nCMD [\"nginx\", \"-g\", \"daemon off;\"]\n",
        check: Check::Rule(exec_form),
        ..BUILDKIT
    },
    Rule {
        name: "MaintainerDeprecated",
        reason: "A label can say it, and tools look at labels",
        bad: "FROM scratch\nMAINTAINER Ada <ada@example.org>\n",
        good: "FROM scratch\nLABEL org.opencontainers.image.authors=\"Ada <ada@example.org>\"\n",
        check: Check::Rule(maintainer),
        ..BUILDKIT
    },
    Rule {
        name: "LegacyKeyValueFormat",
        reason: "Without `=` everything to the end of the line is one value, which surprises",
        bad: "FROM scratch\nENV EDITOR ed -p x\n",
        good: "FROM scratch\nENV EDITOR=\"ed -p x\"\n",
        check: Check::Rule(old_pairs),
        ..BUILDKIT
    },
    Rule {
        name: "MultipleInstructionsDisallowed",
        reason: "Only the last one of a stage counts",
        bad: "FROM alpine:3.22\nCMD [\"a\"]\nCMD [\"b\"]\n",
        good: "FROM alpine:3.22\nCMD [\"b\"]\n",
        check: Check::Rule(only_the_last),
        ..BUILDKIT
    },
    Rule {
        name: "ExposeProtoCasing",
        reason: "Protocols are written in small letters everywhere else",
        bad: "FROM scratch\nEXPOSE 53/UDP\n",
        good: "FROM scratch\nEXPOSE 53/udp\n",
        check: Check::Rule(protocol_casing),
        ..BUILDKIT
    },
    Rule {
        name: "ExposeInvalidFormat",
        reason: "EXPOSE tells the container's port; where it appears on the host is for `run -p` to \
                 say",
        bad: "FROM scratch\nEXPOSE 127.0.0.1:8080:80\n",
        good: "FROM scratch\nEXPOSE 80\n",
        check: Check::Rule(host_ports),
        ..BUILDKIT
    },
    Rule {
        name: "InvalidDefinitionDescription",
        experimental: true,
        reason: "A comment directly above a stage or an argument describes it, and begins with its \
                 name; an empty line below separates any other comment",
        bad: "# check=experimental=InvalidDefinitionDescription\nFROM scratch AS base\n# which one\n\
              ARG VERSION=1\n",
        good: "# check=experimental=InvalidDefinitionDescription\nFROM scratch AS base\n\
               # VERSION is the one to build\nARG VERSION=1\n",
        check: Check::Rule(descriptions),
        ..BUILDKIT
    },
    Rule {
        name: "UnknownRule",
        reason: "A misspelt name turns nothing off",
        bad: "# check=skip=StageNameCasin\nFROM scratch\n",
        good: "# check=skip=StageNameCasing\nFROM scratch\n",
        ..CORACLE
    },
];

fn instruction_casing(view: &View<'_>) -> Vec<Diagnostic> {
    let keywords: Vec<_> = view
        .file
        .instructions
        .iter()
        .filter(|instruction| instruction.kind != Kind::Invalid)
        .map(|instruction| &instruction.keyword)
        .collect();
    let lower = keywords.iter().filter(|k| is_lower(k)).count();
    let upper = keywords.iter().filter(|k| is_upper(k)).count();
    let small = lower > upper;
    let (word, right): (_, fn(&str) -> String) = if small {
        ("small", str::to_lowercase)
    } else {
        ("capital", str::to_uppercase)
    };
    let wrong = keywords.iter().filter(|k| right(k) != k.value);
    wrong
        .map(|keyword| {
            let message = format!(
                "`{}` is not in {word} letters as the others are",
                keyword.value
            );
            let right = right(keyword);
            found(keyword.span, message).fix(format!("write {right}"), keyword.span, right)
        })
        .collect()
}

pub(super) fn is_lower(text: &str) -> bool {
    text.chars().all(|c| !c.is_uppercase())
}

pub(super) fn is_upper(text: &str) -> bool {
    text.chars().all(|c| !c.is_lowercase())
}

fn exec_form(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        for instruction in &stage.body {
            let (Kind::Cmd(command) | Kind::Entrypoint(command)) = &instruction.kind else {
                continue;
            };
            let CommandLine::Shell(text) = command else {
                continue;
            };
            // Who chose a shell wants it; an empty command is reported as such.
            let chosen = view.inherited(stage.number);
            let chosen = chosen.take_while(|i| i.span != instruction.span);
            if text.is_empty() || chosen.into_iter().any(|i| matches!(i.kind, Kind::Shell(_))) {
                continue;
            }
            let name = instruction.name();
            let finding = found(text.span, format!("{name} is in shell form"));
            findings.push(match as_json(text) {
                Some(json) => finding.fix(format!("write {json}"), text.span, json),
                None => finding.note(
                    "it uses the shell; if it must, begin it with `exec`, or name the shell by SHELL",
                ),
            });
        }
    }
    findings
}

/// The words of a command as a JSON array, if it needs no shell.
fn as_json(text: &str) -> Option<String> {
    let script = super::super::shell::script(text);
    let [command] = script.commands.as_slice() else {
        return None;
    };
    let plain = command.assignments.is_empty()
        && command.redirects.is_empty()
        && !script.open
        && command
            .words
            .iter()
            .all(|word| !word.varies && !word.text.contains(['~', '{']) && !word.range.is_empty())
        && command.after == super::super::shell::Joint::Edge
        && !matches!(
            command.program(),
            "exec" | "cd" | "export" | "set" | "." | "source" | ":"
        );
    let first = command.words.first()?.range.start;
    let last = command.words.last()?.range.end;
    if !plain || text[..first].trim() != "" || text[last..].trim() != "" {
        return None;
    }
    let words = command.words.iter();
    let words: Vec<_> = words.map(|word| json_string(&word.text)).collect();
    Some(format!("[{}]", words.join(", ")))
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn maintainer(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for instruction in &view.file.instructions {
        let Kind::Maintainer(name) = &instruction.kind else {
            continue;
        };
        let finding = found(instruction.span, "MAINTAINER is deprecated");
        let value = unquoted(name);
        findings.push(if value.contains(['"', '\\', '$', '`']) {
            finding.note("write LABEL org.opencontainers.image.authors=\"…\"")
        } else {
            let keyword = if is_lower(&instruction.keyword) {
                "label"
            } else {
                "LABEL"
            };
            let label = format!("{keyword} org.opencontainers.image.authors=\"{value}\"");
            finding.fix("write a label", instruction.span, label)
        });
    }
    findings
}

/// A text without one pair of quotes around it.
fn unquoted(text: &str) -> &str {
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

fn old_pairs(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for instruction in &view.file.instructions {
        let (Kind::Env(pairs) | Kind::Label(pairs)) = &instruction.kind else {
            continue;
        };
        let old = pairs
            .iter()
            .filter(|pair| pair.separator == Separator::Space);
        // `ENV A = b` has a finding of its own.
        for pair in old.filter(|pair| !pair.value.starts_with('=')) {
            let name = instruction.name();
            let finding = found(
                Span::new(pair.key.span.start, pair.value.span.end),
                format!("{name} is written without `=`"),
            );
            findings.push(match as_pair(view, pair) {
                Some(value) => {
                    let behind = Span::new(pair.key.span.end, pair.value.span.end);
                    let title = format!("write {}={value}", pair.key.value);
                    finding.fix(title, behind, format!("={value}"))
                }
                None => finding,
            });
        }
    }
    findings
}

/// The value in the form that stands behind `=` and means the same.
fn as_pair(view: &View<'_>, pair: &Pair) -> Option<String> {
    let value = pair.value.as_str();
    if view.source.get(pair.value.span.range()) != Some(value) {
        return None;
    }
    if !value.contains(['"', '\'', '\\', '`']) {
        let spaced = value.contains(char::is_whitespace);
        return Some(if spaced {
            format!("\"{value}\"")
        } else {
            value.to_owned()
        });
    }
    // One quoted text from end to end stays what it is.
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains([quote, '\\', '`'])).then(|| value.to_owned())
}

fn only_the_last(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        for (place, instruction) in stage.body.iter().enumerate() {
            let name = instruction.name();
            if !matches!(
                instruction.kind,
                Kind::Cmd(_) | Kind::Entrypoint(_) | Kind::Healthcheck(_)
            ) {
                continue;
            }
            let same = |other: &&&Instruction| {
                std::mem::discriminant(&other.kind) == std::mem::discriminant(&instruction.kind)
            };
            let Some(later) = stage.body[place + 1..].iter().find(same) else {
                continue;
            };
            let message = format!(
                "this {name} counts for nothing: line {} has another",
                later.start_line
            );
            let lines = whole_lines(view.source, instruction.span);
            findings.push(found(instruction.span, message).fix(
                format!("remove this {name}"),
                lines,
                "",
            ));
        }
    }
    findings
}

/// The lines of a span, with their last line end.
pub(super) fn whole_lines(source: &str, span: Span) -> Span {
    let start = source[..span.start].rfind('\n').map_or(0, |i| i + 1);
    let end = source[span.end..].find('\n');
    Span::new(start, end.map_or(source.len(), |i| span.end + i + 1))
}

fn protocol_casing(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for port in ports(view) {
        let Some((_, protocol)) = port.split_once('/') else {
            continue;
        };
        if is_lower(protocol) || protocol.contains('$') {
            continue;
        }
        let small = protocol.to_lowercase();
        let place = Span::new(port.span.end - protocol.len(), port.span.end);
        let finding = found(place, format!("the protocol `{protocol}` is in capitals"));
        findings.push(finding.fix(format!("write {small}"), place, small));
    }
    findings
}

fn host_ports(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for port in ports(view) {
        let Some(colon) = port.rfind(':') else {
            continue;
        };
        if port.contains('$') || values::ports(port).is_err() {
            continue;
        }
        let host = Span::new(port.span.start, port.span.start + colon + 1);
        let message = format!("`{}` tells more than the container's port", **port);
        let finding = found(port.span, message);
        findings.push(finding.fix(format!("write {}", &port[colon + 1..]), host, ""));
    }
    findings
}

/// All ports that stand in the source as they are.
fn ports<'a>(view: &'a View<'_>) -> impl Iterator<Item = &'a Spanned<String>> {
    let listed = |instruction: &'a Instruction| match &instruction.kind {
        Kind::Expose(ports) => ports.as_slice(),
        _ => &[],
    };
    let ports = view.file.instructions.iter().flat_map(listed);
    ports.filter(|port| view.source.get(port.span.range()) == Some(port.as_str()))
}

fn descriptions(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for instruction in &view.file.instructions {
        let names: Vec<&str> = match &instruction.kind {
            Kind::From(stage) => stage.name.iter().map(|name| name.as_str()).collect(),
            Kind::Arg(declarations) => declarations.iter().map(|d| d.name.as_str()).collect(),
            _ => continue,
        };
        let Some(comment) = instruction.comments.last() else {
            continue;
        };
        let between = &view.source[comment.span.end..instruction.span.start];
        let directly = between.matches('\n').count() == 1;
        let first = comment.split(' ').next().unwrap_or_default();
        if names.is_empty() || !directly || names.iter().any(|n| n.eq_ignore_ascii_case(first)) {
            continue;
        }
        let message = format!("this comment does not begin with `{}`", names[0]);
        findings.push(found(comment.span, message));
    }
    findings
}

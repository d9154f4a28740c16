//! The instructions that hold a command: RUN, CMD, ENTRYPOINT, HEALTHCHECK and SHELL.

use std::time::Duration;

use super::ast::{CommandLine, Healthcheck, Heredoc, Network, Run, Security, Spanned};
use super::mount::Mount;
use super::raw::Raw;
use super::words::Token;
use super::{flags, values};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};

pub(super) fn run(raw: &Raw<'_>, heredocs: &[Heredoc], diagnostics: &mut Vec<Diagnostic>) -> Run {
    let mounts: Vec<_> = flags::values(&raw.flags, "mount")
        .iter()
        .map(Mount::split)
        .collect();
    for mount in &mounts {
        mount.check(diagnostics);
    }
    let network = [
        ("default", Network::Default),
        ("none", Network::None),
        ("host", Network::Host),
    ];
    let security = [
        ("sandbox", Security::Sandbox),
        ("insecure", Security::Insecure),
    ];
    let command = if heredocs.is_empty() {
        command(raw, &raw.args, diagnostics)
    } else {
        command_line(raw, &raw.args)
    };
    Run {
        command,
        mounts,
        network: choice(raw, "network", &network, diagnostics),
        security: choice(raw, "security", &security, diagnostics),
        devices: flags::values(&raw.flags, "device"),
    }
}

/// The value of a flag that is one of a few words.
fn choice<T: std::marker::Copy>(
    raw: &Raw<'_>,
    flag: &str,
    table: &[(&str, T)],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Spanned<T>> {
    let value = raw.value(flag)?;
    if let Some((_, found)) = table.iter().find(|(name, _)| *name == *value) {
        return Some(Spanned::new(*found, value.span));
    }
    let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
    let message = format!("--{flag} cannot be `{}`", *value);
    let finding = Diagnostic::error("InvalidFlagValue", value.span, message);
    diagnostics.push(match did_you_mean(&value, names.iter().copied()) {
        Some(near) => finding.fix(format!("write {near}"), value.span, near),
        None => finding.note(format!("it is one of {}", names.join(", "))),
    });
    None
}

/// A command that should not be empty. BuildKit takes an empty shell form, which runs nothing.
pub(super) fn command(
    raw: &Raw<'_>,
    args: &[Token],
    diagnostics: &mut Vec<Diagnostic>,
) -> CommandLine {
    if args.is_empty() && !raw.json {
        let message = format!("{} has no command", raw.name);
        diagnostics.push(
            Diagnostic::warning("EmptyCommand", raw.place(), message)
                .note("the shell is started with nothing to do"),
        );
    } else if args.is_empty() && raw.name == "RUN" {
        let message = "RUN has no command";
        let place = raw.place_of_args();
        diagnostics.push(Diagnostic::error("EmptyCommand", place, message));
    }
    command_line(raw, args)
}

fn command_line(raw: &Raw<'_>, args: &[Token]) -> CommandLine {
    if raw.json {
        return CommandLine::Exec(args.iter().map(|t| raw.spanned(t)).collect());
    }
    let end = raw.line.span(raw.rest.end..raw.rest.end);
    CommandLine::Shell(
        args.first()
            .map_or_else(|| Spanned::new(String::new(), end), |t| raw.spanned(t)),
    )
}

pub(super) fn shell(
    raw: &Raw<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<Spanned<String>>> {
    if raw.json && !raw.args.is_empty() {
        return Some(raw.all());
    }
    if raw.args.is_empty() {
        let finding = Diagnostic::error(
            "InvalidExecForm",
            raw.place_of_args(),
            "SHELL needs a program",
        );
        diagnostics.push(finding.note("write it as a JSON array: SHELL [\"/bin/sh\", \"-c\"]"));
        return None;
    }
    let place = raw.place_of_args();
    let finding = Diagnostic::error("InvalidExecForm", place, "SHELL takes the exec form only");
    let text = raw.args[0].text.as_str();
    diagnostics.push(if text.contains(['"', '\'', '\\', '[', '`']) {
        finding.note("write it as a JSON array: SHELL [\"/bin/sh\", \"-c\"]")
    } else {
        let words: Vec<_> = text
            .split_whitespace()
            .map(|w| format!("\"{w}\""))
            .collect();
        finding.fix(
            "write it as a JSON array",
            place,
            format!("[{}]", words.join(", ")),
        )
    });
    None
}

pub(super) fn healthcheck(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Healthcheck> {
    let Some(kind) = raw.args.first() else {
        let message = "HEALTHCHECK needs CMD and a command, or NONE";
        diagnostics.push(Diagnostic::error("MissingArgument", raw.place(), message));
        return None;
    };
    let span = raw.line.span(kind.range.clone());
    let args = &raw.args[1..];
    match kind.text.to_ascii_uppercase().as_str() {
        "NONE" => {
            if let Some(extra) = args.first() {
                let span = Span::new(
                    raw.line.span(extra.range.clone()).start,
                    raw.place_of_args().end,
                );
                let message = "HEALTHCHECK NONE takes nothing more";
                diagnostics.push(Diagnostic::error("TooManyArguments", span, message));
            }
            Some(Healthcheck::None)
        }
        "CMD" => {
            if args.is_empty() {
                let message = "HEALTHCHECK CMD needs a command";
                diagnostics.push(Diagnostic::error("MissingArgument", span, message));
                return None;
            }
            let mut duration = |flag| checked_duration(raw, flag, diagnostics);
            let (interval, timeout) = (duration("interval"), duration("timeout"));
            let (start_period, start_interval) =
                (duration("start-period"), duration("start-interval"));
            Some(Healthcheck::Command {
                command: command_line(raw, args),
                interval,
                timeout,
                start_period,
                start_interval,
                retries: retries(raw, diagnostics),
            })
        }
        _ => {
            let message = format!("HEALTHCHECK does not know `{}`", kind.text);
            let finding = Diagnostic::error("UnknownHealthcheck", span, message);
            let near = did_you_mean(&kind.text, ["CMD", "NONE"]);
            diagnostics.push(match near {
                Some(near) => finding.fix(format!("write {near}"), span, near),
                None => finding
                    .note("the command stands behind CMD: HEALTHCHECK CMD …")
                    .fix(
                        "put CMD before it",
                        Span::new(span.start, span.start),
                        "CMD ",
                    ),
            });
            None
        }
    }
}

fn checked_duration(
    raw: &Raw<'_>,
    flag: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Spanned<Duration>> {
    let value = raw.value(flag)?;
    match values::duration(&value) {
        Ok(duration) => Some(Spanned::new(duration, value.span)),
        Err(error) => {
            let finding = Diagnostic::error("InvalidDuration", value.span, error.to_string());
            diagnostics.push(if value.bytes().all(|b| b.is_ascii_digit()) {
                let at = Span::new(value.span.end, value.span.end);
                finding.fix(format!("write {}s for seconds", *value), at, "s")
            } else {
                finding.note("a duration is written 30s, 1m30s or 500ms")
            });
            None
        }
    }
}

fn retries(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<u32>> {
    let value = raw.value("retries")?;
    let number = value.parse::<i32>().ok();
    let number = number.and_then(|n| u32::try_from(n).ok());
    if number.is_none() {
        let message = format!("--retries is a number, not `{}`", *value);
        diagnostics.push(Diagnostic::error("InvalidFlagValue", value.span, message));
    }
    number.map(|number| Spanned::new(number, value.span))
}

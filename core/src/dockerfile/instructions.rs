//! What each instruction's words mean: raw pieces in, a typed `Kind` and findings out.

use super::ast::{
    Add, ArgDeclaration, Copy, Files, Heredoc, Kind, Pair, Separator, Source, Spanned, Stage,
};
use super::commands::{command, healthcheck, run, shell};
use super::raw::Raw;
use super::words::Token;
use super::{flags, values};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};

/// The meaning of an instruction; `None` after an error that leaves nothing to work with. ONBUILD
/// is not known here.
pub(super) fn kind(
    raw: &Raw<'_>,
    heredocs: &[Heredoc],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Kind> {
    Some(match raw.name {
        "FROM" => Kind::From(stage(raw, diagnostics)?),
        "RUN" => Kind::Run(run(raw, heredocs, diagnostics)),
        "CMD" => Kind::Cmd(command(raw, &raw.args, diagnostics)),
        "ENTRYPOINT" => Kind::Entrypoint(command(raw, &raw.args, diagnostics)),
        "LABEL" => Kind::Label(pairs(raw, diagnostics)?),
        "ENV" => Kind::Env(pairs(raw, diagnostics)?),
        "MAINTAINER" => Kind::Maintainer(one(raw, diagnostics)?),
        "USER" => Kind::User(one(raw, diagnostics)?),
        "WORKDIR" => Kind::Workdir(one(raw, diagnostics)?),
        "STOPSIGNAL" => Kind::Stopsignal(stopsignal(raw, diagnostics)?),
        "EXPOSE" => Kind::Expose(expose(raw, diagnostics)?),
        "VOLUME" => Kind::Volume(volume(raw, diagnostics)?),
        "ARG" => Kind::Arg(arg(raw, diagnostics)?),
        "SHELL" => Kind::Shell(shell(raw, diagnostics)?),
        "HEALTHCHECK" => Kind::Healthcheck(healthcheck(raw, diagnostics)?),
        "COPY" => Kind::Copy(Copy {
            files: files(raw, heredocs, diagnostics)?,
            from: raw.value("from"),
            parents: flags::switch(&raw.flags, "parents").unwrap_or(false),
        }),
        "ADD" => Kind::Add(Add {
            files: files(raw, heredocs, diagnostics)?,
            checksum: raw.value("checksum"),
            keep_git_dir: flags::switch(&raw.flags, "keep-git-dir"),
            unpack: flags::switch(&raw.flags, "unpack"),
        }),
        _ => return None,
    })
}

fn stage(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Stage> {
    let platform = raw.value("platform");
    if let Some(platform) = &platform {
        check_platform(platform, diagnostics);
    }
    let args = raw.all();
    let (base, name) = match args.as_slice() {
        [] => {
            let finding = Diagnostic::error("MissingArgument", raw.place(), "FROM needs a base");
            diagnostics.push(finding.note("name an image, an earlier stage, or `scratch`"));
            return None;
        }
        [base] => (base, None),
        [base, word, name] if word.eq_ignore_ascii_case("as") => (base, Some(name)),
        [base, word] if word.eq_ignore_ascii_case("as") => {
            let message = "FROM … AS needs the name of the stage";
            diagnostics.push(Diagnostic::error("MissingArgument", word.span, message));
            (base, None)
        }
        [base, name] => {
            let message = format!("FROM does not know what to do with `{}`", **name);
            let at = Span::new(name.span.start, name.span.start);
            diagnostics.push(
                Diagnostic::error("TooManyArguments", name.span, message)
                    .note("a stage gets its name by AS")
                    .fix(format!("write AS {}", **name), at, "AS "),
            );
            (base, None)
        }
        [base, second, third, ..] => {
            let named = second.eq_ignore_ascii_case("as");
            let extra = if named {
                &args[3.min(args.len() - 1)]
            } else {
                second
            };
            let end = args.last().map_or(third.span.end, |a| a.span.end);
            diagnostics.push(too_much(extra, Span::new(extra.span.start, end)));
            (base, named.then_some(third))
        }
    };
    Some(Stage {
        platform,
        base: base.clone(),
        name: name.and_then(|name| stage_name(name, diagnostics)),
    })
}

/// What stands behind the base and the name of a stage, often meant as a comment.
fn too_much(extra: &Spanned<String>, span: Span) -> Diagnostic {
    let message = "FROM takes a base, or a base, AS and a name";
    let finding = Diagnostic::error("TooManyArguments", span, message);
    if extra.starts_with('#') {
        return finding
            .note("a comment has a line of its own")
            .fix("remove the comment", span, "");
    }
    finding
}

fn stage_name(
    name: &Spanned<String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Spanned<String>> {
    let lower = name.to_lowercase();
    let allowed =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if lower.starts_with(|c: char| c.is_ascii_lowercase()) && lower.chars().all(allowed) {
        return Some(Spanned::new(lower, name.span));
    }
    diagnostics.push(
        Diagnostic::error(
            "InvalidStageName",
            name.span,
            format!("`{}` cannot name a stage", **name),
        )
        .note("a name begins with a letter and goes on with letters, digits, `-`, `_` and `.`"),
    );
    None
}

/// `os/architecture[/variant]`, unless a variable says it.
fn check_platform(platform: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
    if platform.contains('$') {
        return;
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    let parts: Vec<_> = platform.split('/').collect();
    if parts.len() > 4
        || parts
            .iter()
            .any(|p| p.is_empty() || !p.chars().all(allowed))
    {
        let message = format!("`{}` is not a platform", **platform);
        diagnostics.push(
            Diagnostic::error("InvalidPlatform", platform.span, message)
                .note("a platform is os/architecture[/variant], such as linux/arm64"),
        );
    }
}

fn pairs(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Pair>> {
    if raw.rest.is_empty() {
        at_least_one(raw, "KEY=VALUE", diagnostics);
    }
    let pairs: Vec<_> = raw
        .args
        .chunks_exact(3)
        .map(|triple| Pair {
            key: raw.spanned(&triple[0]),
            value: raw.spanned(&triple[1]),
            separator: match triple[2].text.as_str() {
                "=" => Separator::Equals,
                _ => Separator::Space,
            },
        })
        .collect();
    if let [pair] = pairs.as_slice() {
        diagnostics.extend(space_around_equals(pair));
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// `ENV A = b` sets A to `= b`, which nobody means.
fn space_around_equals(pair: &Pair) -> Option<Diagnostic> {
    let meant = pair.value.strip_prefix('=')?.trim_start();
    if pair.separator != Separator::Space {
        return None;
    }
    let message = format!("this sets `{}` to `{}`", *pair.key, *pair.value);
    let finding = Diagnostic::warning("SpaceAroundEquals", pair.value.span, message)
        .note("there is no space around the `=`");
    let cut = Span::new(pair.key.span.end, pair.value.span.end);
    let spaced = meant.contains(char::is_whitespace);
    Some(if !spaced {
        finding.fix(
            format!("write {}={meant}", *pair.key),
            cut,
            format!("={meant}"),
        )
    } else if meant.contains(['"', '\'', '\\', '`']) {
        finding
    } else {
        finding.fix(
            format!("write {}=\"{meant}\"", *pair.key),
            cut,
            format!("=\"{meant}\""),
        )
    })
}

fn one(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
    if raw.args.is_empty() {
        let what = match raw.name {
            "MAINTAINER" => "a name",
            "USER" => "a user",
            "WORKDIR" => "a directory",
            _ => "a signal",
        };
        let message = format!("{} needs {what}", raw.name);
        diagnostics.push(Diagnostic::error("MissingArgument", raw.place(), message));
    }
    raw.args.first().map(|t| raw.spanned(t))
}

fn stopsignal(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
    let signal = one(raw, diagnostics)?;
    let quoted = signal.contains(['$', '"', '\'', '\\', '`']);
    if let Some(error) = values::signal(&signal).err().filter(|_| !quoted) {
        let finding = Diagnostic::error("InvalidSignal", signal.span, error.to_string());
        let upper = signal.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        diagnostics.push(match did_you_mean(name, values::signal_names()) {
            Some(near) => finding.note(format!("did you mean SIG{near}?")),
            None => finding.note("write a name such as SIGTERM, or a number"),
        });
    }
    Some(signal)
}

fn expose(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Spanned<String>>> {
    let ports = raw.all();
    if ports.is_empty() {
        at_least_one(raw, "port", diagnostics);
        return None;
    }
    for port in &ports {
        if port.contains(['$', '"', '\'', '\\', '`']) {
            continue;
        }
        let Err(error) = values::ports(port) else {
            continue;
        };
        let finding = Diagnostic::error("InvalidPort", port.span, error.to_string());
        let listed = port.split(',').all(|p| values::ports(p).is_ok());
        diagnostics.push(if listed {
            let apart = port.replace(',', " ");
            finding.fix("put space between the ports", port.span, apart)
        } else {
            finding.note("a port is written 80, 53/udp or 8000-8010")
        });
    }
    Some(ports)
}

fn volume(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Spanned<String>>> {
    if raw.args.is_empty() {
        at_least_one(raw, "path", diagnostics);
        return None;
    }
    for path in raw.args.iter().filter(|t| t.text.trim().is_empty()) {
        let span = raw.line.span(path.range.clone());
        let message = "the path of a volume is empty";
        diagnostics.push(Diagnostic::error("EmptyName", span, message));
    }
    let trim = |path: Spanned<String>| path.map(|p| p.trim().to_owned());
    Some(raw.all().into_iter().map(trim).collect())
}

fn arg(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<ArgDeclaration>> {
    if raw.args.is_empty() {
        at_least_one(raw, "name", diagnostics);
        return None;
    }
    let declaration = |token: &Token| {
        let start = token.range.start;
        let Some(equals) = token.text.find('=') else {
            return ArgDeclaration {
                name: raw.spanned(token),
                default: None,
            };
        };
        let end = start + token.text.len();
        ArgDeclaration {
            name: raw.line.slice(start..start + equals),
            default: Some(raw.line.slice(start + equals + 1..end)),
        }
    };
    let declarations: Vec<_> = raw.args.iter().map(declaration).collect();
    for (declaration, token) in declarations.iter().zip(&raw.args) {
        if declaration.name.is_empty() {
            let span = raw.line.span(token.range.clone());
            let message = "ARG needs a name before the `=`";
            diagnostics.push(Diagnostic::error("EmptyName", span, message));
        }
    }
    Some(declarations)
}

fn files(raw: &Raw<'_>, heredocs: &[Heredoc], diagnostics: &mut Vec<Diagnostic>) -> Option<Files> {
    let mut args = raw.all();
    let enough = args.len() >= 2;
    let Some(destination) = args.pop().filter(|_| enough) else {
        let message = match raw.args.len() {
            0 => format!("{} needs a source and a destination", raw.name),
            _ => format!("{} has a source, but no destination", raw.name),
        };
        let place = raw.place_of_args();
        diagnostics.push(Diagnostic::error("MissingArgument", place, message));
        return None;
    };
    let heredoc = |arg: &Spanned<String>| heredocs.iter().position(|h| h.span == arg.span);
    if heredoc(&destination).is_some() {
        let message = format!("{} cannot write into a heredoc", raw.name);
        diagnostics.push(
            Diagnostic::error("HeredocDestination", destination.span, message)
                .note("the last word is the destination"),
        );
    }
    let sources = args
        .into_iter()
        .map(|arg| match heredoc(&arg) {
            Some(index) => Source::Heredoc(index),
            None => Source::Path(arg),
        })
        .collect();
    Some(Files {
        sources,
        destination,
        chown: raw.value("chown"),
        chmod: raw.value("chmod"),
        link: flags::switch(&raw.flags, "link").unwrap_or(false),
        exclude: flags::values(&raw.flags, "exclude"),
    })
}

fn at_least_one(raw: &Raw<'_>, what: &str, diagnostics: &mut Vec<Diagnostic>) {
    let message = format!("{} needs at least one {what}", raw.name);
    diagnostics.push(Diagnostic::error("MissingArgument", raw.place(), message));
}

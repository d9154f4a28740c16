//! What each instruction's words mean: raw pieces in, a typed `Kind` and findings out.

use std::ops::Range;

use super::ast::{
    Add, ArgDeclaration, CommandLine, Copy, Escape, Files, Flag, Healthcheck, Heredoc, Kind,
    Network, Pair, Run, Security, Separator, Source, Spanned, Stage,
};
use super::exec::{self, Form};
use super::lines::Logical;
use super::mount::Mount;
use super::words::{self, Token};
use super::{flags, values};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};

/// All instructions, in upper case.
pub(super) const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// An instruction cut into pieces.
#[derive(Debug)]
pub(super) struct Raw<'a> {
    /// The line it stands in.
    pub(super) line: &'a Logical,
    /// One of [`NAMES`].
    pub(super) name: &'static str,
    /// The keyword in the line.
    pub(super) keyword: Range<usize>,
    /// The flags behind the keyword.
    pub(super) flags: Vec<Flag>,
    /// What follows the flags, without space around it.
    pub(super) rest: Range<usize>,
    /// The arguments as tokens; see `Instruction::args`.
    pub(super) args: Vec<Token>,
    /// The arguments are a JSON array.
    pub(super) json: bool,
}

impl<'a> Raw<'a> {
    /// Cuts `range` of a line, which begins with the keyword `name`, into its pieces.
    pub(super) fn cut(
        line: &'a Logical,
        name: &'static str,
        keyword: Range<usize>,
        end: usize,
        escape: Escape,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let (flags, rest) = flags::split(line, keyword.end..end);
        let mut raw = Self {
            line,
            name,
            keyword,
            flags,
            rest,
            args: Vec::new(),
            json: false,
        };
        raw.tokenize(escape, diagnostics);
        let next = raw.args.first().map(|t| line.span(t.range.clone()));
        flags::check(name, &raw.flags, next, diagnostics);
        raw
    }

    fn tokenize(&mut self, escape: Escape, diagnostics: &mut Vec<Diagnostic>) {
        let rest = self.rest.clone();
        match self.name {
            "RUN" | "CMD" | "ENTRYPOINT" | "SHELL" => self.command(rest, diagnostics),
            "ADD" | "COPY" | "VOLUME" => {
                if !self.exec(rest.clone(), diagnostics) {
                    self.args = words::split_at_space(self.line, rest);
                }
            }
            "FROM" | "EXPOSE" => self.args = words::split_at_space(self.line, rest),
            "ARG" => self.args = words::split_quoted(self.line, rest, escape),
            "ENV" | "LABEL" => self.pairs(escape, diagnostics),
            "HEALTHCHECK" => {
                let text = &self.line.text[rest.clone()];
                let length = text.find(char::is_whitespace).unwrap_or(text.len());
                let behind = self.line.trim(rest.start + length..rest.end);
                self.command(behind, diagnostics);
                if length > 0 {
                    let kind = self.token(rest.start..rest.start + length);
                    self.args.insert(0, kind);
                }
            }
            "ONBUILD" => {}
            _ => self
                .args
                .extend((!rest.is_empty()).then(|| self.token(rest))),
        }
    }

    /// A command: the exec form, or the whole text as one token.
    fn command(&mut self, range: Range<usize>, diagnostics: &mut Vec<Diagnostic>) {
        if range.is_empty() || self.exec(range.clone(), diagnostics) {
            return;
        }
        self.args = vec![self.token(range)];
    }

    /// Takes the exec form if it is there; warns if only its look is there.
    fn exec(&mut self, range: Range<usize>, diagnostics: &mut Vec<Diagnostic>) -> bool {
        match exec::form(self.line, range.clone()) {
            Form::Exec(tokens) => {
                self.args = tokens;
                self.json = true;
                return true;
            }
            Form::NotStrings(place) => diagnostics.push(
                Diagnostic::error(
                    "InvalidExecForm",
                    self.line.span(place),
                    "the exec form holds strings and nothing else",
                )
                .note("write every element in double quotes"),
            ),
            Form::Shell if self.name != "SHELL" => {
                diagnostics.extend(exec::looks_like_exec(self.line, range));
            }
            Form::Shell => {}
        }
        false
    }

    /// ENV and LABEL: `key=value …`, or `key value` to the end of the line. The tokens are key,
    /// value and separator, three for each pair.
    fn pairs(&mut self, escape: Escape, diagnostics: &mut Vec<Diagnostic>) {
        let words = words::split_quoted(self.line, self.rest.clone(), escape);
        let Some(first) = words.first() else { return };
        if !first.text.contains('=') {
            self.old_pair(diagnostics);
            return;
        }
        for word in words {
            let start = word.range.start;
            let Some(equals) = word.text.find('=') else {
                diagnostics.push(missing_equals(self, &word));
                continue;
            };
            let end = start + word.text.len();
            if equals == 0 {
                let span = self.line.span(word.range.clone());
                let message = format!("{} needs a name before the `=`", self.name);
                diagnostics.push(Diagnostic::error("EmptyName", span, message));
            }
            self.args.push(self.token(start..start + equals));
            self.args.push(self.token(start + equals + 1..end));
            self.args.push(self.token(start + equals..=start + equals));
        }
    }

    fn old_pair(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        let rest = self.rest.clone();
        let text = &self.line.text[rest.clone()];
        let Some(space) = text.find(words::is_separator) else {
            let span = self.line.span(rest);
            let message = format!("{} `{text}` has no value", self.name);
            diagnostics.push(
                Diagnostic::error("MissingArgument", span, message)
                    .note(format!("write {} {text}=VALUE", self.name)),
            );
            return;
        };
        let space = rest.start + space;
        let behind = &self.line.text[space..rest.end];
        let value = rest.end - behind.trim_start_matches(words::is_separator).len();
        self.args.push(self.token(rest.start..space));
        self.args.push(self.token(value..rest.end));
        // The separator of the old form is empty, as in BuildKit.
        self.args.push(self.token(space..space));
    }

    fn token(&self, range: impl std::ops::RangeBounds<usize>) -> Token {
        let start = match range.start_bound() {
            std::ops::Bound::Included(start) => *start,
            std::ops::Bound::Excluded(start) => start + 1,
            std::ops::Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            std::ops::Bound::Included(end) => end + 1,
            std::ops::Bound::Excluded(end) => *end,
            std::ops::Bound::Unbounded => self.line.text.len(),
        };
        Token {
            text: self.line.text[start..end].to_owned(),
            range: start..end,
        }
    }

    /// Whether heredocs may follow.
    pub(super) fn takes_heredocs(&self) -> bool {
        matches!(self.name, "RUN" | "COPY" | "ADD") && !self.json
    }

    /// Where the keyword stands, for what is missing behind it.
    fn place(&self) -> Span {
        self.line.span(self.keyword.clone())
    }

    /// Where the arguments stand, or else the keyword.
    fn place_of_args(&self) -> Span {
        if self.rest.is_empty() {
            self.place()
        } else {
            self.line.span(self.rest.clone())
        }
    }

    fn spanned(&self, token: &Token) -> Spanned<String> {
        token.spanned(self.line)
    }

    fn all(&self) -> Vec<Spanned<String>> {
        self.args.iter().map(|t| self.spanned(t)).collect()
    }

    fn value(&self, flag: &str) -> Option<Spanned<String>> {
        flags::value(&self.flags, flag)
    }
}

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
            let extra = if second.eq_ignore_ascii_case("as") {
                args.get(3).unwrap_or(third)
            } else {
                second
            };
            let last = args.last().map_or(extra.span.end, |a| a.span.end);
            diagnostics.push(
                Diagnostic::error(
                    "TooManyArguments",
                    Span::new(extra.span.start, last),
                    "FROM takes a base, or a base, AS and a name",
                )
                .note("there are no comments at the end of a line"),
            );
            (base, None)
        }
    };
    Some(Stage {
        platform,
        base: base.clone(),
        name: name.and_then(|name| stage_name(name, diagnostics)),
    })
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

fn run(raw: &Raw<'_>, heredocs: &[Heredoc], diagnostics: &mut Vec<Diagnostic>) -> Run {
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
fn command(raw: &Raw<'_>, args: &[Token], diagnostics: &mut Vec<Diagnostic>) -> CommandLine {
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
    (!pairs.is_empty()).then_some(pairs)
}

fn missing_equals(raw: &Raw<'_>, word: &Token) -> Diagnostic {
    let span = raw.line.span(word.range.clone());
    let message = format!("`{}` has no `=`", word.text);
    let finding = Diagnostic::error("MissingEquals", span, message)
        .note("since the first word has one, every word must be KEY=VALUE");
    match raw.args.last() {
        Some(_) => finding.note("a value with space in it needs quotes: KEY=\"two words\""),
        None => finding,
    }
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
        if let Err(error) = values::ports(port) {
            diagnostics.push(
                Diagnostic::error("InvalidPort", port.span, error.to_string())
                    .note("a port is written 80, 53/udp or 8000-8010"),
            );
        }
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

fn shell(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Spanned<String>>> {
    if raw.json && !raw.args.is_empty() {
        return Some(raw.all());
    }
    let message = if raw.args.is_empty() {
        "SHELL needs a program"
    } else {
        "SHELL takes the exec form only"
    };
    diagnostics.push(
        Diagnostic::error("InvalidExecForm", raw.place_of_args(), message)
            .note("write it as a JSON array: SHELL [\"/bin/sh\", \"-c\"]"),
    );
    None
}

fn healthcheck(raw: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Healthcheck> {
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
) -> Option<Spanned<std::time::Duration>> {
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

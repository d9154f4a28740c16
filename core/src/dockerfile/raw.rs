//! An instruction cut into its pieces: keyword, flags, and arguments as raw tokens.

use std::ops::Range;

use super::ast::{Escape, Flag, Spanned};
use super::exec::{self, Form};
use super::flags;
use super::lines::Logical;
use super::words::{self, Token};
use crate::diagnostic::{Diagnostic, Span};

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
                let read_as = match self.name {
                    "ADD" | "COPY" | "VOLUME" => {
                        "it is read as words between spaces, with their brackets and quotes"
                    }
                    _ => "it is read as the shell form: the shell gets the whole text",
                };
                diagnostics.extend(exec::looks_like_exec(self.line, range, read_as));
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
                if word.text.starts_with('#') {
                    break;
                }
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
            self.args
                .push(self.token(start + equals..start + equals + 1));
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

    fn token(&self, range: Range<usize>) -> Token {
        Token {
            text: self.line.text[range.clone()].to_owned(),
            range,
        }
    }

    /// Whether heredocs may follow.
    pub(super) fn takes_heredocs(&self) -> bool {
        matches!(self.name, "RUN" | "COPY" | "ADD") && !self.json
    }

    /// Where the keyword stands, for what is missing behind it.
    pub(super) fn place(&self) -> Span {
        self.line.span(self.keyword.clone())
    }

    /// Where the arguments stand, or else the keyword.
    pub(super) fn place_of_args(&self) -> Span {
        if self.rest.is_empty() {
            self.place()
        } else {
            self.line.span(self.rest.clone())
        }
    }

    pub(super) fn spanned(&self, token: &Token) -> Spanned<String> {
        token.spanned(self.line)
    }

    pub(super) fn all(&self) -> Vec<Spanned<String>> {
        self.args.iter().map(|t| self.spanned(t)).collect()
    }

    pub(super) fn value(&self, flag: &str) -> Option<Spanned<String>> {
        flags::value(&self.flags, flag)
    }
}

fn missing_equals(raw: &Raw<'_>, word: &Token) -> Diagnostic {
    let span = raw.line.span(word.range.clone());
    let message = format!("`{}` has no `=`", word.text);
    let finding = Diagnostic::error("MissingEquals", span, message);
    if word.text.starts_with('#') {
        let rest = raw.line.trim(word.range.start..raw.rest.end);
        return finding.note("a comment has a line of its own").fix(
            "remove the comment",
            raw.line.span(rest),
            "",
        );
    }
    finding
        .note("since the first word has one, every word must be KEY=VALUE")
        .note("a value with space in it needs quotes: KEY=\"two words\"")
}

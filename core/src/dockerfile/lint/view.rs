//! What rules look at: the file, its stages, and every RUN's commands with their places.

use std::ops::Range;

use super::Options;
use super::shell::{self, Command, Script, Word};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::dockerfile::ast::{CommandLine, Dockerfile, Escape, Heredoc, Instruction, Kind, Run};
use crate::dockerfile::lines::{Logical, Reader};
use crate::dockerfile::stages::{Base, Settings, Stage, Stages};

/// A Dockerfile as rules look at it.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) source: &'a str,
    pub(super) file: &'a Dockerfile,
    pub(super) stages: Stages<'a>,
    pub(super) options: &'a Options<'a>,
    /// Everything that a shell runs, in order.
    pub(super) scripts: Vec<RunScript<'a>>,
}

/// One text that a RUN gives to a shell.
#[derive(Debug)]
pub(super) struct RunScript<'a> {
    /// The stage's number.
    pub(super) stage: usize,
    /// The instruction's place in the stage.
    pub(super) place: usize,
    /// The RUN, or the ONBUILD around it.
    pub(super) instruction: &'a Instruction,
    pub(super) run: &'a Run,
    /// What reads it.
    pub(super) shell: Shell,
    /// The content of a heredoc, if that is the script.
    pub(super) heredoc: Option<&'a Heredoc>,
    /// What it holds.
    pub(super) script: Script,
    text: Logical,
    /// The part of `text` that is the script; the words' ranges begin at its start.
    range: Range<usize>,
}

/// What reads a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shell {
    /// The name of the program: `sh`, `bash` …
    pub(super) name: String,
    /// Whether a pipe fails when any of its commands does.
    pub(super) pipefail: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(source: &'a str, file: &'a Dockerfile, options: &'a Options<'a>) -> Self {
        let stages = Stages::of(file, &Settings::default());
        let mut view = Self {
            source,
            file,
            stages,
            options,
            scripts: Vec::new(),
        };
        for number in 0..view.stages.list.len() {
            let scripts = view.stage_scripts(number);
            view.scripts.extend(scripts);
        }
        view
    }

    /// The stage's instructions and those of the stages below it, the first one first.
    pub(super) fn inherited(&self, number: usize) -> impl Iterator<Item = &'a Instruction> {
        let chain = self.stages.chain(number);
        let bodies: Vec<_> = chain.iter().flat_map(|stage| stage.body.clone()).collect();
        bodies.into_iter()
    }

    /// The first base of a stage that is no stage itself: an image, or `None` for scratch.
    pub(super) fn image(&self, number: usize) -> Option<&str> {
        match &self.stages.chain(number).first()?.base {
            Base::Image(name) => Some(name),
            _ => None,
        }
    }

    /// The scripts whose files end up in the image that is built.
    pub(super) fn shipped(&self) -> impl Iterator<Item = &RunScript<'a>> {
        let ships = |script: &&RunScript<'_>| self.stages.list[script.stage].ships;
        self.scripts.iter().filter(ships)
    }

    fn stage_scripts(&self, number: usize) -> Vec<RunScript<'a>> {
        let mut shell = default_shell(self.file.escape);
        let below = self.stages.below(number);
        for instruction in below.iter().flat_map(|stage| &stage.body) {
            change_shell(&mut shell, instruction);
        }
        let mut scripts = Vec::new();
        for (place, instruction) in self.stages.list[number].body.iter().enumerate() {
            change_shell(&mut shell, instruction);
            let inner = match &instruction.kind {
                Kind::Onbuild(child) => child,
                _ => *instruction,
            };
            let (Kind::Run(run), Some(shell)) = (&inner.kind, &shell) else {
                continue;
            };
            let found = self.script(number, place, instruction, inner, run, shell);
            scripts.extend(found);
        }
        scripts
    }

    fn script(
        &self,
        stage: usize,
        place: usize,
        outer: &'a Instruction,
        inner: &'a Instruction,
        run: &'a Run,
        shell: &Shell,
    ) -> Option<RunScript<'a>> {
        let CommandLine::Shell(command) = &run.command else {
            return None;
        };
        let mut shell = shell.clone();
        let (text, range, heredoc) = match inner.heredocs.as_slice() {
            [only] if only.span == command.span => {
                if let Some(line) = only.content.strip_prefix("#!") {
                    shell = interpreter(line.lines().next().unwrap_or_default())?;
                }
                let text = Logical::plain(&only.content, only.content_span.start);
                let range = 0..only.content.len();
                (text, range, Some(only))
            }
            _ => {
                // The line is read once more, for only its reader knows where each byte stands.
                let start = outer.span.start;
                let mut reader = Reader::resume(self.source, start, self.file.escape);
                let text = reader.logical(&mut Vec::new())?;
                let from = text.offset(command.span.start)?;
                let range = from..from + command.value.len();
                if text.text.get(range.clone()) != Some(command.as_str()) {
                    return None;
                }
                (text, range, None)
            }
        };
        Some(RunScript {
            stage,
            place,
            instruction: outer,
            run,
            shell,
            heredoc,
            script: shell::script(&text.text[range.clone()]),
            text,
            range,
        })
    }
}

impl RunScript<'_> {
    pub(super) fn commands(&self) -> &[Command] {
        &self.script.commands
    }

    /// Where bytes of the script stand in the source.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let at = self.range.start;
        self.text.span(range.start + at..range.end + at)
    }

    /// Where a word stands in the source.
    pub(super) fn word(&self, word: &Word) -> Span {
        self.span(word.range.clone())
    }

    /// Where a command stands, from its program to its last word.
    pub(super) fn command(&self, command: &Command) -> Span {
        let words = || command.assignments.iter().chain(&command.words);
        let (first, last) = (words().next(), words().last());
        let start = first.map_or(0, |word| word.range.start);
        self.span(start..last.map_or(start, |word| word.range.end))
    }

    /// The edit that puts a word behind another.
    pub(super) fn behind(&self, word: &Word) -> Span {
        let end = self.word(word).end;
        Span::new(end, end)
    }

    /// The text of the script.
    pub(super) fn text(&self) -> &str {
        &self.text.text[self.range.clone()]
    }

    /// Whether a `--mount` covers `path`, so that what is written there stays out of the image.
    pub(super) fn mounts(&self, path: &str) -> bool {
        let targets = self.run.mounts.iter().flat_map(|mount| &mount.options);
        targets
            .filter(|option| matches!(option.key.as_str(), "target" | "dst" | "destination"))
            .filter_map(|option| option.value.as_ref())
            .any(|target| is_below(path, target))
    }

    /// The edit that adds a command at the end of the script, in the style of its lines; `None`
    /// where it would not be run.
    pub(super) fn append(
        &self,
        source: &str,
        escape: Escape,
        command: &str,
    ) -> Option<(Span, String)> {
        let last = self.commands().last()?;
        if last.after != shell::Joint::Edge && self.heredoc.is_none() {
            return None;
        }
        if let Some(heredoc) = self.heredoc {
            let end = heredoc.content_span.end;
            let line_end = line_end(&heredoc.content);
            return Some((Span::new(end, end), format!("{command}{line_end}")));
        }
        if self.script.open || !self.run_heredocs().is_empty() {
            return None;
        }
        let end = self.span(0..self.text().len()).end;
        let start = self.span(0..0).start;
        let at = Span::new(end, end);
        let Some(line) = source[start..end].rfind('\n').map(|i| start + i + 1) else {
            return Some((at, format!(" && {command}")));
        };
        let line = &source[line..end];
        let indent = &line[..line.len() - line.trim_start().len()];
        let (escape, line_end) = (escape.char(), line_end(&source[start..end]));
        Some((at, format!(" {escape}{line_end}{indent}&& {command}")))
    }

    fn run_heredocs(&self) -> &[Heredoc] {
        &self.instruction.heredocs
    }
}

/// A finding of a rule, which gets its name and severity later.
pub(super) fn found(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        rule: "",
        message: message.into(),
        span,
        notes: Vec::new(),
        fix: None,
    }
}

/// Whether `path` is `directory` or stands below it.
pub(super) fn is_below(path: &str, directory: &str) -> bool {
    let directory = directory.trim_end_matches('/');
    path.trim_end_matches('/')
        .strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Files that escape with a backtick are for Windows, where no script of ours is read.
fn default_shell(escape: Escape) -> Option<Shell> {
    (escape == Escape::Backslash).then(|| Shell {
        name: "sh".to_owned(),
        pipefail: false,
    })
}

/// Follows a SHELL. What is no shell of Unix is not looked into.
fn change_shell(shell: &mut Option<Shell>, instruction: &Instruction) {
    if let Kind::Shell(words) = &instruction.kind {
        let words: Vec<_> = words.iter().map(|word| word.as_str()).collect();
        *shell = known_shell(&words);
    }
}

/// What a line behind `#!` names, if it is a shell.
fn interpreter(line: &str) -> Option<Shell> {
    let words: Vec<_> = line.split_whitespace().collect();
    let env = words.first().is_some_and(|word| word.ends_with("/env"));
    let from = usize::from(env) + usize::from(env && words.get(1) == Some(&"-S"));
    known_shell(words.get(from..)?)
}

fn known_shell(words: &[&str]) -> Option<Shell> {
    let name = words.first()?.rsplit('/').next()?;
    matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh" | "ksh").then(|| Shell {
        name: name.to_owned(),
        pipefail: words.contains(&"pipefail"),
    })
}

/// The stage that an instruction of the body belongs to, with what stands before it.
pub(super) fn before<'a, 'b>(stage: &'b Stage<'a>, place: usize) -> &'b [&'a Instruction] {
    &stage.body[..place.min(stage.body.len())]
}

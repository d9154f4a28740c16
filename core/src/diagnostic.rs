//! What is wrong with a text that a person wrote: where, why, and what to do about it.
//!
//! A wrong source text never gives an `Err`. It gives diagnostics with byte spans, so that every
//! problem is reported in one run and the rest of the text is still understood.

use std::fmt::Write as _;
use std::ops::Range;

use serde::Serialize;

/// One finding about a source text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for the kind of finding, such as `UnknownInstruction`.
    pub rule: &'static str,
    /// One sentence without a full stop: what is wrong.
    pub message: String,
    /// The bytes of the source that are meant.
    pub span: Span,
    /// Further sentences: why it is wrong, what the reader may have meant.
    pub notes: Vec<String>,
    /// An edit that mends it, where there is exactly one.
    pub fix: Option<Fix>,
}

/// How bad a finding is. Only errors stop a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Works, but probably not as meant.
    Warning,
    /// Cannot work.
    Error,
}

/// A half-open range of byte offsets into a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// An edit: these bytes become that text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What the edit does, as an imperative: "remove the backtick".
    pub title: String,
    /// The bytes to replace.
    pub span: Span,
    /// What stands there afterwards.
    pub replacement: String,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(rule: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, rule, span, message)
    }

    /// A warning at `span`.
    pub fn warning(rule: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, rule, span, message)
    }

    fn new(severity: Severity, rule: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity,
            rule,
            message: message.into(),
            span,
            notes: Vec::new(),
            fix: None,
        }
    }

    /// The same finding with one more sentence of explanation.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same finding with the edit that mends it.
    #[must_use]
    pub fn fix(
        mut self,
        title: impl Into<String>,
        span: Span,
        replacement: impl Into<String>,
    ) -> Self {
        self.fix = Some(Fix {
            title: title.into(),
            span,
            replacement: replacement.into(),
        });
        self
    }

    /// The finding as a person reads it in a terminal: the line, carets below it, notes, the fix.
    ///
    /// `name` is what the source is called, such as `Dockerfile`.
    pub fn render(&self, name: &str, source: &str) -> String {
        let position = Position::of(source, self.span.start);
        let line = line_at(source, self.span.start);
        let gutter = position.line.to_string().len();
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let mut out = String::new();
        let _ = writeln!(out, "{word}: {} [{}]", self.message, self.rule);
        let _ = writeln!(
            out,
            "{:gutter$}--> {name}:{}:{}",
            "", position.line, position.column
        );
        let _ = writeln!(out, "{:gutter$} |", "");
        let text = source[line.clone()].trim_end_matches(['\r', '\n']);
        let _ = writeln!(out, "{} | {}", position.line, text.replace('\t', " "));
        let from = clamp(source, self.span.start, &line);
        let to = clamp(source, self.span.end.max(self.span.start), &line);
        let indent = source[line.start..from].chars().count();
        let width = source[from..to]
            .trim_end_matches(['\r', '\n'])
            .chars()
            .count()
            .max(1);
        let _ = writeln!(out, "{:gutter$} | {:indent$}{}", "", "", "^".repeat(width));
        for note in &self.notes {
            let _ = writeln!(out, "{:gutter$} = note: {note}", "");
        }
        if let Some(fix) = &self.fix {
            let _ = writeln!(out, "{:gutter$} = help: {}", "", fix.title);
        }
        out
    }
}

impl Span {
    /// The span from `start` up to, not including, `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The bytes as a range, to slice the source with.
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A place in a text as people count: lines and columns from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl Position {
    /// The position of the byte at `offset`. An offset past the end is the end.
    pub fn of(source: &str, offset: usize) -> Self {
        let offset = floor_boundary(source, offset);
        let before = &source[..offset];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// Where the lines of a text begin, for the positions of many places in one text.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Looks where the lines begin.
    pub fn of(source: &'a str) -> Self {
        let ends = source.match_indices('\n').map(|(i, _)| i + 1);
        Self {
            source,
            starts: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// The position of the byte at `offset`, as [`Position::of`] tells it.
    pub fn position(&self, offset: usize) -> Position {
        let offset = floor_boundary(self.source, offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        Position {
            line,
            column: self.source[start..offset].chars().count() + 1,
        }
    }
}

/// Whether any finding is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}

/// The nearest of `candidates` to what somebody typed, if it is near enough to suggest.
///
/// Near enough is an edit distance under 3, and less than the word's length, ignoring case.
pub fn did_you_mean<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    // Words whose lengths differ by more are never near; to compare them would take their product.
    let near = |c: &&str| c.len().abs_diff(typed.len()) < 12;
    candidates
        .into_iter()
        .filter(near)
        .map(|c| (strsim::osa_distance(&typed, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance < 3 && *distance < c.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

fn line_at(source: &str, offset: usize) -> Range<usize> {
    let offset = floor_boundary(source, offset);
    let start = source[..offset].rfind('\n').map_or(0, |i| i + 1);
    let end = source[offset..]
        .find('\n')
        .map_or(source.len(), |i| offset + i);
    start..end
}

fn clamp(source: &str, offset: usize, line: &Range<usize>) -> usize {
    floor_boundary(source, offset).clamp(line.start, line.end)
}

fn floor_boundary(source: &str, offset: usize) -> usize {
    source.floor_char_boundary(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_line_caret_note_and_fix() {
        let source = "FROM a\n`CMD x\n";
        let text = Diagnostic::error(
            "StrayCharacter",
            Span::new(7, 8),
            "stray ` before the instruction",
        )
        .note("a Dockerfile instruction is a word")
        .fix("remove the `", Span::new(7, 8), "")
        .render("Dockerfile", source);
        insta::assert_snapshot!(text, @r"
        error: stray ` before the instruction [StrayCharacter]
         --> Dockerfile:2:1
          |
        2 | `CMD x
          | ^
          = note: a Dockerfile instruction is a word
          = help: remove the `
        ");
    }

    #[test]
    fn positions_count_characters_and_survive_nonsense() {
        let check = |source: &str, offset, line, column| {
            assert_eq!(Position::of(source, offset), Position { line, column });
            let lines = Lines::of(source);
            assert_eq!(lines.position(offset), Position { line, column });
        };
        check("", 0, 1, 1);
        check("äb\nc", 2, 1, 2);
        check("äb\nc", 4, 2, 1);
        check("äb", 1, 1, 1);
        check("a", 99, 1, 2);
    }

    #[test]
    fn suggestions_are_near_or_none() {
        let words = ["FROM", "RUN", "COPY"];
        assert_eq!(did_you_mean("FORM", words), Some("FROM"));
        assert_eq!(did_you_mean("copi", words), Some("COPY"));
        assert_eq!(did_you_mean("xyzzy", words), None);
    }
}

//! Physical lines become logical lines that still know where each of their bytes stands.
//!
//! A logical line is an instruction as one text: continued lines are joined, comments and empty
//! lines between them are left out. Parser directives and heredocs are read here, too, because
//! both live on physical lines.

use std::collections::BTreeSet;
use std::ops::Range;

use super::ast::{Directive, Escape, Heredoc, Spanned};
use super::heredoc::Mark;
use crate::diagnostic::{Diagnostic, Position, Span};

/// The names that may stand in a parser directive.
const DIRECTIVES: [&str; 3] = ["check", "escape", "syntax"];

/// One instruction's text, joined from the lines it is spread over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Logical {
    /// The text without line ends, comments and continuation characters.
    pub(super) text: String,
    /// Where each joined piece begins, in the text and in the source; both ascend.
    pieces: Vec<(usize, usize)>,
    /// The first physical line, from 1.
    pub(super) start_line: usize,
    /// The last physical line, from 1.
    pub(super) end_line: usize,
    /// The comment lines above.
    pub(super) comments: Vec<Spanned<String>>,
}

impl Logical {
    /// Where a range of the text stands in the source.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        if range.is_empty() {
            let at = if range.start >= self.text.len() && range.start > 0 {
                self.source(range.start - 1) + 1
            } else {
                self.source(range.start)
            };
            return Span::new(at, at);
        }
        Span::new(self.source(range.start), self.source(range.end - 1) + 1)
    }

    /// A range of the text with its place in the source.
    pub(super) fn slice(&self, range: Range<usize>) -> Spanned<String> {
        Spanned::new(self.text[range.clone()].to_owned(), self.span(range))
    }

    /// `range` without space at either end.
    pub(super) fn trim(&self, range: Range<usize>) -> Range<usize> {
        let text = &self.text[range.clone()];
        let start = range.end - text.trim_start().len();
        let end = start + text.trim().len();
        start..end
    }

    /// A text that stands in the source as it is, from byte `start` on.
    pub(super) fn plain(text: &str, start: usize) -> Self {
        let mut logical = Self::default();
        logical.push(text, start);
        logical
    }

    /// The byte of the text that stands at `source`; the inverse of [`Self::span`].
    pub(super) fn offset(&self, source: usize) -> Option<usize> {
        let piece = self.pieces.partition_point(|(_, start)| *start <= source);
        let (text, start) = self.pieces.get(piece.checked_sub(1)?)?;
        let end = self.pieces.get(piece).map_or(self.text.len(), |(t, _)| *t);
        Some(text + (source - start)).filter(|offset| *offset <= end)
    }

    /// Where the byte at `offset` of the text stands in the source.
    fn source(&self, offset: usize) -> usize {
        let piece = self.pieces.partition_point(|(text, _)| *text <= offset);
        match self.pieces.get(piece.saturating_sub(1)) {
            Some((text, source)) => source + (offset - text),
            None => offset,
        }
    }

    fn push(&mut self, piece: &str, source: usize) {
        if !piece.is_empty() || self.pieces.is_empty() {
            self.pieces.push((self.text.len(), source));
            self.text.push_str(piece);
        }
    }
}

/// Reads a source from top to bottom.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    source: &'a str,
    /// The first byte that is not read yet.
    at: usize,
    /// How many lines are read.
    line: usize,
    /// What the directives say.
    pub(super) escape: Escape,
    /// The directives that were found.
    pub(super) directives: Vec<Directive>,
    /// Only comments at the very top can be directives; this is set by the first other line.
    directives_done: bool,
    /// The terminators that no line from here on has, so that the same mistake made all over a
    /// file does not read the rest of it again and again.
    never_closed: BTreeSet<(String, bool)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            at: top(source),
            line: 0,
            escape: Escape::default(),
            directives: Vec::new(),
            directives_done: false,
            never_closed: BTreeSet::new(),
        }
    }

    /// A reader of what stands at `at` and behind it, where no directive can be.
    pub(super) fn resume(source: &'a str, at: usize, escape: Escape) -> Self {
        Self {
            at,
            escape,
            directives_done: true,
            ..Self::new(source)
        }
    }

    /// The next instruction's text; `None` at the end.
    pub(super) fn logical(&mut self, diagnostics: &mut Vec<Diagnostic>) -> Option<Logical> {
        let mut comments = Vec::new();
        loop {
            let physical = self.physical()?;
            let start = physical.end - self.source[physical.clone()].trim_start().len();
            let text = &self.source[start..physical.end];
            if text.starts_with('#') {
                if !self.directive(start..physical.end, diagnostics) {
                    self.comment(start..physical.end, &mut comments);
                }
                continue;
            }
            self.directives_done = true;
            let (piece, continued) = self.without_continuation(text);
            if piece.is_empty() && !continued {
                continue;
            }
            let mut logical = Logical {
                start_line: self.line,
                comments,
                ..Logical::default()
            };
            logical.push(piece, start);
            if continued {
                self.continuation(&mut logical, diagnostics);
            }
            logical.end_line = self.line;
            return Some(logical);
        }
    }

    /// The lines that continue the first one.
    fn continuation(&mut self, logical: &mut Logical, diagnostics: &mut Vec<Diagnostic>) {
        let mut blank: Vec<Range<usize>> = Vec::new();
        while let Some(physical) = self.physical() {
            let text = &self.source[physical.clone()];
            if text.trim_start().starts_with('#') {
                continue;
            }
            if text.trim_start().is_empty() {
                blank.push(physical.start..self.at);
                continue;
            }
            let (piece, continued) = self.without_continuation(text);
            logical.push(piece, physical.start);
            if !continued {
                break;
            }
        }
        let Some(first) = blank.first() else { return };
        let span = Span::new(first.start, first.end);
        let mut finding = Diagnostic::warning(
            "NoEmptyContinuation",
            span,
            "an empty line stands inside a continued instruction",
        )
        .note("it is skipped today, and BuildKit has announced that it will become an error");
        if blank.windows(2).all(|pair| pair[0].end == pair[1].start) {
            let end = blank.last().map_or(first.end, |b| b.end);
            finding = finding.fix("remove the empty line", Span::new(first.start, end), "");
        }
        diagnostics.push(finding);
    }

    /// Reads the content of a heredoc up to its terminator.
    pub(super) fn heredoc(
        &mut self,
        mark: &Mark,
        span: Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Heredoc {
        let start = self.at;
        let mut end = self.source.len();
        let mut closed = false;
        let mut nearly: Option<(Range<usize>, usize, usize)> = None;
        while let Some(physical) = self.physical() {
            let line = &self.source[physical.clone()];
            let terminator = if mark.chomp {
                line.trim_start_matches('\t')
            } else {
                line
            };
            if terminator == mark.name {
                end = physical.start;
                closed = true;
                break;
            }
            if nearly.is_none() && (line.trim() == mark.name || Some(line) == mark.shorter()) {
                nearly = Some((physical, self.at, self.line));
                if self.never_closed.contains(&(mark.name.clone(), mark.chomp)) {
                    break;
                }
            }
        }
        if !closed {
            self.never_closed.insert((mark.name.clone(), mark.chomp));
            if let Some((physical, at, line)) = &nearly {
                // What follows was meant as instructions, so that reading goes on there.
                end = physical.start;
                (self.at, self.line) = (*at, *line);
            }
            diagnostics.push(unclosed(
                mark,
                span,
                nearly.map(|(range, ..)| range),
                self.source,
            ));
        }
        Heredoc {
            span,
            name: mark.name.clone(),
            expand: mark.expand,
            chomp: mark.chomp,
            fd: mark.fd,
            content: self.source[start..end.max(start)].to_owned(),
            content_span: Span::new(start, end.max(start)),
        }
    }

    /// The number of the line that was read last.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The end of the line that was read last, without its line end.
    pub(super) fn end(&self) -> usize {
        self.source[..self.at].trim_end_matches(['\r', '\n']).len()
    }

    /// The next line without its line end.
    fn physical(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let rest = &self.source[start..];
        if rest.is_empty() {
            return None;
        }
        let length = rest.find('\n').map_or(rest.len(), |i| i + 1);
        self.at += length;
        self.line += 1;
        Some(start..start + rest[..length].trim_end_matches(['\r', '\n']).len())
    }

    /// A line without its continuation character, and whether it had one. An escape character
    /// before it takes the meaning away, and space behind it does not matter.
    fn without_continuation<'t>(&self, text: &'t str) -> (&'t str, bool) {
        let escape = self.escape.char();
        match text.trim_end_matches([' ', '\t']).strip_suffix(escape) {
            Some(piece) if !piece.ends_with(escape) => (piece, true),
            _ => (text, false),
        }
    }

    /// Takes a comment line as a directive, if it is one.
    fn directive(&mut self, range: Range<usize>, diagnostics: &mut Vec<Diagnostic>) -> bool {
        if self.directives_done {
            return false;
        }
        // A file that can be run names its program first; as in BuildKit, directives follow, all
        // but `escape`.
        let program = self.line == 1 && self.source[range.clone()].starts_with("#!");
        let directive = split_directive(self.source, range.clone());
        let Some((name, value)) = directive else {
            self.directives_done = !program;
            return false;
        };
        let span = Span::new(range.start, range.end);
        if self.directives.iter().any(|d| *d.name == *name) {
            let message = format!("the directive `{}` stands here a second time", *name);
            diagnostics.push(Diagnostic::error("DuplicateDirective", span, message));
            return true;
        }
        if *name == "escape" && !self.source[top(self.source)..].starts_with("#!") {
            match value.as_str() {
                "\\" => self.escape = Escape::Backslash,
                "`" => self.escape = Escape::Backtick,
                other => {
                    let message = format!("`{other}` cannot be the escape character");
                    diagnostics.push(
                        Diagnostic::error("InvalidDirective", value.span, message)
                            .note("it is either \\, which is the default, or `"),
                    );
                }
            }
        }
        self.directives.push(Directive {
            name,
            value,
            span,
            line: self.line,
        });
        true
    }

    /// Remembers a comment; an empty one separates what stands above from what stands below.
    fn comment(&self, range: Range<usize>, comments: &mut Vec<Spanned<String>>) {
        let text = &self.source[range.start + 1..range.end];
        let start = range.end - text.trim_start().len();
        let text = text.trim();
        if text.is_empty() {
            comments.clear();
        } else {
            let span = Span::new(start, start + text.len());
            comments.push(Spanned::new(text.to_owned(), span));
        }
    }
}

/// Where the first line begins: a byte order mark is what some editors put there, not part of the
/// file.
fn top(source: &str) -> usize {
    source.len() - source.strip_prefix('\u{feff}').unwrap_or(source).len()
}

/// `# name = value`, if the name is one of ours; any other comment is just that.
fn split_directive(
    source: &str,
    range: Range<usize>,
) -> Option<(Spanned<String>, Spanned<String>)> {
    let text = source[range.start + 1..range.end].trim_start();
    let start = range.end - text.len();
    let (name, value) = text.split_once('=')?;
    let name = name.trim_end();
    if !DIRECTIVES.contains(&name.to_ascii_lowercase().as_str()) || value.trim().is_empty() {
        return None;
    }
    let value_start = range.end - value.trim_start().len();
    let value = value.trim();
    Some((
        Spanned::new(
            name.to_ascii_lowercase(),
            Span::new(start, start + name.len()),
        ),
        Spanned::new(
            value.to_owned(),
            Span::new(value_start, value_start + value.len()),
        ),
    ))
}

fn unclosed(mark: &Mark, span: Span, nearly: Option<Range<usize>>, source: &str) -> Diagnostic {
    let name = &mark.name;
    let message = format!("this heredoc is never closed: no line is exactly `{name}`");
    let finding = Diagnostic::error("UnclosedHeredoc", span, message);
    let line = nearly.clone().map(|n| Position::of(source, n.start).line);
    match (nearly, line, mark.shorter()) {
        (Some(place), Some(line), _) if source[place.clone()].trim() == name => finding
            .note(format!("line {line} has `{name}` with space around it"))
            .fix(
                format!("remove the space around `{name}` in line {line}"),
                Span::new(place.start, place.end),
                name.clone(),
            ),
        (nearly, _, Some(shorter)) => {
            let finding = finding.note(format!("the terminator is the whole word `{name}`"));
            let at = span.end - (name.len() - shorter.len());
            match nearly.filter(|_| source[..span.end].ends_with(name.as_str())) {
                Some(_) => finding.fix(
                    format!("put a space behind `{shorter}`"),
                    Span::new(at, at),
                    " ",
                ),
                None => finding,
            }
        }
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logical_lines(source: &str) -> (Vec<Logical>, Vec<Diagnostic>) {
        let mut reader = Reader::new(source);
        let mut diagnostics = Vec::new();
        let lines = std::iter::from_fn(|| reader.logical(&mut diagnostics)).collect();
        (lines, diagnostics)
    }

    #[test]
    fn lines_are_joined_and_every_byte_keeps_its_place() {
        let check = |source: &str, expected: &[(&str, usize, usize)]| {
            let (lines, _) = logical_lines(source);
            let got: Vec<_> = lines
                .iter()
                .map(|l| (l.text.as_str(), l.start_line, l.end_line))
                .collect();
            assert_eq!(got, expected, "{source:?}");
            for line in &lines {
                for (i, c) in line.text.char_indices() {
                    let span = line.span(i..i + c.len_utf8());
                    assert_eq!(line.offset(span.start), Some(i), "{source:?}");
                    assert_eq!(&source[span.range()], c.to_string(), "{source:?} at {i}");
                }
            }
        };
        check("", &[]);
        check("RUN a\n", &[("RUN a", 1, 1)]);
        check("\u{feff}RUN a", &[("RUN a", 1, 1)]);
        check(
            "  RUN a  \r\nCMD b\r\n",
            &[("RUN a  ", 1, 1), ("CMD b", 2, 2)],
        );
        check(
            "RUN a \\\n  b \\  \n  c\nX",
            &[("RUN a   b   c", 1, 3), ("X", 4, 4)],
        );
        check("RUN a \\\n# no\n  # no\n\n b\n", &[("RUN a  b", 1, 5)]);
        check("RUN a \\\\\nX", &[("RUN a \\\\", 1, 1), ("X", 2, 2)]);
        check("RUN ä\\\r\n ö\\", &[("RUN ä ö", 1, 2)]);
        check(
            "# escape=`\nRUN a\\\nRUN b `\n c",
            &[("RUN a\\", 2, 2), ("RUN b  c", 3, 4)],
        );
        check(
            "\u{feff}#!/x\n# escape=`\nRUN a`\nRUN b\\\n c",
            &[("RUN a`", 3, 3), ("RUN b c", 4, 5)],
        );
        check("\\\n\\\nRUN", &[("RUN", 1, 3)]);
        check("a \\", &[("a ", 1, 1)]);
    }

    #[test]
    fn directives_stand_at_the_very_top() {
        let check = |source: &str, expected: &[(&str, &str)], rules: &[&str]| {
            let mut reader = Reader::new(source);
            let mut diagnostics = Vec::new();
            while reader.logical(&mut diagnostics).is_some() {}
            let got: Vec<_> = reader
                .directives
                .iter()
                .map(|d| (d.name.as_str(), d.value.as_str()))
                .collect();
            assert_eq!(got, expected, "{source:?}");
            let got: Vec<_> = diagnostics.iter().map(|d| d.rule).collect();
            assert_eq!(got, rules, "{source:?}");
        };
        check(
            "# syntax=a/b:1\n#ESCAPE = `\n",
            &[("syntax", "a/b:1"), ("escape", "`")],
            &[],
        );
        check(
            "#check=skip=all;error=true\n",
            &[("check", "skip=all;error=true")],
            &[],
        );
        check("\n# escape=`\n", &[], &[]);
        check("# hello\n# escape=`\n", &[], &[]);
        check("# other=1\n# escape=`\n", &[], &[]);
        check("FROM a\n# escape=`\n", &[], &[]);
        check("# escape=x\n", &[("escape", "x")], &["InvalidDirective"]);
        check(
            "#escape=\\\n#escape=`\n",
            &[("escape", "\\")],
            &["DuplicateDirective"],
        );
        check("#escape=\n", &[], &[]);
        check(
            "#!/usr/bin/env build\n# check=skip=all\n",
            &[("check", "skip=all")],
            &[],
        );
        check("# a\n#!/bin/x\n# check=skip=all\n", &[], &[]);
    }

    #[test]
    fn comments_above_are_kept_and_empty_lines_inside_are_reported() {
        let (lines, diagnostics) = logical_lines("# one\n#\n#  two \nRUN a \\\n\n\n b\n");
        assert_eq!(format!("{:?}", lines[0].comments), "[\"two\"@11..14]");
        assert_eq!(diagnostics.len(), 1);
        let fix = diagnostics[0].fix.as_ref().unwrap();
        assert_eq!((fix.span.start, fix.span.end), (24, 26));
    }
}

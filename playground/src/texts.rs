//! Positions in texts: bytes here, UTF-16 code units in a browser, lines for people.

use coracle::diagnostic::{Diagnostic, Severity, Span};

use crate::view::{DiagnosticView, EditView, FixView};

/// Where every character stands that is not one byte and one unit, and where lines begin.
#[derive(Debug)]
pub struct Units {
    /// Byte offsets behind such characters, and how many units are there less than bytes.
    less: Vec<(usize, usize)>,
    /// Byte offsets at which lines begin.
    lines: Vec<usize>,
}

impl Units {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        let mut less = Vec::new();
        let mut lines = vec![0];
        let mut difference = 0;
        for (at, char) in text.char_indices() {
            if char == '\n' {
                lines.push(at + 1);
            }
            if !char.is_ascii() {
                difference += char.len_utf8() - char.len_utf16();
                less.push((at + char.len_utf8(), difference));
            }
        }
        Self { less, lines }
    }

    /// A byte offset in UTF-16 code units.
    pub fn at(&self, byte: usize) -> usize {
        let before = self.less.partition_point(|(at, _)| *at <= byte);
        let less = before.checked_sub(1).map_or(0, |i| self.less[i].1);
        byte - less
    }

    /// The line of a byte offset, from 1.
    pub fn line(&self, byte: usize) -> usize {
        self.lines.partition_point(|start| *start <= byte)
    }

    fn span(&self, span: Span) -> (usize, usize) {
        (self.at(span.start), self.at(span.end))
    }

    /// A diagnostic, as the page draws it.
    pub fn diagnostic(&self, diagnostic: &Diagnostic) -> DiagnosticView {
        let (from, to) = self.span(diagnostic.span);
        let fix = diagnostic.fix.as_ref().map(|fix| {
            let (from, to) = self.span(fix.span);
            let text = fix.replacement.clone();
            FixView {
                title: fix.title.clone(),
                edits: vec![EditView { from, to, text }],
            }
        });
        DiagnosticView {
            severity: match diagnostic.severity {
                Severity::Error => "error",
                _ => "warning",
            },
            rule: diagnostic.rule.to_owned(),
            message: diagnostic.message.clone(),
            notes: diagnostic.notes.clone(),
            from,
            to,
            line: self.line(diagnostic.span.start),
            fix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_counted_as_browsers_do() {
        let text = "aä😀\nb";
        let units = Units::of(text);
        let check = |part: &str, unit: usize, line: usize| {
            let byte = text.find(part).unwrap_or(text.len());
            assert_eq!((units.at(byte), units.line(byte)), (unit, line), "{part:?}");
        };
        check("a", 0, 1);
        check("ä", 1, 1);
        check("😀", 2, 1);
        check("\n", 4, 1);
        check("b", 5, 2);
        check("the end", 6, 2);
    }
}

//! Cutting a logical line into words, with quotes and escapes kept as written.

use std::ops::Range;

use super::ast::{Escape, Spanned};
use super::lines::Logical;

/// A word and where it stands in its logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// The word; for the exec form, the decoded string.
    pub(super) text: String,
    /// The bytes of the logical line.
    pub(super) range: Range<usize>,
}

impl Token {
    /// The word with its place in the source.
    pub(super) fn spanned(&self, line: &Logical) -> Spanned<String> {
        Spanned::new(self.text.clone(), line.span(self.range.clone()))
    }
}

/// Splits at space alone: FROM, EXPOSE, COPY, ADD and VOLUME do not know quotes here.
pub(super) fn split_at_space(line: &Logical, range: Range<usize>) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = None;
    for (i, c) in line.text[range.clone()].char_indices() {
        let at = range.start + i;
        match (is_separator(c), start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                tokens.push(token(line, from..at));
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        tokens.push(token(line, from..range.end));
    }
    tokens
}

/// Splits at space outside quotes, as ENV, LABEL and ARG want it. A quote that is never closed
/// goes to the end; expansion reports it.
pub(super) fn split_quoted(line: &Logical, range: Range<usize>, escape: Escape) -> Vec<Token> {
    let escape = escape.char();
    let mut tokens = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = line.text[range.clone()].char_indices();
    while let Some((i, c)) = chars.next() {
        let at = range.start + i;
        match quote {
            None if c.is_whitespace() => {
                if let Some(from) = start.take() {
                    tokens.push(token(line, from..at));
                }
                continue;
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(q) if c == q => quote = None,
            _ => {}
        }
        start.get_or_insert(at);
        // Nothing can be escaped in single quotes. Elsewhere the character behind an escape has
        // no meaning; an escape with nothing behind it is dropped.
        if c == escape && quote != Some('\'') && chars.next().is_none() {
            let from = start.take().unwrap_or(at);
            tokens.extend((from < at).then(|| token(line, from..at)));
        }
    }
    if let Some(from) = start {
        tokens.push(token(line, from..range.end));
    }
    tokens
}

/// The space that separates arguments within a logical line.
pub(super) fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\x0b' | '\x0c')
}

fn token(line: &Logical, range: Range<usize>) -> Token {
    Token {
        text: line.text[range.clone()].to_owned(),
        range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::lines::Reader;

    fn logical(text: &str) -> Logical {
        Reader::new(text).logical(&mut Vec::new()).unwrap()
    }

    #[test]
    fn words_keep_their_quotes_and_escapes() {
        let check = |text: &str, expected: &[&str]| {
            let line = logical(text);
            let tokens = split_quoted(&line, 0..line.text.len(), Escape::Backslash);
            let got: Vec<_> = tokens.iter().map(|t| t.text.as_str()).collect();
            assert_eq!(got, expected, "{text:?}");
        };
        check("a=b  c=d\te", &["a=b", "c=d", "e"]);
        check("a=\"b c\" 'd e'f", &["a=\"b c\"", "'d e'f"]);
        check(r"a=b\ c d", &[r"a=b\ c", "d"]);
        check(r#"a="x\" y" z"#, &[r#"a="x\" y""#, "z"]);
        check(r"a='x\' y' z", &[r"a='x\'", "y' z"]);
        check("a=\"never closed", &["a=\"never closed"]);
        check("\"\" x", &["\"\"", "x"]);
        check(r"a=\\\", &[r"a=\\"]);
    }

    #[test]
    fn space_alone_splits_through_quotes() {
        let line = logical("\"a b\"  c\t\u{a0}d");
        let tokens = split_at_space(&line, 0..line.text.len());
        let got: Vec<_> = tokens.iter().map(|t| t.text.as_str()).collect();
        assert_eq!(got, ["\"a", "b\"", "c", "\u{a0}d"]);
    }
}

//! Which instruction a line begins with, and what was probably meant when it is none.

use std::ops::Range;

use super::ast::{Escape, Instruction};
use super::lines::Logical;
use super::raw::NAMES;
use super::words;
use crate::diagnostic::{Diagnostic, Span, did_you_mean};

/// The keyword at the start of `range`, and which instruction it is. What is unknown is reported;
/// `before` is the instruction above, whose end may explain it.
pub(super) fn find(
    line: &Logical,
    range: Range<usize>,
    before: Option<&Instruction>,
    escape: Escape,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Range<usize>, Option<&'static str>) {
    let word = word(line, range.start, range.end);
    if let Some(name) = known(&line.text[word.clone()]) {
        return (word, Some(name));
    }
    if let Some((name, space)) = behind_odd_space(&line.text[word.clone()]) {
        let place = line.span(word.start + name.len()..word.start + name.len() + space.len_utf8());
        diagnostics.push(
            Diagnostic::error(
                "StrayCharacter",
                place,
                format!(
                    "the space behind {name} is U+{:04X}, not a plain one",
                    u32::from(space)
                ),
            )
            .note("such spaces come along when text is copied from a web page")
            .fix("write a plain space", place, " "),
        );
        return (word.start..word.start + name.len(), Some(name));
    }
    // Something before a keyword, such as a backtick that came along from a formatted text.
    let text = &line.text[range.clone()];
    let stray = text.len()
        - text
            .trim_start_matches(|c: char| !c.is_alphanumeric())
            .len();
    let inner = self::word(line, range.start + stray, range.end);
    let stray = &text[..stray];
    if let Some(name) = known(&line.text[inner.clone()]).filter(|_| !goes_on(stray)) {
        let place = line.trim(range.start..inner.start);
        let cut = line.span(range.start..inner.start);
        diagnostics.push(stray_characters(line, place, cut, name));
        return (inner, Some(name));
    }
    diagnostics.push(unknown(line, word.clone(), before, escape));
    (word, None)
}

/// The instruction that a word names, in upper case; its own case does not matter.
pub(super) fn known(word: &str) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|name| name.eq_ignore_ascii_case(word))
        .copied()
}

/// The instruction that a word was probably meant to name. Less than half of it may be wrong, for
/// the names are short, and `EOF` is not `ENV`.
pub(super) fn near(word: &str) -> Option<&'static str> {
    let near = did_you_mean(word, NAMES)?;
    let distance = strsim::osa_distance(&word.to_ascii_uppercase(), near);
    (distance * 2 < word.chars().count().max(near.len())).then_some(near)
}

/// A keyword and the space behind it that does not separate words.
fn behind_odd_space(word: &str) -> Option<(&'static str, char)> {
    let at = word.find(char::is_whitespace)?;
    Some((known(&word[..at])?, word[at..].chars().next()?))
}

/// The word that begins at `start`.
pub(super) fn word(line: &Logical, start: usize, end: usize) -> Range<usize> {
    let text = &line.text[start..end];
    start..start + text.find(words::is_separator).unwrap_or(text.len())
}

fn stray_characters(line: &Logical, place: Range<usize>, cut: Span, name: &str) -> Diagnostic {
    let (what, title) = match &line.text[place.clone()] {
        "`" => ("backtick".to_owned(), "remove the backtick".to_owned()),
        text => (format!("`{text}`"), format!("remove `{text}`")),
    };
    Diagnostic::error(
        "StrayCharacter",
        line.span(place),
        format!("there is a stray {what} before {name}"),
    )
    .note("an instruction begins with its name")
    .fix(title, cut, "")
}

fn unknown(
    line: &Logical,
    word: Range<usize>,
    before: Option<&Instruction>,
    escape: Escape,
) -> Diagnostic {
    let text = &line.text[word.clone()];
    let span = line.span(word);
    if text.is_empty() {
        let message = "this line holds nothing but a continuation character";
        return Diagnostic::error("UnknownInstruction", span, message);
    }
    if text.starts_with("```") || text.starts_with("~~~") {
        let whole = line.span(0..line.text.len());
        return Diagnostic::error(
            "StrayCharacter",
            span,
            "a Markdown fence is not part of a Dockerfile",
        )
        .fix("remove the line", whole, "");
    }
    let finding = Diagnostic::error(
        "UnknownInstruction",
        span,
        format!("there is no instruction `{text}`"),
    );
    if let Some(above) = before.filter(|b| ends_open(&b.original) || goes_on(text)) {
        let end = Span::new(above.span.end, above.span.end);
        let title = format!("end line {} with {}", above.end_line, escape.char());
        return finding
            .note("this is probably the rest of the line above")
            .fix(title, end, format!(" {}", escape.char()));
    }
    match near(text) {
        Some(near) => {
            finding
                .note(format!("did you mean {near}?"))
                .fix(format!("write {near}"), span, near)
        }
        None => finding.note(format!(
            "if it belongs to the line above, that line must end with {}",
            escape.char()
        )),
    }
}

/// Whether a shell would wait for more.
fn ends_open(text: &str) -> bool {
    text.trim_end().ends_with(['&', '|'])
}

/// Whether a shell would not begin with this.
fn goes_on(text: &str) -> bool {
    text.starts_with(['&', '|', ';'])
}

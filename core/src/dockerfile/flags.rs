//! The flags between an instruction's keyword and its arguments, and which instruction has which.

use std::ops::Range;

use super::ast::{Flag, Spanned};
use super::lines::Logical;
use crate::diagnostic::{Diagnostic, Span, did_you_mean};

/// How a flag is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `--link`, `--link=true` or `--link=false`; once.
    Switch,
    /// `--from=x`; once.
    Value,
    /// `--exclude=x`; as often as wanted.
    Values,
}

/// The flags of an instruction, as BuildKit has them.
fn known(instruction: &str) -> &'static [(&'static str, Shape)] {
    use Shape::{Switch, Value, Values};
    match instruction {
        "ADD" => &[
            ("checksum", Value),
            ("chmod", Value),
            ("chown", Value),
            ("exclude", Values),
            ("keep-git-dir", Switch),
            ("link", Switch),
            ("unpack", Switch),
        ],
        "COPY" => &[
            ("chmod", Value),
            ("chown", Value),
            ("exclude", Values),
            ("from", Value),
            ("link", Switch),
            ("parents", Switch),
        ],
        "FROM" => &[("platform", Value)],
        "HEALTHCHECK" => &[
            ("interval", Value),
            ("retries", Value),
            ("start-interval", Value),
            ("start-period", Value),
            ("timeout", Value),
        ],
        "RUN" => &[
            ("device", Values),
            ("mount", Values),
            ("network", Value),
            ("security", Value),
        ],
        _ => &[],
    }
}

/// Takes the flags at the start of `range`; gives them and what is left.
///
/// Quotes group, a backslash escapes (whatever the escape directive says), and a lone `--` ends
/// the flags.
pub(super) fn split(line: &Logical, range: Range<usize>) -> (Vec<Flag>, Range<usize>) {
    let mut flags = Vec::new();
    let mut rest = line.trim(range);
    while line.text[rest.clone()].starts_with("--") {
        let (end, text) = word(line, rest.clone());
        let here = rest.start..end;
        rest = line.trim(end..rest.end);
        if text == "--" {
            break;
        }
        flags.push(flag(line, here, &text));
    }
    (flags, rest)
}

/// The end of the word at the start of `range`, and the word without quotes.
fn word(line: &Logical, range: Range<usize>) -> (usize, String) {
    let mut text = String::new();
    let mut quote = None;
    let mut chars = line.text[range.clone()].char_indices();
    while let Some((i, c)) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => return (range.start + i, text),
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if c == q => quote = None,
            (_, '\\') => text.extend(chars.next().map(|(_, c)| c)),
            (_, c) => text.push(c),
        }
    }
    (range.end, text)
}

fn flag(line: &Logical, range: Range<usize>, text: &str) -> Flag {
    let written = &line.text[range.clone()];
    let equals = written.find('=').map(|i| range.start + i);
    let (name, value) = match text[2..].split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (&text[2..], None),
    };
    let name_end = equals.unwrap_or(range.end);
    let value_start = equals.map_or(range.end, |e| e + 1);
    Flag {
        span: line.span(range.clone()),
        text: written.to_owned(),
        name: Spanned::new(name.to_owned(), line.span(range.start + 2..name_end)),
        value: value.map(|v| Spanned::new(v.to_owned(), line.span(value_start..range.end))),
    }
}

/// Reports flags that the instruction does not have or that are written wrongly. `next` is the
/// argument behind the flags.
pub(super) fn check(
    instruction: &str,
    flags: &[Flag],
    next: Option<Span>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let known = known(instruction);
    for (i, flag) in flags.iter().enumerate() {
        let name = flag.name.as_str();
        let Some((_, shape)) = known.iter().find(|(k, _)| *k == name) else {
            diagnostics.push(unknown(instruction, flag, known));
            continue;
        };
        let earlier = flags[..i].iter().find(|f| f.name.value == name);
        if *shape != Shape::Values && earlier.is_some() {
            diagnostics.push(
                Diagnostic::error(
                    "DuplicateFlag",
                    flag.span,
                    format!("the flag --{name} stands here a second time"),
                )
                .note(format!("{instruction} takes it once")),
            );
        }
        match (shape, flag.value.as_deref().map(String::as_str)) {
            (Shape::Switch, Some(value)) if boolean(value).is_none() => {
                diagnostics.push(Diagnostic::error(
                    "InvalidFlagValue",
                    flag.span,
                    format!("--{name} is a switch: true or false, not `{value}`"),
                ));
            }
            (Shape::Value | Shape::Values, None) => {
                let last = i + 1 == flags.len();
                diagnostics.push(missing_value(flag, next.filter(|_| last)));
            }
            _ => {}
        }
    }
}

fn unknown(instruction: &str, flag: &Flag, known: &[(&'static str, Shape)]) -> Diagnostic {
    let name = flag.name.as_str();
    let finding = Diagnostic::error(
        "UnknownFlag",
        flag.name.span,
        format!("{instruction} has no flag --{name}"),
    );
    if known.is_empty() {
        return finding.note(format!(
            "{instruction} has no flags; write `--` before the arguments if one begins with it"
        ));
    }
    let names = known.iter().map(|(k, _)| *k);
    if let Some(near) = did_you_mean(name, names.clone()) {
        return finding.note(format!("did you mean --{near}?")).fix(
            format!("write --{near}"),
            flag.name.span,
            near,
        );
    }
    let names: Vec<_> = names.map(|n| format!("--{n}")).collect();
    finding.note(format!("its flags are {}", names.join(", ")))
}

fn missing_value(flag: &Flag, next: Option<Span>) -> Diagnostic {
    let name = flag.name.as_str();
    let finding = Diagnostic::error(
        "MissingFlagValue",
        flag.span,
        format!("the flag --{name} needs a value"),
    )
    .note(format!("it is written --{name}=VALUE, without space"));
    match next {
        Some(next) => finding.fix(
            "put `=` between the flag and its value",
            Span::new(flag.span.end, next.start),
            "=",
        ),
        None => finding,
    }
}

/// The value of a flag that may stand once; an empty one counts as not there.
pub(super) fn value(flags: &[Flag], name: &str) -> Option<Spanned<String>> {
    values(flags, name).into_iter().next()
}

/// The values of a flag that may stand several times, in order.
pub(super) fn values(flags: &[Flag], name: &str) -> Vec<Spanned<String>> {
    flags
        .iter()
        .filter(|f| f.name.value == name)
        .filter_map(|f| f.value.clone())
        .filter(|v| !v.is_empty())
        .collect()
}

/// The state of a switch; `None` when it is not there.
pub(super) fn switch(flags: &[Flag], name: &str) -> Option<bool> {
    let flag = flags.iter().find(|f| f.name.value == name)?;
    match &flag.value {
        None => Some(true),
        Some(value) => boolean(value),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::lines::Reader;

    #[test]
    fn flags_end_at_the_first_argument() {
        let check = |text: &str, expected: &[(&str, Option<&str>)], left: &str| {
            let line = Reader::new(text).logical(&mut Vec::new()).unwrap();
            let (flags, rest) = split(&line, 0..line.text.len());
            let got: Vec<_> = flags
                .iter()
                .map(|f| (f.name.as_str(), f.value.as_deref().map(String::as_str)))
                .collect();
            assert_eq!(got, expected, "{text}");
            assert_eq!(&line.text[rest], left, "{text}");
        };
        check("a --b", &[], "a --b");
        check(
            "--link --from=x a b",
            &[("link", None), ("from", Some("x"))],
            "a b",
        );
        check("--x=\"a b\"'c d'\\ e f", &[("x", Some("a bc d e"))], "f");
        check("--doit -- --a", &[("doit", None)], "--a");
        check("-- a", &[], "a");
        check("--x=", &[("x", Some(""))], "");
        check("--", &[], "");
        check("---", &[("-", None)], "");
        check("--x=\"never closed", &[("x", Some("never closed"))], "");
        check("--ä=ö\\", &[("ä", Some("ö"))], "");
    }
}

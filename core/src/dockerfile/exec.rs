//! The exec form: arguments written as a JSON array of strings, and what looks like one but is not.

use std::ops::Range;

use super::lines::Logical;
use super::words::Token;
use crate::diagnostic::Diagnostic;

/// What the arguments of an instruction are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// A JSON array of strings, decoded.
    Exec(Vec<Token>),
    /// Anything else.
    Shell,
    /// A JSON array that holds something that is not a string: never right.
    NotStrings(Range<usize>),
}

/// Reads the arguments in `range` as the exec form, if they are that.
pub(super) fn form(line: &Logical, range: Range<usize>) -> Form {
    let text = &line.text[range.clone()];
    if !text.starts_with('[') {
        return Form::Shell;
    }
    match strings(text) {
        Ok(mut tokens) => {
            for token in &mut tokens {
                token.range = range.start + token.range.start..range.start + token.range.end;
            }
            Form::Exec(tokens)
        }
        Err(stopped) => match serde_json::from_str::<Vec<serde_json::Value>>(text) {
            Ok(_) => Form::NotStrings(range.start + stopped.start..range.start + stopped.end),
            Err(_) => Form::Shell,
        },
    }
}

/// A warning if the text in `range` was probably meant as the exec form. `read_as` says what it is
/// instead.
pub(super) fn looks_like_exec(
    line: &Logical,
    range: Range<usize>,
    read_as: &str,
) -> Option<Diagnostic> {
    let text = &line.text[range.clone()];
    if !meant_as_exec(text) {
        return None;
    }
    let stopped = strings(text).err()?;
    let span = line.span(range.start + stopped.start..range.start + stopped.end);
    let finding = Diagnostic::warning(
        "InvalidExecForm",
        span,
        "this looks like the exec form, but it is not valid JSON",
    )
    .note(read_as);
    let whole = line.span(range);
    Some(match repaired(text) {
        Some((title, text)) => finding.fix(title, whole, text),
        None => finding.note("a JSON array is [\"like\", \"this\"], and \\ is written \\\\ in it"),
    })
}

/// Whether a text that begins with `[` was meant as an array, and not as the shell's `[ … ]` test:
/// after the first word comes a comma, or the closing bracket and nothing that a shell would
/// go on with.
fn meant_as_exec(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('[') else {
        return false;
    };
    let spaced = inside.starts_with(char::is_whitespace);
    let inside = inside.trim_start();
    let Some((quoted, rest)) = behind_first_word(inside) else {
        return false;
    };
    if quoted && !spaced {
        // A shell's test needs a space behind its bracket.
        return true;
    }
    match rest.chars().next() {
        Some(',') => true,
        Some(']') => {
            let behind = rest[1..].trim_start();
            if !quoted && !spaced {
                // One word without quotes, and nothing else: no program has such a name.
                return behind.is_empty();
            }
            let shell_goes_on = behind.starts_with(['&', '|', ';']);
            quoted && !shell_goes_on && !(behind.is_empty() && text.ends_with(" ]"))
        }
        _ => false,
    }
}

/// Whether the first word of an array is in quotes of any kind, and what stands behind it; `None`
/// if it is not one word.
fn behind_first_word(inside: &str) -> Option<(bool, &str)> {
    let first = inside.chars().next()?;
    let closing = match first {
        '"' | '\'' => [first, first],
        '“' | '”' => ['”', '"'],
        '‘' | '’' => ['’', '\''],
        _ => {
            let end = inside.find([',', ']']).unwrap_or(inside.len());
            let word = inside[..end].trim_end();
            let one = !word.is_empty() && !word.contains(char::is_whitespace);
            return one.then_some((false, &inside[end..]));
        }
    };
    let body = &inside[first.len_utf8()..];
    let rest = body.find(closing).map_or("", |end| {
        body[end..].trim_start_matches(closing).trim_start()
    });
    Some((true, rest))
}

/// The mended text, if exactly one simple edit makes it valid.
fn repaired(text: &str) -> Option<(&'static str, String)> {
    let straight = text.replace(['“', '”'], "\"").replace(['‘', '’'], "'");
    let mut candidates = vec![("use straight quotes", straight)];
    if !text.contains('"') {
        candidates.push((
            "use double quotes, JSON knows no others",
            text.replace('\'', "\""),
        ));
    }
    candidates.push((
        "put commas between the strings",
        text.replace("\" \"", "\", \""),
    ));
    if let Some(end) = text.rfind(']') {
        let list = text[..end].trim_end();
        if let Some(list) = list.strip_suffix(',') {
            candidates.push(("remove the last comma", format!("{list}{}", &text[end..])));
        }
        let behind = &text[end + 1..];
        if !behind.trim().is_empty() && behind.trim().chars().all(|c| c.is_ascii_punctuation()) {
            candidates.push(("remove what stands behind the `]`", text[..=end].to_owned()));
        }
    } else {
        candidates.push(("close the array with `]`", format!("{text}]")));
    }
    let mut valid = candidates
        .into_iter()
        .filter(|(_, mended)| mended != text && strings(mended).is_ok());
    let first = valid.next()?;
    valid.next().is_none().then_some(first)
}

/// Reads a JSON array of strings; on failure gives the bytes at which it stopped.
fn strings(text: &str) -> Result<Vec<Token>, Range<usize>> {
    let mut reader = Json { text, at: 0 };
    reader.expect('[')?;
    let mut tokens = Vec::new();
    if reader.peek() == Some(']') {
        reader.at += 1;
    } else {
        loop {
            tokens.push(reader.string()?);
            if reader.peek() != Some(',') {
                reader.expect(']')?;
                break;
            }
            reader.at += 1;
        }
    }
    match reader.peek() {
        None => Ok(tokens),
        Some(_) => Err(reader.here()),
    }
}

struct Json<'a> {
    text: &'a str,
    at: usize,
}

impl Json<'_> {
    /// The next character that is not space, which is skipped.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.text[self.at..].chars().next()
    }

    fn expect(&mut self, wanted: char) -> Result<(), Range<usize>> {
        if self.peek() != Some(wanted) {
            return Err(self.here());
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    fn string(&mut self) -> Result<Token, Range<usize>> {
        if self.peek() != Some('"') {
            return Err(self.here());
        }
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let from = self.at;
            match self.next() {
                Some('"') => break,
                Some('\\') => text.push(self.escaped(from)?),
                Some(c) if c >= ' ' => text.push(c),
                Some(_) => return Err(from..self.at),
                None => return Err(start..self.at),
            }
        }
        Ok(Token {
            text,
            range: start..self.at,
        })
    }

    /// What stands behind a backslash. Half of a surrogate pair becomes U+FFFD, as in Go.
    fn escaped(&mut self, from: usize) -> Result<char, Range<usize>> {
        Ok(match self.next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\x08',
            Some('f') => '\x0c',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let high = self.four_digits(from)?;
                let after = self.at;
                let pair = (0xd800..0xdc00).contains(&high)
                    && self.text[self.at..].starts_with("\\u")
                    && {
                        self.at += 2;
                        true
                    };
                let low = if pair { self.four_digits(from)? } else { 0 };
                if (0xdc00..0xe000).contains(&low) {
                    let both = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    char::from_u32(both).unwrap_or('\u{fffd}')
                } else {
                    self.at = after;
                    char::from_u32(high).unwrap_or('\u{fffd}')
                }
            }
            _ => return Err(from..self.at),
        })
    }

    fn four_digits(&mut self, from: usize) -> Result<u32, Range<usize>> {
        let digits = self.text.get(self.at..self.at + 4);
        let number = digits
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|d| u32::from_str_radix(d, 16).ok());
        match number {
            Some(number) => {
                self.at += 4;
                Ok(number)
            }
            None => Err(from..self.at),
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.text[self.at..].chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// The character at which reading stopped; at the end, the last one.
    fn here(&self) -> Range<usize> {
        if let Some(c) = self.text[self.at..].chars().next() {
            return self.at..self.at + c.len_utf8();
        }
        let last = self.text.chars().next_back().map_or(0, char::len_utf8);
        self.text.len() - last..self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::lines::Reader;

    fn logical(text: &str) -> Logical {
        let line = Reader::new(text).logical(&mut Vec::new());
        line.unwrap_or_default()
    }

    #[test]
    fn exec_form_is_json() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let line = logical(text);
            let got = match form(&line, 0..line.text.len()) {
                Form::Exec(tokens) => Some(tokens.into_iter().map(|t| t.text).collect::<Vec<_>>()),
                Form::Shell => None,
                Form::NotStrings(_) => panic!("{text}: not strings"),
            };
            let expected = expected.map(|e| e.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
            assert_eq!(got, expected, "{text}");
        };
        check("[]", Some(&[]));
        check("[ ]", Some(&[]));
        check(r#"["a"]"#, Some(&["a"]));
        check(r#"[ "a" ,"b c" ] "#, Some(&["a", "b c"]));
        check(r#"["\n\"\\\/\u00e4\ud83d\ude00"]"#, Some(&["\n\"\\/ä😀"]));
        check(
            r#"["\ud83d","\ude00x","\ud83d\u0041"]"#,
            Some(&["\u{fffd}", "\u{fffd}x", "\u{fffd}A"]),
        );
        check(r#"["a",]"#, None);
        check(r#"["a""#, None);
        check(r#"["a"] b"#, None);
        check(r"['a']", None);
        check(r#"["\x"]"#, None);
        check(r#"["\u12"]"#, None);
        check("[", None);
        check("a", None);
        check("", None);
    }

    #[test]
    fn other_values_are_refused() {
        let check = |text: &str, expected: Option<Range<usize>>| {
            let line = logical(text);
            let got = match form(&line, 0..line.text.len()) {
                Form::NotStrings(range) => Some(range),
                _ => None,
            };
            assert_eq!(got, expected, "{text}");
        };
        check("[1]", Some(1..2));
        check(r#"["a", {"b": []}]"#, Some(6..7));
        check("[null]", Some(1..2));
        check("[1", None);
        check("[a]", None);
    }

    #[test]
    fn what_was_meant_as_exec_form_is_told_from_shell_tests() {
        let check = |text: &str, mended: Option<Option<&str>>| {
            let line = logical(text);
            let got = looks_like_exec(&line, 0..line.text.len(), "");
            let got = got.map(|d| d.fix.map(|f| f.replacement));
            assert_eq!(got, mended.map(|m| m.map(str::to_owned)), "{text}");
        };
        check("['a', 'b']", Some(Some(r#"["a", "b"]"#)));
        check("[“a”, “b”]", Some(Some(r#"["a", "b"]"#)));
        check(r#"["a", "b",]"#, Some(Some(r#"["a", "b"]"#)));
        check(r#"["a", "b""#, Some(Some(r#"["a", "b"]"#)));
        check(r#"["a"]`"#, Some(Some(r#"["a"]"#)));
        check(r#"["c:\windows\x.exe", "b"]"#, Some(None));
        check("[node, app.js]", Some(None));
        check("[/bin/sh]", Some(None));
        check("[ x ]", None);
        check("[a]* b", None);
        check(r#"["a" "b"]"#, Some(Some(r#"["a", "b"]"#)));
        check(r#"["$x" = y]"#, Some(None));
        check(r#"[ "a" "b" ]"#, None);
        check(r#"[ "$x" = y ] && z"#, None);
        check(r#"[ "$x" ] && z"#, None);
        check(r#"[ "$x" ]; z"#, None);
        check("[ -f x ] || y", None);
        check("[[ a == b ]]", None);
        check("[", None);
    }
}

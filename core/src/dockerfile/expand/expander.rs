//! The expander itself: one pass over the text, one function for each construct.

use super::pattern::Pattern;
use super::words::{PlacedWord, Words};
use super::{ExpandError, ExpandErrorKind, Expanded, Lookup, MAX_DEPTH, MAX_LENGTH, Options};

/// Expands a whole text; gives the result, without its words, and the words with their places.
pub(super) fn run(
    text: &str,
    options: Options,
    lookup: Lookup<'_>,
) -> Result<(Expanded, Vec<PlacedWord>), ExpandError> {
    let mut expander = Expander {
        source: text,
        at: 0,
        options,
        lookup,
        depth: 0,
        expanded: Expanded::default(),
    };
    let (text, words) = expander.until(None, options.keep_escapes)?;
    expander.expanded.text = text;
    Ok((expander.expanded, words))
}

/// A text that is being expanded.
struct Expander<'a> {
    source: &'a str,
    at: usize,
    options: Options,
    lookup: Lookup<'a>,
    depth: usize,
    expanded: Expanded,
}

impl Expander<'_> {
    /// Expands up to `stop`, which is consumed, or to the end.
    fn until(
        &mut self,
        stop: Option<char>,
        keep_escapes: bool,
    ) -> Result<(String, Vec<PlacedWord>), ExpandError> {
        let outer = std::mem::replace(&mut self.options.keep_escapes, keep_escapes);
        let opened = self.at;
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(c) = self.peek() {
            let from = self.at;
            if Some(c) == stop {
                self.next();
                self.options.keep_escapes = outer;
                return Ok((text, words.finish(from)));
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    if text.len() + value.len() > MAX_LENGTH {
                        return Err(self.error(from, ExpandErrorKind::TooLong));
                    }
                    value.chars().for_each(|c| words.add(c, from));
                    text.push_str(&value);
                }
                '\'' | '"' if !self.options.ignore_quotes => {
                    let value = self.quoted(c)?;
                    words.add_literal(&value, from);
                    text.push_str(&value);
                }
                '<' if self.options.heredocs => {
                    let value = self.heredoc_mark();
                    words.add_literal(&value, from);
                    text.push_str(&value);
                }
                _ if c == self.options.escape.char() => {
                    self.next();
                    let escaped = self.next();
                    let value: String = keep_escapes
                        .then_some(c)
                        .into_iter()
                        .chain(escaped)
                        .collect();
                    if !value.is_empty() {
                        words.add_literal(&value, from);
                    }
                    text.push_str(&value);
                }
                _ => {
                    self.next();
                    words.add(c, from);
                    text.push(c);
                }
            }
        }
        match stop {
            Some('/') => Err(self.error(opened, ExpandErrorKind::MissingSlash)),
            Some(_) => Err(self.error(opened, ExpandErrorKind::MissingBrace)),
            None => Ok((text, words.finish(self.at))),
        }
    }

    /// A quoted text without its quotes. In single quotes nothing is special; in double quotes
    /// `$` is, and the escape character before `"`, `$` and itself.
    fn quoted(&mut self, quote: char) -> Result<String, ExpandError> {
        let opened = self.at;
        let escape = self.options.escape.char();
        let mut text = String::new();
        self.next();
        loop {
            match self.peek() {
                None => return Err(self.error(opened, ExpandErrorKind::UnclosedQuote(quote))),
                Some(c) if c == quote => break,
                Some('$') if quote == '"' => {
                    let from = self.at;
                    text.push_str(&self.dollar()?);
                    if text.len() > MAX_LENGTH {
                        return Err(self.error(from, ExpandErrorKind::TooLong));
                    }
                }
                Some(c) if c == escape && quote == '"' => {
                    self.next();
                    let special = |c: &char| ['"', '$', escape].contains(c);
                    match self.peek() {
                        None => {}
                        Some(next) if special(&next) => {
                            text.extend(self.options.keep_escapes.then_some(c));
                            text.push(next);
                            self.next();
                        }
                        Some(_) => {
                            text.extend(self.options.keep_escapes.then_some(c));
                            text.push(c);
                        }
                    }
                }
                Some(c) => {
                    text.push(c);
                    self.next();
                }
            }
        }
        self.next();
        if self.options.keep_quotes {
            text = format!("{quote}{text}{quote}");
        }
        Ok(text)
    }

    /// What begins with `$`.
    fn dollar(&mut self) -> Result<String, ExpandError> {
        let opened = self.at;
        self.next();
        if self.peek() == Some('{') {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(self.error(opened, ExpandErrorKind::TooDeep));
            }
            let value = self.braces(opened);
            self.depth -= 1;
            return value;
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        Ok(match self.value(&name) {
            None if self.options.keep_unset => format!("${name}"),
            value => value.unwrap_or_default(),
        })
    }

    /// What begins with `${`.
    fn braces(&mut self, opened: usize) -> Result<String, ExpandError> {
        self.next();
        match self.peek() {
            None => return Err(self.error(opened, ExpandErrorKind::MissingBrace)),
            Some('{' | '}' | ':') => {
                return Err(self.error(opened, ExpandErrorKind::BadSubstitution));
            }
            Some(_) => {}
        }
        let name = self.name();
        let modifier_at = self.at;
        let Some(mut modifier) = self.next() else {
            return Err(self.error(opened, ExpandErrorKind::MissingBrace));
        };
        let mut or_empty = false;
        if modifier == ':' {
            or_empty = true;
            modifier = match self.next() {
                Some(c) => c,
                None => return Err(self.error(opened, ExpandErrorKind::MissingBrace)),
            };
        }
        match modifier {
            '}' if !or_empty => Ok(match self.value(&name) {
                None if self.options.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            }),
            '-' | '+' | '?' | '#' | '%' => self.modified(&name, modifier, or_empty, opened),
            '/' if !or_empty => self.replaced(&name, opened),
            _ => {
                let written = self.source[modifier_at..self.at].to_owned();
                Err(self.error(modifier_at, ExpandErrorKind::UnsupportedModifier(written)))
            }
        }
    }

    /// `${x:-w}` and the like, from behind the modifier.
    fn modified(
        &mut self,
        name: &str,
        modifier: char,
        or_empty: bool,
        opened: usize,
    ) -> Result<String, ExpandError> {
        let word_at = self.at;
        let (word, _) = self
            .until(Some('}'), matches!(modifier, '#' | '%'))
            .map_err(|e| self.reopen(e, word_at, opened))?;
        let value = self.value(name);
        let colon = if or_empty { ":" } else { "" };
        if value.is_none() && self.options.keep_unset {
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let is_set = value.is_some();
        let filled = value.filter(|v| !(or_empty && v.is_empty()));
        match modifier {
            '-' => Ok(filled.unwrap_or(word)),
            '+' => Ok(filled.map(|_| word).unwrap_or_default()),
            '?' => filled.ok_or_else(|| {
                let message = match (word.is_empty(), is_set) {
                    (false, _) => word,
                    (true, false) => "is not allowed to be unset".to_owned(),
                    (true, true) => "is not allowed to be empty".to_owned(),
                };
                let name = name.to_owned();
                self.error(opened, ExpandErrorKind::Required { name, message })
            }),
            _ => {
                let value = filled.unwrap_or_default();
                let (longest, text) = match word.strip_prefix(modifier) {
                    Some(rest) => (true, rest),
                    None => (false, word.as_str()),
                };
                let pattern = self.pattern(text, word_at)?;
                Ok(match modifier {
                    '#' => pattern.without_prefix(&value, longest),
                    _ => pattern.without_suffix(&value, longest),
                })
            }
        }
    }

    /// `${x/p/r}` and `${x//p/r}`, from behind the first slash.
    fn replaced(&mut self, name: &str, opened: usize) -> Result<String, ExpandError> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern_at = self.at;
        let (pattern, _) = self
            .until(Some('/'), true)
            .map_err(|e| self.reopen(e, pattern_at, opened))?;
        let replacement_at = self.at;
        let (replacement, _) = self
            .until(Some('}'), true)
            .map_err(|e| self.reopen(e, replacement_at, opened))?;
        let value = self.value(name);
        if value.is_none() && self.options.keep_unset {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        }
        let pattern = self.pattern(&pattern, pattern_at)?;
        pattern
            .replace(&value.unwrap_or_default(), &replacement, all)
            .ok_or_else(|| self.error(opened, ExpandErrorKind::TooLong))
    }

    /// The name behind `$` or `${`: letters, digits and `_`; or only digits; or one of the
    /// shell's special parameters. Empty when there is none.
    fn name(&mut self) -> String {
        let from = self.at;
        let rest = &self.source[from..];
        let length = match rest.chars().next() {
            Some(c) if c.is_ascii_digit() => rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len()),
        };
        self.at += length;
        rest[..length].to_owned()
    }

    /// `<`, or `<<` with the space behind it.
    fn heredoc_mark(&mut self) -> String {
        let from = self.at;
        self.next();
        if self.peek() == Some('<') {
            self.next();
            while self
                .peek()
                .is_some_and(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))
            {
                self.next();
            }
        }
        self.source[from..self.at].to_owned()
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name);
        let seen = match value {
            Some(_) => &mut self.expanded.used,
            None => &mut self.expanded.undefined,
        };
        if !seen.contains(name) {
            seen.insert(name.to_owned());
        }
        value
    }

    fn pattern(&self, text: &str, at: usize) -> Result<Pattern, ExpandError> {
        Pattern::parse(text).map_err(|escaped| {
            let pattern = text.to_owned();
            self.error(at, ExpandErrorKind::BadPattern { pattern, escaped })
        })
    }

    /// An end that is missing is better shown at the `${` that needs it.
    fn reopen(&self, error: ExpandError, at: usize, opened: usize) -> ExpandError {
        match error.kind {
            ExpandErrorKind::MissingBrace | ExpandErrorKind::MissingSlash if error.at == at => {
                self.error(opened, error.kind)
            }
            _ => error,
        }
    }

    #[allow(clippy::unused_self)] // Reads better at the many calls than a free function.
    fn error(&self, at: usize, kind: ExpandErrorKind) -> ExpandError {
        ExpandError { at, kind }
    }

    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }
}

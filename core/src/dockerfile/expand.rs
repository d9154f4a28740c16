//! The small shell language inside a Dockerfile: `$x`, `${x:-word}`, `${x%pattern}`, quotes, escapes.
//!
//! It is what BuildKit understands, which is less than a shell: no command substitution, no
//! arithmetic, no file names from patterns. The instructions that run in a shell (RUN, CMD,
//! ENTRYPOINT) are left to that shell and never come here.
//!
//! | written | gives |
//! | --- | --- |
//! | `$x` `${x}` | the value, or nothing |
//! | `${x:-w}` `${x-w}` | the value, or `w` when it is unset (with `:`, unset or empty) |
//! | `${x:+w}` `${x+w}` | `w` when the value is set (with `:`, set and not empty), or nothing |
//! | `${x:?w}` `${x?w}` | the value, or the error `w` when it is unset (with `:`, unset or empty) |
//! | `${x#p}` `${x##p}` | the value without the shortest (longest) prefix that matches `p` |
//! | `${x%p}` `${x%%p}` | the value without the shortest (longest) suffix that matches `p` |
//! | `${x/p/r}` `${x//p/r}` | the value with the first match (every match) of `p` replaced by `r` |
//!
//! In a pattern `*` is any text and `?` any one character.

use std::collections::BTreeSet;

use super::ast::Escape;
use pattern::Pattern;

mod pattern;

/// Where values come from: the value of a variable, or `None` when it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What an expansion gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// The whole text, expanded, quotes and escapes removed.
    pub text: String,
    /// The same split at unquoted space; empty words are dropped.
    pub words: Vec<String>,
    /// The variables that were asked for and had a value.
    pub used: BTreeSet<String>,
    /// The variables that were asked for and had none.
    pub undefined: BTreeSet<String>,
}

/// How far an expansion goes. The default is what BuildKit does with instruction arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // Each is a switch of its own, in any combination.
pub struct Options {
    /// The escape character of the file.
    pub escape: Escape,
    /// Quotes mean nothing and stay: for the content of heredocs, which is somebody else's
    /// language.
    pub ignore_quotes: bool,
    /// Quotes are understood but stay in the result.
    pub keep_quotes: bool,
    /// Escapes are understood but stay in the result.
    pub keep_escapes: bool,
    /// A variable without a value stays as it is written.
    pub keep_unset: bool,
    /// `<<` and the space behind it belong to the word that follows, as in `<< EOF`.
    pub heredocs: bool,
}

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ExpandError {
    /// The byte of the text at which it went wrong.
    pub at: usize,
    /// What went wrong.
    pub kind: ExpandErrorKind,
}

/// What went wrong in an expansion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandErrorKind {
    /// `${x` without an end.
    #[error("`${{` has no matching `}}`")]
    MissingBrace,
    /// `${}`, `${:…}` or `${{…}`.
    #[error("`${{` is not followed by the name of a variable")]
    BadSubstitution,
    /// A modifier that is not in the table.
    #[error("the modifier `{0}` is not supported in `${{…}}`")]
    UnsupportedModifier(String),
    /// `${x/p` without the second slash.
    #[error("`${{name/pattern/replacement}}` lacks its second `/`")]
    MissingSlash,
    /// A quote that is opened and never closed.
    #[error("the quote {0} is never closed")]
    UnclosedQuote(char),
    /// `${x:?message}` of a variable without a value.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the author wrote, or a sentence of ours.
        message: String,
    },
    /// A pattern with an escape that means nothing.
    #[error("the pattern `{pattern}` escapes `{escaped}`, which needs no escape")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// The character behind the backslash, nothing at the end of the pattern.
        escaped: String,
    },
    /// More than 64 `${…}` inside each other.
    #[error("`${{…}}` is nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

/// So deep may `${…}` be nested, so that no input can exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Expands `word` as one: space in values stays, quotes and escapes are removed.
pub fn expand_word(word: &str, escape: Escape, lookup: Lookup<'_>) -> Result<String, ExpandError> {
    let options = Options {
        escape,
        ..Options::default()
    };
    expand(word, options, lookup).map(|e| e.text)
}

/// Expands `text` and splits it at unquoted space, also at space that came from values.
pub fn expand_words(
    text: &str,
    escape: Escape,
    lookup: Lookup<'_>,
) -> Result<Vec<String>, ExpandError> {
    let options = Options {
        escape,
        ..Options::default()
    };
    expand(text, options, lookup).map(|e| e.words)
}

/// Expands the content of a heredoc whose terminator was not quoted. Quotes belong to the content;
/// a backslash escapes any character, whatever the file's escape character is.
pub fn expand_heredoc(content: &str, lookup: Lookup<'_>) -> Result<String, ExpandError> {
    let options = Options {
        ignore_quotes: true,
        ..Options::default()
    };
    expand(content, options, lookup).map(|e| e.text)
}

/// Expands `text` and tells which variables were used and which had no value.
pub fn expand(text: &str, options: Options, lookup: Lookup<'_>) -> Result<Expanded, ExpandError> {
    let (mut expanded, words) = run(text, options, lookup)?;
    expanded.words = words.into_iter().map(|w| w.text).collect();
    Ok(expanded)
}

/// A word and the bytes of the text that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlacedWord {
    pub(super) text: String,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Splits as [`expand`] does, with each word's place.
pub(super) fn placed_words(
    text: &str,
    options: Options,
    lookup: Lookup<'_>,
) -> Result<Vec<PlacedWord>, ExpandError> {
    run(text, options, lookup).map(|(_, words)| words)
}

fn run(
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
                Some('$') if quote == '"' => text.push_str(&self.dollar()?),
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
        Ok(pattern.replace(&value.unwrap_or_default(), &replacement, all))
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

/// Words as they grow.
#[derive(Default)]
struct Words {
    done: Vec<PlacedWord>,
    text: String,
    /// Where the growing word began; `None` between words.
    start: Option<usize>,
}

impl Words {
    /// Adds an unquoted character: space ends a word.
    fn add(&mut self, c: char, at: usize) {
        if !c.is_whitespace() {
            self.start.get_or_insert(at);
            self.text.push(c);
        } else if !self.text.is_empty() {
            self.flush(at);
        }
    }

    /// Adds text in which space does not end a word.
    fn add_literal(&mut self, text: &str, at: usize) {
        self.start.get_or_insert(at);
        self.text.push_str(text);
    }

    fn finish(mut self, at: usize) -> Vec<PlacedWord> {
        if !self.text.is_empty() {
            self.flush(at);
        }
        self.done
    }

    fn flush(&mut self, end: usize) {
        let start = self.start.take().unwrap_or(end);
        let text = std::mem::take(&mut self.text);
        self.done.push(PlacedWord { text, start, end });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "HOME" => "/root",
            "EMPTY" => "",
            "TWO" => "one two",
            "FILE" => "a/b/file.tar.gz",
            "ÄÖ" => "ü",
            "STARS" => "x**y",
            "1" => "first",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn words_expand_as_in_buildkit() {
        let check = |word: &str, expected: &str| {
            let got = expand_word(word, Escape::Backslash, &lookup);
            assert_eq!(got.as_deref(), Ok(expected), "{word}");
        };
        // Quotes and escapes.
        check("plain", "plain");
        check("a'b c'd", "ab cd");
        check(r"a\'b", "a'b");
        check(r"a\tb", "atb");
        check(r#""a\tb""#, r"a\tb");
        check(r#""a\\tb""#, r"a\tb");
        check(r"'a\tb'", r"a\tb");
        check(r"a\", "a");
        check(r"a\\", r"a\");
        check(r"'a\'", r"a\");
        check(r#""it's""#, "it's");
        check(r#"'say "x"'"#, r#"say "x""#);
        check(r#""\"\$HOME\a""#, r#""$HOME\a"#);
        // Plain variables.
        check("$HOME", "/root");
        check("x$HOME.y", "x/root.y");
        check("$HOME/$TWO", "/root/one two");
        check("${HOME}x", "/rootx");
        check("$NOT-there", "-there");
        check("\"$HOME\" '$HOME'", "/root $HOME");
        check(r"\$HOME \${HOME}", "$HOME ${HOME}");
        check(r"\\$HOME", r"\/root");
        check("$ $. a$", "$ $. a$");
        check("$1x $12x", "firstx x");
        check("$@$*$#$?$-$$$!.", ".");
        check("${ÄÖ} $ÄÖ", "ü ü");
        check("${HOME}}", "/root}");
        // Defaults, alternatives, demands.
        check("${NOT:-w} ${EMPTY:-w} ${HOME:-w}", "w w /root");
        check("${NOT-w} ${EMPTY-w} ${HOME-w}", "w  /root");
        check("${NOT:+w} ${EMPTY:+w} ${HOME:+w}", "  w");
        check("${NOT+w} ${EMPTY+w} ${HOME+w}", " w w");
        check("${HOME:?} ${EMPTY?}", "/root ");
        check("${NOT:-}", "");
        check("${NOT:-${ALSO:-${HOME}}}", "/root");
        check("${NOT:-\"a } b\"}", "a } b");
        check(r"${NOT:-a\}b}", "a}b");
        check("${HOME:+-${TWO}}", "-one two");
        // Prefixes and suffixes.
        check("${FILE#*/} ${FILE##*/}", "b/file.tar.gz file.tar.gz");
        check("${FILE%.*} ${FILE%%.*}", "a/b/file.tar a/b/file");
        check(
            "${FILE#a} ${FILE#x} ${FILE#} ${FILE##}",
            "/b/file.tar.gz a/b/file.tar.gz a/b/file.tar.gz a/b/file.tar.gz",
        );
        check("${FILE%.g?} ${FILE%%*}", "a/b/file.tar ");
        check("${FILE#$NOT}", "a/b/file.tar.gz");
        check(r"${STARS#x\*}", "*y");
        check(r"${STARS%%\**}", "x");
        check("${NOT#x}", "");
        // Replacements.
        check(
            "${FILE/b/X} ${FILE//a/X}",
            "a/X/file.tar.gz X/b/file.tXr.gz",
        );
        check("${FILE/.*/} ${FILE//[/x}", "a/b/file a/b/file.tar.gz");
        check(r"${FILE//\//-}", "a-b-file.tar.gz");
        check("${TWO// /_}", "one_two");
        check("${TWO/$NOT/x} ${TWO///x}", "xone two xoxnxex xtxwxox");
        check("${TWO//o*e/x}", "x two");
        check(r"${TWO//\?/x}", "one two");
        check("${NOT/a/b}", "");
    }

    #[test]
    fn the_escape_character_may_be_a_backtick() {
        let check = |word: &str, expected: &str| {
            let got = expand_word(word, Escape::Backtick, &lookup);
            assert_eq!(got.as_deref(), Ok(expected), "{word}");
        };
        check(r"c:\windows\$HOME", r"c:\windows\/root");
        check("`$HOME", "$HOME");
        check("\"`\"`$HOME\"", "\"$HOME");
        check("a``b", "a`b");
    }

    #[test]
    fn what_cannot_be_expanded_says_where_and_why() {
        use ExpandErrorKind as Kind;
        let check = |word: &str, at: usize, kind: Kind| {
            let got = expand_word(word, Escape::Backslash, &lookup);
            assert_eq!(got, Err(ExpandError { at, kind }), "{word}");
        };
        let modifier = |text: &str| Kind::UnsupportedModifier(text.to_owned());
        let required = |name: &str, message: &str| Kind::Required {
            name: name.to_owned(),
            message: message.to_owned(),
        };
        check("a${HOME", 1, Kind::MissingBrace);
        check("a${", 1, Kind::MissingBrace);
        check("a${HOME:", 1, Kind::MissingBrace);
        check("a${HOME:-x", 1, Kind::MissingBrace);
        check("${NOT:-${HOME}", 0, Kind::MissingBrace);
        check("x ${}", 2, Kind::BadSubstitution);
        check("${{HOME}}", 0, Kind::BadSubstitution);
        check("${:-x}", 0, Kind::BadSubstitution);
        check("${HOME=x}", 6, modifier("="));
        check("${HOME:=x}", 6, modifier(":="));
        check("${HOME:/a/b}", 6, modifier(":/"));
        check("${HOME.x}", 6, modifier("."));
        check("${12x}", 4, modifier("x"));
        check("${HOME/x}", 0, Kind::MissingSlash);
        check("${HOME//}", 0, Kind::MissingSlash);
        check("${HOME/x/y", 0, Kind::MissingBrace);
        check("it's", 2, Kind::UnclosedQuote('\''));
        check("say \"x", 4, Kind::UnclosedQuote('"'));
        check(r#""x\""#, 0, Kind::UnclosedQuote('"'));
        check("x${NOT:?go $HOME}", 1, required("NOT", "go /root"));
        check("${NOT?}", 0, required("NOT", "is not allowed to be unset"));
        check(
            "${EMPTY:?}",
            0,
            required("EMPTY", "is not allowed to be empty"),
        );
        check(
            r"${HOME#\x}",
            7,
            Kind::BadPattern {
                pattern: r"\x".to_owned(),
                escaped: "x".to_owned(),
            },
        );
        check(&"${a:-".repeat(1000), MAX_DEPTH * 5, Kind::TooDeep);
    }

    #[test]
    fn splitting_happens_after_expansion() {
        let check = |text: &str, expected: &[&str]| {
            let got = expand_words(text, Escape::Backslash, &lookup).unwrap();
            assert_eq!(got, expected, "{text}");
        };
        check("a  b\tc", &["a", "b", "c"]);
        check("$TWO", &["one", "two"]);
        check("\"$TWO\"", &["one two"]);
        check("x${TWO}y", &["xone", "twoy"]);
        check("a' b '\\ c", &["a b  c"]);
        check("$NOT ''", &[]);
        check("80 $EMPTY 443", &["80", "443"]);
        check("${NOT:-a b}", &["a", "b"]);
        check("", &[]);
    }

    #[test]
    fn variables_are_accounted_for() {
        let text = "$HOME ${A:-$B} ${TWO:-$C} '$D' ${EMPTY+$E}";
        let got = expand(text, Options::default(), &lookup).unwrap();
        let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(names(&got.used), "EMPTY HOME TWO");
        // A default is expanded even if it is not needed, so C counts.
        assert_eq!(names(&got.undefined), "A B C E");
    }

    #[test]
    fn other_languages_keep_their_quotes() {
        let check = |options: Options, text: &str, expected: &str| {
            assert_eq!(
                expand(text, options, &lookup).unwrap().text,
                expected,
                "{text}"
            );
        };
        let heredoc = expand_heredoc("it's \"$HOME\"\n\\$HOME \\\\ \\\n", &lookup);
        assert_eq!(heredoc.as_deref(), Ok("it's \"/root\"\n$HOME \\ \n"));
        let known = Options {
            keep_unset: true,
            keep_quotes: true,
            keep_escapes: true,
            ..Options::default()
        };
        check(
            known,
            "$HOME $NOT ${NOT:-x} \\a 'b'",
            "/root $NOT ${NOT:-x} \\a 'b'",
        );
        check(known, "${NOT#a} ${NOT/a/b}", "${NOT#a} ${NOT/a/b}");
    }
}

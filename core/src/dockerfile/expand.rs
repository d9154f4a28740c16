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
use expander::run;
pub(super) use words::PlacedWord;

mod expander;
mod pattern;
mod words;

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
    /// What comes out is too long: each `${x//a/${x//…}}` may multiply it.
    #[error("the text expands to more than {MAX_LENGTH} bytes")]
    TooLong,
    /// More than 64 `${…}` inside each other.
    #[error("`${{…}}` is nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

/// So deep may `${…}` be nested, so that no input can exhaust the stack.
const MAX_DEPTH: usize = 64;

/// So long may the result be, in bytes, so that no input can exhaust the memory. A program takes
/// no argument and no variable over 128 KiB.
const MAX_LENGTH: usize = 1 << 20;

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

/// Splits as [`expand`] does, with each word's place.
pub(super) fn placed_words(
    text: &str,
    options: Options,
    lookup: Lookup<'_>,
) -> Result<Vec<PlacedWord>, ExpandError> {
    run(text, options, lookup).map(|(_, words)| words)
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
    fn what_grows_without_end_is_refused() {
        let ten = |name: &str| (name == "x").then(|| "aaaaaaaaaa".to_owned());
        let nested = (0..30).fold("z".to_owned(), |word, _| format!("${{x//a/{word}}}"));
        let error = expand_word(&nested, Escape::Backslash, &ten).unwrap_err();
        assert_eq!(error.kind, ExpandErrorKind::TooLong);
        let long = |_: &str| Some("y".repeat(MAX_LENGTH / 2));
        for text in ["$a$a$a", "\"$a$a$a\""] {
            let error = expand_word(text, Escape::Backslash, &long).unwrap_err();
            assert_eq!(error.kind, ExpandErrorKind::TooLong, "{text}");
        }
        assert!(expand_word("$a$a", Escape::Backslash, &long).is_ok());
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

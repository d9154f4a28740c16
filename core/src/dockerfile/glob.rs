//! Patterns for file names, as Go's `filepath.Match` and Docker's `.dockerignore` read them.
//!
//! | written | matches |
//! | --- | --- |
//! | `*` | any text without `/` |
//! | `?` | one character, not `/` |
//! | `[a-z]` `[^a-z]` | one character of the class, or not of it |
//! | `\x` | `x` itself |
//! | `**/` in `.dockerignore` | any number of directories, also none |
//! | `**` at the end, there | anything |

use std::iter::Peekable;
use std::str::CharIndices;

/// A pattern, ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<Part>,
    /// The plain text at the start of the pattern; the whole of it if there is nothing else.
    head: String,
    /// The plain text at its end. Head and tail turn most names away without a search.
    tail: String,
}

/// A pattern that is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{pattern}` is not well formed: {reason}")]
pub struct BadPattern {
    /// The pattern.
    pub pattern: String,
    /// The byte at which it goes wrong.
    pub at: usize,
    /// Why.
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// One character.
    Just(char),
    /// `?`.
    One,
    /// `[…]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `*`.
    Star,
    /// `**/` or `**` before something: nothing, or anything up to and with a slash.
    Directories,
    /// `**` where nothing follows, or at the very beginning of a plain text: anything.
    Anything,
}

/// Whether `name` matches `pattern` as a whole, as Go's `filepath.Match` decides it.
///
/// This is what COPY and ADD use for their sources, one path component at a time.
pub fn glob(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    Ok(Glob::name(pattern)?.matches(name))
}

/// Whether a source of COPY or ADD is a pattern and not just a path.
pub fn has_wildcard(path: &str) -> bool {
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    false
}

impl Glob {
    /// Reads a pattern of `filepath.Match`, in which `**` is no more than `*`.
    pub fn name(pattern: &str) -> Result<Self, BadPattern> {
        Self::read(pattern, false)
    }

    /// Reads a pattern of `.dockerignore`, in which `**` crosses directories.
    pub fn path(pattern: &str) -> Result<Self, BadPattern> {
        Self::read(pattern, true)
    }

    fn read(pattern: &str, double: bool) -> Result<Self, BadPattern> {
        let mut parts = Vec::new();
        let mut chars = pattern.char_indices().peekable();
        let bad = |at, reason| BadPattern {
            pattern: pattern.to_owned(),
            at,
            reason,
        };
        while let Some((at, c)) = chars.next() {
            let part = match c {
                '*' if double && chars.next_if(|(_, c)| *c == '*').is_some() => {
                    chars.next_if(|(_, c)| *c == '/');
                    match chars.peek() {
                        None => Part::Anything,
                        Some(_) => Part::Directories,
                    }
                }
                '*' => Part::Star,
                '?' => Part::One,
                '[' => class(&mut chars).map_err(|reason| bad(at, reason))?,
                '\\' => match chars.next() {
                    Some((_, c)) => Part::Just(c),
                    None => return Err(bad(at, "nothing follows the last `\\`")),
                },
                c => Part::Just(c),
            };
            // Two of them in a row match what one does, and cost more.
            let again = matches!(part, Part::Star | Part::Directories);
            if !again || parts.last() != Some(&part) {
                parts.push(part);
            }
        }
        if double {
            leading_double_star(pattern, &mut parts);
        }
        let head = parts.iter().map_while(Part::literal).collect();
        let tail: Vec<char> = parts.iter().rev().map_while(Part::literal).collect();
        let tail = tail.into_iter().rev().collect();
        Ok(Self { parts, head, tail })
    }

    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        if !name.starts_with(&self.head) || !name.ends_with(&self.tail) {
            return false;
        }
        self.reached(name)
            .is_some_and(|states| states[self.parts.len()])
    }

    /// Whether something that begins with `start` can match.
    pub fn may_match_below(&self, start: &str) -> bool {
        self.reached(start).is_some()
    }

    /// Which parts can be next once `text` is consumed; `None` if it cannot be.
    ///
    /// This walks all ways through the pattern at once, so the cost is at most the product of the
    /// two lengths, whatever the pattern.
    fn reached(&self, text: &str) -> Option<Vec<bool>> {
        let mut states = vec![false; self.parts.len() + 1];
        let mut next = states.clone();
        self.enter(&mut states, 0);
        for c in text.chars() {
            next.fill(false);
            for (i, part) in self.parts.iter().enumerate() {
                if !states[i] {
                    continue;
                }
                match part {
                    Part::Star if c == '/' => {}
                    Part::Star | Part::Anything => self.enter(&mut next, i),
                    Part::Directories => {
                        next[i] = true;
                        if c == '/' {
                            self.enter(&mut next, i + 1);
                        }
                    }
                    part if part.takes(c) => self.enter(&mut next, i + 1),
                    _ => {}
                }
            }
            std::mem::swap(&mut states, &mut next);
            if !states.contains(&true) {
                return None;
            }
        }
        Some(states)
    }

    /// Reaches the part at `index` from the one before it, and with it what follows a part that
    /// may match nothing.
    fn enter(&self, states: &mut [bool], mut index: usize) {
        states[index] = true;
        while matches!(
            self.parts.get(index),
            Some(Part::Star | Part::Anything | Part::Directories)
        ) {
            index += 1;
            states[index] = true;
        }
    }
}

impl Part {
    /// The character that this is, if it is only one.
    fn literal(&self) -> Option<char> {
        match self {
            Self::Just(c) => Some(*c),
            _ => None,
        }
    }

    /// Whether `c` is one of the characters that this part, which matches exactly one, takes.
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Just(just) => *just == c,
            Self::One => c != '/',
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
            Self::Star | Self::Directories | Self::Anything => false,
        }
    }
}

/// Reads a class from behind its `[`. At least one range, each of one or two characters; `-` and
/// `]` stand for themselves only behind a backslash.
fn class(chars: &mut Peekable<CharIndices<'_>>) -> Result<Part, &'static str> {
    let negated = chars.next_if(|(_, c)| *c == '^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if(|(_, c)| *c == ']').is_some() {
            return Ok(Part::Class { negated, ranges });
        }
        let low = class_character(chars)?;
        let high = match chars.next_if(|(_, c)| *c == '-') {
            Some(_) => class_character(chars)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

fn class_character(chars: &mut Peekable<CharIndices<'_>>) -> Result<char, &'static str> {
    match chars.next().map(|(_, c)| c) {
        Some('-') => Err("a `-` in `[…]` stands between two characters, or behind `\\`"),
        Some(']') => Err("a class `[…]` holds at least one character"),
        Some('\\') => chars
            .next()
            .map(|(_, c)| c)
            .ok_or("nothing follows the last `\\`"),
        Some(c) => Ok(c),
        None => Err("the `[` is never closed"),
    }
}

/// `**name` matches every path that ends with `name`, even inside a component, as long as `name`
/// is plain text: Docker's matcher compares the ends of the texts then.
fn leading_double_star(pattern: &str, parts: &mut [Part]) {
    let Some(rest) = pattern.strip_prefix("**") else {
        return;
    };
    if !rest.starts_with('/') && !rest.contains(['*', '?', '[', ']', '\\']) {
        parts[0] = Part::Anything;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_go() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(glob(pattern, name), Ok(expected), "{pattern} {name}");
        };
        check("", "", true);
        check("abc", "abc", true);
        check("abc", "abcd", false);
        check("*", "", true);
        check("*", "a/b", false);
        check("*.rs", "main.rs", true);
        check("*.rs", ".rs", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("a*/b", "axx/b", true);
        check("a*/b", "a/x/b", false);
        check("**", "a/b", false);
        check("a?c", "abc", true);
        check("a?c", "aöc", true);
        check("a?c", "a/c", false);
        check("a?c", "ac", false);
        check("[a-c]x", "bx", true);
        check("[a-c]x", "dx", false);
        check("[^a-c]x", "dx", true);
        check("[^a-c]x", "ax", false);
        check("[ab][0-9x]", "bx", true);
        check("[α-ω]", "λ", true);
        check(r"[\]\-]", "-", true);
        check(r"[\]\-]", "]", true);
        check(r"a\*b", "a*b", true);
        check(r"a\*b", "axb", false);
        check(r"\a", "a", true);
        check("a]", "a]", true);
    }

    #[test]
    fn malformed_patterns_say_where() {
        let check = |pattern: &str, at: usize| {
            assert_eq!(glob(pattern, "x").map_err(|e| e.at), Err(at), "{pattern}");
        };
        check("[", 0);
        check("a[", 1);
        check("[]a]", 0);
        check("[-]", 0);
        check("[x-]", 0);
        check("[a-b-c]", 0);
        check("[^", 0);
        check("ab\\", 2);
        check("x[\\", 1);
    }

    #[test]
    fn paths_cross_directories_with_two_stars() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let glob = Glob::path(pattern).unwrap();
            assert_eq!(glob.matches(path), expected, "{pattern} {path}");
            if expected {
                for (i, _) in path.char_indices() {
                    assert!(glob.may_match_below(&path[..i]), "{pattern} {path} at {i}");
                }
            }
        };
        check("**", "a/b/c", true);
        check("**/", "a", true);
        check("**/**", "a/b", true);
        check("a/**", "a", false);
        check("a/**", "a/b/c", true);
        check("a**", "ab/c", true);
        check("**/b", "b", true);
        check("**/b", "a/c/b", true);
        check("**/b", "a/xb", false);
        check("**b", "a/xb", true);
        check("**b*", "a/xb", false);
        check("**b*", "a/bx", true);
        check("**/*.md", "a/b.md", true);
        check("**/*.md", "b.md", true);
        check("**/*.md", "b.mdx", false);
        check("a/**/b", "a/b", true);
        check("a/**/b", "a/x/y/b", true);
        check("a/**/b", "a/xb", false);
        check("a**b", "ab", true);
        check("a**b", "ax/b", true);
        check("a**b", "axb", false);
        check("a**/*.txt", "a/b/c.txt", true);
        check("**/x/**", "a/x/b", true);
        check("**/x/**", "x", false);
        check("a(b)+{c}|^$.d", "a(b)+{c}|^$.d", true);
        check("a.b", "axb", false);
        check(r"**\*b", "x/*b", true);
        check(r"**\*b", "x/y*b", false);
    }

    #[test]
    fn what_may_lie_below_is_known() {
        let check = |pattern: &str, below: &str, expected: bool| {
            let glob = Glob::path(pattern).unwrap();
            assert_eq!(glob.may_match_below(below), expected, "{pattern} {below}");
        };
        check("a/b/c", "a/b/", true);
        check("a/b/c", "a/x/", false);
        check("a/*/c", "a/x/", true);
        check("*.md", "a/", false);
        check("**/c", "a/b/", true);
        check("a", "a/", false);
    }

    #[test]
    fn wildcards_are_seen_unless_escaped() {
        let check = |path: &str, expected: bool| assert_eq!(has_wildcard(path), expected, "{path}");
        check("a/b", false);
        check("a/*", true);
        check("a?", true);
        check("[a]", true);
        check(r"a\*", false);
        check(r"a\\*", true);
        check("a]", false);
    }
}

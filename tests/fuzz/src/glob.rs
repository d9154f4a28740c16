//! Patterns for names: they match as the definition says, and what may lie below is known.
//!
//! The first line of an input is a pattern, the second a name.

use coracle::dockerfile::glob::{Glob, glob, has_wildcard};

/// Longer texts would take the slow definition too long.
const MOST: usize = 12;

/// So many beginnings of a name are tried, each of which is a match of its own.
const PREFIXES: usize = 64;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (pattern, name) = text.split_once('\n').unwrap_or((text, ""));
    check_name(pattern, name);
    match Glob::path(pattern) {
        Ok(glob) if glob.matches(name) => {
            for (i, _) in name.char_indices().take(PREFIXES) {
                assert!(
                    glob.may_match_below(&name[..i]),
                    "{pattern:?} {name:?} at {i}"
                );
            }
        }
        Ok(_) => {}
        Err(error) => assert!(pattern.is_char_boundary(error.at), "{error:?}"),
    }
}

/// `filepath.Match`, by the definition.
fn check_name(pattern: &str, name: &str) {
    let matched = glob(pattern, name);
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    let parts = parts(&chars(pattern));
    match (&matched, &parts) {
        (Err(error), None) => assert!(pattern.is_char_boundary(error.at), "{error:?}"),
        (Ok(matched), Some(parts)) => {
            if parts.len() <= MOST && name.len() <= MOST {
                assert_eq!(*matched, slow(parts, &chars(name)), "{pattern:?} {name:?}");
            }
            let plain = parts
                .iter()
                .all(|part| matches!(part, Part::Set(set) if set.is_plain));
            assert_eq!(plain, !has_wildcard(pattern), "{pattern:?}");
        }
        _ => panic!("{pattern:?}: {matched:?}, but {parts:?}"),
    }
}

/// A piece of a pattern.
#[derive(Debug)]
enum Part {
    Star,
    Set(Set),
}

/// The characters that one place takes.
#[derive(Debug)]
struct Set {
    ranges: Vec<(char, char)>,
    negated: bool,
    slash: bool,
    /// Whether it is one character, written as itself or behind a backslash.
    is_plain: bool,
}

fn slow(parts: &[Part], name: &[char]) -> bool {
    match parts {
        [] => name.is_empty(),
        [Part::Star, rest @ ..] => {
            slow(rest, name) || matches!(name, [c, more @ ..] if *c != '/' && slow(parts, more))
        }
        [Part::Set(set), rest @ ..] => {
            let takes = |c: char| {
                (set.slash || c != '/')
                    && set
                        .ranges
                        .iter()
                        .any(|(low, high)| (*low..=*high).contains(&c))
                        != set.negated
            };
            matches!(name, [c, more @ ..] if takes(*c) && slow(rest, more))
        }
    }
}

/// The pieces of a well-formed pattern.
fn parts(mut pattern: &[char]) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let one = |c: char| {
        Part::Set(Set {
            ranges: vec![(c, c)],
            negated: false,
            slash: true,
            is_plain: true,
        })
    };
    while let [c, rest @ ..] = pattern {
        pattern = rest;
        parts.push(match c {
            '*' => Part::Star,
            '?' => Part::Set(Set {
                ranges: Vec::new(),
                negated: true,
                slash: false,
                is_plain: false,
            }),
            '[' => {
                let (set, rest) = set(pattern)?;
                pattern = rest;
                Part::Set(set)
            }
            '\\' => {
                let [c, rest @ ..] = pattern else { return None };
                pattern = rest;
                one(*c)
            }
            c => one(*c),
        });
    }
    Some(parts)
}

/// A class, from behind its `[`, and what follows its `]`.
fn set(mut pattern: &[char]) -> Option<(Set, &[char])> {
    let negated = pattern.first() == Some(&'^');
    pattern = &pattern[usize::from(negated)..];
    let mut ranges = Vec::new();
    loop {
        match pattern {
            [']', rest @ ..] if !ranges.is_empty() => {
                return Some((
                    Set {
                        ranges,
                        negated,
                        slash: true,
                        is_plain: false,
                    },
                    rest,
                ));
            }
            _ => {
                let (low, rest) = member(pattern)?;
                (ranges, pattern) = match rest {
                    ['-', rest @ ..] => {
                        let (high, rest) = member(rest)?;
                        ([ranges, vec![(low, high)]].concat(), rest)
                    }
                    _ => ([ranges, vec![(low, low)]].concat(), rest),
                };
            }
        }
    }
}

fn member(pattern: &[char]) -> Option<(char, &[char])> {
    match pattern {
        [] | ['-' | ']', ..] | ['\\'] => None,
        ['\\', c, rest @ ..] | [c, rest @ ..] => Some((*c, rest)),
    }
}

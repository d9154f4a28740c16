//! Patterns of `${x#p}`, `${x%p}` and `${x/p/r}`: `*` is any text, `?` any one character.

use super::MAX_LENGTH;

/// A parsed pattern. Neither wildcard matches a line break, as in BuildKit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Star,
    One,
    Just(char),
}

impl Pattern {
    /// Reads a pattern. `\*`, `\?` and `\\` stand for themselves, `\}` and `\/` for what could not
    /// be written otherwise; any other escape is an error and gives the escaped character.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' => Part::Star,
                '?' => Part::One,
                '\\' => match chars.next() {
                    Some(c @ ('*' | '?' | '\\' | '}' | '/')) => Part::Just(c),
                    other => return Err(other.into_iter().collect()),
                },
                c => Part::Just(c),
            });
        }
        Ok(Self { parts })
    }

    /// `value` without the shortest or longest prefix that matches.
    pub(super) fn without_prefix(&self, value: &str, longest: bool) -> String {
        let chars: Vec<char> = value.chars().collect();
        let rest = match matched(&self.parts, &chars, longest) {
            Some(length) => &chars[length..],
            None => &chars,
        };
        rest.iter().collect()
    }

    /// `value` without the shortest or longest suffix that matches: prefixes, read backwards.
    pub(super) fn without_suffix(&self, value: &str, longest: bool) -> String {
        let parts: Vec<Part> = self.parts.iter().rev().copied().collect();
        let chars: Vec<char> = value.chars().rev().collect();
        let rest = match matched(&parts, &chars, longest) {
            Some(length) => &chars[length..],
            None => &chars,
        };
        rest.iter().rev().collect()
    }

    /// `value` with the leftmost longest match, or every one, replaced; `None` when that is
    /// longer than anything may become.
    pub(super) fn replace(&self, value: &str, replacement: &str, all: bool) -> Option<String> {
        let chars: Vec<char> = value.chars().collect();
        let mut out = String::new();
        let mut at = 0;
        // An empty match directly behind another match would replace the same place twice.
        let mut behind_match = false;
        let mut done = false;
        let begins = self.begins(&chars);
        while at <= chars.len() {
            let length = if done || !begins[at] {
                None
            } else {
                matched(&self.parts, &chars[at..], true)
            };
            match length {
                Some(length) if length > 0 || !behind_match => {
                    out.push_str(replacement);
                    if out.len() > MAX_LENGTH {
                        return None;
                    }
                    done = !all;
                    behind_match = true;
                    at += length;
                    if length > 0 {
                        continue;
                    }
                }
                _ => {}
            }
            out.extend(chars.get(at));
            behind_match = false;
            at += 1;
        }
        Some(out)
    }

    /// At which places of `chars` a match begins: one walk backwards from all ends at once, so
    /// that places where none does cost nothing more.
    fn begins(&self, chars: &[char]) -> Vec<bool> {
        let mut begins = vec![true; chars.len() + 1];
        for part in self.parts.iter().rev() {
            let mut next = vec![false; chars.len() + 1];
            for at in (0..=chars.len()).rev() {
                let here =
                    |wanted: &dyn Fn(char) -> bool| chars.get(at).is_some_and(|c| wanted(*c));
                next[at] = match part {
                    Part::Star => begins[at] || (here(&|c| c != '\n') && next[at + 1]),
                    Part::One => here(&|c| c != '\n') && begins[at + 1],
                    Part::Just(just) => here(&|c| c == *just) && begins[at + 1],
                };
            }
            begins = next;
        }
        begins
    }
}

/// How many characters at the start of `chars` match: the fewest or the most; `None` if none do.
///
/// Keeps the set of places that the pattern can have reached after each part, so the cost is the
/// product of the two lengths whatever the pattern. Without a star a match is as long as the
/// pattern, so no more is looked at.
fn matched(parts: &[Part], chars: &[char], longest: bool) -> Option<usize> {
    let chars = if parts.contains(&Part::Star) {
        chars
    } else {
        &chars[..chars.len().min(parts.len())]
    };
    let mut reached = vec![false; chars.len() + 1];
    reached[0] = true;
    for part in parts {
        let mut next = vec![false; chars.len() + 1];
        for at in 0..=chars.len() {
            let before = || at > 0 && chars[at - 1] != '\n';
            next[at] = match part {
                Part::Star => reached[at] || (before() && next[at - 1]),
                Part::One => before() && reached[at - 1],
                Part::Just(c) => at > 0 && chars[at - 1] == *c && reached[at - 1],
            };
        }
        reached = next;
    }
    if longest {
        reached.iter().rposition(|r| *r)
    } else {
        reached.iter().position(|r| *r)
    }
}

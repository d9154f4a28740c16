//! Patterns with `*`, `?` and `[…]`, as file names and `case` have them.
//!
//! Source: [POSIX, Pattern Matching Notation](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_13).

/// A pattern, character by character.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pattern(pub(super) Vec<Token>);

/// One character of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Itself: it was between quotes, or means nothing else.
    Char(char),
    /// A character outside of quotes that may have a meaning.
    Special(char),
}

impl Pattern {
    /// The pattern of a text in which nothing is quoted but by backslashes.
    pub(super) fn of(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '\\' => Token::Char(chars.next().unwrap_or('\\')),
                c => special(c),
            });
        }
        Self(tokens)
    }

    /// Adds text in which nothing is special.
    pub(super) fn quoted(&mut self, text: &str) {
        self.0.extend(text.chars().map(Token::Char));
    }

    /// Adds text in which special characters are.
    pub(super) fn bare(&mut self, text: &str) {
        self.0.extend(text.chars().map(special));
    }

    /// The text, whatever of it is special.
    pub(super) fn text(&self) -> String {
        let chars = self.0.iter().map(|token| match token {
            Token::Char(c) | Token::Special(c) => *c,
        });
        chars.collect()
    }

    /// Whether it means anything but its text.
    pub(super) fn is_special(&self) -> bool {
        self.0
            .iter()
            .any(|token| matches!(token, Token::Special(_)))
    }

    /// Whether it is the whole of `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let tokens = &self.0;
        // Where the last `*` stands, and how much of the text it has taken so far.
        let mut star: Option<(usize, usize)> = None;
        let (mut at, mut seen) = (0, 0);
        while seen < text.len() {
            let step = match tokens.get(at) {
                Some(Token::Special('*')) => {
                    star = Some((at, seen));
                    at += 1;
                    continue;
                }
                Some(token) => one(token, &tokens[at..], text[seen]),
                None => None,
            };
            match (step, star) {
                (Some(length), _) => {
                    at += length;
                    seen += 1;
                }
                (None, Some((place, taken))) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    seen = taken + 1;
                }
                (None, None) => return false,
            }
        }
        tokens[at..]
            .iter()
            .all(|token| *token == Token::Special('*'))
    }

    /// Its parts between slashes.
    pub(super) fn components(&self) -> Vec<Self> {
        let slash = |token: &Token| matches!(token, Token::Char('/'));
        let parts = self.0.split(slash);
        parts.map(|tokens| Self(tokens.to_vec())).collect()
    }
}

fn special(c: char) -> Token {
    match c {
        '*' | '?' | '[' => Token::Special(c),
        c => Token::Char(c),
    }
}

/// How many tokens match this character, if they do.
fn one(token: &Token, rest: &[Token], c: char) -> Option<usize> {
    match token {
        Token::Special('?') => Some(1),
        Token::Special('[') => match bracket(rest, c) {
            Some((true, length)) => Some(length),
            Some((false, _)) => None,
            // Without an end, it is a bracket.
            None => (c == '[').then_some(1),
        },
        Token::Char(own) | Token::Special(own) => (*own == c).then_some(1),
    }
}

/// Whether `c` is in the brackets at the beginning of `tokens`, and how long those are.
fn bracket(tokens: &[Token], c: char) -> Option<(bool, usize)> {
    let plain = |at: usize| match tokens.get(at) {
        Some(Token::Char(c) | Token::Special(c)) => Some(*c),
        None => None,
    };
    let mut at = 1;
    let negated = matches!(plain(at), Some('!' | '^'));
    at += usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        let low = plain(at)?;
        if low == ']' && at > first {
            return Some((found != negated, at + 1));
        }
        if low == '[' && plain(at + 1) == Some(':') {
            let name: String = (at + 2..)
                .map_while(plain)
                .take_while(|c| *c != ':')
                .collect();
            if plain(at + 2 + name.chars().count() + 1) == Some(']') {
                found |= class(&name, c);
                at += name.chars().count() + 4;
                continue;
            }
        }
        if plain(at + 1) == Some('-') && plain(at + 2).is_some_and(|high| high != ']') {
            let high = plain(at + 2)?;
            found |= (low..=high).contains(&c);
            at += 3;
            continue;
        }
        found |= low == c;
        at += 1;
    }
}

/// Whether `c` is of the class `[:name:]`, in the C locale.
pub(super) fn class(name: &str, c: char) -> bool {
    match name {
        "alpha" => c.is_ascii_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_ascii_alphanumeric(),
        "upper" => c.is_ascii_uppercase(),
        "lower" => c.is_ascii_lowercase(),
        "space" => c.is_ascii_whitespace() || c == '\x0b',
        "blank" => c == ' ' || c == '\t',
        "punct" => c.is_ascii_punctuation(),
        "print" => c == ' ' || c.is_ascii_graphic(),
        "graph" => c.is_ascii_graphic(),
        "cntrl" => c.is_ascii_control(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(
                Pattern::of(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        };
        check("*", "", true);
        check("*.txt", "a.txt", true);
        check("*.txt", "a.txt.bak", false);
        check("a?c", "abc", true);
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[]]", "]", true);
        check("[x", "[x", true);
        check("[[:digit:]]*", "7up", true);
        check("\\*", "*", true);
        check("\\*", "a", false);
        check("*a*b", "xaxbxb", true);
        check("**", "x", true);
    }
}

//! Regular expressions as grep and sed have them: basic and extended, with back-references.
//!
//! It is a matcher that goes back, over bytes as in the C locale, with a bound on its patience.
//! Source: [POSIX, Regular Expressions](https://pubs.opengroup.org/onlinepubs/9699919799/basedefs/V1_chap09.html).

use super::pattern::class;

/// A regular expression.
#[derive(Debug)]
pub(super) struct Regex {
    choices: Vec<Vec<Node>>,
    /// How many groups there are.
    groups: usize,
    ignore_case: bool,
    /// Whether the first way to match need not be the longest.
    has_choice: bool,
}

/// One thing to match.
#[derive(Debug)]
enum Node {
    Byte(u8),
    Any,
    Set(Box<[bool; 256]>),
    Start,
    End,
    WordStart,
    WordEnd,
    Boundary(bool),
    Group(usize, Vec<Vec<Node>>),
    Back(usize),
    Repeat(Box<Node>, usize, usize),
}

/// Where a match and its groups begin and end; the match itself is the first.
pub(super) type Captures = Vec<Option<(usize, usize)>>;

/// Expressions nest this deep, and so do repetitions of groups while matching.
const DEEPEST: usize = 200;

/// How many bytes are looked at in one text, going back included.
const PATIENCE: usize = 5_000_000;

struct Parser<'p> {
    text: &'p [u8],
    at: usize,
    extended: bool,
    groups: usize,
    depth: usize,
    has_choice: bool,
}

impl Regex {
    /// Reads an expression, or says what is wrong with it.
    pub(super) fn parse(text: &str, extended: bool, ignore_case: bool) -> Result<Self, String> {
        let mut parser = Parser {
            text: text.as_bytes(),
            at: 0,
            extended,
            groups: 0,
            depth: 0,
            has_choice: false,
        };
        let choices = parser.choices()?;
        if parser.at < parser.text.len() {
            return Err("Unmatched ) or \\)".to_owned());
        }
        Ok(Self {
            choices,
            groups: parser.groups,
            ignore_case,
            has_choice: parser.has_choice,
        })
    }

    /// An expression that is a text.
    pub(super) fn fixed(text: &str, ignore_case: bool) -> Self {
        Self {
            choices: vec![text.bytes().map(Node::Byte).collect()],
            groups: 0,
            ignore_case,
            has_choice: false,
        }
    }

    /// The first match that begins at `from` or later.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Result<Option<Captures>, String> {
        let mut matcher = Matcher {
            text,
            regex: self,
            patience: PATIENCE,
            depth: 0,
            gave_up: false,
        };
        for start in from..=text.len() {
            let mut captures = vec![None; self.groups + 1];
            let mut best: Option<Captures> = None;
            let all = self.has_choice;
            matcher.choices(
                &self.choices,
                start,
                &mut captures,
                &mut |_, end, captures| {
                    let longer = best
                        .as_ref()
                        .and_then(|b| b[0])
                        .is_none_or(|(_, old)| end > old);
                    if longer {
                        let mut found = captures.clone();
                        found[0] = Some((start, end));
                        best = Some(found);
                    }
                    !all
                },
            );
            if matcher.gave_up {
                return Err("an expression that takes so long to match".to_owned());
            }
            if best.is_some() {
                return Ok(best);
            }
        }
        Ok(None)
    }
}

impl Parser<'_> {
    fn next_is(&self, text: &[u8]) -> bool {
        self.text[self.at..].starts_with(text)
    }

    fn accept(&mut self, basic: &[u8], extended: &[u8]) -> bool {
        let wanted = if self.extended { extended } else { basic };
        let found = !wanted.is_empty() && self.next_is(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn choices(&mut self) -> Result<Vec<Vec<Node>>, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("an expression that is nested so deeply".to_owned());
        }
        let mut choices = vec![self.sequence()?];
        while self.accept(b"\\|", b"|") {
            self.has_choice = true;
            choices.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(choices)
    }

    fn sequence(&mut self) -> Result<Vec<Node>, String> {
        let mut nodes: Vec<Node> = Vec::new();
        loop {
            let ends = if self.extended {
                self.next_is(b"|") || (self.depth > 1 && self.next_is(b")"))
            } else {
                self.next_is(b"\\|") || self.next_is(b"\\)")
            };
            let Some(&byte) = self.text.get(self.at) else {
                return Ok(nodes);
            };
            if ends {
                return Ok(nodes);
            }
            let is_first = nodes.iter().all(|node| matches!(node, Node::Start));
            let repeats = match byte {
                b'*' => !is_first,
                b'+' | b'?' | b'{' => self.extended && !is_first,
                b'\\' => {
                    let next = self.text.get(self.at + 1);
                    !self.extended && !is_first && matches!(next, Some(b'+' | b'?' | b'{'))
                }
                _ => false,
            };
            if repeats && let Some(node) = nodes.pop() {
                let (least, most) = self.times()?;
                nodes.push(Node::Repeat(Box::new(node), least, most));
                continue;
            }
            let node = self.atom(is_first)?;
            nodes.push(node);
        }
    }

    /// How often what stands before may come.
    fn times(&mut self) -> Result<(usize, usize), String> {
        if self.text[self.at] == b'\\' {
            self.at += 1;
        }
        self.at += 1;
        match self.text[self.at - 1] {
            b'*' => return Ok((0, usize::MAX)),
            b'+' => return Ok((1, usize::MAX)),
            b'?' => return Ok((0, 1)),
            _ => {}
        }
        let end: &[u8] = if self.extended { b"}" } else { b"\\}" };
        let rest = &self.text[self.at..];
        let length = rest.windows(end.len()).position(|window| window == end);
        let length = length.ok_or("Unmatched { or \\{")?;
        let inside = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        self.at += length + end.len();
        let number = |text: &str, missing: usize| {
            if text.is_empty() {
                Ok(missing)
            } else {
                text.parse()
            }
        };
        let times = match inside.split_once(',') {
            None => number(inside, 0).map(|n| (n, n)),
            Some((least, most)) => number(least, 0)
                .and_then(|least| number(most, usize::MAX).map(|most| (least, most))),
        };
        match times {
            Ok((least, most)) if least <= 1000 && least <= most => Ok((least, most)),
            _ => Err("Invalid content of \\{\\}".to_owned()),
        }
    }

    fn atom(&mut self, is_first: bool) -> Result<Node, String> {
        if self.accept(b"\\(", b"(") {
            self.groups += 1;
            let number = self.groups;
            let inside = self.choices()?;
            if !self.accept(b"\\)", b")") {
                return Err("Unmatched ( or \\(".to_owned());
            }
            return Ok(Node::Group(number, inside));
        }
        let byte = self.text[self.at];
        self.at += 1;
        match byte {
            b'.' => Ok(Node::Any),
            b'^' if self.extended || is_first => Ok(Node::Start),
            b'$' if self.extended
                || self.at == self.text.len()
                || self.next_is(b"\\)")
                || self.next_is(b"\\|") =>
            {
                Ok(Node::End)
            }
            b'[' => self.set(),
            b'\\' => {
                let Some(&next) = self.text.get(self.at) else {
                    return Err("Trailing backslash".to_owned());
                };
                self.at += 1;
                Ok(match next {
                    b'1'..=b'9' => Node::Back(usize::from(next - b'0')),
                    b'n' => Node::Byte(b'\n'),
                    b't' => Node::Byte(b'\t'),
                    b'<' => Node::WordStart,
                    b'>' => Node::WordEnd,
                    b'b' => Node::Boundary(true),
                    b'B' => Node::Boundary(false),
                    b'w' => set_of(is_word),
                    b'W' => set_of(|b| !is_word(b)),
                    b's' => set_of(|b| b.is_ascii_whitespace()),
                    b'S' => set_of(|b| !b.is_ascii_whitespace()),
                    other => Node::Byte(other),
                })
            }
            byte => Ok(Node::Byte(byte)),
        }
    }

    fn set(&mut self) -> Result<Node, String> {
        let unmatched = || "Unmatched [, [^, [:, [., or [=".to_owned();
        let negated = self.next_is(b"^");
        self.at += usize::from(negated);
        let first = self.at;
        let mut set = Box::new([false; 256]);
        loop {
            let low = *self.text.get(self.at).ok_or_else(unmatched)?;
            if low == b']' && self.at > first {
                self.at += 1;
                break;
            }
            if self.next_is(b"[:") {
                let rest = &self.text[self.at + 2..];
                let length = rest
                    .windows(2)
                    .position(|w| w == b":]")
                    .ok_or_else(unmatched)?;
                let name = std::str::from_utf8(&rest[..length]).unwrap_or_default();
                for (byte, member) in (0..=255_u8).zip(set.iter_mut()) {
                    *member |= byte.is_ascii() && class(name, char::from(byte));
                }
                self.at += length + 4;
                continue;
            }
            let range = self.text.get(self.at + 1) == Some(&b'-');
            let high = self
                .text
                .get(self.at + 2)
                .filter(|high| range && **high != b']');
            let high = high.copied();
            for byte in low..=high.unwrap_or(low) {
                set[usize::from(byte)] = true;
            }
            self.at += if high.is_some() { 3 } else { 1 };
        }
        if negated {
            set.iter_mut().for_each(|member| *member = !*member);
        }
        Ok(Node::Set(set))
    }
}

fn set_of(member: impl Fn(u8) -> bool) -> Node {
    let mut set = Box::new([false; 256]);
    for (byte, is_member) in (0..=255_u8).zip(set.iter_mut()) {
        *is_member = member(byte);
    }
    Node::Set(set)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What comes after a part has matched: it says whether the whole has.
type Next<'n> = &'n mut dyn FnMut(&mut Matcher<'_>, usize, &mut Captures) -> bool;

struct Matcher<'m> {
    text: &'m [u8],
    regex: &'m Regex,
    patience: usize,
    depth: usize,
    gave_up: bool,
}

impl Matcher<'_> {
    fn choices(
        &mut self,
        choices: &[Vec<Node>],
        at: usize,
        captures: &mut Captures,
        next: Next<'_>,
    ) -> bool {
        choices
            .iter()
            .any(|choice| self.sequence(choice, at, captures, next))
    }

    fn sequence(
        &mut self,
        nodes: &[Node],
        at: usize,
        captures: &mut Captures,
        next: Next<'_>,
    ) -> bool {
        if self.patience == 0 || self.depth > 4 * DEEPEST {
            self.gave_up = true;
            return true;
        }
        self.patience -= 1;
        let Some((node, rest)) = nodes.split_first() else {
            return next(self, at, captures);
        };
        self.depth += 1;
        let found = match node {
            Node::Repeat(inner, least, most) => {
                if self.one(inner, at, captures).is_none() && is_simple(inner) {
                    *least == 0 && self.sequence(rest, at, captures, next)
                } else if is_simple(inner) {
                    self.simple_repeat(inner, (*least, *most), rest, at, captures, next)
                } else {
                    self.repeat(inner, (*least, *most), rest, at, captures, next)
                }
            }
            Node::Group(number, choices) => {
                let before = captures[*number];
                let number = *number;
                let found = self.choices(choices, at, captures, &mut |matcher, end, captures| {
                    let old = captures[number].replace((at, end));
                    let found = matcher.sequence(rest, end, captures, next);
                    if !found {
                        captures[number] = old;
                    }
                    found
                });
                if !found {
                    captures[number] = before;
                }
                found
            }
            node => match self.one(node, at, captures) {
                Some(length) => self.sequence(rest, at + length, captures, next),
                None => false,
            },
        };
        self.depth -= 1;
        found
    }

    /// As many bytes as match, then fewer.
    fn simple_repeat(
        &mut self,
        node: &Node,
        (least, most): (usize, usize),
        rest: &[Node],
        at: usize,
        captures: &mut Captures,
        next: Next<'_>,
    ) -> bool {
        let mut count = 0;
        while count < most
            && at + count < self.text.len()
            && self.one(node, at + count, captures).is_some()
        {
            count += 1;
        }
        self.patience = self.patience.saturating_sub(count);
        loop {
            if count < least {
                return false;
            }
            if self.sequence(rest, at + count, captures, next) {
                return true;
            }
            if count == 0 {
                return false;
            }
            count -= 1;
        }
    }

    fn repeat(
        &mut self,
        node: &Node,
        (least, most): (usize, usize),
        rest: &[Node],
        at: usize,
        captures: &mut Captures,
        next: Next<'_>,
    ) -> bool {
        if most > 0 {
            let once = std::slice::from_ref(node);
            let found = self.sequence(once, at, captures, &mut |matcher, end, captures| {
                // Nothing once more would never end.
                if end == at {
                    return false;
                }
                let left = (
                    least.saturating_sub(1),
                    if most == usize::MAX { most } else { most - 1 },
                );
                matcher.repeat(node, left, rest, end, captures, next)
            });
            if found {
                return true;
            }
        }
        least == 0 && self.sequence(rest, at, captures, next)
    }

    /// How many bytes a node without parts takes here, if it matches.
    fn one(&self, node: &Node, at: usize, captures: &Captures) -> Option<usize> {
        let here = self.text.get(at).copied();
        let before = at.checked_sub(1).and_then(|at| self.text.get(at)).copied();
        let (word, word_before) = (here.is_some_and(is_word), before.is_some_and(is_word));
        let length = |matches: bool, length: usize| matches.then_some(length);
        match node {
            Node::Byte(own) => {
                let here = here?;
                let same =
                    *own == here || (self.regex.ignore_case && own.eq_ignore_ascii_case(&here));
                length(same, 1)
            }
            Node::Any => length(here.is_some(), 1),
            Node::Set(set) => {
                let here = here?;
                let mut member = set[usize::from(here)];
                if self.regex.ignore_case {
                    member |= set[usize::from(here.to_ascii_lowercase())]
                        || set[usize::from(here.to_ascii_uppercase())];
                }
                length(member, 1)
            }
            Node::Start => length(at == 0, 0),
            Node::End => length(at == self.text.len(), 0),
            Node::WordStart => length(word && !word_before, 0),
            Node::WordEnd => length(!word && word_before, 0),
            Node::Boundary(wanted) => length((word != word_before) == *wanted, 0),
            Node::Back(number) => {
                let (start, end) = captures.get(*number).copied().flatten()?;
                let part = &self.text[start..end];
                length(self.text[at..].starts_with(part), part.len())
            }
            Node::Group(..) | Node::Repeat(..) => None,
        }
    }
}

/// Whether a node always takes exactly one byte.
fn is_simple(node: &Node) -> bool {
    matches!(node, Node::Byte(_) | Node::Any | Node::Set(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_where_they_should() {
        let check = |extended: bool, regex: &str, text: &str, expected: Option<&str>| {
            let regex = Regex::parse(regex, extended, false).unwrap();
            let found = regex.find(text.as_bytes(), 0).unwrap();
            let found = found
                .and_then(|captures| captures[0])
                .map(|(a, b)| &text[a..b]);
            assert_eq!(found, expected, "{regex:?} {text}");
        };
        check(false, "b*c", "abbcd", Some("bbc"));
        check(false, "^a.*", "xa", None);
        check(false, "a\\{2\\}", "caaa", Some("aa"));
        check(false, "\\(ab\\)\\1", "xababx", Some("abab"));
        check(false, "a+", "a+", Some("a+"));
        check(true, "a+", "caaat", Some("aaa"));
        check(true, "(a|ab)(c|bcd)", "abcd", Some("abcd"));
        check(true, "x|xy|xyz", "wxyz", Some("xyz"));
        check(true, "[[:digit:]]+\\.", "v12.3", Some("12."));
        check(true, "(foo)?bar$", "foobar", Some("foobar"));
        check(true, "(a*)*b", "aaab", Some("aaab"));
        check(true, "[^/]+$", "/usr/bin/env", Some("env"));
        check(true, "\\bis\\b", "this is", Some("is"));
        check(false, "*a", "*a", Some("*a"));
        check(true, "", "abc", Some(""));
    }

    #[test]
    fn patience_ends() {
        let regex = Regex::parse("(a|a)*(a|a)*(a|a)*c", true, false).unwrap();
        assert!(regex.find(&[b'a'; 60], 0).is_err());
    }
}

//! Words of a script: quotes, backslashes, variables, and what stands in `$( … )`.

use super::Unsupported;
use super::syntax::{Change, Command, Piece, Word};

/// Why a script cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ParseError {
    /// No shell would take it. The text is what comes after `syntax error: `.
    Syntax(String),
    /// A real shell would.
    Unsupported(Unsupported),
}

impl From<Unsupported> for ParseError {
    fn from(error: Unsupported) -> Self {
        Self::Unsupported(error)
    }
}

/// Reads a script from its first byte to its last.
#[derive(Debug)]
pub(super) struct Parser<'s> {
    /// The script.
    pub(super) text: &'s str,
    /// How far it is read.
    pub(super) at: usize,
    /// Where the line ends after which heredocs stand, and where those end.
    pub(super) heredocs: Option<(usize, usize)>,
    /// How many commands are around this place.
    pub(super) depth: usize,
}

/// Commands and substitutions nest this deep, so that no script exhausts the stack.
const DEEPEST: usize = 40;

/// What ends a piece of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    /// A blank or an operator.
    Word,
    /// The brace of `${ … }`.
    Brace,
    /// A double quote.
    Quote,
    /// The brace of `${ … }` between double quotes.
    QuotedBrace,
    /// `))`
    Arithmetic,
    /// The end of a heredoc.
    Heredoc,
}

impl<'s> Parser<'s> {
    pub(super) fn new(text: &'s str, depth: usize) -> Self {
        Self {
            text,
            at: 0,
            heredocs: None,
            depth,
        }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    pub(super) fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    pub(super) fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Goes on if this comes next.
    pub(super) fn accept(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub(super) fn refuse<T>(&self, what: &str, at: usize) -> Result<T, ParseError> {
        Err(Unsupported::construct(what, at.min(self.text.len())).into())
    }

    /// One level further in.
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.depth >= DEEPEST {
            return self.refuse("a script that is nested so deeply", self.at);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// A word, if one begins here.
    pub(super) fn word(&mut self) -> Result<Option<Word>, ParseError> {
        match self.peek() {
            None => Ok(None),
            Some(c) if is_metacharacter(c) => Ok(None),
            Some(_) => self.pieces(End::Word).map(Some),
        }
    }

    /// The pieces up to `end`, and past it.
    pub(super) fn pieces(&mut self, end: End) -> Result<Word, ParseError> {
        let quoted = !matches!(end, End::Word | End::Brace);
        let mut word = Word::new();
        let mut nested = 0_usize;
        loop {
            let at = self.at;
            let Some(next) = self.peek() else {
                return match end {
                    End::Word | End::Heredoc => Ok(word),
                    End::Quote => Err(ParseError::Syntax("unterminated quoted string".into())),
                    End::Arithmetic => Err(ParseError::Syntax("missing '))'".into())),
                    End::Brace | End::QuotedBrace => Err(ParseError::Syntax("missing '}'".into())),
                };
            };
            match (next, end) {
                (c, End::Word) if is_metacharacter(c) => return Ok(word),
                ('}', End::Brace | End::QuotedBrace) | ('"', End::Quote) => {
                    self.at += 1;
                    return Ok(word);
                }
                (')', End::Arithmetic) if nested == 0 => {
                    if self.accept("))") {
                        return Ok(word);
                    }
                    return Err(ParseError::Syntax("missing '))'".into()));
                }
                ('(', End::Arithmetic) => {
                    nested += 1;
                    self.plain(&mut word, quoted);
                }
                (')', End::Arithmetic) => {
                    nested -= 1;
                    self.plain(&mut word, quoted);
                }
                ('\\', _) => self.backslash(&mut word, end),
                ('\'', End::Word | End::Brace) => {
                    self.at += 1;
                    let Some(length) = self.rest().find('\'') else {
                        return Err(ParseError::Syntax("unterminated quoted string".into()));
                    };
                    word.push(Piece::Quoted(self.rest()[..length].to_owned()));
                    self.at += length + 1;
                }
                ('"', End::Word | End::Brace | End::QuotedBrace) => {
                    self.at += 1;
                    let inside = self.deeper(|parser| parser.pieces(End::Quote))?;
                    // Even between quotes there is nothing, there is a word.
                    word.push(Piece::Quoted(String::new()));
                    word.extend(inside);
                }
                ('`', _) => word.push(self.backticks(quoted)?),
                ('$', _) => match self.deeper(|parser| parser.dollar(quoted, at))? {
                    Some(piece) => word.push(piece),
                    None => self.plain(&mut word, quoted),
                },
                _ => self.plain(&mut word, quoted),
            }
        }
    }

    /// The next character, as it is.
    fn plain(&mut self, word: &mut Word, quoted: bool) {
        if let Some(next) = self.take() {
            add(word, next, quoted);
        }
    }

    fn backslash(&mut self, word: &mut Word, end: End) {
        self.at += 1;
        let Some(next) = self.take() else {
            add(word, '\\', true);
            return;
        };
        if next == '\n' {
            return;
        }
        let special = match end {
            End::Word | End::Brace => true,
            End::Quote | End::QuotedBrace | End::Arithmetic => "$`\"\\".contains(next),
            End::Heredoc => "$`\\".contains(next),
        } || (end == End::QuotedBrace && next == '}');
        if !special {
            add(word, '\\', true);
        }
        add(word, next, true);
    }

    /// What a dollar sign introduces; none when it is only a dollar sign.
    fn dollar(&mut self, quoted: bool, at: usize) -> Result<Option<Piece>, ParseError> {
        let start = self.at;
        self.at += 1;
        if self.accept("((") {
            let text = self.pieces(End::Arithmetic)?;
            return Ok(Some(Piece::Arithmetic { text, quoted, at }));
        }
        if self.accept("(") {
            let body = self.list(&[])?;
            if !self.accept(")") {
                return Err(self.unexpected(Some(")")));
            }
            return Ok(Some(Piece::Output { body, quoted }));
        }
        if self.accept("{") {
            return self.braces(quoted, at).map(Some);
        }
        let name = self.name();
        if !name.is_empty() {
            let name = name.to_owned();
            return Ok(Some(variable(name, None, quoted, at)));
        }
        match self.peek() {
            Some(c @ ('?' | '#' | '@' | '*' | '0'..='9' | '-')) => {
                self.at += 1;
                Ok(Some(variable(c.to_string(), None, quoted, at)))
            }
            Some('$') => self.refuse("`$$`: no process has a number here", at),
            Some('!') => self.refuse("`$!`: nothing runs in the background here", at),
            Some('\'') if !quoted => self.refuse("`$'…'`", at),
            _ => {
                self.at = start;
                Ok(None)
            }
        }
    }

    /// The rest of `${ … }`.
    fn braces(&mut self, quoted: bool, at: usize) -> Result<Piece, ParseError> {
        if self.rest().starts_with('#') && !self.rest().starts_with("#}") {
            self.at += 1;
            let name = self.parameter(at)?;
            if !self.accept("}") {
                return self.refuse("`${#…}` with more than a name", at);
            }
            return Ok(variable(name, Some(Change::Length), quoted, at));
        }
        let name = self.parameter(at)?;
        if self.accept("}") {
            return Ok(variable(name, None, quoted, at));
        }
        let end = if quoted { End::QuotedBrace } else { End::Brace };
        let colon = self.accept(":");
        let change = match self.take() {
            Some(operator @ ('-' | '=' | '+' | '?')) => Change::Default {
                operator,
                colon,
                word: self.pieces(end)?,
            },
            Some(c @ ('#' | '%')) if !colon => {
                let longest = self.accept(&c.to_string());
                Change::Strip {
                    end: c == '%',
                    longest,
                    pattern: self.pieces(End::Brace)?,
                }
            }
            _ => {
                let text = self.text.get(at..self.at).unwrap_or("${");
                return self.refuse(&format!("`{text}`"), at);
            }
        };
        Ok(variable(name, Some(change), quoted, at))
    }

    fn parameter(&mut self, at: usize) -> Result<String, ParseError> {
        let name = self.name().to_owned();
        if !name.is_empty() {
            return Ok(name);
        }
        match self.take() {
            Some(c @ ('?' | '#' | '@' | '*' | '-')) => Ok(c.to_string()),
            Some(c) if c.is_ascii_digit() => {
                let mut name = c.to_string();
                while let Some(c) = self.peek().filter(char::is_ascii_digit) {
                    name.push(c);
                    self.at += 1;
                }
                Ok(name)
            }
            Some('$') => self.refuse("`$$`: no process has a number here", at),
            _ => Err(ParseError::Syntax("bad substitution".into())),
        }
    }

    /// The name of a variable; empty when none begins here.
    pub(super) fn name(&mut self) -> &'s str {
        let rest = self.rest();
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        self.at += name.len();
        name
    }

    /// The older way to write `$( … )`: inside, a backslash protects itself, `$` and a backtick.
    fn backticks(&mut self, quoted: bool) -> Result<Piece, ParseError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(ParseError::Syntax("EOF in backquote substitution".into())),
                Some('`') => break,
                Some('\\') => match self.take() {
                    Some(c @ ('`' | '$' | '\\')) => text.push(c),
                    Some(c) => text.extend(['\\', c]),
                    None => {}
                },
                Some(c) => text.push(c),
            }
        }
        let depth = self.depth;
        let body = self.deeper(|_| Parser::new(&text, depth + 1).script())?;
        Ok(Piece::Output { body, quoted })
    }

    /// What a heredoc says, its variables taken as such.
    pub(super) fn heredoc(text: &str, depth: usize) -> Result<Word, ParseError> {
        Parser::new(text, depth).pieces(End::Heredoc)
    }

    /// Reads a whole script.
    pub(super) fn script(&mut self) -> Result<Command, ParseError> {
        let list = self.list(&[])?;
        if self.at < self.text.len() {
            return Err(self.unexpected(None));
        }
        Ok(list)
    }
}

fn variable(name: String, change: Option<Change>, quoted: bool, at: usize) -> Piece {
    Piece::Variable {
        name,
        change,
        quoted,
        at,
    }
}

/// Lengthens the last piece, or begins a new one.
fn add(word: &mut Word, next: char, quoted: bool) {
    match (word.last_mut(), quoted) {
        (Some(Piece::Quoted(text)), true) | (Some(Piece::Bare(text)), false) => text.push(next),
        (_, true) => word.push(Piece::Quoted(next.to_string())),
        (_, false) => word.push(Piece::Bare(next.to_string())),
    }
}

/// Whether this ends a word.
pub(super) fn is_metacharacter(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')'
    )
}

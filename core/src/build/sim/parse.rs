//! The grammar: lists, pipelines, compound commands and redirections.

use super::lexer::{ParseError, Parser, is_metacharacter};
use super::syntax::{Command, Piece, Redirect, To, Word};

/// Words with a meaning of their own where a command begins.
const RESERVED: &[&str] = &[
    "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then",
    "until", "while",
];

/// The same, for which there is nothing here.
const REFUSED: &[&str] = &["[[", "function", "select", "time", "coproc"];

/// The commands of a script, line by line, each with its heredocs and without comments. What
/// cannot be understood is one command, up to the end.
pub(super) fn lines(script: &str) -> Vec<&str> {
    let mut parser = Parser::new(script, 0);
    let mut found = Vec::new();
    while parser.newlines().is_ok() && parser.at < script.len() {
        let start = parser.at;
        let end = parser.line().unwrap_or(script.len());
        found.push(&script[start..end]);
        if end == script.len() {
            break;
        }
    }
    found
}

impl Parser<'_> {
    /// The commands up to the end of the line, and where that end is, behind their heredocs.
    fn line(&mut self) -> Result<usize, ParseError> {
        loop {
            self.and_or()?;
            self.blanks();
            if self.peek() != Some(';') {
                break;
            }
            self.at += 1;
            self.blanks();
            if matches!(self.peek(), None | Some('\n')) {
                break;
            }
        }
        match (self.peek(), self.heredocs) {
            (Some('\n'), Some((line, end))) if line == self.at => Ok(end),
            (None | Some('\n'), _) => Ok(self.at),
            _ => Err(self.unexpected(None)),
        }
    }

    /// Blanks, comments and lines that go on.
    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t') => self.at += 1,
                Some('\\') if self.rest().starts_with("\\\n") => self.at += 2,
                Some('#') => {
                    let end = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.at += end;
                }
                _ => return,
            }
        }
    }

    /// Blanks and ends of lines. After a line with heredocs, the next line is the one after them.
    fn newlines(&mut self) -> Result<(), ParseError> {
        loop {
            self.blanks();
            if self.peek() != Some('\n') {
                return Ok(());
            }
            match self.heredocs.take() {
                Some((line, end)) if line == self.at => self.at = end,
                Some((line, _)) => {
                    return self.refuse("a heredoc whose line ends between quotes", line);
                }
                None => self.at += 1,
            }
        }
    }

    /// Commands up to one of the words `ends`, a closing parenthesis, `;;` or the end.
    pub(super) fn list(&mut self, ends: &[&str]) -> Result<Command, ParseError> {
        let mut commands = Vec::new();
        loop {
            self.newlines()?;
            if self.ends_list(ends) {
                break;
            }
            commands.push(self.and_or()?);
            self.blanks();
            if self.rest().starts_with(";;") {
                break;
            }
            match self.peek() {
                Some(';') => self.at += 1,
                Some('&') => {
                    return self.refuse("`&`: nothing runs in the background here", self.at);
                }
                Some('\n') => {}
                _ => break,
            }
        }
        Ok(match <[Command; 1]>::try_from(commands) {
            Ok([only]) => only,
            Err(commands) => Command::List(commands),
        })
    }

    fn ends_list(&self, ends: &[&str]) -> bool {
        let word = self.reserved();
        self.at == self.text.len()
            || self.rest().starts_with(')')
            || self.rest().starts_with(";;")
            || word.is_some_and(|word| ends.contains(&word))
    }

    /// The reserved word that comes next.
    fn reserved(&self) -> Option<&'static str> {
        let rest = self.rest();
        let word = &rest[..rest.find(is_metacharacter).unwrap_or(rest.len())];
        let known = RESERVED.iter().chain(REFUSED);
        known.copied().find(|reserved| *reserved == word)
    }

    fn expect(&mut self, word: &'static str) -> Result<(), ParseError> {
        self.newlines()?;
        if self.reserved() != Some(word) {
            return Err(self.unexpected(Some(word)));
        }
        self.at += word.len();
        Ok(())
    }

    /// The error that names what comes next.
    pub(super) fn unexpected(&self, wanted: Option<&str>) -> ParseError {
        let rest = self.rest();
        let next = match rest.chars().next() {
            None => "end of file".to_owned(),
            Some('\n') => "newline".to_owned(),
            Some(_) => {
                let operator = [";;", "&&", "||", "(", ")", ";", "|", "<", ">", "&"];
                let operator = operator.into_iter().find(|o| rest.starts_with(o));
                let word = rest.find(is_metacharacter).unwrap_or(rest.len());
                match operator {
                    Some(operator) => format!("\"{operator}\""),
                    None if self.reserved().is_some() => format!("\"{}\"", &rest[..word]),
                    None => "word".to_owned(),
                }
            }
        };
        let wanted = wanted.map(|wanted| format!(" (expecting \"{wanted}\")"));
        ParseError::Syntax(format!("unexpected {next}{}", wanted.unwrap_or_default()))
    }

    fn and_or(&mut self) -> Result<Command, ParseError> {
        let mut left = self.pipeline()?;
        loop {
            self.blanks();
            let and = self.accept("&&");
            if !and && !self.accept("||") {
                return Ok(left);
            }
            self.newlines()?;
            let right = Box::new(self.pipeline()?);
            left = if and {
                Command::And(Box::new(left), right)
            } else {
                Command::Or(Box::new(left), right)
            };
        }
    }

    fn pipeline(&mut self) -> Result<Command, ParseError> {
        self.blanks();
        if self.reserved() == Some("!") {
            self.at += 1;
            let inner = self.deeper(Self::pipeline)?;
            return Ok(Command::Not(Box::new(inner)));
        }
        let mut parts = vec![self.deeper(Self::command)?];
        loop {
            self.blanks();
            if self.rest().starts_with("||") || !self.accept("|") {
                break;
            }
            if self.accept("&") {
                return self.refuse("`|&`", self.at);
            }
            self.newlines()?;
            parts.push(self.deeper(Self::command)?);
        }
        Ok(match <[Command; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Command::Pipe(parts),
        })
    }

    fn command(&mut self) -> Result<Command, ParseError> {
        self.blanks();
        let at = self.at;
        if self.rest().starts_with("((") {
            return self.refuse("`(( … ))`", at);
        }
        if self.accept("(") {
            let body = Box::new(self.list(&[])?);
            if !self.accept(")") {
                return Err(self.unexpected(Some(")")));
            }
            return Ok(Command::Subshell(body, self.redirects()?));
        }
        let Some(word) = self.reserved() else {
            return self.simple();
        };
        if REFUSED.contains(&word) {
            return self.refuse(&format!("`{word}`"), at);
        }
        self.at += word.len();
        match word {
            "{" => {
                let body = Box::new(self.list(&["}"])?);
                self.expect("}")?;
                Ok(Command::Group(body, self.redirects()?))
            }
            "if" => self.conditional(),
            "for" => self.for_loop(),
            "while" | "until" => {
                let condition = Box::new(self.list(&["do"])?);
                let body = Box::new(self.body()?);
                Ok(Command::While {
                    until: word == "until",
                    condition,
                    body,
                    redirects: self.redirects()?,
                })
            }
            "case" => self.case(),
            _ => {
                self.at = at;
                Err(self.unexpected(None))
            }
        }
    }

    fn conditional(&mut self) -> Result<Command, ParseError> {
        let mut arms = Vec::new();
        let mut otherwise = None;
        loop {
            let condition = self.list(&["then"])?;
            self.expect("then")?;
            arms.push((condition, self.list(&["elif", "else", "fi"])?));
            self.newlines()?;
            match self.reserved() {
                Some("elif") => self.at += 4,
                Some("else") => {
                    self.at += 4;
                    otherwise = Some(Box::new(self.list(&["fi"])?));
                    self.expect("fi")?;
                    break;
                }
                _ => {
                    self.expect("fi")?;
                    break;
                }
            }
        }
        Ok(Command::If {
            arms,
            otherwise,
            redirects: self.redirects()?,
        })
    }

    fn for_loop(&mut self) -> Result<Command, ParseError> {
        self.blanks();
        if self.rest().starts_with("((") {
            return self.refuse("`for ((`", self.at);
        }
        let name = self.name().to_owned();
        if name.is_empty() {
            return Err(ParseError::Syntax("bad for loop variable".into()));
        }
        self.newlines()?;
        let mut words = None;
        if self.reserved() == Some("in") {
            self.at += 2;
            let mut list = Vec::new();
            loop {
                self.blanks();
                match self.word()? {
                    Some(word) => list.push(word),
                    None => break,
                }
            }
            words = Some(list);
        }
        self.blanks();
        self.accept(";");
        let body = Box::new(self.body()?);
        Ok(Command::For {
            name,
            words,
            body,
            redirects: self.redirects()?,
        })
    }

    fn body(&mut self) -> Result<Command, ParseError> {
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(body)
    }

    fn case(&mut self) -> Result<Command, ParseError> {
        self.blanks();
        let Some(word) = self.word()? else {
            return Err(self.unexpected(None));
        };
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines()?;
            if self.reserved() == Some("esac") {
                self.at += 4;
                break;
            }
            self.accept("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                let Some(pattern) = self.word()? else {
                    return Err(self.unexpected(None));
                };
                patterns.push(pattern);
                self.blanks();
                if self.accept(")") {
                    break;
                }
                if !self.accept("|") {
                    return Err(self.unexpected(Some(")")));
                }
            }
            arms.push((patterns, self.list(&["esac"])?));
            self.newlines()?;
            if !self.accept(";;") && self.reserved() != Some("esac") {
                return Err(self.unexpected(Some(";;")));
            }
        }
        Ok(Command::Case {
            word,
            arms,
            redirects: self.redirects()?,
        })
    }

    fn simple(&mut self) -> Result<Command, ParseError> {
        let (mut assigns, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            let at = self.at;
            let Some(word) = self.word()? else { break };
            if words.is_empty() {
                match assignment(&word) {
                    Some(assign) => {
                        assigns.push(assign);
                        continue;
                    }
                    None if self.rest().starts_with("()") => {
                        return self.refuse("a function", at);
                    }
                    None => {}
                }
            }
            words.push(word);
        }
        if words.is_empty() && assigns.is_empty() && redirects.is_empty() {
            return Err(self.unexpected(None));
        }
        Ok(Command::Simple {
            assigns,
            words,
            redirects,
        })
    }

    fn redirects(&mut self) -> Result<Vec<Redirect>, ParseError> {
        let mut redirects = Vec::new();
        loop {
            self.blanks();
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => return Ok(redirects),
            }
        }
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, ParseError> {
        let start = self.at;
        let both = self.rest().starts_with("&>");
        let digit = self.peek().filter(char::is_ascii_digit);
        let number = digit.filter(|_| self.rest()[1..].starts_with(['<', '>']));
        let fd = number.and_then(|c| c.to_digit(10));
        self.at += usize::from(both || fd.is_some());
        let operators = [
            "<<<", "<<-", "<<", "<&", "<>", "<(", "<", ">>", ">&", ">|", ">(", ">",
        ];
        let found = operators.into_iter().find(|operator| self.accept(operator));
        let Some(operator) = found else {
            self.at = start;
            return Ok(None);
        };
        let default = u8::from(operator.starts_with('>'));
        let fd = fd.and_then(|fd| u8::try_from(fd).ok()).unwrap_or(default);
        if matches!(operator, "<<<" | "<>" | "<(" | ">(") {
            return self.refuse(&format!("`{operator}`"), start);
        }
        self.blanks();
        let begin = self.at;
        let Some(word) = self.word()? else {
            return Err(self.unexpected(None));
        };
        let to = match operator {
            "<<" | "<<-" => self.heredoc_body(begin, operator == "<<-", &word)?,
            "<&" | ">&" => match self.text.get(begin..self.at) {
                Some("-") => To::Same(None),
                Some(text) if text.len() == 1 && text.as_bytes()[0].is_ascii_digit() => {
                    To::Same(Some(text.as_bytes()[0] - b'0'))
                }
                _ if operator == ">&" && fd == 1 => To::Both {
                    file: word,
                    append: false,
                },
                _ => return self.refuse("a file descriptor that is no number", begin),
            },
            ">" | ">>" if both => To::Both {
                file: word,
                append: operator == ">>",
            },
            "<" => To::Read(word),
            ">>" => To::Append(word),
            _ => To::Write(word),
        };
        Ok(Some(Redirect { fd, to }))
    }

    /// The text of a heredoc, which begins after the line that names it. Heredocs of one line
    /// stand one after the other.
    fn heredoc_body(&mut self, begin: usize, tabs: bool, word: &Word) -> Result<To, ParseError> {
        let mut delimiter = String::new();
        let mut quoted = false;
        for piece in word {
            match piece {
                Piece::Bare(text) => delimiter += text,
                Piece::Quoted(text) => {
                    delimiter += text;
                    quoted = true;
                }
                _ => return self.refuse("a heredoc whose end has a variable", begin),
            }
        }
        let line = self.rest().find('\n').map(|length| self.at + length);
        let (line, mut at) = match (self.heredocs, line) {
            (Some(known), _) => known,
            (None, Some(line)) => (line, line + 1),
            (None, None) => (self.text.len(), self.text.len()),
        };
        let mut text = String::new();
        while at < self.text.len() {
            let rest = &self.text[at..];
            let whole = rest.find('\n').map_or(rest, |end| &rest[..=end]);
            at += whole.len();
            let shown = if tabs {
                whole.trim_start_matches('\t')
            } else {
                whole
            };
            if shown.strip_suffix('\n').unwrap_or(shown) == delimiter {
                break;
            }
            text += shown;
        }
        self.heredocs = Some((line, at));
        Ok(To::Text(if quoted {
            vec![Piece::Quoted(text)]
        } else {
            let depth = self.depth;
            self.deeper(|_| Self::heredoc(&text, depth + 1))?
        }))
    }
}

/// Name and value, if the word is an assignment.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let Some(Piece::Bare(first)) = word.first() else {
        return None;
    };
    let (name, value) = first.split_once('=')?;
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let continues = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(begins) || !name.chars().all(continues) {
        return None;
    }
    let mut rest: Word = vec![Piece::Bare(value.to_owned())];
    rest.extend(word[1..].iter().cloned());
    Some((name.to_owned(), rest))
}

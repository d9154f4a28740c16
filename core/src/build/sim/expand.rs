//! From words to fields: variables, `$( … )`, splitting, names of files.
//!
//! Source: [POSIX, Word Expansions](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_06).

use std::cell::RefCell;
use std::rc::Rc;

use super::arithmetic;
use super::pattern::{Pattern, Token};
use super::run::{Runner, Stop};
use super::streams::Sink;
use super::syntax::{Change, Command, Piece, Word};

/// A field under way.
#[derive(Debug, Default)]
struct Field {
    text: Pattern,
    /// Quotes make a field even of nothing.
    quoted: bool,
}

/// The fields of a word so far; the last one is open.
#[derive(Debug)]
struct Fields {
    done: Vec<Field>,
    open: Field,
    /// Whether blanks in values separate fields.
    split: bool,
}

/// A value may have this many bytes, so that no doubling fills the memory.
const LONGEST: usize = 4 << 20;

impl Fields {
    fn close(&mut self) {
        let field = std::mem::take(&mut self.open);
        if field.quoted || !field.text.0.is_empty() {
            self.done.push(field);
        }
    }

    /// Adds a value, splitting it where that is asked for.
    fn value(&mut self, value: &str, quoted: bool, separators: &str) {
        if quoted {
            self.open.text.quoted(value);
            self.open.quoted = true;
            return;
        }
        if !self.split {
            self.open.text.bare(value);
            return;
        }
        let mut chars = value.chars().peekable();
        while let Some(c) = chars.next() {
            if !separators.contains(c) {
                self.open.text.bare(c.encode_utf8(&mut [0; 4]));
                continue;
            }
            // A separator that is no blank makes a field even of nothing.
            let blank = |c: char| matches!(c, ' ' | '\t' | '\n') && separators.contains(c);
            let mut hard = !blank(c);
            while let Some(next) = chars.peek().copied() {
                if !blank(next) && (hard || !separators.contains(next)) {
                    break;
                }
                hard |= !blank(next);
                chars.next();
            }
            self.open.quoted |= hard;
            self.close();
        }
    }
}

impl Runner<'_, '_> {
    /// The fields that words become.
    pub(super) fn fields(&mut self, words: &[Word]) -> Result<Vec<String>, Stop> {
        let mut result = Vec::new();
        for word in words {
            for field in self.expand(word, true)? {
                if field.text.is_special() && !self.options.noglob {
                    let found = self.glob(&field.text)?;
                    if !found.is_empty() {
                        result.extend(found);
                        continue;
                    }
                }
                result.push(field.text.text());
            }
        }
        Ok(result)
    }

    /// The one text that a word becomes where nothing is split.
    pub(super) fn single(&mut self, word: &Word) -> Result<String, Stop> {
        Ok(self.pattern(word)?.text())
    }

    /// The same, with what is special in it.
    pub(super) fn pattern(&mut self, word: &Word) -> Result<Pattern, Stop> {
        let mut whole = Pattern::default();
        for (index, field) in self.expand(word, false)?.into_iter().enumerate() {
            if index > 0 {
                whole.quoted(" ");
            }
            whole.0.extend(field.text.0);
        }
        Ok(whole)
    }

    fn expand(&mut self, word: &Word, split: bool) -> Result<Vec<Field>, Stop> {
        let mut fields = Fields {
            done: Vec::new(),
            open: Field::default(),
            split,
        };
        for (index, piece) in word.iter().enumerate() {
            match piece {
                Piece::Bare(text) if index == 0 && text.starts_with('~') => {
                    let rest = self.tilde(text, &mut fields);
                    fields.open.text.bare(&rest);
                }
                piece => self.piece(piece, false, &mut fields)?,
            }
            if fields.open.text.0.len() > LONGEST {
                return Err(Stop::refuse("a word of so many bytes"));
            }
        }
        fields.close();
        Ok(fields.done)
    }

    /// `~` is the home directory, `~name` somebody else's. Gives what is left.
    fn tilde(&self, text: &str, fields: &mut Fields) -> String {
        let (name, rest) = match text[1..].find('/') {
            Some(slash) => (&text[1..=slash], &text[slash + 1..]),
            None => (&text[1..], ""),
        };
        let home = if name.is_empty() {
            self.shell.env.get("HOME").cloned()
        } else {
            let known = self.accounts().users;
            known
                .into_iter()
                .find(|user| user.name == name)
                .map(|user| user.home)
        };
        match home {
            Some(home) => {
                fields.open.text.quoted(&home);
                rest.to_owned()
            }
            None => text.to_owned(),
        }
    }

    fn piece(&mut self, piece: &Piece, outer: bool, fields: &mut Fields) -> Result<(), Stop> {
        let separators = match self.shell.env.get("IFS") {
            Some(own) => own.clone(),
            None => " \t\n".to_owned(),
        };
        match piece {
            Piece::Bare(text) if outer => fields.value(text, true, ""),
            Piece::Bare(text) => fields.open.text.bare(text),
            Piece::Quoted(text) => fields.value(text, true, ""),
            Piece::Output { body, quoted } => {
                let output = self.output(body)?;
                fields.value(&output, *quoted || outer, &separators);
            }
            Piece::Arithmetic { text, quoted, at } => {
                let text = self.single(text)?;
                let value = arithmetic::evaluate(&text, &self.shell.env)
                    .map_err(|what| Stop::construct(what, *at))?;
                fields.value(&value.to_string(), *quoted || outer, &separators);
            }
            Piece::Variable {
                name,
                change,
                quoted,
                at,
            } => {
                let quoted = *quoted || outer;
                self.variable(name, change.as_ref(), quoted, *at, fields, &separators)?;
            }
        }
        Ok(())
    }

    fn variable(
        &mut self,
        name: &str,
        change: Option<&Change>,
        quoted: bool,
        at: usize,
        fields: &mut Fields,
        separators: &str,
    ) -> Result<(), Stop> {
        if matches!(name, "@" | "*") && change.is_none() {
            let params = self.params.clone();
            let apart = !quoted || (name == "@" && fields.split);
            if !apart {
                fields.value(&params.join(" "), true, "");
                return Ok(());
            }
            for (index, param) in params.iter().enumerate() {
                if index > 0 {
                    fields.close();
                }
                fields.value(param, quoted, separators);
            }
            return Ok(());
        }
        let value = self.value_of(name);
        match change {
            None => {
                if value.is_none() && self.options.nounset && !matches!(name, "@" | "*") {
                    self.complain(&format!("{name}: parameter not set"));
                    return Err(Stop::Exit(2));
                }
                fields.value(&value.unwrap_or_default(), quoted, separators);
            }
            Some(Change::Length) => {
                let length = value.unwrap_or_default().chars().count();
                fields.value(&length.to_string(), quoted, separators);
            }
            Some(Change::Strip {
                end,
                longest,
                pattern,
            }) => {
                let pattern = self.pattern(pattern)?;
                let value = value.unwrap_or_default();
                fields.value(strip(&value, &pattern, *end, *longest), quoted, separators);
            }
            Some(Change::Default {
                operator,
                colon,
                word,
            }) => {
                let there = value.filter(|value| !(*colon && value.is_empty()));
                match (operator, there) {
                    ('+', Some(_)) | ('-', None) => {
                        for piece in word {
                            self.piece(piece, quoted, fields)?;
                        }
                    }
                    ('+', None) => {}
                    ('=', None) => {
                        if name.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_') {
                            return Err(Stop::construct("an assignment to a parameter", at));
                        }
                        let value = self.single(word)?;
                        self.assign(name, value.clone());
                        fields.value(&value, quoted, separators);
                    }
                    (_, Some(value)) => fields.value(&value, quoted, separators),
                    (_, None) => {
                        let said = self.single(word)?;
                        let why = if said.is_empty() {
                            "parameter not set"
                        } else {
                            &said
                        };
                        self.complain(&format!("{name}: {why}"));
                        return Err(Stop::Exit(2));
                    }
                }
            }
        }
        if quoted {
            fields.open.quoted = true;
        }
        Ok(())
    }

    /// The value of a variable or parameter, if it is set.
    fn value_of(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.status.to_string()),
            "#" => Some(self.params.len().to_string()),
            "@" | "*" => (!self.params.is_empty()).then(|| self.params.join(" ")),
            "-" => Some(self.options.letters()),
            "0" => Some(self.arg0.clone()),
            "PWD" if !self.shell.env.contains_key("PWD") => Some(self.shell.cwd.to_string()),
            name => match name.parse::<usize>() {
                Ok(number) => self.params.get(number.wrapping_sub(1)).cloned(),
                Err(_) => self.shell.env.get(name).cloned(),
            },
        }
    }

    /// What a command writes to standard output, without the ends of line at the end.
    fn output(&mut self, body: &Command) -> Result<String, Stop> {
        let kept = Rc::new(RefCell::new(Vec::new()));
        self.flush();
        let status = self.apart(|runner| {
            runner.streams.set(1, Sink::Kept(Rc::clone(&kept)));
            runner.command(body)
        })?;
        self.status = status;
        self.output_status = Some(status);
        let bytes = kept.borrow();
        let text = String::from_utf8_lossy(&bytes).replace('\0', "");
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// The paths that match a pattern, in the order of their bytes.
    fn glob(&self, pattern: &Pattern) -> Result<Vec<String>, Stop> {
        let mut found = vec![String::new()];
        let parts = pattern.components();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            let mut next = Vec::new();
            for before in &found {
                if !part.is_special() {
                    let path = format!("{before}{}{}", part.text(), if last { "" } else { "/" });
                    if path == "/" || path.is_empty() || self.shell.stat(&path, false).is_ok() {
                        next.push(path);
                    }
                    continue;
                }
                let directory = if before.is_empty() { "." } else { before };
                let Ok((at, node)) = self.shell.stat(directory, true) else {
                    continue;
                };
                if node.kind != crate::tree::Kind::Directory {
                    continue;
                }
                for name in self.shell.names(&at).unwrap_or_default() {
                    let Ok(name) = String::from_utf8(name) else {
                        return Err(Stop::refuse("a file name that is not UTF-8"));
                    };
                    let hidden = name.starts_with('.') && part.0.first() != Some(&Token::Char('.'));
                    if !hidden && part.matches(&name) {
                        let path = format!("{before}{name}");
                        if last {
                            next.push(path);
                        } else if self.shell.is_directory(&path) {
                            next.push(path + "/");
                        }
                    }
                }
            }
            found = next;
        }
        found.sort();
        Ok(found)
    }
}

/// A value without what a pattern matches at one end.
fn strip<'v>(value: &'v str, pattern: &Pattern, end: bool, longest: bool) -> &'v str {
    let places = value.char_indices().map(|(at, _)| at).chain([value.len()]);
    let mut places: Vec<usize> = places.collect();
    // The shortest match first, at the end that is stripped.
    if end != longest {
        places.reverse();
    }
    for at in places {
        let (left, right) = value.split_at(at);
        if end && pattern.matches(right) {
            return left;
        }
        if !end && pattern.matches(left) {
            return right;
        }
    }
    value
}

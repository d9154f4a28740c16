//! sed: addresses, and the commands `s d p q a i c = y` and `{ … }`.

use super::{Given, Runner, Stop, lines};
use crate::build::sim::regex::{Captures, Regex};

/// One command with the lines that it is for.
#[derive(Debug)]
struct Step {
    from: Option<Address>,
    to: Option<Address>,
    negated: bool,
    /// Whether the range is open.
    inside: bool,
    action: Action,
}

/// Which line.
#[derive(Debug)]
enum Address {
    Number(usize),
    Last,
    /// So many lines after the beginning of the range.
    Plus(usize),
    Match(Regex),
}

#[derive(Debug)]
enum Action {
    Substitute {
        regex: Regex,
        with: Vec<Part>,
        all: bool,
        print: bool,
        number: usize,
    },
    Delete,
    Print,
    Quit,
    Append(String),
    Insert(String),
    Change(String),
    Number,
    Map(Vec<(u8, u8)>),
    Group(Vec<Step>),
}

/// A part of what `s` puts in place.
#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    Capture(usize),
}

/// What becomes of a line.
#[derive(Debug, Default)]
struct Line {
    text: Vec<u8>,
    deleted: bool,
    quit: bool,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// `sed`
pub(super) fn sed(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    // The value of -i is always glued to it.
    let mut words = args.to_vec();
    let mut suffix = None;
    for word in words.iter_mut().skip(1) {
        if word == "--" || !word.starts_with('-') {
            continue;
        }
        if let Some(rest) = word.strip_prefix("--in-place") {
            suffix = Some(rest.trim_start_matches('=').to_owned());
            "-i".clone_into(word);
        } else if let Some(rest) = word.strip_prefix("-i") {
            suffix = Some(rest.to_owned());
            "-i".clone_into(word);
        }
    }
    let long = [
        ("quiet", 'n'),
        ("silent", 'n'),
        ("expression", 'e'),
        ("regexp-extended", 'E'),
    ];
    let given = Given::read(&words, "ne:Eris", &long)?;
    let mut operands = given.operands.clone();
    let mut script: Vec<&str> = given.values('e').collect();
    let first;
    if script.is_empty() {
        if operands.is_empty() {
            return Ok(runner.misused(args, "no script was given"));
        }
        first = operands.remove(0);
        script.push(&first);
    }
    let script = script.join("\n");
    let mut reader = Reader {
        text: &script,
        at: 0,
        extended: given.has("Er"),
        depth: 0,
    };
    let mut steps = match reader.steps(false) {
        Ok(steps) => steps,
        Err(Wrong::Unsupported(what)) => {
            return Err(Stop::command("sed", format!("`sed` with {what}")));
        }
        Err(Wrong::Bad(what)) => return Ok(runner.misused(args, &what)),
    };
    let silent = given.has("n");
    let Some(suffix) = suffix.filter(|_| given.has("i")) else {
        let (texts, code) = runner.texts(args, &operands)?;
        let whole: Vec<u8> = texts.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let result = edit(&mut steps, &whole, silent)?;
        runner.out(result);
        return Ok(code);
    };
    let mut code = 0;
    for path in &operands {
        let bytes = match runner.contents(path)? {
            Ok(bytes) => bytes,
            Err(errno) => {
                let gnu = format!("can't read {path}");
                code = runner.fails(args, path, &gnu, errno);
                if runner.gnu {
                    code = 2;
                }
                continue;
            }
        };
        let result = edit(&mut steps, &bytes, silent)?;
        if let Err(errno) = in_place(runner, path, &suffix, result) {
            code = runner.fails(args, path, path, errno);
        }
    }
    Ok(code)
}

/// A new file takes the old one's name, as `sed -i` does it, with mode and owner of the old one.
fn in_place(
    runner: &mut Runner<'_, '_>,
    path: &str,
    suffix: &str,
    bytes: Vec<u8>,
) -> Result<(), super::Errno> {
    let (_, old) = runner.shell.stat(path, true)?;
    if suffix.is_empty() {
        runner.shell.unlink(path)?;
    } else {
        runner.shell.rename(path, &format!("{path}{suffix}"))?;
    }
    let at = runner.shell.open(path, true, 0o600)?;
    runner.shell.put(&at, bytes);
    let _ = runner.shell.chown(&at, old.meta.uid, old.meta.gid);
    let _ = runner.shell.chmod(&at, old.meta.mode);
    // Where nothing was written, the time is that of the making.
    Ok(())
}

fn edit(steps: &mut [Step], bytes: &[u8], silent: bool) -> Result<Vec<u8>, Stop> {
    let mut result = Vec::new();
    let all = lines(bytes);
    let unended = !bytes.is_empty() && bytes.last() != Some(&b'\n');
    let count = all.len();
    for (index, text) in all.into_iter().enumerate() {
        let mut line = Line {
            text: text.to_vec(),
            ..Line::default()
        };
        let is_last = index + 1 == count;
        apply(steps, &mut line, index + 1, is_last).map_err(Stop::refuse)?;
        result.extend_from_slice(&line.before);
        if !silent && !line.deleted {
            result.extend_from_slice(&line.text);
            if !(is_last && unended) {
                result.push(b'\n');
            }
        }
        if !line.after.is_empty() && result.last().is_some_and(|b| *b != b'\n') {
            result.push(b'\n');
        }
        result.extend_from_slice(&line.after);
        if line.quit {
            break;
        }
    }
    Ok(result)
}

fn apply(steps: &mut [Step], line: &mut Line, number: usize, is_last: bool) -> Result<(), String> {
    for step in steps {
        if line.deleted || line.quit {
            return Ok(());
        }
        if selects(step, line, number, is_last)? == step.negated {
            continue;
        }
        let shown = |text: &[u8]| [text, b"\n"].concat();
        match &mut step.action {
            Action::Delete => line.deleted = true,
            Action::Print => line.before.extend(shown(&line.text)),
            Action::Quit => line.quit = true,
            Action::Append(text) => line.after.extend(shown(text.as_bytes())),
            Action::Insert(text) => line.before.extend(shown(text.as_bytes())),
            Action::Change(text) => {
                if !step.inside || step.negated {
                    line.before.extend(shown(text.as_bytes()));
                }
                line.deleted = true;
            }
            Action::Number => line.before.extend(shown(number.to_string().as_bytes())),
            Action::Map(pairs) => {
                for byte in &mut line.text {
                    if let Some((_, to)) = pairs.iter().find(|(from, _)| from == byte) {
                        *byte = *to;
                    }
                }
            }
            Action::Group(inner) => apply(inner, line, number, is_last)?,
            Action::Substitute {
                regex,
                with,
                all,
                print,
                number,
            } => {
                if let Some(text) = substitute(&line.text, regex, with, *all, *number)? {
                    line.text = text;
                    if *print {
                        line.before.extend(shown(&line.text));
                    }
                }
            }
        }
    }
    Ok(())
}

fn selects(step: &mut Step, line: &Line, number: usize, is_last: bool) -> Result<bool, String> {
    let is = |address: &Address| match address {
        Address::Number(own) => Ok(*own == number),
        Address::Last => Ok(is_last),
        Address::Plus(_) => Ok(false),
        Address::Match(regex) => regex.find(&line.text, 0).map(|found| found.is_some()),
    };
    let Some(from) = &step.from else {
        return Ok(true);
    };
    let Some(to) = &mut step.to else {
        return is(from);
    };
    if step.inside {
        step.inside = match to {
            Address::Number(end) => number < *end,
            Address::Plus(left) => {
                *left = left.saturating_sub(1);
                *left > 0
            }
            to => !is(to)?,
        };
        return Ok(true);
    }
    let begins = is(from)?;
    if begins {
        step.inside = match to {
            Address::Number(end) => number < *end,
            Address::Plus(count) => *count > 0,
            _ => !is_last,
        };
    }
    Ok(begins)
}

fn substitute(
    text: &[u8],
    regex: &Regex,
    with: &[Part],
    all: bool,
    wanted: usize,
) -> Result<Option<Vec<u8>>, String> {
    let mut result = Vec::new();
    let (mut at, mut from, mut count) = (0, 0, 0);
    let mut changed = false;
    let mut before = None;
    while from <= text.len() {
        let Some(captures) = regex.find(text, from)? else {
            break;
        };
        let Some((start, end)) = captures[0] else {
            break;
        };
        // Nothing directly behind a match is no match of its own.
        if start == end && before == Some(start) {
            if start < text.len() {
                result.push(text[start]);
            }
            at = start + 1;
            from = start + 1;
            continue;
        }
        count += 1;
        before = Some(end);
        result.extend_from_slice(&text[at.min(start)..start]);
        if count >= wanted {
            changed = true;
            replace(&mut result, text, &captures, with);
        } else {
            result.extend_from_slice(&text[start..end]);
        }
        at = end;
        from = end;
        if start == end {
            if end < text.len() {
                result.push(text[end]);
            }
            at = end + 1;
            from = end + 1;
        }
        if changed && !all {
            break;
        }
    }
    if !changed {
        return Ok(None);
    }
    result.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok(Some(result))
}

fn replace(result: &mut Vec<u8>, text: &[u8], captures: &Captures, with: &[Part]) {
    for part in with {
        match part {
            Part::Text(bytes) => result.extend_from_slice(bytes),
            Part::Capture(number) => {
                if let Some((start, end)) = captures.get(*number).copied().flatten() {
                    result.extend_from_slice(&text[start..end]);
                }
            }
        }
    }
}

/// Why a script is not carried out.
enum Wrong {
    /// No sed would.
    Bad(String),
    /// Others would.
    Unsupported(String),
}

struct Reader<'s> {
    text: &'s str,
    at: usize,
    extended: bool,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip(&mut self, chars: &str) {
        while self.peek().is_some_and(|c| chars.contains(c)) {
            self.take();
        }
    }

    fn steps(&mut self, nested: bool) -> Result<Vec<Step>, Wrong> {
        self.depth += 1;
        if self.depth > 20 {
            return Err(Wrong::Unsupported("so many braces".to_owned()));
        }
        let mut steps = Vec::new();
        loop {
            self.skip(" \t\n;");
            match self.peek() {
                None if nested => return Err(Wrong::Bad("unmatched {".to_owned())),
                None => break,
                Some('}') if nested => {
                    self.take();
                    break;
                }
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.take();
                    }
                }
                Some(_) => steps.push(self.step()?),
            }
        }
        self.depth -= 1;
        Ok(steps)
    }

    fn step(&mut self) -> Result<Step, Wrong> {
        let from = self.address()?;
        let mut to = None;
        if from.is_some() && self.peek() == Some(',') {
            self.take();
            self.skip(" ");
            to = self.address()?;
            if to.is_none() {
                return Err(Wrong::Bad("unexpected `,'".to_owned()));
            }
        }
        self.skip(" \t");
        let negated = self.peek() == Some('!');
        if negated {
            self.take();
            self.skip(" \t");
        }
        let action = match self.take() {
            None => return Err(Wrong::Bad("missing command".to_owned())),
            Some('s') => self.substitution()?,
            Some('d') => Action::Delete,
            Some('p') => Action::Print,
            Some('q') => Action::Quit,
            Some('=') => Action::Number,
            Some('a') => Action::Append(self.words()),
            Some('i') => Action::Insert(self.words()),
            Some('c') => Action::Change(self.words()),
            Some('{') => Action::Group(self.steps(true)?),
            Some('y') => {
                let end = self.take().unwrap_or('/');
                let (from, to) = (self.until(end, true)?, self.until(end, true)?);
                if from.len() != to.len() {
                    return Err(Wrong::Bad(
                        "strings for y command are different lengths".to_owned(),
                    ));
                }
                Action::Map(from.bytes().zip(to.bytes()).collect())
            }
            Some(
                c @ ('b' | 'D' | 'g' | 'G' | 'h' | 'H' | 'l' | 'n' | 'N' | 'P' | 'r' | 't' | 'w'
                | 'x' | ':' | 'e' | 'T' | 'R' | 'W' | 'z' | 'F' | 'Q'),
            ) => {
                return Err(Wrong::Unsupported(format!("the command {c}")));
            }
            Some(c) => return Err(Wrong::Bad(format!("unsupported command {c}"))),
        };
        self.skip(" \t");
        if !matches!(self.peek(), None | Some(';' | '\n' | '}' | '#'))
            && !matches!(action, Action::Group(_))
        {
            return Err(Wrong::Bad("extra characters after command".to_owned()));
        }
        Ok(Step {
            from,
            to,
            negated,
            inside: false,
            action,
        })
    }

    fn number(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.take();
        }
        self.text[start..self.at].parse().unwrap_or(usize::MAX)
    }

    fn address(&mut self) -> Result<Option<Address>, Wrong> {
        Ok(Some(match self.peek() {
            Some('0'..='9') => {
                let number = self.number();
                if self.peek() == Some('~') {
                    return Err(Wrong::Unsupported("the address N~M".to_owned()));
                }
                Address::Number(number)
            }
            Some('$') => {
                self.take();
                Address::Last
            }
            Some('+') => {
                self.take();
                Address::Plus(self.number())
            }
            Some('/') => {
                self.take();
                let text = self.until('/', false)?;
                let ignore_case = self.peek() == Some('I');
                if ignore_case {
                    self.take();
                }
                Address::Match(self.regex(&text, ignore_case)?)
            }
            Some('\\') => {
                self.take();
                let end = self.take().unwrap_or('/');
                let text = self.until(end, false)?;
                Address::Match(self.regex(&text, false)?)
            }
            _ => return Ok(None),
        }))
    }

    fn regex(&self, text: &str, ignore_case: bool) -> Result<Regex, Wrong> {
        if text.is_empty() {
            return Err(Wrong::Unsupported("an empty expression".to_owned()));
        }
        Regex::parse(text, self.extended, ignore_case).map_err(Wrong::Bad)
    }

    /// The text up to `end`. A backslash before `end` goes; all others stay, unless they are
    /// wanted to be understood.
    fn until(&mut self, end: char, plain: bool) -> Result<String, Wrong> {
        let mut text = String::new();
        let mut brackets = false;
        loop {
            let Some(next) = self.take() else {
                return Err(Wrong::Bad(
                    "unterminated address regex or `s' command".to_owned(),
                ));
            };
            match next {
                '\\' => match self.take() {
                    Some(c) if c == end => text.push(c),
                    Some('n') if plain => text.push('\n'),
                    Some('\\') if plain => text.push('\\'),
                    Some(c) => text.extend(['\\', c]),
                    None => {}
                },
                c if c == end && !brackets => return Ok(text),
                c => {
                    // In brackets, the end is a character as any other.
                    match c {
                        '[' if !plain && !brackets => brackets = self.text[self.at..].contains(']'),
                        ']' if brackets && !text.ends_with('[') && !text.ends_with("[^") => {
                            brackets = false;
                        }
                        _ => {}
                    }
                    text.push(c);
                }
            }
        }
    }

    fn substitution(&mut self) -> Result<Action, Wrong> {
        let end = self
            .take()
            .ok_or_else(|| Wrong::Bad("unterminated `s' command".to_owned()))?;
        let pattern = self.until(end, false)?;
        let mut with = Vec::new();
        let mut text = Vec::new();
        loop {
            let Some(next) = self.take() else {
                return Err(Wrong::Bad("unterminated `s' command".to_owned()));
            };
            let part = match next {
                c if c == end => break,
                '&' => Some(0),
                '\\' => match self.take() {
                    Some(c @ '0'..='9') => c.to_digit(10).and_then(|d| usize::try_from(d).ok()),
                    Some('n') => {
                        text.push(b'\n');
                        None
                    }
                    Some('t') => {
                        text.push(b'\t');
                        None
                    }
                    Some(c @ ('u' | 'l' | 'U' | 'L' | 'E')) => {
                        return Err(Wrong::Unsupported(format!("\\{c}")));
                    }
                    Some(c) => {
                        text.extend(c.to_string().bytes());
                        None
                    }
                    None => None,
                },
                c => {
                    text.extend(c.to_string().bytes());
                    None
                }
            };
            if let Some(number) = part {
                with.push(Part::Text(std::mem::take(&mut text)));
                with.push(Part::Capture(number));
            }
        }
        with.push(Part::Text(text));
        let (mut all, mut print, mut number, mut ignore_case) = (false, false, 1, false);
        loop {
            match self.peek() {
                Some('g') => all = true,
                Some('p') => print = true,
                Some('i' | 'I') => ignore_case = true,
                Some('1'..='9') => {
                    number = self.number();
                    continue;
                }
                Some(c @ ('w' | 'e' | 'm' | 'M')) => {
                    return Err(Wrong::Unsupported(format!("the flag {c}")));
                }
                _ => break,
            }
            self.take();
        }
        Ok(Action::Substitute {
            regex: self.regex(&pattern, ignore_case)?,
            with,
            all,
            print,
            number,
        })
    }

    /// The text of `a`, `i` and `c`: to the end of the line, over lines that end in a backslash.
    fn words(&mut self) -> String {
        self.skip(" \t");
        if self.text[self.at..].starts_with("\\\n") {
            self.at += 2;
        }
        let mut text = String::new();
        while let Some(next) = self.take() {
            match next {
                '\n' => break,
                '\\' => text.extend(self.take()),
                c => text.push(c),
            }
        }
        text
    }
}

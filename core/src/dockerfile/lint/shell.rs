//! A shell text cut into its simple commands, so that rules can look at what a RUN runs.
//!
//! This is no shell: nothing is expanded and nothing is checked. It knows as much of the grammar
//! (POSIX, Shell Command Language) as it takes to find each command, its words with their places,
//! and how it is joined to its neighbours; for what it does not know it errs by finding less.

use std::ops::Range;

/// A command with its words: `curl -f "$URL" | tar x` has two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Command {
    /// `NAME=value` before the program.
    pub(super) assignments: Vec<Word>,
    /// The program and its arguments, without redirections.
    pub(super) words: Vec<Word>,
    /// The files that are read or written: the operator and the word behind it.
    pub(super) redirects: Vec<(String, Word)>,
    /// What joins it to the command before it.
    pub(super) before: Joint,
    /// What joins it to the command behind it.
    pub(super) after: Joint,
    /// How many parentheses, substitutions and braces stand around it.
    pub(super) depth: usize,
    /// Whether it stands in `$(…)` or backticks, so that its output becomes text.
    pub(super) substituted: bool,
}

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Word {
    /// The word without its quotes; `$x` and substitutions stay as they are written.
    pub(super) text: String,
    /// The bytes of the text.
    pub(super) range: Range<usize>,
    /// Whether it holds quotes or escapes.
    pub(super) quoted: bool,
    /// Whether the shell replaces something in it: `$x`, `$(…)`, `*`.
    pub(super) varies: bool,
}

/// What stands between two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Joint {
    /// Nothing: the text, or the parentheses, begin or end here.
    #[default]
    Edge,
    /// `;` or a line end.
    Then,
    /// `&&`.
    And,
    /// `||`.
    Or,
    /// `|`.
    Pipe,
    /// `&`.
    Background,
}

/// What a text holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Script {
    /// The commands in the order in which they begin.
    pub(super) commands: Vec<Command>,
    /// Whether nothing can be added behind it: it has a comment, or something that is never closed.
    pub(super) open: bool,
}

/// So deep may commands be nested, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 40;

/// Words that open or close compound commands; a command may follow directly.
const RESERVED: [&str; 14] = [
    "!", "{", "}", "do", "done", "elif", "else", "esac", "fi", "if", "then", "time", "until",
    "while",
];

/// Cuts a text into its commands.
pub(super) fn script(text: &str) -> Script {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        substituted: false,
        heredocs: Vec::new(),
        script: Script::default(),
    };
    while reader.at < text.len() {
        reader.list(None);
        // A closing character that nothing opened ends a list, but not the text.
        reader.next();
    }
    let commands = &mut reader.script.commands;
    commands.sort_by_key(Command::start);
    reader.script
}

impl Command {
    /// The name of the program, without its directory; empty when there is none.
    pub(super) fn program(&self) -> &str {
        program(&self.words)
    }

    /// Where it begins.
    pub(super) fn start(&self) -> usize {
        let first = self.assignments.first().or(self.words.first());
        first.map_or(usize::MAX, |word| word.range.start)
    }
}

/// The name of the program that `words` run, without its directory.
pub(super) fn program(words: &[Word]) -> &str {
    let first = words.first().map_or("", |word| word.text.as_str());
    first.rsplit('/').next().unwrap_or(first)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    substituted: bool,
    /// The terminators of heredocs whose content begins at the next line, and whether tabs before
    /// them are skipped.
    heredocs: Vec<(String, bool)>,
    script: Script,
}

impl Reader<'_> {
    /// Reads commands up to `closer`, which is left, or to the end.
    fn list(&mut self, closer: Option<char>) {
        let mut command = self.begin(Joint::Edge);
        loop {
            self.blank();
            let Some(c) = self.peek() else { break };
            if Some(c) == closer {
                break;
            }
            match c {
                '#' => self.comment(),
                '\n' => {
                    self.next();
                    self.heredoc_contents();
                    command = self.finish(command, Joint::Then);
                }
                ';' => {
                    while self.peek() == Some(';') {
                        self.next();
                    }
                    command = self.finish(command, Joint::Then);
                }
                '&' if self.rest().starts_with("&>") => self.redirect(&mut command),
                '&' | '|' => {
                    let joint = self.operator();
                    command = self.finish(command, joint);
                }
                '(' if command.words.is_empty() => {
                    self.next();
                    self.nested(')', self.substituted);
                }
                '(' => {
                    // `name()` begins a function, whose body is a command of its own.
                    self.next();
                    command.words.clear();
                }
                ')' => {
                    // The end of a pattern in `case`, whose words are no command.
                    self.next();
                    command = self.begin(Joint::Then);
                }
                '<' | '>' => self.redirect(&mut command),
                _ => self.word_or_number(&mut command, closer),
            }
        }
        self.finish(command, Joint::Edge);
    }

    fn begin(&self, before: Joint) -> Command {
        Command {
            before,
            depth: self.depth,
            substituted: self.substituted,
            ..Command::default()
        }
    }

    /// Keeps a command, if it is one; gives the one that begins behind it.
    fn finish(&mut self, mut command: Command, after: Joint) -> Command {
        let next = self.begin(after);
        let reserved = |word: &Word| !word.quoted && RESERVED.contains(&word.text.as_str());
        while command.words.first().is_some_and(reserved) {
            command.words.remove(0);
        }
        let head = command.words.first().filter(|word| !word.quoted);
        if let Some("for" | "case" | "select" | "function") = head.map(|word| word.text.as_str()) {
            return next;
        }
        while command.words.first().is_some_and(is_assignment) {
            let word = command.words.remove(0);
            command.assignments.push(word);
        }
        if command.words.is_empty() && command.assignments.is_empty() {
            // `( … ) | x`: what is joined to the parentheses is joined to what stands in them.
            return Command {
                before: after,
                ..next
            };
        }
        command.after = after;
        self.script.commands.push(command);
        next
    }

    /// Reads what stands in parentheses or backticks, with the closing character.
    fn nested(&mut self, closer: char, substituted: bool) {
        if self.depth >= MAX_DEPTH {
            self.script.open = true;
            self.at = self.text.len();
            return;
        }
        let outer = std::mem::replace(&mut self.substituted, substituted);
        self.depth += 1;
        self.list(Some(closer));
        self.close(closer);
        self.depth -= 1;
        self.substituted = outer;
    }

    /// A word, or the number before a redirection.
    fn word_or_number(&mut self, command: &mut Command, closer: Option<char>) {
        let digits = self.rest().len() - self.rest().trim_start_matches(char::is_numeric).len();
        if digits > 0 && self.rest()[digits..].starts_with(['<', '>']) {
            self.at += digits;
            return self.redirect(command);
        }
        let word = self.word(closer);
        command.words.push(word);
    }

    fn word(&mut self, closer: Option<char>) -> Word {
        let start = self.at;
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            let from = self.at;
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                _ if Some(c) == closer => break,
                '\'' => {
                    self.next();
                    word.quoted = true;
                    let length = self.rest().find('\'').unwrap_or(self.rest().len());
                    word.text.push_str(&self.rest()[..length]);
                    self.at += length;
                    self.close('\'');
                }
                '"' => self.double_quoted(&mut word),
                '\\' => {
                    self.next();
                    word.quoted = true;
                    word.text.extend(self.next().filter(|c| *c != '\n'));
                }
                '$' | '`' => {
                    self.dollar(c);
                    word.varies = true;
                    word.text.push_str(&self.text[from..self.at]);
                }
                _ => {
                    self.next();
                    word.varies |= matches!(c, '*' | '?');
                    word.text.push(c);
                }
            }
        }
        if self.at == start {
            // Nothing was taken, so that reading goes on behind it.
            self.next();
        }
        word.range = start..self.at;
        word
    }

    fn double_quoted(&mut self, word: &mut Word) {
        self.next();
        word.quoted = true;
        while let Some(c) = self.peek() {
            let from = self.at;
            match c {
                '"' => break,
                '\\' => {
                    self.next();
                    match self.next() {
                        Some(c @ ('"' | '\\' | '$' | '`')) => word.text.push(c),
                        Some('\n') | None => {}
                        Some(c) => word.text.extend(['\\', c]),
                    }
                }
                '$' | '`' => {
                    self.dollar(c);
                    word.varies = true;
                    word.text.push_str(&self.text[from..self.at]);
                }
                _ => {
                    self.next();
                    word.text.push(c);
                }
            }
        }
        self.close('"');
    }

    /// What begins with `$` or a backtick. Commands in it are commands of the script.
    fn dollar(&mut self, c: char) {
        self.next();
        if c == '`' {
            return self.nested('`', true);
        }
        match self.peek() {
            Some('(') if self.rest().starts_with("((") => {
                let length = self.rest().find("))").map_or(self.rest().len(), |i| i + 2);
                self.at += length;
            }
            Some('(') => {
                self.next();
                self.nested(')', true);
            }
            Some('{') => {
                let length = self.rest().find('}').map_or(self.rest().len(), |i| i + 1);
                self.at += length;
            }
            _ => {
                let name = |c: char| c.is_alphanumeric() || c == '_';
                let rest = self.rest();
                let length = rest.find(|c| !name(c)).unwrap_or(rest.len());
                self.at += length;
            }
        }
    }

    fn operator(&mut self) -> Joint {
        let joint = [
            ("&&", Joint::And),
            ("||", Joint::Or),
            ("|&", Joint::Pipe),
            ("|", Joint::Pipe),
            ("&", Joint::Background),
        ];
        for (text, joint) in joint {
            if self.rest().starts_with(text) {
                self.at += text.len();
                return joint;
            }
        }
        Joint::Then
    }

    /// `> file`, `2>&1`, `<<EOF` and their kin.
    fn redirect(&mut self, command: &mut Command) {
        let start = self.at;
        while matches!(self.peek(), Some('<' | '>' | '&' | '|' | '-')) {
            self.next();
        }
        let operator = self.text[start..self.at].to_owned();
        self.blank();
        // A file may be followed by anything that ends a word.
        let word = match self.peek() {
            Some(c) if !matches!(c, '\n' | ';' | '(' | ')' | '|' | '&') => self.word(None),
            _ => Word::default(),
        };
        if let "<<" | "<<-" = operator.as_str() {
            self.heredocs
                .push((word.text.clone(), operator.ends_with('-')));
        }
        command.redirects.push((operator, word));
    }

    /// Skips what the heredocs of the line before hold.
    fn heredoc_contents(&mut self) {
        for (name, tabs) in std::mem::take(&mut self.heredocs) {
            while self.at < self.text.len() {
                let length = self.rest().find('\n').map_or(self.rest().len(), |i| i + 1);
                let line = self.rest()[..length].trim_end_matches(['\r', '\n']);
                let line = if tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                let closed = line == name;
                self.at += length;
                if closed {
                    break;
                }
            }
        }
    }

    /// Takes the character that closes something, or notes that it is missing.
    fn close(&mut self, closer: char) {
        self.script.open |= self.next() != Some(closer);
    }

    fn comment(&mut self) {
        self.script.open = true;
        let length = self.rest().find('\n').unwrap_or(self.rest().len());
        self.at += length;
    }

    /// Skips space, and line ends that are escaped.
    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
            let escaped = usize::from(rest[blank..].starts_with("\\\n")) * 2;
            if blank + escaped == 0 {
                return;
            }
            self.at += blank + escaped;
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }
}

/// `NAME=value` before a program.
fn is_assignment(word: &Word) -> bool {
    let Some((name, _)) = word.text.split_once('=') else {
        return false;
    };
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(start) && name.chars().all(|c| start(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands of a text: words between spaces, joints as the shell writes them.
    fn shown(text: &str) -> String {
        let commands = script(text).commands;
        let joint = |joint| match joint {
            Joint::Edge => "",
            Joint::Then => ";",
            Joint::And => "&&",
            Joint::Or => "||",
            Joint::Pipe => "|",
            Joint::Background => "&",
        };
        let texts: Vec<_> = commands
            .iter()
            .map(|c| {
                let words = c.assignments.iter().chain(&c.words);
                let words: Vec<_> = words.map(|w| w.text.as_str()).collect();
                let redirects: Vec<_> = c
                    .redirects
                    .iter()
                    .map(|(operator, word)| format!(" {operator}{}", word.text))
                    .collect();
                format!(
                    "{}[{}{}]{}",
                    "+".repeat(c.depth),
                    words.join(" "),
                    redirects.concat(),
                    joint(c.after)
                )
            })
            .collect();
        texts.join(" ")
    }

    #[test]
    fn commands_are_found_with_what_joins_them() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected, "{text}");
        check("", "");
        check("a", "[a]");
        check("a  b\tc", "[a b c]");
        check("a && b || c; d & e", "[a]&& [b]|| [c]; [d]& [e]");
        check("a | b |& c", "[a]| [b]| [c]");
        check("a\nb # c && d\ne", "[a]; [b]; [e]");
        check("a#b", "[a#b]");
        check("A=1 B=\"x y\" c d=e", "[A=1 B=x y c d=e]");
        check("a 'b && c' \"d | e\" f\\;g", "[a b && c d | e f;g]");
        check("a \\\n b", "[a b]");
    }

    #[test]
    fn compound_commands_are_taken_apart() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected, "{text}");
        check("if a; then b; else c; fi && d", "[a]; [b]; [c]; [d]");
        check("for x in 1 2; do a $x; done", "[a $x];");
        check("while ! a; do b; done", "[a]; [b];");
        check("{ a; b; } | c", "[a]; [b]; [c]");
        check("(cd x && make) && y", "+[cd x]&& +[make] [y]");
        check("case $x in a|b) c;; *) d;; esac", "[c]; [d];");
        check("f() { a; }; f", "[a]; [f]");
        check("[ -f a ] && b", "[[ -f a ]]&& [b]");
    }

    #[test]
    fn substitutions_hold_commands_of_their_own() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected, "{text}");
        check("a $(b c)d e", "[a $(b c)d e] +[b c]");
        check("a \"x $(b | c) y\"", "[a x $(b | c) y] +[b]| +[c]");
        check("a `b` c", "[a `b` c] +[b]");
        check("a ${x:-y z} $((1 + 2)) $$", "[a ${x:-y z} $((1 + 2)) $$]");
        check("x=$(a)", "[x=$(a)] +[a]");
        check("a $(", "[a $(]");
    }

    #[test]
    fn redirections_are_no_words() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected, "{text}");
        check("a > b 2>&1 c", "[a c >b >&1]");
        check("a >>b 2>/dev/null", "[a >>b >/dev/null]");
        check("a &> b && c", "[a &>b]&& [c]");
        check("a <<EOF | b\nno && no\nEOF\nc", "[a <<EOF]| [b]; [c]");
        check("a <<-'E F'\n\tno\n\tE F\nc", "[a <<-E F]; [c]");
        check("a <<< b", "[a <<<b]");
        check("a >", "[a >]");
    }

    #[test]
    fn words_know_where_they_stand_and_whether_they_vary() {
        let text = "cp 'a b' \"$x\" /y/*";
        let command = &script(text).commands[0];
        let seen: Vec<_> = command
            .words
            .iter()
            .map(|w| (&text[w.range.clone()], w.quoted, w.varies))
            .collect();
        assert_eq!(
            seen,
            [
                ("cp", false, false),
                ("'a b'", true, false),
                ("\"$x\"", true, true),
                ("/y/*", false, true),
            ]
        );
        assert_eq!(script("/usr/bin/env x").commands[0].program(), "env");
    }

    #[test]
    fn nothing_is_too_deep_or_too_odd() {
        for text in [
            "$(".repeat(500),
            "(".repeat(500),
            "`".repeat(500),
            ")".repeat(9),
        ] {
            script(&text);
        }
        for text in [
            "\"", "'", "\\", "$", "${", "a <<", "|", "&&", ";;", "case", "<", "ä&ö",
        ] {
            script(text);
        }
    }
}

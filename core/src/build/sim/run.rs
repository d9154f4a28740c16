//! Carrying a script out, command by command.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::rc::Rc;

use super::files::Errno;
use super::lexer::{ParseError, Parser};
use super::streams::{Sink, Streams, input};
use super::syntax::{Command, Redirect, Word};
use super::{Shell, Unsupported};
use crate::accounts::Accounts;

/// A shell at work.
pub(super) struct Runner<'r, 'a> {
    pub(super) shell: &'r mut Shell<'a>,
    pub(super) outside: &'r mut dyn FnMut(u8, &str),
    pub(super) streams: Streams,
    /// What was written and has not arrived yet, and where it goes.
    pub(super) pending: (Sink, Vec<u8>),
    pub(super) written: usize,
    /// What the shell calls itself, `$0`.
    pub(super) arg0: String,
    /// `$1` and so on.
    pub(super) params: Vec<String>,
    pub(super) options: Options,
    /// The variables that are not handed on to programs.
    pub(super) own: BTreeSet<String>,
    /// `$?`
    pub(super) status: i32,
    /// The code of the last `$( … )` of a command without words.
    pub(super) output_status: Option<i32>,
    /// Whether the words of other shells than busybox's are wanted.
    pub(super) gnu: bool,
    /// How many conditions are around, in which a failure is an answer.
    unchecked: usize,
    /// How many loops are around.
    loops: usize,
    /// How many commands have run.
    steps: usize,
    /// How many shells are around this one.
    pub(super) depth: usize,
}

/// What `set` sets.
#[allow(clippy::struct_excessive_bools)] // as many as there are options
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    pub(super) errexit: bool,
    pub(super) nounset: bool,
    pub(super) xtrace: bool,
    pub(super) pipefail: bool,
    pub(super) noglob: bool,
    pub(super) allexport: bool,
    /// Whether the script was given with `-c`, which busybox counts among the options.
    pub(super) given: bool,
}

impl Options {
    /// `$-`
    pub(super) fn letters(self) -> String {
        let all = [
            (self.given, 'c'),
            (self.errexit, 'e'),
            (self.nounset, 'u'),
            (self.xtrace, 'x'),
        ];
        all.into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, letter)| letter)
            .collect()
    }
}

/// Why what comes next is not carried out.
#[derive(Debug)]
pub(super) enum Stop {
    /// The shell ends with this code.
    Exit(i32),
    /// So many loops end.
    Break(usize),
    /// The outermost of so many loops goes on.
    Continue(usize),
    /// Something that the simulation refuses.
    Unsupported(Box<Unsupported>),
}

impl Stop {
    /// What the shell does not run, as it follows these words.
    pub(super) fn refuse(what: impl Display) -> Self {
        Self::Unsupported(Box::new(Unsupported {
            message: format!("the simulated shell cannot give {what}"),
            command: None,
            at: None,
        }))
    }

    pub(super) fn construct(what: impl Display, at: usize) -> Self {
        Self::Unsupported(Box::new(Unsupported::construct(what, at)))
    }

    /// A command, or something that is asked of it.
    pub(super) fn command(name: &str, what: impl Display) -> Self {
        Self::Unsupported(Box::new(Unsupported::command(name, what)))
    }
}

/// A script may run this many commands: there is no clock that could end it.
const MOST_STEPS: usize = 100_000;

/// Shells run shells this deep.
const DEEPEST: usize = 12;

impl<'r, 'a> Runner<'r, 'a> {
    pub(super) fn new(shell: &'r mut Shell<'a>, outside: &'r mut dyn FnMut(u8, &str)) -> Self {
        Self {
            shell,
            outside,
            streams: Streams::new(),
            pending: (Sink::Null, Vec::new()),
            written: 0,
            arg0: "sh".to_owned(),
            params: Vec::new(),
            options: Options::default(),
            own: BTreeSet::new(),
            status: 0,
            output_status: None,
            gnu: false,
            unchecked: 0,
            loops: 0,
            steps: 0,
            depth: 0,
        }
    }

    /// Runs a program to its end, as a container does.
    pub(super) fn program(mut self, args: &[String]) -> Result<i32, Unsupported> {
        let ended = self.first_program(args);
        self.flush();
        match ended {
            Ok(status) | Err(Stop::Exit(status)) => Ok(status),
            Err(Stop::Break(_) | Stop::Continue(_)) => Ok(0),
            Err(Stop::Unsupported(unsupported)) => Err(*unsupported),
        }
    }

    /// The accounts of the image.
    pub(super) fn accounts(&self) -> Accounts {
        let file = |path: &str| self.shell.read(path).unwrap_or_default();
        Accounts::parse(&file("/etc/passwd"), &file("/etc/group"))
    }

    /// What the shell itself says is wrong.
    pub(super) fn complain(&mut self, what: &str) {
        let line = if self.gnu { "1: " } else { "" };
        let text = format!("{}: {line}{what}", self.arg0);
        self.err(text);
    }

    pub(super) fn cannot_open(&mut self, path: &str, errno: Errno, reading: bool) {
        let gone = matches!(errno, Errno::NoEntry | Errno::NotDirectory);
        let why = match (reading, gone, self.gnu) {
            (true, true, false) => "no such file".to_owned(),
            (true, true, true) => "No such file".to_owned(),
            (false, true, false) => "nonexistent directory".to_owned(),
            (false, true, true) => "Directory nonexistent".to_owned(),
            (_, false, _) => errno.to_string(),
        };
        let cannot = if self.gnu { "cannot" } else { "can't" };
        let verb = if reading { "open" } else { "create" };
        self.complain(&format!("{cannot} {verb} {path}: {why}"));
    }

    /// Reads and carries out a script in this shell.
    pub(super) fn script(&mut self, text: &str) -> Result<i32, Stop> {
        match Parser::new(text, 0).script() {
            Ok(command) => self.command(&command),
            Err(ParseError::Unsupported(unsupported)) => {
                Err(Stop::Unsupported(Box::new(unsupported)))
            }
            Err(ParseError::Syntax(what)) => {
                let what = if self.gnu {
                    format!("Syntax error: {what}")
                } else {
                    format!("syntax error: {what}")
                };
                self.complain(&what);
                Err(Stop::Exit(2))
            }
        }
    }

    /// Runs something in a shell of its own, which inherits everything and hands nothing back.
    pub(super) fn apart(
        &mut self,
        then: impl FnOnce(&mut Self) -> Result<i32, Stop>,
    ) -> Result<i32, Stop> {
        let streams = self.streams.clone();
        let env = self.shell.env.clone();
        let (cwd, umask, user) = (
            self.shell.cwd.clone(),
            self.shell.umask,
            self.shell.user.clone(),
        );
        let (params, arg0) = (self.params.clone(), self.arg0.clone());
        let (options, loops, gnu) = (self.options, self.loops, self.gnu);
        let own = self.own.clone();
        let result = then(self);
        self.flush();
        self.streams = streams;
        self.shell.env = env;
        self.own = own;
        (self.shell.cwd, self.shell.umask, self.shell.user) = (cwd, umask, user);
        (self.params, self.arg0) = (params, arg0);
        (self.options, self.loops, self.gnu) = (options, loops, gnu);
        match result {
            Err(Stop::Exit(status)) => Ok(status),
            Err(Stop::Break(_) | Stop::Continue(_)) => Ok(0),
            other => other,
        }
    }

    /// Runs a shell that starts afresh, but for variables and files.
    pub(super) fn new_shell(
        &mut self,
        then: impl FnOnce(&mut Self) -> Result<i32, Stop>,
    ) -> Result<i32, Stop> {
        if self.depth >= DEEPEST {
            return Err(Stop::refuse("a shell inside of so many shells"));
        }
        self.depth += 1;
        let unchecked = std::mem::take(&mut self.unchecked);
        let result = self.apart(|runner| {
            runner.options = Options::default();
            runner.loops = 0;
            for name in std::mem::take(&mut runner.own) {
                runner.shell.env.remove(&name);
            }
            then(runner)
        });
        self.unchecked = unchecked;
        self.depth -= 1;
        result
    }

    fn step(&mut self) -> Result<(), Stop> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(Stop::refuse(format!(
                "a script the time for more than {MOST_STEPS} commands: it may never end"
            )));
        }
        if self.has_written_too_much() {
            return Err(Stop::refuse("a script the room for so much output"));
        }
        Ok(())
    }

    /// Runs something whose failure is an answer and no accident.
    fn asked(&mut self, command: &Command) -> Result<bool, Stop> {
        self.unchecked += 1;
        let status = self.command(command);
        self.unchecked -= 1;
        Ok(status? == 0)
    }

    /// Ends the shell if `set -e` says so.
    fn checked(&mut self, status: i32) -> Result<i32, Stop> {
        self.status = status;
        if status != 0 && self.options.errexit && self.unchecked == 0 {
            return Err(Stop::Exit(status));
        }
        Ok(status)
    }

    /// Carries out a command and gives its code.
    pub(super) fn command(&mut self, command: &Command) -> Result<i32, Stop> {
        self.step()?;
        match command {
            Command::Simple {
                assigns,
                words,
                redirects,
            } => {
                let status = self.simple(assigns, words, redirects)?;
                self.checked(status)
            }
            Command::Pipe(parts) => {
                let status = self.pipe(parts)?;
                self.checked(status)
            }
            Command::Not(inner) => {
                let done = self.asked(inner)?;
                self.status = i32::from(done);
                Ok(self.status)
            }
            Command::And(left, right) | Command::Or(left, right) => {
                let done = self.asked(left)?;
                if done == matches!(command, Command::And(..)) {
                    return self.command(right);
                }
                Ok(self.status)
            }
            Command::List(commands) => {
                let mut status = 0;
                for command in commands {
                    status = self.command(command)?;
                }
                Ok(status)
            }
            Command::Subshell(body, redirects) => {
                let done = self.redirected(redirects, |runner| {
                    runner.apart(|inner| inner.command(body))
                })?;
                self.checked(done.unwrap_or(1))
            }
            Command::Group(body, redirects) => {
                self.compound(redirects, |runner| runner.command(body))
            }
            Command::If {
                arms,
                otherwise,
                redirects,
            } => self.compound(redirects, |runner| {
                for (condition, body) in arms {
                    if runner.asked(condition)? {
                        return runner.command(body);
                    }
                }
                match otherwise {
                    Some(body) => runner.command(body),
                    None => Ok(0),
                }
            }),
            Command::For {
                name,
                words,
                body,
                redirects,
            } => self.compound(redirects, |runner| {
                let values = match words {
                    Some(words) => runner.fields(words)?,
                    None => runner.params.clone(),
                };
                let mut values = values.into_iter();
                runner.repeat(|runner| {
                    let Some(value) = values.next() else {
                        return Ok(None);
                    };
                    runner.assign(name, value);
                    runner.command(body).map(Some)
                })
            }),
            Command::While {
                until,
                condition,
                body,
                redirects,
            } => self.compound(redirects, |runner| {
                runner.repeat(|runner| {
                    if runner.asked(condition)? == *until {
                        return Ok(None);
                    }
                    runner.command(body).map(Some)
                })
            }),
            Command::Case {
                word,
                arms,
                redirects,
            } => self.compound(redirects, |runner| {
                let value = runner.single(word)?;
                for (patterns, body) in arms {
                    for pattern in patterns {
                        if runner.pattern(pattern)?.matches(&value) {
                            return runner.command(body);
                        }
                    }
                }
                Ok(0)
            }),
        }
    }

    fn compound(
        &mut self,
        redirects: &[Redirect],
        then: impl FnOnce(&mut Self) -> Result<i32, Stop>,
    ) -> Result<i32, Stop> {
        let status = self.redirected(redirects, then)?.unwrap_or(1);
        self.status = status;
        Ok(status)
    }

    /// Goes round until there is nothing more.
    fn repeat(
        &mut self,
        mut round: impl FnMut(&mut Self) -> Result<Option<i32>, Stop>,
    ) -> Result<i32, Stop> {
        self.loops += 1;
        let mut status = 0;
        let result = loop {
            if let Err(stop) = self.step() {
                break Err(stop);
            }
            match round(self) {
                Ok(Some(code)) => status = code,
                Ok(None) => break Ok(status),
                Err(Stop::Break(1)) => break Ok(0),
                Err(Stop::Break(more)) => break Err(Stop::Break(more - 1)),
                Err(Stop::Continue(1)) => status = 0,
                Err(Stop::Continue(more)) => break Err(Stop::Continue(more - 1)),
                Err(stop) => break Err(stop),
            }
        };
        self.loops -= 1;
        result
    }

    /// The number of loops that `break` and `continue` mean, if there is any around.
    pub(super) fn loops(&self, wanted: usize) -> Option<usize> {
        (self.loops > 0).then(|| wanted.clamp(1, self.loops))
    }

    fn pipe(&mut self, parts: &[Command]) -> Result<i32, Stop> {
        let mut status = 0;
        let mut failed = 0;
        let mut between = None;
        for (index, part) in parts.iter().enumerate() {
            let kept = Rc::new(RefCell::new(Vec::new()));
            self.flush();
            status = self.apart(|runner| {
                if let Some(bytes) = between.take() {
                    runner.streams.input = input(bytes);
                }
                if index + 1 < parts.len() {
                    runner.streams.set(1, Sink::Kept(Rc::clone(&kept)));
                }
                runner.command(part)
            })?;
            between = Some(kept.take());
            failed = if status == 0 { failed } else { status };
        }
        Ok(if self.options.pipefail {
            failed
        } else {
            status
        })
    }

    fn simple(
        &mut self,
        assigns: &[(String, Word)],
        words: &[Word],
        redirects: &[Redirect],
    ) -> Result<i32, Stop> {
        self.output_status = None;
        let args = self.fields(words)?;
        let mut values = Vec::new();
        for (name, word) in assigns {
            let value = self.single(word)?;
            if args.is_empty() {
                // Each one sees those before it.
                self.assign(name, value.clone());
            }
            values.push((name.clone(), value));
        }
        if self.options.xtrace {
            self.trace(&values, &args);
        }
        let last = self.output_status.take();
        let done = self.redirected(redirects, |runner| {
            if args.is_empty() {
                return Ok(last.unwrap_or(0));
            }
            let before: Vec<_> = values
                .iter()
                .map(|(name, _)| (name.clone(), runner.shell.env.get(name).cloned()))
                .collect();
            let own = runner.own.clone();
            for (name, value) in &values {
                runner.shell.env.insert(name.clone(), value.clone());
                runner.own.remove(name);
            }
            let status = runner.call(&args);
            runner.flush();
            if !before.is_empty() {
                runner.own = own;
            }
            for (name, value) in before {
                match value {
                    Some(value) => runner.shell.env.insert(name, value),
                    None => runner.shell.env.remove(&name),
                };
            }
            status
        })?;
        Ok(done.unwrap_or(if self.gnu { 2 } else { 1 }))
    }

    /// Sets a variable. A new one is the shell's own until it is exported.
    pub(super) fn assign(&mut self, name: &str, value: String) {
        if self.shell.env.insert(name.to_owned(), value).is_none() && !self.options.allexport {
            self.own.insert(name.to_owned());
        }
    }

    fn trace(&mut self, values: &[(String, String)], args: &[String]) {
        let assigns = values
            .iter()
            .map(|(name, value)| format!("{name}={}", shown(value)));
        let words = args.iter().map(|arg| shown(arg));
        let line: Vec<String> = assigns.chain(words).collect();
        self.err(format!("+ {}", line.join(" ")));
    }
}

/// A word as one would have to type it.
fn shown(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\"'\"'"))
    }
}

//! The commands, by name, and how their options are read.

// All commands have one shape, also those that cannot be refused.
#![allow(clippy::unnecessary_wraps)]

mod accounts;
mod builtins;
mod copy;
mod files;
mod find;
mod grep;
mod list;
mod owners;
mod print;
mod sed;
mod sort;
mod surroundings;
mod test;
mod text;

use super::files::Errno;
use super::run::{Runner, Stop};

/// A command: it is given its name and arguments, and gives its code.
pub(super) type Program = fn(&mut Runner<'_, '_>, &[String]) -> Result<i32, Stop>;

/// What the shell does itself, whether or not the tree has a program of that name.
pub(super) fn builtin(name: &str) -> Option<Program> {
    Some(match name {
        ":" | "true" => |_, _| Ok(0),
        "false" => |_, _| Ok(1),
        "." | "source" => builtins::source,
        "[" | "test" => test::test,
        "break" | "continue" => builtins::leave_loop,
        "cd" => builtins::cd,
        "command" => builtins::command,
        "echo" => print::echo,
        "eval" => builtins::eval,
        "exec" => builtins::exec,
        "exit" => builtins::exit,
        "export" | "readonly" => builtins::export,
        "printf" => print::printf,
        "pwd" => builtins::pwd,
        "read" => builtins::read,
        "set" => |runner, args| runner.set(args),
        "shift" => builtins::shift,
        "type" => builtins::command_type,
        "umask" => builtins::umask,
        "unset" => builtins::unset,
        "wait" => |_, _| Ok(0),
        "alias" | "bg" | "fg" | "getopts" | "jobs" | "kill" | "let" | "local" | "return"
        | "times" | "trap" | "ulimit" => builtins::refused,
        _ => return None,
    })
}

/// What a program of this name does, once the tree has it.
pub(super) fn program(name: &str) -> Option<Program> {
    Some(match name {
        "[" | "test" => test::test,
        "addgroup" | "groupadd" => accounts::add_group,
        "adduser" | "useradd" => accounts::add_user,
        "ash" | "bash" | "dash" | "sh" => |runner, args| runner.shell_program(args),
        "basename" => print::basename,
        "busybox" => surroundings::busybox,
        "cat" => text::cat,
        "chgrp" | "chown" => owners::chown,
        "chmod" => owners::chmod,
        "cp" => copy::cp,
        "cut" => text::cut,
        "date" => surroundings::date,
        "dirname" => print::dirname,
        "echo" => print::echo,
        "egrep" | "fgrep" | "grep" => grep::grep,
        "env" => surroundings::env,
        "false" => |_, _| Ok(1),
        "find" => find::find,
        "head" => text::head,
        "hostname" => |runner, args| surroundings::fixed(runner, args, "build"),
        "id" => surroundings::id,
        "install" => copy::install,
        "ln" => files::ln,
        "ls" => list::ls,
        "mkdir" => files::mkdir,
        "mv" => copy::mv,
        "printenv" => surroundings::printenv,
        "printf" => print::printf,
        "pwd" => builtins::pwd,
        "readlink" => files::readlink,
        "realpath" => files::realpath,
        "rm" => files::rm,
        "rmdir" => files::rmdir,
        "sed" => sed::sed,
        "seq" => print::seq,
        "sha256sum" => text::sha256sum,
        "sleep" | "sync" | "true" => |_, _| Ok(0),
        "sort" => sort::sort,
        "stat" => list::stat,
        "tail" => text::tail,
        "tee" => text::tee,
        "touch" => files::touch,
        "tr" => text::tr,
        "uniq" => sort::uniq,
        "wc" => text::wc,
        "which" => surroundings::which,
        "whoami" => surroundings::whoami,
        "xargs" => surroundings::xargs,
        name => return super::packages::program(name),
    })
}

/// A text with the name of its file.
type Named = (String, Vec<u8>);

/// The options and operands of a call.
#[derive(Debug, Default)]
struct Given {
    /// Each option by its letter, with its value where it takes one, in order.
    options: Vec<(char, String)>,
    /// All the rest.
    operands: Vec<String>,
}

impl Given {
    /// Reads arguments by getopt(3)'s rules: `known` lists letters, a colon behind one that takes
    /// a value; `long` gives words for letters. What is not known is refused.
    fn read(args: &[String], known: &str, long: &[(&str, char)]) -> Result<Self, Stop> {
        Self::parse(args, known, long, true)
    }

    /// As [`Self::read`], but the first operand ends the options.
    fn before_operands(args: &[String], known: &str) -> Result<Self, Stop> {
        Self::parse(args, known, &[], false)
    }

    fn parse(
        args: &[String],
        known: &str,
        long: &[(&str, char)],
        mixed: bool,
    ) -> Result<Self, Stop> {
        let name = base(&args[0]);
        let refuse =
            |option: &str| Stop::command(name, format!("`{name}` with the option {option}"));
        let takes = |letter: char| {
            let at = known.find(letter).filter(|_| letter != ':')?;
            Some(known[at + letter.len_utf8()..].starts_with(':'))
        };
        let mut given = Self::default();
        let mut rest = args[1..].iter();
        while let Some(arg) = rest.next() {
            if arg == "--" {
                given.operands.extend(rest.by_ref().cloned());
            } else if let Some(text) = arg.strip_prefix("--") {
                let (word, value) = match text.split_once('=') {
                    Some((word, value)) => (word, Some(value.to_owned())),
                    None => (text, None),
                };
                let letter = long.iter().find(|(known, _)| *known == word);
                let Some((_, letter)) = letter else {
                    return Err(refuse(arg));
                };
                let value = match (takes(*letter), value) {
                    (Some(true), None) => rest.next().cloned().ok_or_else(|| refuse(arg))?,
                    (Some(true), Some(value)) => value,
                    (_, None) => String::new(),
                    (_, Some(_)) => return Err(refuse(arg)),
                };
                given.options.push((*letter, value));
            } else if arg.len() > 1 && arg.starts_with('-') {
                let mut letters = arg[1..].chars();
                while let Some(letter) = letters.next() {
                    let value = match takes(letter) {
                        None => return Err(refuse(&format!("-{letter}"))),
                        Some(false) => String::new(),
                        Some(true) => {
                            let glued = letters.as_str().to_owned();
                            letters = "".chars();
                            match glued.as_str() {
                                "" => rest.next().cloned().ok_or_else(|| refuse(arg))?,
                                _ => glued,
                            }
                        }
                    };
                    given.options.push((letter, value));
                }
            } else {
                given.operands.push(arg.clone());
                if !mixed {
                    given.operands.extend(rest.by_ref().cloned());
                }
            }
        }
        Ok(given)
    }

    fn has(&self, letters: &str) -> bool {
        self.options
            .iter()
            .any(|(letter, _)| letters.contains(*letter))
    }

    /// The last value of an option.
    fn value(&self, letter: char) -> Option<&str> {
        let mut given = self.options.iter().rev();
        given
            .find(|(own, _)| *own == letter)
            .map(|(_, value)| value.as_str())
    }

    fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        let given = self.options.iter().filter(move |(own, _)| *own == letter);
        given.map(|(_, value)| value.as_str())
    }
}

/// The name of a program without its directory.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// A name in a directory, as commands put them together.
fn join(directory: &str, name: &str) -> String {
    format!(
        "{}/{name}",
        directory.strip_suffix('/').unwrap_or(directory)
    )
}

/// The last component of a path as a person wrote it.
fn last(path: &str) -> &str {
    base(path.trim_end_matches('/'))
}

impl Runner<'_, '_> {
    /// Says how the command at hand failed: in busybox's words, or in those of coreutils.
    fn fails(
        &mut self,
        args: &[String],
        busybox: &str,
        gnu: &str,
        errno: impl std::fmt::Display,
    ) -> i32 {
        let what = if self.gnu { gnu } else { busybox };
        let name = base(&args[0]).to_owned();
        self.err(format!("{name}: {what}: {errno}"));
        1
    }

    /// Says what is wrong with how it was called.
    fn misused(&mut self, args: &[String], what: &str) -> i32 {
        let name = base(&args[0]).to_owned();
        self.err(format!("{name}: {what}"));
        1
    }

    /// The bytes of a file, or of what can be read when it is `-`.
    fn text_of(&mut self, path: &str) -> Result<Result<Vec<u8>, Errno>, Stop> {
        if path == "-" {
            return Ok(Ok(self.take_input()));
        }
        self.contents(path)
    }

    /// The texts of all operands, and of what can be read when there are none. What cannot be
    /// read is said. Gives the texts with their names, and the code so far.
    fn texts(&mut self, args: &[String], operands: &[String]) -> Result<(Vec<Named>, i32), Stop> {
        let (mut texts, mut code) = (Vec::new(), 0);
        let input = ["-".to_owned()];
        let operands = if operands.is_empty() {
            &input
        } else {
            operands
        };
        for path in operands {
            match self.text_of(path)? {
                Ok(bytes) => texts.push((path.clone(), bytes)),
                Err(errno) => {
                    let opens = matches!(base(&args[0]), "cat" | "sha256sum" | "tail" | "uniq");
                    let busybox = match errno {
                        Errno::IsDirectory if opens => "read error".to_owned(),
                        _ if opens => format!("can't open '{path}'"),
                        _ => path.clone(),
                    };
                    code = self.fails(args, &busybox, path, errno);
                }
            }
        }
        Ok((texts, code))
    }
}

/// The lines of a text, each without its end.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines
}

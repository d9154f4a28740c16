//! Help and usage errors in Docker's shape, so that eyes need not learn another one.
//!
//! clap parses; what it would print is replaced. The path is what was typed, so `coracle image
//! ls --help` speaks of `coracle image ls`, and the options are laid out as Docker lays them out.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use coracle::diagnostic::did_you_mean;

use crate::failure::{Failure, OWN_FAILURE, Outcome};
use crate::output::{self, wrap};
use crate::{app, docker};

/// Answers what clap could not turn into a command: help that was asked for, or a usage error.
pub(crate) fn report(error: &clap::Error, arguments: &[OsString]) -> Outcome {
    let command = app::command();
    let place = Place::of(&command, arguments);
    match error.kind() {
        // `coracle` or `coracle image` alone asks what there is, as `--help` does.
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::MissingSubcommand => {
            output::print(&help(&place, output::width()))?;
            Ok(0)
        }
        ErrorKind::DisplayVersion => {
            output::print(&format!("Coracle version {}\n", env!("CARGO_PKG_VERSION")))?;
            Ok(0)
        }
        ErrorKind::InvalidSubcommand => Err(unknown_command(
            &place,
            &text_of(error, ContextKind::InvalidSubcommand),
        )),
        _ => Err(wrong_usage(&place, error)),
    }
}

/// A command and the words that lead to it.
pub(crate) struct Place<'a> {
    /// `coracle image ls`.
    path: String,
    command: &'a Command,
}

impl<'a> Place<'a> {
    /// The command that `arguments` lead to, as far as their words are commands.
    pub(crate) fn of(root: &'a Command, arguments: &[OsString]) -> Self {
        let mut place = Self {
            path: root.get_name().to_owned(),
            command: root,
        };
        let mut words = arguments.iter().skip(1).map(|a| a.to_string_lossy());
        while let Some(word) = words.next() {
            if word == "--root" {
                words.next();
                continue;
            }
            if word.starts_with('-') || word == "help" {
                continue;
            }
            let Some(next) = place.command.find_subcommand(&*word) else {
                break;
            };
            place.path = format!("{} {}", place.path, next.get_name());
            place.command = next;
        }
        place
    }

    fn is_root(&self) -> bool {
        !self.path.contains(' ')
    }

    /// `coracle run [OPTIONS] IMAGE [COMMAND] [ARG...]`.
    ///
    /// A command's own usage string holds what comes after its path.
    fn usage(&self) -> String {
        let mut command = self.command.clone();
        let rendered = plain(&command.render_usage());
        let shape = rendered.trim_start_matches("Usage:").trim();
        if self.command.has_subcommands() {
            let options = if self.is_root() { "[OPTIONS] " } else { "" };
            format!("{} {options}COMMAND", self.path)
        } else {
            format!("{} {shape}", self.path).trim_end().to_owned()
        }
    }
}

/// The help of a command, wrapped to `width` columns.
pub(crate) fn help(place: &Place<'_>, width: usize) -> String {
    let command = place.command;
    let mut out = format!("Usage:  {}\n", place.usage());
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        let _ = write!(out, "\n{}\n", wrap(&plain(about), width, ""));
    }
    if let Some(aliases) = aliases(&place.path) {
        let aliases = wrap(&aliases.join(", "), width - 2, "  ");
        let _ = write!(out, "\nAliases:\n  {aliases}\n");
    }
    if command.has_subcommands() {
        out.push_str(&command_lists(place, width));
    }
    let global = |arg: &&Arg| arg.is_global_set() == place.is_root();
    let options: Vec<_> = command
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_hide_set())
        .filter(global)
        .collect();
    if !options.is_empty() {
        let title = if place.is_root() {
            "Global Options"
        } else {
            "Options"
        };
        let rows: Vec<_> = options
            .iter()
            .map(|arg| (flag(arg), meaning(arg)))
            .collect();
        let _ = write!(out, "\n{title}:\n{}", columns(&rows, width));
    }
    if let Some(after) = command.get_after_help() {
        let _ = write!(out, "\n{}", paragraphs(&plain(after), width));
    }
    if command.has_subcommands() {
        let path = &place.path;
        let _ = write!(
            out,
            "\nRun '{path} COMMAND --help' for more information on a command.\n"
        );
    }
    out
}

/// The other paths to the same command, as Docker lists them; the longest first.
const ALIASES: &[&[&str]] = &[
    &["coracle container run", "coracle run"],
    &["coracle image build", "coracle build"],
    &["coracle image history", "coracle history"],
    &["coracle image load", "coracle load"],
    &["coracle image ls", "coracle images"],
    &["coracle image rm", "coracle rmi"],
    &["coracle image save", "coracle save"],
    &["coracle image tag", "coracle tag"],
];

fn aliases(path: &str) -> Option<&'static [&'static str]> {
    ALIASES.iter().copied().find(|names| names.contains(&path))
}

/// What a person probably came for, first; everything else after it.
const COMMON: &[&str] = &[
    "demo", "doctor", "base", "build", "run", "images", "version",
];

fn command_lists(place: &Place<'_>, width: usize) -> String {
    let all: Vec<&Command> = place
        .command
        .get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help")
        .collect();
    let mut common: Vec<&Command> = Vec::new();
    if place.is_root() {
        let find = |name: &&str| all.iter().copied().find(|c| c.get_name() == *name);
        common.extend(COMMON.iter().filter_map(find));
    }
    let rest = |managing: bool| {
        let mut rest: Vec<&Command> = all
            .iter()
            .copied()
            .filter(|c| !(place.is_root() && COMMON.contains(&c.get_name())))
            .filter(|c| c.has_subcommands() == managing)
            .collect();
        rest.sort_by_key(|c| c.get_name());
        rest
    };
    let mut out = String::new();
    for (title, commands) in [
        ("Common Commands", common),
        ("Management Commands", rest(true)),
        ("Commands", rest(false)),
    ] {
        if commands.is_empty() {
            continue;
        }
        let rows: Vec<_> = commands
            .iter()
            .map(|c| {
                let about = c.get_about().map(plain).unwrap_or_default();
                (format!("{:<11}", c.get_name()), about)
            })
            .collect();
        let _ = write!(out, "\n{title}:\n{}", columns(&rows, width));
    }
    out
}

/// `-e, --env list`.
fn flag(arg: &Arg) -> String {
    let short = arg
        .get_short()
        .map_or("    ".to_owned(), |c| format!("-{c}, "));
    let long = arg.get_long().unwrap_or_default();
    let takes_value = arg.get_action().takes_values();
    let value = match arg.get_value_names() {
        Some([name, ..]) if takes_value && arg.is_require_equals_set() => format!("[={name}]"),
        Some([name, ..]) if takes_value => format!(" {name}"),
        _ => String::new(),
    };
    format!("{short}--{long}{value}")
}

/// What an option means, with its default and environment variable.
fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map(plain).unwrap_or_default();
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|v| format!("{:?}", v.to_string_lossy()))
        .collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(text, " (default {})", defaults.join(", "));
    }
    text
}

/// Two columns; the right one wraps. On a narrow terminal it goes below the left one instead.
fn columns(rows: &[(String, String)], width: usize) -> String {
    let left = rows
        .iter()
        .map(|(l, _)| l.chars().count())
        .max()
        .unwrap_or(0);
    let indent = left + 5;
    let mut out = String::new();
    for (name, text) in rows {
        if width >= indent + 24 {
            let text = wrap(text, width - indent, &" ".repeat(indent));
            let _ = writeln!(out, "  {name:left$}   {text}");
        } else {
            let text = wrap(text, width.saturating_sub(10).max(20), "          ");
            let _ = write!(out, "  {}\n          {text}\n", name.trim_end());
        }
    }
    out
}

/// Wraps each paragraph; a line that is indented, such as an example, stays as it is.
fn paragraphs(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut running = String::new();
    let end = |running: &mut String, out: &mut String| {
        if !running.is_empty() {
            let _ = writeln!(out, "{}", wrap(running, width, ""));
            running.clear();
        }
    };
    for line in text.lines() {
        if line.is_empty() || line.starts_with(' ') {
            end(&mut running, &mut out);
            let _ = writeln!(out, "{line}");
        } else {
            running.push_str(line);
            running.push(' ');
        }
    }
    end(&mut running, &mut out);
    out
}

fn unknown_command(place: &Place<'_>, word: &str) -> Failure {
    let path = format!("{} {word}", place.path);
    let end = format!("\nRun '{} --help' for more information", place.path);
    let word_path = path.trim_start_matches("coracle ");
    if let Some(plan) = docker::verb(word_path) {
        return Failure::new(plan.say(word_path)).hint(end);
    }
    let names = place.command.get_subcommands().filter(|c| !c.is_hide_set());
    let failure = Failure::new(format!("unknown command: {path}"));
    match did_you_mean(word, names.map(Command::get_name)) {
        Some(near) => failure
            .hint(format!("\nDid you mean '{} {near}'?", place.path))
            .hint(end),
        None => failure.hint(end),
    }
}

fn wrong_usage(place: &Place<'_>, error: &clap::Error) -> Failure {
    let message = usage_message(place, error);
    Failure::new(message)
        .hint(format!("\nUsage:  {}", place.usage()))
        .hint(format!(
            "\nRun '{} --help' for more information",
            place.path
        ))
        .code(OWN_FAILURE)
}

fn usage_message(place: &Place<'_>, error: &clap::Error) -> String {
    let argument = text_of(error, ContextKind::InvalidArg);
    // clap names an option with its value: `--name <string>`.
    let name = argument.split([' ', '=', '[']).next().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => unknown_flag(place, name),
        ErrorKind::UnknownArgument => format!("'{}' does not take {argument:?}", place.path),
        ErrorKind::MissingRequiredArgument => {
            format!("'{}' needs more arguments: {}", place.path, missing(error))
        }
        ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues
            if text_of(error, ContextKind::InvalidValue).is_empty() =>
        {
            format!("flag needs an argument: {name}")
        }
        ErrorKind::InvalidValue => {
            let valid = text_of(error, ContextKind::ValidValue);
            let value = text_of(error, ContextKind::InvalidValue);
            let near = did_you_mean(&value, valid.split(", "))
                .map(|near| format!("; did you mean {near:?}?"))
                .unwrap_or_default();
            format!("invalid argument {value:?} for {name}: it must be one of {valid}{near}")
        }
        ErrorKind::ValueValidation => {
            let value = text_of(error, ContextKind::InvalidValue);
            let why = std::error::Error::source(error).map(ToString::to_string);
            format!(
                "invalid argument {value:?} for {name}: {}",
                why.unwrap_or_default()
            )
        }
        ErrorKind::TooManyValues => format!(
            "flag does not take an argument: {name}={}",
            text_of(error, ContextKind::InvalidValue)
        ),
        ErrorKind::ArgumentConflict => {
            let prior = text_of(error, ContextKind::PriorArg);
            if prior == argument {
                format!("{name} can be given only once")
            } else {
                format!("{name} and {prior} exclude each other")
            }
        }
        _ => error
            .to_string()
            .trim_start_matches("error: ")
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

fn unknown_flag(place: &Place<'_>, flag: &str) -> String {
    let path = place.path.trim_start_matches("coracle").trim();
    if let Some(plan) = docker::flag(canonical(path), flag) {
        return plan.say(&format!("{path} {flag}"));
    }
    let longs = place.command.get_arguments().filter(|a| !a.is_hide_set());
    let longs: Vec<_> = longs.filter_map(Arg::get_long).collect();
    let near = flag
        .strip_prefix("--")
        .and_then(|typed| did_you_mean(typed, longs));
    match near {
        Some(near) => format!("unknown flag: {flag}; did you mean --{near}?"),
        None => format!("unknown flag: {flag}"),
    }
}

/// The short path of a command: `run` for `container run`.
fn canonical(path: &str) -> &str {
    let full = format!("coracle {path}");
    aliases(&full)
        .and_then(<[_]>::last)
        .map_or(path, |short| short.trim_start_matches("coracle "))
}

/// The positional arguments that are missing, by the names that the usage line gives them.
fn missing(error: &clap::Error) -> String {
    let text = text_of(error, ContextKind::InvalidArg);
    text.replace(['<', '>'], "").replace("...", "")
}

fn text_of(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

fn plain(text: &StyledStr) -> String {
    text.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_past_options_and_their_values() {
        let command = app::command();
        let check = |line: &str, path: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(Place::of(&command, &words).path, path);
        };
        check("coracle", "coracle");
        check("coracle version --nope", "coracle version");
        check("coracle --root version version", "coracle version");
        check("coracle help version", "coracle version");
        check("coracle nonsense version", "coracle");
    }

    #[test]
    fn no_help_is_wider_than_eighty_columns() {
        fn walk(place: &Place<'_>) {
            for line in help(place, 80).lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", place.path);
            }
            for command in place.command.get_subcommands() {
                let path = format!("{} {}", place.path, command.get_name());
                walk(&Place { path, command });
            }
        }
        walk(&Place::of(&app::command(), &[]));
    }

    #[test]
    fn narrow_terminals_get_the_text_below() {
        let rows = [(
            "    --name string".to_owned(),
            "Assign a name to the container".to_owned(),
        )];
        insta::assert_snapshot!(columns(&rows, 30), @r"
              --name string
                  Assign a name to the
                  container
        ");
    }
}

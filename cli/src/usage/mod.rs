//! Help and usage errors in Docker's shape, so that eyes need not learn another one.
//!
//! clap parses; what it would print is replaced. The path is what was typed, so `coracle image
//! ls --help` speaks of `coracle image ls`, and the options are laid out as Docker lays them out.

mod help;

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use coracle::diagnostic::did_you_mean;

use crate::failure::{Failure, OWN_FAILURE, Outcome};
use crate::output;
use crate::{app, docker};
use help::{aliases, help};

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
        Some(near) if flag == format!("--{near}") => {
            format!("{flag} stands behind --, where it is an argument; put it in front")
        }
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
}

//! Help as Docker lays it out: usage, aliases, commands, options, examples.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::{Place, plain};
use crate::output::wrap;

/// The help of a command, wrapped to `width` columns.
pub(super) fn help(place: &Place<'_>, width: usize) -> String {
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
    let mut options: Vec<_> = command
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_hide_set())
        .filter(global)
        .collect();
    options.sort_by_key(|arg| arg.get_long());
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
        let _ = write!(out, "\n{title}:\n{}", columns(&rows, width, 3));
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
    &["coracle container commit", "coracle commit"],
    &["coracle container cp", "coracle cp"],
    &["coracle container create", "coracle create"],
    &["coracle container diff", "coracle diff"],
    &["coracle container export", "coracle export"],
    &["coracle container ls", "coracle ps"],
    &["coracle container rename", "coracle rename"],
    &["coracle container rm", "coracle rm"],
    &["coracle container run", "coracle run"],
    &["coracle container start", "coracle start"],
    &["coracle image build", "coracle build"],
    &["coracle image history", "coracle history"],
    &["coracle image import", "coracle import"],
    &["coracle image load", "coracle load"],
    &["coracle image ls", "coracle images"],
    &["coracle image pull", "coracle pull"],
    &["coracle image push", "coracle push"],
    &["coracle image rm", "coracle rmi"],
    &["coracle image save", "coracle save"],
    &["coracle image tag", "coracle tag"],
];

pub(super) fn aliases(path: &str) -> Option<&'static [&'static str]> {
    ALIASES.iter().copied().find(|names| names.contains(&path))
}

/// What a person probably came for, first; everything else after it.
const COMMON: &[&str] = &[
    "demo", "doctor", "base", "build", "run", "ps", "images", "version",
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
        let _ = write!(out, "\n{title}:\n{}", columns(&rows, width, 1));
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

/// Two columns with `gap` spaces between; the right one wraps. On a narrow terminal it goes below the left one instead.
fn columns(rows: &[(String, String)], width: usize, gap: usize) -> String {
    let left = rows
        .iter()
        .map(|(l, _)| l.chars().count())
        .max()
        .unwrap_or(0);
    let indent = left + gap + 2;
    let mut out = String::new();
    for (name, text) in rows {
        if width >= indent + 24 {
            let text = wrap(text, width - indent, &" ".repeat(indent));
            let _ = writeln!(out, "  {name:left$}{:gap$}{text}", "");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app;

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
        insta::assert_snapshot!(columns(&rows, 30, 3), @r"
              --name string
                  Assign a name to the
                  container
        ");
    }
}

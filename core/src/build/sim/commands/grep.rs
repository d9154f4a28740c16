//! grep, egrep and fgrep.

use std::fmt::Write as _;

use super::{Given, Runner, Stop, base, join, lines};
use crate::build::sim::regex::Regex;
use crate::tree::Kind;

/// `grep`
pub(super) fn grep(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [
        ("quiet", 'q'),
        ("silent", 'q'),
        ("ignore-case", 'i'),
        ("invert-match", 'v'),
        ("count", 'c'),
        ("files-with-matches", 'l'),
        ("recursive", 'r'),
        ("line-number", 'n'),
        ("extended-regexp", 'E'),
        ("fixed-strings", 'F'),
        ("only-matching", 'o'),
        ("word-regexp", 'w'),
        ("line-regexp", 'x'),
        ("no-messages", 's'),
    ];
    let given = Given::read(args, "qirRlLcvnEFGe:hHsowxm:", &long)?;
    let mut operands = given.operands.clone();
    let mut patterns: Vec<String> = given.values('e').map(str::to_owned).collect();
    if patterns.is_empty() {
        if operands.is_empty() {
            runner.misused(args, "missing pattern");
            return Ok(2);
        }
        patterns.push(operands.remove(0));
    }
    let name = base(&args[0]);
    let (fixed, extended) = (
        given.has("F") || name == "fgrep",
        given.has("E") || name == "egrep",
    );
    let mut regexes = Vec::new();
    for pattern in patterns.iter().flat_map(|pattern| pattern.split('\n')) {
        if fixed && !given.has("wx") {
            regexes.push(Regex::fixed(pattern, given.has("i")));
            continue;
        }
        let mut text = pattern.to_owned();
        if fixed {
            text = text.replace(|c: char| "\\[].*^$".contains(c), "?");
        }
        if given.has("x") {
            text = if extended {
                format!("^({text})$")
            } else {
                format!("^\\({text}\\)$")
            };
        } else if given.has("w") {
            text = if extended {
                format!("\\b({text})\\b")
            } else {
                format!("\\b\\({text}\\)\\b")
            };
        }
        match Regex::parse(&text, extended, given.has("i")) {
            Ok(regex) => regexes.push(regex),
            Err(why) => {
                runner.misused(args, &format!("bad regex '{pattern}': {why}"));
                return Ok(2);
            }
        }
    }
    let mut files = Vec::new();
    let recursive = given.has("rR");
    let mut failed = false;
    if recursive {
        let here = vec![".".to_owned()];
        for path in if operands.is_empty() {
            &here
        } else {
            &operands
        } {
            gather(runner, path, &mut files);
        }
    } else if operands.is_empty() {
        files.push("-".to_owned());
    } else {
        files = operands;
    }
    let named = (files.len() > 1 || recursive || given.has("H")) && !given.has("h");
    let mut any = false;
    for path in files {
        let bytes = match runner.text_of(&path)? {
            Ok(bytes) => bytes,
            Err(errno) => {
                failed = true;
                if !given.has("s") {
                    runner.fails(args, &path, &path, errno);
                }
                continue;
            }
        };
        any |= search(
            runner,
            &given,
            &regexes,
            named.then_some(&path),
            &path,
            &bytes,
        )?;
    }
    Ok(match (any, failed) {
        (true, _) if given.has("q") => 0,
        (_, true) => 2,
        (found, false) => i32::from(!found),
    })
}

fn gather(runner: &Runner<'_, '_>, path: &str, files: &mut Vec<String>) {
    match runner.shell.stat(path, true) {
        Ok((at, node)) if node.kind == Kind::Directory => {
            for name in runner.shell.names(&at).unwrap_or_default() {
                let path = join(path, &String::from_utf8_lossy(&name));
                let link = runner.shell.stat(&path, false);
                // As in both greps, links below what is named are not followed.
                if !link.is_ok_and(|(_, node)| matches!(node.kind, Kind::Symlink(_))) {
                    gather(runner, &path, files);
                }
            }
        }
        _ => files.push(path.to_owned()),
    }
}

fn search(
    runner: &mut Runner<'_, '_>,
    given: &Given,
    regexes: &[Regex],
    title: Option<&String>,
    path: &str,
    bytes: &[u8],
) -> Result<bool, Stop> {
    let most: usize = given
        .value('m')
        .and_then(|n| n.parse().ok())
        .unwrap_or(usize::MAX);
    let mut count = 0;
    for (index, line) in lines(bytes).into_iter().enumerate() {
        if count >= most {
            break;
        }
        let mut matches = Vec::new();
        for regex in regexes {
            let found = regex.find(line, 0).map_err(Stop::refuse)?;
            matches.extend(found.and_then(|captures| captures[0]));
        }
        if matches.is_empty() != given.has("v") {
            continue;
        }
        count += 1;
        if given.has("q") {
            return Ok(true);
        }
        if given.has("clL") {
            continue;
        }
        let mut prefix = title.map(|name| format!("{name}:")).unwrap_or_default();
        if given.has("n") {
            let _ = write!(prefix, "{}:", index + 1);
        }
        if !given.has("o") {
            runner.out([prefix.as_bytes(), line, b"\n"].concat());
            continue;
        }
        let mut from = 0;
        while from <= line.len() {
            let mut first: Option<(usize, usize)> = None;
            for regex in regexes {
                let found = regex.find(line, from).map_err(Stop::refuse)?;
                let found = found.and_then(|captures| captures[0]);
                first = match (first, found) {
                    (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
                    (a, b) => a.or(b),
                };
            }
            let Some((start, end)) = first else { break };
            if end > start {
                runner.out([prefix.as_bytes(), &line[start..end], b"\n"].concat());
            }
            from = end.max(from + 1).max(start + 1);
        }
    }
    let shown = if path == "-" {
        "(standard input)"
    } else {
        path
    };
    if given.has("l") && count > 0 || given.has("L") && count == 0 {
        runner.out(format!("{shown}\n"));
    } else if given.has("c") && !given.has("lL") {
        let prefix = title.map(|name| format!("{name}:")).unwrap_or_default();
        runner.out(format!("{prefix}{count}\n"));
    }
    Ok(count > 0)
}

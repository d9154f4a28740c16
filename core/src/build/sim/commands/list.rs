//! ls and stat.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Given, Runner, Stop, join};
use crate::accounts::Accounts;
use crate::path::RootedPath;
use crate::tree::{Kind, Node};

/// What is shown of one entry.
type Row = (String, RootedPath, Arc<Node>);

/// `ls`. Without a terminal, each name has a line of its own.
pub(super) fn ls(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [
        ("all", 'a'),
        ("almost-all", 'A'),
        ("recursive", 'R'),
        ("directory", 'd'),
    ];
    let given = Given::read(args, "1aAlRdnrtSFphs", &long)?;
    if given.has("s") {
        return Err(Stop::command("ls", "`ls` with the option -s"));
    }
    let here = vec![".".to_owned()];
    let operands = if given.operands.is_empty() {
        &here
    } else {
        &given.operands
    };
    let (mut files, mut directories, mut code) = (Vec::new(), Vec::new(), 0);
    for path in operands {
        let found = runner.shell.stat(path, !given.has("l"));
        let found = found.or_else(|_| runner.shell.stat(path, false));
        match found {
            Ok((at, node)) if node.kind == Kind::Directory && !given.has("d") => {
                directories.push((path.clone(), at));
            }
            Ok((at, node)) => files.push((path.clone(), at, node)),
            Err(errno) => {
                let gnu = format!("cannot access '{path}'");
                code = runner.fails(args, path, &gnu, errno).max(1);
                if runner.gnu {
                    code = 2;
                }
            }
        }
    }
    let titled = operands.len() > 1 || given.has("R");
    let mut shown = !files.is_empty();
    rows(runner, &given, files, false);
    directories.sort();
    for (path, at) in directories {
        list(
            runner, args, &given, &path, &at, titled, &mut shown, &mut code,
        );
    }
    Ok(code)
}

#[allow(clippy::too_many_arguments)] // what goes down unchanged, and what comes back
fn list(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    given: &Given,
    path: &str,
    at: &RootedPath,
    titled: bool,
    shown: &mut bool,
    code: &mut i32,
) {
    if titled {
        let before = if *shown { "\n" } else { "" };
        runner.out(format!("{before}{path}:\n"));
    }
    *shown = true;
    let names = match runner.shell.names(at) {
        Ok(names) => names,
        Err(errno) => {
            let busybox = format!("can't open '{path}'");
            let gnu = format!("cannot open directory '{path}'");
            *code = runner.fails(args, &busybox, &gnu, errno);
            return;
        }
    };
    let mut entries: Vec<Row> = Vec::new();
    let mut entry = |name: &str, at: RootedPath| {
        if let Some(node) = runner.shell.tree.get(&at) {
            entries.push((name.to_owned(), at, Arc::clone(node)));
        }
    };
    if given.has("a") {
        entry(".", at.clone());
        entry("..", at.parent().unwrap_or_default());
    }
    for name in names {
        if name.first() != Some(&b'.') || given.has("aA") {
            entry(&String::from_utf8_lossy(&name), at.child(&name));
        }
    }
    let below: Vec<_> = entries
        .iter()
        .filter(|(name, _, node)| node.kind == Kind::Directory && name != "." && name != "..")
        .map(|(name, at, _)| (join(path, name), at.clone()))
        .collect();
    rows(runner, given, entries, true);
    if given.has("R") {
        for (path, at) in below {
            list(runner, args, given, &path, &at, true, shown, code);
        }
    }
}

fn rows(runner: &mut Runner<'_, '_>, given: &Given, mut entries: Vec<Row>, is_listing: bool) {
    if given.has("S") {
        entries.sort_by_key(|(_, _, node)| std::cmp::Reverse(size(node)));
    } else if given.has("t") {
        entries.sort_by_key(|(_, _, node)| std::cmp::Reverse(node.meta.mtime));
    } else {
        entries.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    }
    if given.has("r") {
        entries.reverse();
    }
    let mut text = String::new();
    if !given.has("ln") {
        for (name, _, node) in &entries {
            let _ = writeln!(text, "{name}{}", mark(node, given));
        }
        runner.out(text);
        return;
    }
    if is_listing {
        let blocks: u64 = entries.iter().map(|(_, _, node)| blocks(node)).sum();
        let _ = writeln!(text, "total {blocks}");
    }
    let accounts = runner.accounts();
    let numbers = given.has("n");
    let lines: Vec<[String; 6]> = entries
        .iter()
        .map(|(name, at, node)| {
            let (user, group) = owner(&accounts, node, numbers);
            let mut name = format!("{name}{}", mark(node, given));
            if let Kind::Symlink(target) = &node.kind {
                let _ = write!(name, " -> {}", String::from_utf8_lossy(target));
            }
            let size = match &node.kind {
                Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                    format!("{major}, {minor:3}")
                }
                _ => size(node).to_string(),
            };
            let links = links(runner, at, node).to_string();
            [letters(node), links, user, group, size, name]
        })
        .collect();
    // busybox has fixed widths; coreutils those of the longest.
    let widest = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or(0)
    };
    let widths = if runner.gnu {
        [widest(1), widest(2), widest(3), widest(4)]
    } else {
        [4, 8, 8, 9]
    };
    for ([mode, links, user, group, size, name], (_, _, node)) in lines.iter().zip(&entries) {
        let [a, b, c, d] = widths;
        let date = date(node.meta.mtime.rfc3339().as_str());
        let _ = writeln!(
            text,
            "{mode} {links:>a$} {user:<b$} {group:<c$} {size:>d$} {date} {name}"
        );
    }
    runner.out(text);
}

/// `2024-02-29T12:00:00Z` as `Feb 29 12:00`, or with the year: nobody knows what day it is here,
/// so everything is long ago.
fn date(rfc3339: &str) -> String {
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let part = |from: usize, to: usize| rfc3339.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().unwrap_or(1);
    let month = months.get(month.wrapping_sub(1)).copied().unwrap_or("Jan");
    let day = part(8, 10).trim_start_matches('0');
    format!("{month} {day:>2}  {}", part(0, 4))
}

fn owner(accounts: &Accounts, node: &Node, numbers: bool) -> (String, String) {
    let (uid, gid) = (node.meta.uid, node.meta.gid);
    let user = accounts
        .users
        .iter()
        .find(|user| user.uid == uid && !numbers);
    let group = accounts
        .groups
        .iter()
        .find(|group| group.gid == gid && !numbers);
    (
        user.map_or_else(|| uid.to_string(), |user| user.name.clone()),
        group.map_or_else(|| gid.to_string(), |group| group.name.clone()),
    )
}

fn size(node: &Node) -> u64 {
    match &node.kind {
        Kind::File(content) => content.size(),
        Kind::Symlink(target) => target.len() as u64,
        Kind::Directory => 4096,
        _ => 0,
    }
}

fn blocks(node: &Node) -> u64 {
    match &node.kind {
        Kind::File(content) => content.size().div_ceil(4096) * 4,
        Kind::Directory => 4,
        _ => 0,
    }
}

fn links(runner: &Runner<'_, '_>, at: &RootedPath, node: &Arc<Node>) -> usize {
    if node.kind == Kind::Directory {
        let below = runner.shell.tree.children(at);
        return 2 + below
            .filter(|(_, node)| node.kind == Kind::Directory)
            .count();
    }
    runner.shell.names_of(node).len()
}

fn mark(node: &Node, given: &Given) -> &'static str {
    match &node.kind {
        Kind::Directory if given.has("Fp") => "/",
        Kind::Symlink(_) if given.has("F") && !given.has("l") => "@",
        Kind::File(_) if given.has("F") && node.meta.mode & 0o111 != 0 => "*",
        _ => "",
    }
}

/// `drwxr-xr-x`
pub(super) fn letters(node: &Node) -> String {
    let kind = match &node.kind {
        Kind::Directory => 'd',
        Kind::Symlink(_) => 'l',
        Kind::CharDevice(..) => 'c',
        Kind::BlockDevice(..) => 'b',
        Kind::Fifo => 'p',
        _ => '-',
    };
    let mode = node.meta.mode;
    let mut text = kind.to_string();
    for (class, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> class & 7;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// `stat -c FORMAT`; its other forms show what a tree does not have.
pub(super) fn stat(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "Lc:", &[("format", 'c')])?;
    let Some(format) = given.value('c').map(str::to_owned) else {
        return Err(Stop::command("stat", "`stat` without -c"));
    };
    let accounts = runner.accounts();
    let mut code = 0;
    for path in &given.operands {
        let (at, node) = match runner.shell.stat(path, given.has("L")) {
            Ok(found) => found,
            Err(errno) => {
                let busybox = format!("can't stat '{path}'");
                let gnu = format!("cannot statx '{path}'");
                code = runner.fails(args, &busybox, &gnu, errno);
                continue;
            }
        };
        let mut text = String::new();
        let mut letters_of = format.chars();
        while let Some(c) = letters_of.next() {
            if c != '%' {
                text.push(c);
                continue;
            }
            let letter = letters_of.next().unwrap_or('%');
            let part = match letter {
                '%' => "%".to_owned(),
                'n' => path.clone(),
                'a' => format!("{:o}", node.meta.mode),
                'A' => letters(&node),
                'u' => node.meta.uid.to_string(),
                'g' => node.meta.gid.to_string(),
                'U' => owner(&accounts, &node, false).0,
                'G' => owner(&accounts, &node, false).1,
                's' => size(&node).to_string(),
                'h' => links(runner, &at, &node).to_string(),
                'Y' => node.meta.mtime.seconds.to_string(),
                'F' => match &node.kind {
                    Kind::Directory => "directory".to_owned(),
                    Kind::Symlink(_) => "symbolic link".to_owned(),
                    Kind::File(content) if content.size() == 0 => "regular empty file".to_owned(),
                    Kind::File(_) => "regular file".to_owned(),
                    other => other.word().to_owned(),
                },
                other => return Err(Stop::command("stat", format!("`stat` with %{other}"))),
            };
            text.push_str(&part);
        }
        runner.out(text + "\n");
    }
    Ok(code)
}

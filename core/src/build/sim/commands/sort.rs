//! sort and uniq.

use std::cmp::Ordering;

use super::{Given, Runner, Stop, lines};

/// `sort`
pub(super) fn sort(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [
        ("unique", 'u'),
        ("reverse", 'r'),
        ("numeric-sort", 'n'),
        ("key", 'k'),
    ];
    let given = Given::read(args, "urnfbk:t:o:", &long)?;
    let (texts, code) = runner.texts(args, &given.operands)?;
    if code != 0 {
        return Ok(2);
    }
    let separator = given.value('t').and_then(|text| text.bytes().next());
    let mut keys = Vec::new();
    for text in given.values('k') {
        let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect();
        let digits: String = text.chars().filter(|c| !c.is_ascii_alphabetic()).collect();
        let (from, to) = match digits.split_once(',') {
            Some((from, to)) => (from.parse().ok(), to.parse().ok()),
            None => (digits.parse().ok(), Some(usize::MAX)),
        };
        let (Some(from), Some(to)) = (from, to) else {
            return Err(Stop::command("sort", format!("`sort` with the key {text}")));
        };
        keys.push((from, to, letters));
    }
    let mut all: Vec<&[u8]> = texts.iter().flat_map(|(_, bytes)| lines(bytes)).collect();
    let flags: String = given.options.iter().map(|(letter, _)| *letter).collect();
    let compare = |a: &[u8], b: &[u8]| {
        for (from, to, letters) in &keys {
            let key = |line| field(line, separator, *from, *to);
            let own = if letters.is_empty() { &flags } else { letters };
            let order = ordered(&key(a), &key(b), own);
            if order != Ordering::Equal {
                return if own.contains('r') {
                    order.reverse()
                } else {
                    order
                };
            }
        }
        let order = if keys.is_empty() {
            ordered(a, b, &flags)
        } else {
            Ordering::Equal
        };
        if flags.contains('r') {
            order.reverse()
        } else {
            order
        }
    };
    // The last resort is all bytes, but with -u what is equal so far is one.
    all.sort_by(|a, b| {
        let last = || {
            let order = a.cmp(b);
            if flags.contains('r') {
                order.reverse()
            } else {
                order
            }
        };
        let order = compare(a, b);
        if given.has("u") {
            order
        } else {
            order.then_with(last)
        }
    });
    if given.has("u") {
        all.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
    }
    let mut result = Vec::new();
    for line in all {
        result.extend_from_slice(line);
        result.push(b'\n');
    }
    match given.value('o') {
        None => runner.out(result),
        Some(path) => {
            if let Err(errno) = runner.shell.write(path, result, 0o666) {
                return Ok(runner.fails(args, path, path, errno));
            }
        }
    }
    Ok(code)
}

fn field(line: &[u8], separator: Option<u8>, from: usize, to: usize) -> Vec<u8> {
    let parts: Vec<&[u8]> = match separator {
        Some(separator) => line.split(|b| *b == separator).collect(),
        None => line
            .split(u8::is_ascii_whitespace)
            .filter(|part| !part.is_empty())
            .collect(),
    };
    let end = to.min(parts.len());
    let start = from.saturating_sub(1).min(end);
    parts[start..end].join(&separator.unwrap_or(b' '))
}

fn ordered(a: &[u8], b: &[u8], flags: &str) -> Ordering {
    if flags.contains('n') {
        return number(a).cmp(&number(b));
    }
    if flags.contains('f') {
        return a.to_ascii_uppercase().cmp(&b.to_ascii_uppercase());
    }
    a.cmp(b)
}

fn number(text: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start();
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || (*at == 0 && *c == '-')));
    text[..end.map_or(text.len(), |(at, _)| at)]
        .parse()
        .unwrap_or(0)
}

/// `uniq`
pub(super) fn uniq(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(
        args,
        "cdui",
        &[("count", 'c'), ("repeated", 'd'), ("unique", 'u')],
    )?;
    if given.operands.len() > 1 {
        return Err(Stop::command("uniq", "`uniq` with two files"));
    }
    let (texts, code) = runner.texts(args, &given.operands)?;
    let mut groups: Vec<(usize, &[u8])> = Vec::new();
    for (_, bytes) in &texts {
        for line in lines(bytes) {
            match groups.last_mut() {
                Some((count, last)) if same(last, line, given.has("i")) => *count += 1,
                _ => groups.push((1, line)),
            }
        }
    }
    for (count, line) in groups {
        if (given.has("d") && count < 2) || (given.has("u") && count > 1) {
            continue;
        }
        if given.has("c") {
            runner.out(format!("{count:7} "));
        }
        runner.out([line, b"\n"].concat());
    }
    Ok(code)
}

fn same(a: &[u8], b: &[u8], ignore_case: bool) -> bool {
    a == b || (ignore_case && a.eq_ignore_ascii_case(b))
}

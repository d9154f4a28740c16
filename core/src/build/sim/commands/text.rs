//! cat, head, tail, wc, cut, tr, tee and sha256sum.

use std::fmt::Write as _;

use super::{Given, Runner, Stop, lines};
use crate::build::sim::pattern::class;
use crate::digest::Digest;

/// `cat`
pub(super) fn cat(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "nu", &[("number", 'n')])?;
    let input = ["-".to_owned()];
    let operands = if given.operands.is_empty() {
        &input
    } else {
        &given.operands[..]
    };
    let mut number = 0;
    let mut code = 0;
    // One after the other, so that what fails is said in its place.
    for path in operands {
        let (texts, failed) = runner.texts(args, std::slice::from_ref(path))?;
        code |= failed;
        for (_, bytes) in texts {
            if !given.has("n") {
                runner.out(bytes);
                continue;
            }
            for line in bytes.split_inclusive(|b| *b == b'\n') {
                number += 1;
                runner.out(format!("{number:6}\t"));
                runner.out(line);
            }
        }
    }
    Ok(code)
}

/// `-5` is `-n 5`.
fn with_number(args: &[String]) -> Vec<String> {
    let mut words = args.to_vec();
    if let Some(first) = words.get_mut(1)
        && let Some(digits) = first.strip_prefix('-')
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
    {
        *first = format!("-n{digits}");
    }
    words
}

/// `head`
pub(super) fn head(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    ends(runner, &with_number(args), |bytes, count, is_bytes| {
        let number: i64 = count.parse().ok()?;
        let end = if is_bytes {
            let all = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            usize::try_from(if number < 0 {
                all + number
            } else {
                number.min(all)
            })
            .unwrap_or(0)
        } else {
            let ends: Vec<usize> = bytes
                .split_inclusive(|b| *b == b'\n')
                .map(<[u8]>::len)
                .collect();
            let all = i64::try_from(ends.len()).unwrap_or(i64::MAX);
            let wanted = if number < 0 {
                (all + number).max(0)
            } else {
                number
            };
            ends.iter().take(usize::try_from(wanted).unwrap_or(0)).sum()
        };
        Some(&bytes[..end])
    })
}

/// `tail`
pub(super) fn tail(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    ends(runner, &with_number(args), |bytes, count, is_bytes| {
        let (from_start, digits) = match count.strip_prefix('+') {
            Some(digits) => (true, digits),
            None => (false, count.trim_start_matches('-')),
        };
        let number: usize = digits.parse().ok()?;
        let units: Vec<usize> = if is_bytes {
            vec![1; bytes.len()]
        } else {
            bytes
                .split_inclusive(|b| *b == b'\n')
                .map(<[u8]>::len)
                .collect()
        };
        let skipped = if from_start {
            number.saturating_sub(1).min(units.len())
        } else {
            units.len().saturating_sub(number)
        };
        Some(&bytes[units[..skipped].iter().sum::<usize>()..])
    })
}

fn ends(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    part: impl for<'b> Fn(&'b [u8], &str, bool) -> Option<&'b [u8]>,
) -> Result<i32, Stop> {
    let given = Given::read(args, "n:c:q", &[("lines", 'n'), ("bytes", 'c')])?;
    let is_bytes = given.value('c').is_some();
    let count = given
        .value('c')
        .or(given.value('n'))
        .unwrap_or("10")
        .to_owned();
    let (texts, code) = runner.texts(args, &given.operands)?;
    if texts.is_empty() && !runner.gnu && super::base(&args[0]) == "tail" {
        return Ok(runner.misused(args, "no files"));
    }
    let titled = given.operands.len() > 1 && !given.has("q");
    for (index, (name, bytes)) in texts.iter().enumerate() {
        if titled {
            let before = if index > 0 { "\n" } else { "" };
            runner.out(format!("{before}==> {name} <==\n"));
        }
        match part(bytes, &count, is_bytes) {
            Some(part) => runner.out(part),
            None => return Ok(runner.misused(args, &format!("invalid number '{count}'"))),
        }
    }
    Ok(code)
}

/// `wc`
pub(super) fn wc(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(
        args,
        "lwcm",
        &[("lines", 'l'), ("words", 'w'), ("bytes", 'c')],
    )?;
    let (texts, code) = runner.texts(args, &given.operands)?;
    let all = !given.has("lwcm");
    let mut total = [0; 3];
    let mut rows = Vec::new();
    for (name, bytes) in &texts {
        let ends = bytes.split(|b| *b == b'\n').count() - 1;
        let words = bytes
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .count();
        let counts = [ends, words, bytes.len()];
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
        rows.push((counts, if given.operands.is_empty() { "" } else { name }));
    }
    if texts.len() > 1 {
        rows.push((total, "total"));
    }
    let width = if runner.gnu {
        total.iter().max().unwrap_or(&0).to_string().len()
    } else {
        9
    };
    for (counts, name) in rows {
        let letters = ["l", "w", "cm"];
        let shown: Vec<usize> = counts
            .into_iter()
            .zip(letters)
            .filter(|(_, letter)| all || given.has(letter))
            .map(|(count, _)| count)
            .collect();
        let mut text = match &shown[..] {
            [one] if runner.gnu || texts.len() < 2 => one.to_string(),
            many => {
                let columns: Vec<String> = many.iter().map(|n| format!("{n:>width$}")).collect();
                columns.join(" ")
            }
        };
        if !name.is_empty() {
            let _ = write!(text, " {name}");
        }
        runner.out(text + "\n");
    }
    Ok(code)
}

/// `cut`
pub(super) fn cut(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "d:f:c:b:s", &[("delimiter", 'd'), ("fields", 'f')])?;
    let by_field = given.value('f');
    let Some(list) = by_field.or(given.value('c')).or(given.value('b')) else {
        return Ok(runner.misused(args, "expected a list of bytes, characters, or fields"));
    };
    let Some(ranges) = ranges(list) else {
        return Ok(runner.misused(args, &format!("invalid range '{list}'")));
    };
    let wanted = |number: usize| {
        ranges
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&number))
    };
    let delimiter = given
        .value('d')
        .and_then(|d| d.bytes().next())
        .unwrap_or(b'\t');
    let (texts, code) = runner.texts(args, &given.operands)?;
    for (_, bytes) in &texts {
        for line in lines(bytes) {
            let mut result: Vec<u8> = Vec::new();
            if by_field.is_none() {
                let kept = line
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| wanted(index + 1));
                result.extend(kept.map(|(_, byte)| byte));
            } else if line.contains(&delimiter) {
                let fields = line.split(|b| *b == delimiter).enumerate();
                let kept: Vec<&[u8]> = fields
                    .filter(|(index, _)| wanted(index + 1))
                    .map(|(_, field)| field)
                    .collect();
                result = kept.join(&delimiter);
            } else if given.has("s") {
                continue;
            } else {
                result = line.to_vec();
            }
            result.push(b'\n');
            runner.out(result);
        }
    }
    Ok(code)
}

/// `1,3-5,7-`
fn ranges(text: &str) -> Option<Vec<(usize, usize)>> {
    let number = |text: &str, missing: usize| {
        if text.is_empty() {
            Some(missing)
        } else {
            text.parse().ok()
        }
    };
    text.split(',')
        .map(|part| match part.split_once('-') {
            Some((low, high)) => Some((number(low, 1)?, number(high, usize::MAX)?)),
            None => part.parse().ok().map(|n| (n, n)),
        })
        .collect()
}

/// `tr`
pub(super) fn tr(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "dscC", &[("delete", 'd'), ("squeeze-repeats", 's')])?;
    let Some(first) = given.operands.first() else {
        return Ok(runner.misused(args, "missing operand"));
    };
    let mut from = set(first);
    if given.has("cC") {
        from = (0..=255).filter(|byte| !from.contains(byte)).collect();
    }
    let to = given
        .operands
        .get(1)
        .map(|text| set(text))
        .unwrap_or_default();
    let squeezed = if to.is_empty() { &from } else { &to };
    let mut result: Vec<u8> = Vec::new();
    for byte in runner.take_input() {
        let place = from.iter().position(|own| *own == byte);
        let byte = match place {
            Some(_) if given.has("d") => continue,
            Some(place) if !to.is_empty() => to[place.min(to.len() - 1)],
            _ => byte,
        };
        if given.has("s") && result.last() == Some(&byte) && squeezed.contains(&byte) {
            continue;
        }
        result.push(byte);
    }
    runner.out(result);
    Ok(0)
}

/// The bytes that a word of `tr` means, in order.
fn set(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut result = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"[:")
            && let Some(length) = text.get(at + 2..).and_then(|rest| rest.find(":]"))
        {
            let name = &text[at + 2..at + 2 + length];
            result.extend((0..128_u8).filter(|byte| class(name, char::from(*byte))));
            at += length + 4;
            continue;
        }
        let (low, next) = one(bytes, at);
        if bytes.get(next) == Some(&b'-') && next + 1 < bytes.len() {
            let (high, end) = one(bytes, next + 1);
            result.extend(low..=high);
            at = end;
        } else {
            result.push(low);
            at = next;
        }
    }
    result
}

fn one(bytes: &[u8], at: usize) -> (u8, usize) {
    match (bytes[at], bytes.get(at + 1)) {
        (b'\\', Some(next)) => {
            let byte = match next {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'0' => 0,
                other => *other,
            };
            (byte, at + 2)
        }
        (byte, _) => (byte, at + 1),
    }
}

/// `tee`
pub(super) fn tee(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "ai", &[("append", 'a')])?;
    let bytes = runner.take_input();
    let mut code = 0;
    for path in &given.operands {
        match runner.sink(path, given.has("a"))? {
            Ok(sink) => {
                runner.streams.set(9, sink);
                runner.write_to(9, &bytes);
                runner.flush();
            }
            Err(errno) => code = runner.fails(args, path, path, errno),
        }
    }
    runner.out(bytes);
    Ok(code)
}

/// `sha256sum`, also with -c.
pub(super) fn sha256sum(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "cbsw", &[("check", 'c'), ("status", 's')])?;
    let (texts, mut code) = runner.texts(args, &given.operands)?;
    let hex = |bytes: &[u8]| Digest::of(bytes).to_string().replace("sha256:", "");
    if !given.has("c") {
        for (name, bytes) in &texts {
            runner.out(format!("{}  {name}\n", hex(bytes)));
        }
        return Ok(code);
    }
    for (_, list) in texts {
        for line in lines(&list) {
            let line = String::from_utf8_lossy(line).into_owned();
            let Some((wanted, name)) = line.split_once(' ') else {
                continue;
            };
            let name = name.trim_start_matches([' ', '*']).to_owned();
            let found = runner.text_of(&name)?;
            let right = found.as_ref().is_ok_and(|bytes| hex(bytes) == wanted);
            if let Err(errno) = found {
                runner.fails(args, &format!("can't open '{name}'"), &name, errno);
            }
            if !given.has("s") {
                runner.out(format!("{name}: {}\n", if right { "OK" } else { "FAILED" }));
            }
            code |= i32::from(!right);
        }
    }
    if code != 0 {
        let what = if runner.gnu {
            "WARNING: 1 computed checksum did NOT match"
        } else {
            "WARNING: 1 of 1 computed checksums did NOT match"
        };
        runner.misused(args, what);
    }
    Ok(code)
}

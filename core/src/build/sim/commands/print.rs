//! echo, printf, seq, basename and dirname.

use super::{Given, Runner, Stop, last};

/// `echo`, which in busybox and in the shells of Linux knows `-n` and `-e`.
pub(super) fn echo(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let dash = runner.gnu && !runner.arg0.ends_with("bash");
    let (mut newline, mut escapes) = (true, dash);
    let mut words = &args[1..];
    while let Some(option) = words.first() {
        let letters = option.strip_prefix('-').unwrap_or_default();
        let known = !letters.is_empty() && letters.chars().all(|c| "neE".contains(c));
        if !known || (dash && letters != "n") {
            break;
        }
        for letter in letters.chars() {
            match letter {
                'n' => newline = false,
                letter => escapes = letter == 'e',
            }
        }
        words = &words[1..];
    }
    let mut text = words.join(" ").into_bytes();
    if escapes {
        let (bytes, ended) = unescape(&words.join(" "), true);
        text = bytes;
        newline &= !ended;
    }
    if newline {
        text.push(b'\n');
    }
    runner.out(text);
    Ok(0)
}

/// What backslashes mean; and whether `\c` ended it all. In `echo`, octal numbers begin with 0.
fn unescape(text: &str, echo: bool) -> (Vec<u8>, bool) {
    let bytes = text.as_bytes();
    let mut result = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' || at + 1 == bytes.len() {
            result.push(bytes[at]);
            at += 1;
            continue;
        }
        let letter = bytes[at + 1];
        at += 2;
        let simple = match letter {
            b'a' => 7,
            b'b' => 8,
            b'e' => 27,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' => b'\\',
            b'c' => return (result, true),
            b'0'..=b'7' | b'x' => {
                let (radix, most) = match letter {
                    b'x' => (16, 2),
                    b'0' if echo => (8, 3),
                    _ => {
                        at -= 1;
                        (8, 3)
                    }
                };
                let digits = bytes[at..].iter().take(most);
                let digits = digits
                    .take_while(|b| char::from(**b).is_digit(radix))
                    .count();
                let text = std::str::from_utf8(&bytes[at..at + digits]).unwrap_or_default();
                at += digits;
                let value = u32::from_str_radix(text, radix).unwrap_or(0);
                result.push((value & 255) as u8);
                continue;
            }
            other => {
                result.extend([b'\\', other]);
                continue;
            }
        };
        result.push(simple);
    }
    (result, false)
}

/// `printf`: the format is used again as long as there are arguments.
pub(super) fn printf(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let words = if args.get(1).is_some_and(|arg| arg == "--") {
        &args[2..]
    } else {
        &args[1..]
    };
    let Some(format) = words.first() else {
        runner.complain("printf: usage: printf FORMAT [ARGUMENT...]");
        return Ok(2);
    };
    let mut rest = words[1..].iter();
    let mut code = 0;
    loop {
        let before = rest.len();
        let (bytes, ended) = formatted(runner, format, &mut rest, &mut code)?;
        runner.out(bytes);
        if ended || rest.len() == 0 || rest.len() == before {
            return Ok(code);
        }
    }
}

fn formatted(
    runner: &mut Runner<'_, '_>,
    format: &str,
    rest: &mut std::slice::Iter<'_, String>,
    code: &mut i32,
) -> Result<(Vec<u8>, bool), Stop> {
    let mut result = Vec::new();
    let mut text = format;
    while let Some(percent) = text.find('%') {
        let (bytes, ended) = unescape(&text[..percent], false);
        result.extend(bytes);
        if ended {
            return Ok((result, true));
        }
        text = &text[percent + 1..];
        if let Some(after) = text.strip_prefix('%') {
            result.push(b'%');
            text = after;
            continue;
        }
        let end = text.find(|c: char| !"-+ 0#.123456789".contains(c));
        let Some(end) = end else {
            return Err(Stop::command("printf", "`printf` with a % at the end"));
        };
        let (flags, conversion) = text.split_at(end);
        let mut letters = conversion.chars();
        let letter = letters.next().unwrap_or_default();
        text = letters.as_str();
        let word = rest.next().map_or("", String::as_str);
        let (flags, precision) = match flags.split_once('.') {
            Some((flags, precision)) => (flags, Some(precision.parse().unwrap_or(0))),
            None => (flags, None),
        };
        let width_at = flags
            .find(|c: char| ('1'..='9').contains(&c))
            .unwrap_or(flags.len());
        let (flags, width) = flags.split_at(width_at);
        let width: usize = width.parse().unwrap_or(0).min(1 << 16);
        let piece = match letter {
            's' => cut(word.as_bytes(), precision),
            'b' => {
                let (bytes, ended) = unescape(word, true);
                result.extend(padded(&cut(&bytes, precision), width, flags, false));
                if ended {
                    return Ok((result, true));
                }
                continue;
            }
            'c' => cut(word.as_bytes(), Some(1)),
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => {
                let value = number(word).unwrap_or_else(|| {
                    *code = 1;
                    0
                });
                if *code == 1 {
                    runner.err(format!("printf: {word}: invalid number"));
                }
                let digits = match letter {
                    'o' => format!("{value:o}"),
                    'x' => format!("{value:x}"),
                    'X' => format!("{value:X}"),
                    _ => value.to_string(),
                };
                digits.into_bytes()
            }
            other => return Err(Stop::command("printf", format!("`printf` with %{other}"))),
        };
        let is_number = !matches!(letter, 's' | 'c');
        result.extend(padded(&piece, width, flags, is_number));
    }
    let (bytes, ended) = unescape(text, false);
    result.extend(bytes);
    Ok((result, ended))
}

fn cut(bytes: &[u8], most: Option<usize>) -> Vec<u8> {
    bytes[..bytes.len().min(most.unwrap_or(bytes.len()))].to_vec()
}

fn number(word: &str) -> Option<i64> {
    let word = word.trim();
    if let Some(quoted) = word.strip_prefix(['"', '\'']) {
        return quoted.chars().next().map(|c| i64::from(u32::from(c)));
    }
    match (word.strip_prefix("0x"), word) {
        (_, "") => Some(0),
        (Some(hex), _) => i64::from_str_radix(hex, 16).ok(),
        (None, word) if word.len() > 1 && word.starts_with('0') => {
            i64::from_str_radix(word, 8).ok()
        }
        (None, word) => word.parse().ok(),
    }
}

fn padded(piece: &[u8], width: usize, flags: &str, is_number: bool) -> Vec<u8> {
    let missing = width.saturating_sub(piece.len());
    let mut result = Vec::new();
    if flags.contains('-') {
        result.extend(piece);
        result.extend(vec![b' '; missing]);
    } else if flags.contains('0') && is_number {
        let (sign, digits) = piece.split_at(usize::from(piece.first() == Some(&b'-')));
        result.extend(sign);
        result.extend(vec![b'0'; missing]);
        result.extend(digits);
    } else {
        result.extend(vec![b' '; missing]);
        result.extend(piece);
    }
    result
}

/// `seq`
pub(super) fn seq(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let mut numbers = Vec::new();
    let mut separator = "\n".to_owned();
    let mut wide = false;
    let mut rest = args[1..].iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-w" => wide = true,
            "-s" => separator = rest.next().cloned().unwrap_or_default(),
            text => match text.parse::<i64>() {
                Ok(number) => numbers.push(number),
                Err(_) => return Err(Stop::command("seq", format!("`seq` with {text}"))),
            },
        }
    }
    let (first, step, end) = match numbers[..] {
        [end] => (1, 1, end),
        [first, end] => (first, 1, end),
        [first, step, end] if step != 0 => (first, step, end),
        _ => return Ok(runner.misused(args, "wrong number of words")),
    };
    let mut list = Vec::new();
    let mut at = first;
    while (step > 0 && at <= end) || (step < 0 && at >= end) {
        if list.len() > 1_000_000 {
            return Err(Stop::refuse("so many numbers"));
        }
        list.push(at);
        let Some(next) = at.checked_add(step) else {
            break;
        };
        at = next;
    }
    let width = if wide {
        list.iter().map(|n| n.to_string().len()).max().unwrap_or(0)
    } else {
        0
    };
    let list: Vec<String> = list.iter().map(|n| format!("{n:0width$}")).collect();
    if !list.is_empty() {
        runner.out(format!("{}\n", list.join(&separator)));
    }
    Ok(0)
}

/// `basename`
pub(super) fn basename(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::before_operands(args, "")?;
    let [path, rest @ ..] = &given.operands[..] else {
        return Ok(runner.misused(args, "missing operand"));
    };
    let mut name = last(path);
    if name.is_empty() && path.starts_with('/') {
        name = "/";
    }
    if let Some(suffix) = rest.first() {
        name = name
            .strip_suffix(suffix.as_str())
            .filter(|n| !n.is_empty())
            .unwrap_or(name);
    }
    runner.out(format!("{name}\n"));
    Ok(0)
}

/// `dirname`
pub(super) fn dirname(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::before_operands(args, "")?;
    let Some(path) = given.operands.first() else {
        return Ok(runner.misused(args, "missing operand"));
    };
    let trimmed = path.trim_end_matches('/');
    let directory = match trimmed.rfind('/') {
        None if trimmed.is_empty() && path.starts_with('/') => "/",
        None => ".",
        Some(at) => match trimmed[..at].trim_end_matches('/') {
            "" => "/",
            directory => directory,
        },
    };
    runner.out(format!("{directory}\n"));
    Ok(0)
}

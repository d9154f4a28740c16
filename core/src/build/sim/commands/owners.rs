//! chmod, chown and chgrp.

use super::{Given, Runner, Stop, base, join};
use crate::build::sim::files::Errno;
use crate::path::RootedPath;
use crate::tree::Kind;

/// `chmod`
pub(super) fn chmod(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    // `-x` and its kin are modes and no options.
    let is_mode = |arg: &String| {
        let letters = arg.strip_prefix('-').unwrap_or_default();
        !letters.is_empty() && letters.chars().all(|c| "rwxXst".contains(c))
    };
    let mode_at = args.iter().position(is_mode);
    let mut words = args.to_vec();
    let minus = mode_at.map(|at| words.remove(at));
    let long = [
        ("recursive", 'R'),
        ("verbose", 'v'),
        ("quiet", 'f'),
        ("silent", 'f'),
    ];
    let given = Given::read(&words, "Rfvc", &long)?;
    let mut operands = given.operands.iter();
    let text = match minus.as_ref().or_else(|| operands.next()) {
        Some(text) => text.clone(),
        None => return Ok(runner.misused(args, "missing operand")),
    };
    if operands.len() == 0 {
        return Ok(runner.misused(args, "missing operand"));
    }
    if mode(&text, 0, false, 0).is_none() {
        let what = if runner.gnu {
            format!("invalid mode: '{text}'")
        } else {
            format!("invalid mode '{text}'")
        };
        return Ok(runner.misused(args, &what));
    }
    let mut code = 0;
    for path in operands {
        code |= each(
            runner,
            args,
            path,
            given.has("R"),
            true,
            &mut |runner, at| {
                let node = runner.shell.tree.get(at).ok_or(Errno::NoEntry)?;
                if matches!(node.kind, Kind::Symlink(_)) {
                    return Ok(());
                }
                let is_directory = node.kind == Kind::Directory;
                let new = mode(&text, node.meta.mode, is_directory, runner.shell.umask);
                runner.shell.chmod(at, new.unwrap_or_default())
            },
        );
    }
    Ok(code)
}

/// `chown`, and `chgrp`, which is one without an owner.
pub(super) fn chown(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [
        ("recursive", 'R'),
        ("no-dereference", 'h'),
        ("verbose", 'v'),
    ];
    let given = Given::read(args, "Rhvfc", &long)?;
    let Some((who, paths)) = given.operands.split_first() else {
        return Ok(runner.misused(args, "missing operand"));
    };
    if paths.is_empty() {
        return Ok(runner.misused(args, "missing operand"));
    }
    let accounts = runner.accounts();
    let user_of = |text: &str| -> Option<(u32, u32)> {
        let named = accounts.users.iter().find(|user| user.name == text);
        named
            .map(|user| (user.uid, user.gid))
            .or_else(|| text.parse().ok().map(|uid| (uid, uid)))
    };
    let group_of = |text: &str| -> Option<u32> {
        let named = accounts.groups.iter().find(|group| group.name == text);
        named.map(|group| group.gid).or_else(|| text.parse().ok())
    };
    let (user, group) = if base(&args[0]) == "chgrp" {
        ("", Some(who.as_str()))
    } else {
        match who.split_once([':', '.']) {
            Some((user, group)) => (user, Some(group)),
            None => (who.as_str(), None),
        }
    };
    let uid = match user {
        "" => None,
        user => match user_of(user) {
            Some(found) => Some(found),
            None => return Ok(unknown(runner, args, "user", user, who)),
        },
    };
    let gid = match group {
        None => None,
        Some("") => uid.map(|(_, gid)| gid),
        Some(group) => match group_of(group) {
            Some(gid) => Some(gid),
            None => return Ok(unknown(runner, args, "group", group, who)),
        },
    };
    let follow = !given.has("h");
    let mut code = 0;
    for path in paths {
        code |= each(
            runner,
            args,
            path,
            given.has("R"),
            follow,
            &mut |runner, at| {
                let meta = runner.shell.tree.get(at).map(|node| node.meta.clone());
                let meta = meta.ok_or(Errno::NoEntry)?;
                let uid = uid.map_or(meta.uid, |(uid, _)| uid);
                runner.shell.chown(at, uid, gid.unwrap_or(meta.gid))
            },
        );
    }
    Ok(code)
}

fn unknown(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    kind: &str,
    name: &str,
    whole: &str,
) -> i32 {
    let what = if runner.gnu {
        format!("invalid {kind}: '{whole}'")
    } else {
        format!(
            "unknown {} {name}",
            if kind == "user" { "user" } else { "group" }
        )
    };
    runner.misused(args, &what)
}

/// Does something to what is named and, if asked, to everything below. Links below are not
/// followed.
fn each(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    path: &str,
    below: bool,
    follow: bool,
    change: &mut dyn FnMut(&mut Runner<'_, '_>, &RootedPath) -> Result<(), Errno>,
) -> i32 {
    let (at, node) = match runner.shell.stat(path, follow && !below) {
        Ok(found) => found,
        Err(errno) => {
            let gnu = format!("cannot access '{path}'");
            return runner.fails(args, path, &gnu, errno);
        }
    };
    let mut code = 0;
    if let Err(errno) = change(runner, &at) {
        let gnu = format!("changing permissions of '{path}'");
        code = runner.fails(args, path, &gnu, errno);
    }
    if below && node.kind == Kind::Directory {
        for name in runner.shell.names(&at).unwrap_or_default() {
            let path = join(path, &String::from_utf8_lossy(&name));
            code |= each(runner, args, &path, true, false, change);
        }
    }
    code
}

/// The mode that `text`, octal or symbolic, makes of `old`; none when it is no mode.
/// Source: [POSIX, chmod](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/chmod.html).
pub(super) fn mode(text: &str, old: u32, is_directory: bool, umask: u32) -> Option<u32> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let mode = u32::from_str_radix(text, 8)
            .ok()
            .filter(|mode| *mode <= 0o7777)?;
        // Four digits or fewer leave set-group-ID of a directory alone, as coreutils has it; five
        // clear it.
        let kept = if is_directory && text.len() < 5 {
            old & 0o6000
        } else {
            0
        };
        return Some(mode | kept);
    }
    let mut mode = old;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, mut rest) = clause.split_at(at);
        let mut mask = 0;
        for letter in who.chars() {
            mask |= match letter {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o1007,
                'a' => 0o7777,
                _ => return None,
            };
        }
        let masked = if who.is_empty() { !umask } else { !0 };
        let mask = if who.is_empty() { 0o7777 } else { mask };
        while let Some(operator) = rest.chars().next() {
            rest = &rest[1..];
            let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
            let mut bits = 0;
            for letter in rest[..end].chars() {
                bits |= match letter {
                    'r' => 0o444,
                    'w' => 0o222,
                    'x' => 0o111,
                    'X' if is_directory || mode & 0o111 != 0 => 0o111,
                    'X' => 0,
                    's' => 0o6000,
                    't' => 0o1000,
                    'u' => (mode >> 6 & 7) * 0o111,
                    'g' => (mode >> 3 & 7) * 0o111,
                    'o' => (mode & 7) * 0o111,
                    _ => return None,
                };
            }
            rest = &rest[end..];
            // The sticky bit belongs to nobody in particular.
            let bits = bits & (mask | 0o1000) & masked;
            mode = match operator {
                '+' => mode | bits,
                '-' => mode & !bits,
                _ => {
                    let kept = if is_directory { 0o6000 } else { 0 };
                    (mode & !(mask & !kept & if who.is_empty() { 0o777 } else { 0o7777 })) | bits
                }
            };
        }
    }
    Some(mode & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        let check = |text: &str, old: u32, is_directory: bool, expected: Option<u32>| {
            let new = mode(text, old, is_directory, 0o022);
            assert_eq!(new, expected, "{text} of {old:o}: {new:?}");
        };
        check("755", 0o600, false, Some(0o755));
        check("4755", 0o600, false, Some(0o4755));
        check("+x", 0o644, false, Some(0o755));
        check("u+x,go-r", 0o644, false, Some(0o700));
        check("a=r", 0o755, false, Some(0o444));
        check("g=u", 0o640, false, Some(0o660));
        check("u+s", 0o755, false, Some(0o4755));
        check("+X", 0o644, false, Some(0o644));
        check("+X", 0o644, true, Some(0o755));
        check("+w", 0o444, false, Some(0o644));
        check("+t", 0o755, true, Some(0o1755));
        check("oops", 0, false, None);
        check("8", 0, false, None);
    }
}

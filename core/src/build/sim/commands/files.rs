//! Making, linking and removing: rm, mkdir, rmdir, touch, ln, readlink, realpath.

use super::{Given, Runner, Stop, join, last};
use crate::build::sim::files::Errno;
use crate::tree::{Kind, Timestamp};

/// `rm`
pub(super) fn rm(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [
        ("recursive", 'r'),
        ("force", 'f'),
        ("verbose", 'v'),
        ("dir", 'd'),
    ];
    let given = Given::read(args, "rRfivd", &long)?;
    let force = given.has("f");
    if given.operands.is_empty() {
        return Ok(if force {
            0
        } else {
            runner.misused(args, "missing operand")
        });
    }
    let mut code = 0;
    for path in &given.operands {
        if matches!(last(path), "." | "..") && !path.trim_end_matches('/').is_empty() {
            code = runner.misused(args, "can't remove '.' or '..'");
            continue;
        }
        code |= remove(runner, args, &given, path);
    }
    Ok(code)
}

fn remove(runner: &mut Runner<'_, '_>, args: &[String], given: &Given, path: &str) -> i32 {
    let (at, node) = match runner.shell.stat(path, false) {
        Ok(found) => found,
        Err(Errno::NoEntry | Errno::NotDirectory) if given.has("f") => return 0,
        Err(errno) => {
            return cannot(runner, args, path, errno);
        }
    };
    if node.kind != Kind::Directory {
        return match runner.shell.unlink(path) {
            Ok(()) => said(runner, given, path, "removed"),
            Err(errno) => cannot(runner, args, path, errno),
        };
    }
    if given.has("d") && !given.has("rR") {
        return match runner.shell.remove_directory(path) {
            Ok(()) => 0,
            Err(errno) => cannot(runner, args, path, errno),
        };
    }
    if !given.has("rR") {
        let busybox = format!("'{path}' is a directory");
        if !runner.gnu {
            return runner.misused(args, &busybox);
        }
        return cannot(runner, args, path, Errno::IsDirectory);
    }
    let names = match runner.shell.names(&at) {
        Ok(names) => names,
        Err(errno) => return cannot(runner, args, path, errno),
    };
    let mut code = 0;
    for name in names {
        code |= remove(
            runner,
            args,
            given,
            &join(path, &String::from_utf8_lossy(&name)),
        );
    }
    if code != 0 {
        return code;
    }
    match runner.shell.remove_directory(path) {
        Ok(()) => said(runner, given, path, "removed directory"),
        Err(errno) => cannot(runner, args, path, errno),
    }
}

fn said(runner: &mut Runner<'_, '_>, given: &Given, path: &str, what: &str) -> i32 {
    if given.has("v") {
        runner.out(format!("{what} '{path}'\n"));
    }
    0
}

fn cannot(runner: &mut Runner<'_, '_>, args: &[String], path: &str, errno: Errno) -> i32 {
    let (busybox, gnu) = (
        format!("can't remove '{path}'"),
        format!("cannot remove '{path}'"),
    );
    runner.fails(args, &busybox, &gnu, errno)
}

/// `mkdir`
pub(super) fn mkdir(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [("parents", 'p'), ("mode", 'm'), ("verbose", 'v')];
    let given = Given::read(args, "pm:v", &long)?;
    if given.operands.is_empty() {
        return Ok(runner.misused(args, "missing operand"));
    }
    let mode = match given.value('m') {
        None => None,
        Some(text) => match super::owners::mode(text, 0o777, true, runner.shell.umask) {
            Some(mode) => Some(mode),
            None => return Ok(runner.misused(args, &format!("invalid mode '{text}'"))),
        },
    };
    let mut code = 0;
    for path in &given.operands {
        if given.has("p") {
            // Above the last one, directories are made as if without -m.
            let above: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
            for end in above {
                let part = &path[..end];
                if part.is_empty() || runner.shell.is_directory(part) {
                    continue;
                }
                let made = runner.shell.walk(part, true);
                let _ = made.and_then(|at| runner.shell.create(&at, Kind::Directory, 0o777));
            }
            if runner.shell.is_directory(path) {
                continue;
            }
        }
        let made = runner.shell.walk(path.trim_end_matches('/'), false);
        let made = made.and_then(|at| {
            runner.shell.create(&at, Kind::Directory, 0o777)?;
            if let Some(mode) = mode {
                let own = runner
                    .shell
                    .tree
                    .get(&at)
                    .map_or(0, |n| n.meta.mode & 0o2000);
                runner.shell.chmod(&at, mode | own)?;
            }
            Ok(())
        });
        match made {
            Ok(()) if given.has("v") => runner.out(format!("created directory: '{path}'\n")),
            Ok(()) => {}
            Err(errno) => {
                let busybox = format!("can't create directory '{path}'");
                let gnu = format!("cannot create directory '{path}'");
                code = runner.fails(args, &busybox, &gnu, errno);
            }
        }
    }
    Ok(code)
}

/// `rmdir`
pub(super) fn rmdir(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [("parents", 'p'), ("ignore-fail-on-non-empty", 'i')];
    let given = Given::read(args, "p", &long)?;
    if given.operands.is_empty() {
        return Ok(runner.misused(args, "missing operand"));
    }
    let mut code = 0;
    for path in &given.operands {
        let mut at = path.trim_end_matches('/');
        loop {
            match runner.shell.remove_directory(at) {
                Ok(()) => {}
                Err(Errno::NotEmpty) if given.has("i") => break,
                Err(errno) => {
                    let busybox = format!("'{at}'");
                    let gnu = format!("failed to remove '{at}'");
                    code = runner.fails(args, &busybox, &gnu, errno);
                    break;
                }
            }
            match at.rsplit_once('/') {
                Some((above, _)) if given.has("p") && !above.is_empty() => at = above,
                _ => break,
            }
        }
    }
    Ok(code)
}

/// `touch`
pub(super) fn touch(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [("no-create", 'c'), ("date", 'd'), ("reference", 'r')];
    let given = Given::read(args, "cahmd:t:r:", &long)?;
    if given.operands.is_empty() {
        return Ok(runner.misused(args, "missing operand"));
    }
    let mut time = runner.shell.time;
    if let Some(path) = given.value('r') {
        match runner.shell.stat(path, true) {
            Ok((_, node)) => time = node.meta.mtime,
            Err(errno) => return Ok(runner.fails(args, path, path, errno)),
        }
    }
    for text in given.values('d').chain(given.values('t')) {
        time = moment(text)
            .ok_or_else(|| Stop::command("touch", format!("`touch` with the time {text:?}")))?;
    }
    let mut code = 0;
    for path in &given.operands {
        let done = match runner.shell.stat(path, !given.has("h")) {
            Ok((at, _)) => runner.shell.set_time(&at, time),
            Err(Errno::NoEntry) if given.has("ch") => Ok(()),
            Err(Errno::NoEntry) => runner
                .shell
                .open(path, false, 0o666)
                .and_then(|at| runner.shell.set_time(&at, time)),
            Err(errno) => Err(errno),
        };
        if let Err(errno) = done {
            let gnu = format!("cannot touch '{path}'");
            code = runner.fails(args, path, &gnu, errno);
        }
    }
    Ok(code)
}

/// A moment as touch understands it in UTC: `@SECONDS`, `YYYY-MM-DD`, with `hh:mm[:ss]`, and the
/// digits of -t.
fn moment(text: &str) -> Option<Timestamp> {
    if let Some(seconds) = text.strip_prefix('@') {
        let seconds = seconds.parse().ok()?;
        return Some(Timestamp { seconds, nanos: 0 });
    }
    let text = text.trim_end_matches('Z').trim_end_matches(" UTC");
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let shapes = [
        "0000-00-00",
        "0000-00-00 00:00",
        "0000-00-00 00:00:00",
        "0000-00-00T00:00:00",
        "000000000000",
        "000000000000.00",
    ];
    if !shapes.contains(&shape.as_str()) {
        return None;
    }
    let part = |from: usize, length: usize| -> i64 {
        digits
            .get(from..from + length)
            .and_then(|part| part.parse().ok())
            .unwrap_or(0)
    };
    let (year, month, day) = (part(0, 4), part(4, 2), part(6, 2));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_since_1970(year, month, day);
    let seconds = days * 86_400 + part(8, 2) * 3600 + part(10, 2) * 60 + part(12, 2);
    Some(Timestamp { seconds, nanos: 0 })
}

/// Days are counted from March, so that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `ln`
pub(super) fn ln(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [
        ("symbolic", 's'),
        ("force", 'f'),
        ("no-dereference", 'n'),
        ("verbose", 'v'),
        ("relative", 'r'),
    ];
    let given = Given::read(args, "sfnvT", &long)?;
    if given.has("r") {
        return Err(Stop::command("ln", "`ln` with the option --relative"));
    }
    let Some((target, sources)) = given.operands.split_last() else {
        return Ok(runner.misused(args, "missing operand"));
    };
    let here = ".".to_owned();
    let (target, sources) = match sources {
        [] => (&here, std::slice::from_ref(target)),
        sources => (target, sources),
    };
    let is_link = runner.shell.stat(target, false);
    let is_link = is_link.is_ok_and(|(_, node)| matches!(node.kind, Kind::Symlink(_)));
    let into = !given.has("T") && runner.shell.is_directory(target) && !(given.has("n") && is_link);
    if sources.len() > 1 && !into {
        let gnu = format!("target '{target}'");
        return Ok(runner.fails(args, target, &gnu, Errno::NotDirectory));
    }
    let mut code = 0;
    for source in sources {
        let name = if into {
            join(target, last(source))
        } else {
            target.clone()
        };
        let done = make_link(runner, source, &name, &given);
        if let Err(errno) = done {
            let kind = if given.has("s") { "symbolic" } else { "hard" };
            let gnu = match errno {
                Errno::NoEntry if kind == "hard" => format!("failed to access '{source}'"),
                _ => format!("failed to create {kind} link '{name}'"),
            };
            let missing = kind == "hard" && runner.shell.stat(source, false).is_err();
            let busybox = if missing { source } else { &name };
            code = runner.fails(args, busybox, &gnu, errno);
        }
    }
    Ok(code)
}

fn make_link(
    runner: &mut Runner<'_, '_>,
    source: &str,
    name: &str,
    given: &Given,
) -> Result<(), Errno> {
    let there = runner.shell.stat(name, false);
    if !given.has("s") {
        let (at, _) = runner.shell.stat(source, false)?;
        if there.as_ref().is_ok_and(|(other, _)| *other == at) {
            return Err(Errno::Exists);
        }
    }
    if given.has("f") && there.is_ok() {
        runner.shell.unlink(name)?;
    }
    if !given.has("s") {
        return runner.shell.link(source, name, false);
    }
    let at = runner.shell.walk(name, false)?;
    runner
        .shell
        .create(&at, Kind::Symlink(source.as_bytes().to_vec()), 0o777)
}

/// `readlink`
pub(super) fn readlink(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "fnev", &[])?;
    let Some(path) = given.operands.first() else {
        return Ok(runner.misused(args, "missing operand"));
    };
    let text = if given.has("fe") {
        let found = runner.shell.walk(path, true);
        let found = found
            .ok()
            .filter(|at| !given.has("e") || runner.shell.tree.get(at).is_some());
        found.map(|at| at.to_string())
    } else {
        match runner.shell.stat(path, false) {
            Ok((_, node)) => match &node.kind {
                Kind::Symlink(target) => Some(String::from_utf8_lossy(target).into_owned()),
                _ => None,
            },
            Err(_) => None,
        }
    };
    let Some(text) = text else { return Ok(1) };
    runner.out(format!("{text}{}", if given.has("n") { "" } else { "\n" }));
    Ok(0)
}

/// `realpath`
pub(super) fn realpath(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "e", &[])?;
    let mut code = 0;
    for path in &given.operands {
        match runner.shell.stat(path, true) {
            Ok((at, _)) => runner.out(format!("{at}\n")),
            Err(errno) => code = runner.fails(args, path, path, errno),
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let check = |text: &str, seconds: Option<i64>| {
            assert_eq!(moment(text).map(|time| time.seconds), seconds, "{text}");
        };
        check("@17", Some(17));
        check("1970-01-02", Some(86_400));
        check("2024-02-29 12:00:00", Some(1_709_208_000));
        check("202402291200.00", Some(1_709_208_000));
        check("tomorrow", None);
    }
}

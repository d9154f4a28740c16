//! What a command can learn about where it runs: env, id, date, which; and xargs.

use std::fmt::Write as _;

use super::{Given, Runner, Stop, lines};
use crate::tree::Timestamp;

/// `busybox NAME …`
pub(super) fn busybox(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    match args.get(1).and_then(|name| super::program(name)) {
        Some(program) => program(runner, &args[1..]),
        None => Err(Stop::command("busybox", format!("`{}`", args.join(" ")))),
    }
}

/// A program that always says the same.
pub(super) fn fixed(runner: &mut Runner<'_, '_>, args: &[String], text: &str) -> Result<i32, Stop> {
    if args.len() > 1 {
        return Err(Stop::command(&args[0], format!("`{}`", args.join(" "))));
    }
    runner.out(format!("{text}\n"));
    Ok(0)
}

/// `env`
pub(super) fn env(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::before_operands(args, "iu:")?;
    let before = runner.shell.env.clone();
    if given.has("i") {
        runner.shell.env.clear();
    }
    for name in given.values('u') {
        runner.shell.env.remove(name);
    }
    let mut words = &given.operands[..];
    while let Some((name, value)) = words.first().and_then(|word| word.split_once('=')) {
        runner.shell.env.insert(name.to_owned(), value.to_owned());
        words = &words[1..];
    }
    let code = if words.is_empty() {
        print(runner);
        Ok(0)
    } else {
        let words = words.to_vec();
        runner.external(&words)
    };
    runner.shell.env = before;
    code
}

/// All variables, by name: they have no other order here.
fn print(runner: &mut Runner<'_, '_>) {
    let all = runner
        .shell
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"));
    let text: String = all.collect();
    runner.out(text);
}

/// `printenv`
pub(super) fn printenv(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    if args.len() < 2 {
        print(runner);
        return Ok(0);
    }
    let mut code = 0;
    for name in &args[1..] {
        let value = runner.shell.env.get(name).cloned();
        match value.filter(|_| !runner.own.contains(name)) {
            Some(value) => runner.out(format!("{value}\n")),
            None => code = 1,
        }
    }
    Ok(code)
}

/// `whoami`
pub(super) fn whoami(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let uid = runner.shell.user.uid;
    let users = runner.accounts().users;
    match users.into_iter().find(|user| user.uid == uid) {
        Some(user) => {
            runner.out(format!("{}\n", user.name));
            Ok(0)
        }
        None => Ok(runner.misused(args, &format!("unknown uid {uid}"))),
    }
}

/// `id`
pub(super) fn id(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(
        args,
        "ugnGr",
        &[("user", 'u'), ("group", 'g'), ("name", 'n')],
    )?;
    let accounts = runner.accounts();
    let who = match given.operands.first() {
        None => runner.shell.user.clone(),
        Some(name) => {
            if !accounts.users.iter().any(|user| user.name == *name) {
                let what = if runner.gnu {
                    format!("'{name}': no such user")
                } else {
                    format!("unknown user {name}")
                };
                return Ok(runner.misused(args, &what));
            }
            accounts.identity(name).unwrap_or_default()
        }
    };
    let user = |uid: u32| {
        accounts
            .users
            .iter()
            .find(|u| u.uid == uid)
            .map(|u| u.name.clone())
    };
    let group = |gid: u32| {
        accounts
            .groups
            .iter()
            .find(|g| g.gid == gid)
            .map(|g| g.name.clone())
    };
    let mut groups = vec![who.gid];
    groups.extend(who.groups.iter().filter(|gid| **gid != who.gid));
    let shown = |number: u32, name: Option<String>| {
        if given.has("n") {
            name.unwrap_or_else(|| number.to_string())
        } else {
            number.to_string()
        }
    };
    let long = |number: u32, name: Option<String>| match name {
        Some(name) => format!("{number}({name})"),
        None => number.to_string(),
    };
    let list = |groups: &[u32], form: &dyn Fn(u32, Option<String>) -> String, between: &str| {
        let all: Vec<String> = groups.iter().map(|gid| form(*gid, group(*gid))).collect();
        all.join(between)
    };
    let text = if given.has("u") {
        shown(who.uid, user(who.uid))
    } else if given.has("g") {
        shown(who.gid, group(who.gid))
    } else if given.has("G") {
        list(&groups, &shown, " ")
    } else {
        let mut text = format!(
            "uid={} gid={}",
            long(who.uid, user(who.uid)),
            long(who.gid, group(who.gid))
        );
        // busybox shows what the kernel has beside the first group, if anything.
        let shown = if given.operands.is_empty() && !runner.gnu {
            &who.groups
        } else {
            &groups
        };
        if !shown.is_empty() {
            let _ = write!(text, " groups={}", list(shown, &long, ","));
        }
        text
    };
    runner.out(text + "\n");
    Ok(0)
}

/// `date`, which has no clock: only a moment that is given can be shown.
pub(super) fn date(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "ud:", &[("utc", 'u'), ("date", 'd')])?;
    let moment = given.value('d').and_then(|text| text.strip_prefix('@'));
    let Some(seconds) = moment.and_then(|text| text.parse().ok()) else {
        return Err(Stop::command("date", "`date`: it has no clock"));
    };
    let time = Timestamp { seconds, nanos: 0 }.rfc3339();
    let format = given
        .operands
        .first()
        .and_then(|word| word.strip_prefix('+'));
    let Some(format) = format else {
        return Err(Stop::command("date", "`date` without a format"));
    };
    let part = |from: usize, to: usize| time.get(from..to).unwrap_or_default().to_owned();
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(c) = letters.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        text += &match letters.next() {
            Some('Y') => part(0, 4),
            Some('m') => part(5, 7),
            Some('d') => part(8, 10),
            Some('H') => part(11, 13),
            Some('M') => part(14, 16),
            Some('S') => part(17, 19),
            Some('F') => part(0, 10),
            Some('T') => part(11, 19),
            Some('s') => seconds.to_string(),
            other => {
                return Err(Stop::command(
                    "date",
                    format!("`date` with %{}", other.unwrap_or(' ')),
                ));
            }
        };
    }
    runner.out(text + "\n");
    Ok(0)
}

/// `which`
pub(super) fn which(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let mut code = 0;
    for name in &args[1..] {
        match runner.place(name) {
            Some(path) => runner.out(format!("{path}\n")),
            None => code = 1,
        }
    }
    Ok(code)
}

/// `xargs`
pub(super) fn xargs(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::before_operands(args, "0rn:I:t")?;
    if given.has("t") {
        return Err(Stop::command("xargs", "`xargs` with the option -t"));
    }
    let input = runner.take_input();
    let words: Vec<String> = if given.has("0") {
        let parts = input.split(|b| *b == 0).filter(|part| !part.is_empty());
        parts
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect()
    } else if given.has("I") {
        lines(&input)
            .iter()
            .map(|line| String::from_utf8_lossy(line).trim().to_owned())
            .collect()
    } else {
        let text = String::from_utf8_lossy(&input).into_owned();
        if text.contains(['\'', '"', '\\']) {
            return Err(Stop::command(
                "xargs",
                "`xargs` with quotes in what it reads",
            ));
        }
        text.split_whitespace().map(str::to_owned).collect()
    };
    let echo = ["echo".to_owned()];
    let command = if given.operands.is_empty() {
        &echo[..]
    } else {
        &given.operands
    };
    let mut code = 0;
    let mut run = |runner: &mut Runner<'_, '_>, words: Vec<String>| -> Result<(), Stop> {
        runner.streams.input = crate::build::sim::streams::input(Vec::new());
        if runner.external(&words)? != 0 {
            code = 123;
        }
        Ok(())
    };
    if let Some(mark) = given.value('I') {
        for word in words {
            let words = command
                .iter()
                .map(|part| part.replace(mark, &word))
                .collect();
            run(runner, words)?;
        }
        return Ok(code);
    }
    if words.is_empty() {
        // busybox and coreutils run it once with nothing, unless told not to.
        if !given.has("r") {
            run(runner, command.to_vec())?;
        }
        return Ok(code);
    }
    let most = given
        .value('n')
        .and_then(|n| n.parse().ok())
        .unwrap_or(usize::MAX)
        .max(1);
    for part in words.chunks(most) {
        run(runner, command.iter().chain(part).cloned().collect())?;
    }
    Ok(code)
}

//! What only the shell itself can do: its variables, its directory, its end.

use std::fmt::Write as _;

use super::{Given, Runner, Stop, base};

pub(super) fn refused(_: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    Err(Stop::command(&args[0], format!("`{}`", args[0])))
}

/// `break` and `continue`.
pub(super) fn leave_loop(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let wanted = args.get(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    match runner.loops(wanted) {
        None => Ok(0),
        Some(loops) if args[0] == "break" => Err(Stop::Break(loops)),
        Some(loops) => Err(Stop::Continue(loops)),
    }
}

/// `cd`
pub(super) fn cd(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "PL", &[])?;
    let env = &runner.shell.env;
    let wanted = match given.operands.first().map(String::as_str) {
        None => env.get("HOME").cloned().unwrap_or_default(),
        Some("-") => {
            let old = env.get("OLDPWD").cloned();
            let Some(old) = old else {
                runner.complain("cd: OLDPWD not set");
                return Ok(1);
            };
            runner.out(format!("{old}\n"));
            old
        }
        Some(path) => path.to_owned(),
    };
    if wanted.is_empty() {
        return Ok(0);
    }
    // As shells do, `..` takes away what was gone through, not what it was a link to. Here the
    // current directory has no links any more, so both are the same but for this one word.
    let found = runner.shell.stat(&wanted, true);
    let refused = match found {
        Ok((at, node)) if node.kind == crate::tree::Kind::Directory => {
            match runner.shell.check(&node, super::super::files::EXECUTE) {
                Ok(()) => {
                    let old = runner.shell.cwd.to_string();
                    runner.shell.cwd = at;
                    let new = runner.shell.cwd.to_string();
                    runner.shell.env.insert("OLDPWD".to_owned(), old);
                    runner.shell.env.insert("PWD".to_owned(), new);
                    return Ok(0);
                }
                Err(errno) => errno,
            }
        }
        Ok(_) => super::Errno::NotDirectory,
        Err(errno) => errno,
    };
    if runner.gnu {
        runner.complain(&format!("cd: can't cd to {wanted}"));
        return Ok(2);
    }
    let arg0 = runner.arg0.clone();
    runner.err(format!(
        "{arg0}: cd: line 0: can't cd to {wanted}: {refused}"
    ));
    Ok(2)
}

/// `pwd`
pub(super) fn pwd(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    Given::read(args, "PL", &[])?;
    let text = runner.shell.cwd.to_string();
    runner.out(format!("{text}\n"));
    Ok(0)
}

/// `exit`
pub(super) fn exit(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let code = match args.get(1) {
        None => runner.status,
        Some(text) => {
            if let Ok(code) = text.parse::<i32>() {
                code & 255
            } else {
                runner.complain(&format!("exit: Illegal number: {text}"));
                2
            }
        }
    };
    Err(Stop::Exit(code))
}

/// `export`; and `readonly`, after which one may still write here.
pub(super) fn export(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::read(args, "p", &[])?;
    if given.operands.is_empty() {
        let mut text = String::new();
        for (name, value) in &runner.shell.env {
            let _ = writeln!(
                text,
                "{} {name}='{}'",
                args[0],
                value.replace('\'', "'\"'\"'")
            );
        }
        runner.out(text);
    }
    for word in given.operands {
        let name = match word.split_once('=') {
            Some((name, value)) => {
                runner.shell.env.insert(name.to_owned(), value.to_owned());
                name
            }
            None => &word,
        };
        if args[0] == "export" {
            runner.own.remove(name);
        }
    }
    Ok(0)
}

/// `unset`
pub(super) fn unset(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    for name in Given::read(args, "v", &[])?.operands {
        runner.shell.env.remove(&name);
        runner.own.remove(&name);
    }
    Ok(0)
}

/// `shift`
pub(super) fn shift(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let wanted = args.get(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    if wanted > runner.params.len() {
        return Ok(1);
    }
    runner.params.drain(..wanted);
    Ok(0)
}

/// `.`: runs a file in this shell.
pub(super) fn source(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let Some(path) = args.get(1).cloned() else {
        return Ok(0);
    };
    match runner.contents(&path)? {
        Ok(bytes) => nested(runner, &String::from_utf8_lossy(&bytes)),
        Err(errno) => {
            runner.cannot_open(&path, errno, true);
            Err(Stop::Exit(2))
        }
    }
}

/// `eval`
pub(super) fn eval(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    nested(runner, &args[1..].join(" "))
}

/// Scripts that run scripts in the same shell do not go on for ever.
fn nested(runner: &mut Runner<'_, '_>, text: &str) -> Result<i32, Stop> {
    if runner.depth >= 12 {
        return Err(Stop::refuse("a script inside of so many scripts"));
    }
    runner.depth += 1;
    let result = runner.script(text);
    runner.depth -= 1;
    result
}

/// `exec`: with words, the shell ends when they have run.
pub(super) fn exec(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    if args.len() < 2 {
        return Err(Stop::command("exec", "`exec` without a command"));
    }
    let status = runner.external(&args[1..])?;
    Err(Stop::Exit(status))
}

/// `command`: runs a command, or says where it is.
pub(super) fn command(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::before_operands(args, "vVp")?;
    let words = given.operands.clone();
    if words.is_empty() {
        return Ok(0);
    }
    if !given.has("vV") {
        return runner.call(&words);
    }
    let mut code = 0;
    for word in words {
        if super::builtin(&word).is_some() {
            runner.out(format!("{word}\n"));
        } else if let Some(path) = runner.place(&word) {
            runner.out(format!("{path}\n"));
        } else {
            code = 127;
        }
    }
    Ok(code)
}

/// `type`
pub(super) fn command_type(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let mut code = 0;
    for word in &args[1..] {
        if super::builtin(word).is_some() {
            runner.out(format!("{word} is a shell builtin\n"));
        } else if let Some(path) = runner.place(word) {
            runner.out(format!("{word} is {path}\n"));
        } else {
            runner.out(format!("{word}: not found\n"));
            code = 127;
        }
    }
    Ok(code)
}

/// `umask`
pub(super) fn umask(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let Some(text) = args.get(1) else {
        let text = format!("{:04o}\n", runner.shell.umask);
        runner.out(text);
        return Ok(0);
    };
    match u32::from_str_radix(text, 8) {
        Ok(mask) => {
            runner.shell.umask = mask & 0o777;
            Ok(0)
        }
        Err(_) => Err(Stop::command("umask", "`umask` with letters")),
    }
}

/// `read`: a line into variables.
pub(super) fn read(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let given = Given::before_operands(args, "r")?;
    let line = runner.take_line();
    let code = i32::from(line.is_none());
    let line = String::from_utf8_lossy(&line.unwrap_or_default()).into_owned();
    let separators = runner.shell.env.get("IFS").cloned();
    let separators = separators.unwrap_or_else(|| " \t\n".to_owned());
    let mut rest = line.trim_matches(|c| separators.contains(c));
    for (index, name) in given.operands.iter().enumerate() {
        let value = if index + 1 == given.operands.len() {
            std::mem::take(&mut rest)
        } else {
            let end = rest.find(|c| separators.contains(c)).unwrap_or(rest.len());
            let (first, others) = rest.split_at(end);
            rest = others.trim_start_matches(|c| separators.contains(c));
            first
        };
        let value = value.to_owned();
        runner.assign(name, value);
    }
    Ok(code)
}

impl Runner<'_, '_> {
    /// `set`: options by letters or words, and the parameters.
    pub(in super::super) fn set(&mut self, args: &[String]) -> Result<i32, Stop> {
        let mut rest = args[1..].iter();
        if args.len() == 1 {
            return Err(Stop::command("set", "`set` without words"));
        }
        while let Some(arg) = rest.next() {
            let on = arg.starts_with('-');
            if arg == "--" || !(on || arg.starts_with('+')) || arg.len() < 2 {
                let first = (arg != "--").then(|| arg.clone());
                self.params = first.into_iter().chain(rest.cloned()).collect();
                return Ok(0);
            }
            for letter in arg[1..].chars() {
                let name = match letter {
                    'o' => rest.next().map_or("", String::as_str),
                    'e' => "errexit",
                    'u' => "nounset",
                    'x' => "xtrace",
                    'f' => "noglob",
                    'a' => "allexport",
                    _ => "",
                };
                match name {
                    "errexit" => self.options.errexit = on,
                    "nounset" => self.options.nounset = on,
                    "xtrace" => self.options.xtrace = on,
                    "noglob" => self.options.noglob = on,
                    // dash does not have it, and says so.
                    "pipefail" if self.gnu && !base(&self.arg0).starts_with("bash") => {
                        self.complain("set: Illegal option -o pipefail");
                        return Err(Stop::Exit(2));
                    }
                    "pipefail" => self.options.pipefail = on,
                    "allexport" => self.options.allexport = on,
                    _ => return Err(Stop::command("set", format!("`set {arg}`"))),
                }
            }
        }
        Ok(0)
    }
}

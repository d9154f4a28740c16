//! cp, mv and install.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Given, Runner, Stop, join, last, owners};
use crate::build::sim::files::{Errno, READ};
use crate::path::RootedPath;
use crate::tree::{Content, Kind, Node};

/// How `cp` copies.
#[allow(clippy::struct_excessive_bools)] // as many as there are options
#[derive(Debug, Clone, Copy)]
struct How {
    recursive: bool,
    /// Mode, owner and time come along.
    preserve: bool,
    /// Links that are named are followed.
    follow_named: bool,
    /// Links below what is named are followed.
    follow_below: bool,
    force: bool,
    no_clobber: bool,
    /// Hard links among what is copied stay hard links.
    links: bool,
}

/// What a copy was made of, so that hard links are found again.
#[derive(Debug, Default)]
struct Done {
    twins: BTreeMap<*const Node, RootedPath>,
    /// The first directory that was made, which is not copied into itself.
    first: Option<RootedPath>,
}

/// `cp`
pub(super) fn cp(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [
        ("archive", 'a'),
        ("recursive", 'r'),
        ("force", 'f'),
        ("verbose", 'v'),
        ("no-clobber", 'n'),
        ("target-directory", 't'),
        ("no-target-directory", 'T'),
        ("dereference", 'L'),
        ("no-dereference", 'P'),
        ("preserve", 'p'),
    ];
    let given = Given::read(args, "arRdpPLHfvnTt:u", &long)?;
    if given.has("u") {
        return Err(Stop::command("cp", "`cp` with the option -u"));
    }
    let recursive = given.has("arR");
    let no_follow = given.has("adP") && !given.has("L");
    let how = How {
        recursive,
        preserve: given.has("ap"),
        follow_named: !no_follow && (!recursive || given.has("LH")),
        follow_below: given.has("L") || (!no_follow && !recursive),
        force: given.has("f"),
        no_clobber: given.has("n"),
        // busybox does it whenever it follows no links.
        links: given.has("ad") || (!runner.gnu && recursive && !given.has("L")),
    };
    let Some((target, sources)) = targets(runner, args, &given)? else {
        return Ok(1);
    };
    let into =
        given.value('t').is_some() || (!given.has("T") && runner.shell.is_directory(&target));
    if sources.len() > 1 && !into {
        let gnu = format!("target '{target}'");
        return Ok(runner.fails(args, &target, &gnu, Errno::NotDirectory));
    }
    let mut code = 0;
    let mut done = Done::default();
    for source in &sources {
        let name = if into {
            join(&target, last(source))
        } else {
            target.clone()
        };
        if given.has("v") {
            runner.out(format!("'{source}' -> '{name}'\n"));
        }
        code |= copy(
            runner,
            args,
            source,
            &name,
            how,
            how.follow_named,
            &mut done,
        );
    }
    Ok(code)
}

/// The last operand and those before it; -t names the last one elsewhere.
fn targets(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    given: &Given,
) -> Result<Option<(String, Vec<String>)>, Stop> {
    let mut sources = given.operands.clone();
    let target = match given.value('t') {
        Some(target) => Some(target.to_owned()),
        None => sources.pop(),
    };
    match target {
        Some(target) if !sources.is_empty() => Ok(Some((target, sources))),
        _ => {
            runner.misused(args, "missing operand");
            Ok(None)
        }
    }
}

fn copy(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    from: &str,
    to: &str,
    how: How,
    follow: bool,
    done: &mut Done,
) -> i32 {
    let (at, node) = match runner.shell.stat(from, follow) {
        Ok(found) => found,
        Err(errno) => {
            let busybox = format!("can't stat '{from}'");
            let gnu = format!("cannot stat '{from}'");
            return runner.fails(args, &busybox, &gnu, errno);
        }
    };
    if node.kind == Kind::Directory {
        if !how.recursive {
            let what = if runner.gnu {
                format!("-r not specified; omitting directory '{from}'")
            } else {
                format!("omitting directory '{from}'")
            };
            return runner.misused(args, &what);
        }
        return copy_directory(runner, args, (from, &at, &node), to, how, done);
    }
    match copy_file(runner, &node, to, how, done) {
        Ok(()) => 0,
        Err((side, errno)) => {
            let busybox = match side {
                Side::From => format!("can't open '{from}'"),
                Side::To => format!("can't create '{to}'"),
                Side::Same => {
                    let what = format!("'{from}' and '{to}' are the same file");
                    return runner.misused(args, &what);
                }
            };
            let gnu = match side {
                Side::From => format!("cannot open '{from}' for reading"),
                _ => format!("cannot create regular file '{to}'"),
            };
            runner.fails(args, &busybox, &gnu, errno)
        }
    }
}

/// Which of the two paths makes trouble.
enum Side {
    From,
    To,
    Same,
}

fn copy_directory(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    (from, at, node): (&str, &RootedPath, &Arc<Node>),
    to: &str,
    how: How,
    done: &mut Done,
) -> i32 {
    let refused = |runner: &mut Runner<'_, '_>, errno| {
        let busybox = format!("can't create directory '{to}'");
        let gnu = format!("cannot create directory '{to}'");
        runner.fails(args, &busybox, &gnu, errno)
    };
    let target = match runner.shell.walk(to.trim_end_matches('/'), true) {
        Ok(target) => target,
        Err(errno) => return refused(runner, errno),
    };
    if target.is_within(at) && runner.gnu {
        let what = format!("cannot copy a directory, '{from}', into itself, '{to}'");
        return runner.misused(args, &what);
    }
    if done.first.as_ref() == Some(at) {
        return runner.misused(
            args,
            &format!("recursion detected, omitting directory '{from}'"),
        );
    }
    let is_new = runner.shell.tree.get(&target).is_none();
    if is_new {
        done.first.get_or_insert_with(|| target.clone());
        let mode = node.meta.mode & 0o7777;
        if let Err(errno) = runner.shell.create(&target, Kind::Directory, mode & 0o777) {
            return refused(runner, errno);
        }
    } else if !runner.shell.tree.is_directory(&target) {
        let what = format!("target '{to}' is not a directory");
        return runner.misused(args, &what);
    }
    let names = match runner.shell.names(at) {
        Ok(names) => names,
        Err(errno) => return runner.fails(args, from, &format!("cannot access '{from}'"), errno),
    };
    let mut code = 0;
    for name in names {
        let name = String::from_utf8_lossy(&name);
        let (from, to) = (join(from, &name), join(to, &name));
        code |= copy(runner, args, &from, &to, how, how.follow_below, done);
    }
    if how.preserve {
        preserve(runner, &target, node);
    }
    code
}

fn copy_file(
    runner: &mut Runner<'_, '_>,
    node: &Arc<Node>,
    to: &str,
    how: How,
    done: &mut Done,
) -> Result<(), (Side, Errno)> {
    let to_error = |errno| (Side::To, errno);
    // What a device would give is nothing here, unless the device itself is wanted.
    let is_device = matches!(node.kind, Kind::CharDevice(..)) && !how.recursive;
    let keeps_link = !matches!(node.kind, Kind::File(_)) && !is_device;
    let target = runner.shell.walk(to, !keeps_link).map_err(to_error)?;
    if how.no_clobber && runner.shell.tree.get(&target).is_some() {
        return Ok(());
    }
    if let Some(there) = runner.shell.tree.get(&target)
        && Arc::ptr_eq(there, node)
    {
        return Err((Side::Same, Errno::Exists));
    }
    if how.links
        && let Some(twin) = done.twins.get(&Arc::as_ptr(node)).cloned()
    {
        if runner.shell.tree.get(&target).is_some() {
            runner.shell.unlink(to).map_err(to_error)?;
        }
        return runner
            .shell
            .link(&twin.to_string(), to, false)
            .map_err(to_error);
    }
    runner
        .shell
        .check(node, READ)
        .map_err(|errno| (Side::From, errno))?;
    if keeps_link {
        if runner.shell.tree.get(&target).is_some() {
            runner.shell.unlink(to).map_err(to_error)?;
        }
        runner
            .shell
            .create(&target, node.kind.clone(), 0o777)
            .map_err(to_error)?;
    } else {
        let mode = node.meta.mode & 0o777;
        let target = match runner.shell.open(to, false, mode) {
            Err(Errno::Access) if how.force => {
                runner.shell.unlink(to).map_err(to_error)?;
                runner.shell.open(to, false, mode)
            }
            opened => opened,
        };
        let target = target.map_err(to_error)?;
        let time = runner.shell.time;
        let kind = if is_device {
            Kind::File(Content::Inline(Arc::new([])))
        } else {
            node.kind.clone()
        };
        runner.shell.change(&target, |own| {
            own.kind = kind;
            own.meta.mtime = time;
        });
        if how.preserve {
            preserve(runner, &target, node);
        }
        done.twins.insert(Arc::as_ptr(node), target);
        return Ok(());
    }
    if how.preserve {
        preserve(runner, &target, node);
    }
    done.twins.insert(Arc::as_ptr(node), target);
    Ok(())
}

/// Gives a copy the owner, the mode and the time of what it was made of.
fn preserve(runner: &mut Runner<'_, '_>, at: &RootedPath, node: &Node) {
    let _ = runner.shell.chown(at, node.meta.uid, node.meta.gid);
    if !matches!(node.kind, Kind::Symlink(_)) {
        let _ = runner.shell.chmod(at, node.meta.mode);
    }
    // busybox leaves the time of a link alone.
    if runner.gnu || !matches!(node.kind, Kind::Symlink(_)) {
        let _ = runner.shell.set_time(at, node.meta.mtime);
    }
}

/// `mv`
pub(super) fn mv(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [
        ("force", 'f'),
        ("no-clobber", 'n'),
        ("verbose", 'v'),
        ("target-directory", 't'),
    ];
    let given = Given::read(args, "finvTt:", &long)?;
    let Some((target, sources)) = targets(runner, args, &given)? else {
        return Ok(1);
    };
    let into =
        given.value('t').is_some() || (!given.has("T") && runner.shell.is_directory(&target));
    if sources.len() > 1 && !into {
        let gnu = format!("target '{target}'");
        return Ok(runner.fails(args, &target, &gnu, Errno::NotDirectory));
    }
    let mut code = 0;
    for source in &sources {
        let name = if into {
            join(&target, last(source))
        } else {
            target.clone()
        };
        if given.has("n") && runner.shell.stat(&name, false).is_ok() {
            continue;
        }
        if let Err(errno) = runner.shell.rename(source, &name) {
            let missing = errno == Errno::NoEntry && runner.shell.stat(source, false).is_err();
            let busybox = format!("can't rename '{source}'");
            let gnu = if missing {
                format!("cannot stat '{source}'")
            } else {
                format!("cannot move '{source}' to '{name}'")
            };
            code = runner.fails(args, &busybox, &gnu, errno);
        } else if given.has("v") {
            runner.out(format!("'{source}' -> '{name}'\n"));
        }
    }
    Ok(code)
}

/// `install`: directories with -d, or copies with a mode and an owner.
pub(super) fn install(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let long = [
        ("directory", 'd'),
        ("mode", 'm'),
        ("owner", 'o'),
        ("group", 'g'),
        ("verbose", 'v'),
    ];
    let given = Given::read(args, "cdDm:o:g:pst:Tv", &long)?;
    let text = given.value('m').unwrap_or("755");
    let Some(mode) = owners::mode(text, 0, false, 0) else {
        return Ok(runner.misused(args, &format!("invalid mode '{text}'")));
    };
    let (sources, target) = if given.has("d") {
        (Vec::new(), String::new())
    } else {
        let Some((target, sources)) = targets(runner, args, &given)? else {
            return Ok(1);
        };
        (sources, target)
    };
    let mut made = Vec::new();
    let mut code = 0;
    if given.has("d") {
        for path in &given.operands {
            runner.make_directories(path.trim_end_matches('/'));
            made.push(path.clone());
        }
    }
    if given.has("D")
        && let Some((above, _)) = target.rsplit_once('/')
    {
        runner.make_directories(above);
    }
    let into = given.value('t').is_some() || runner.shell.is_directory(&target);
    for source in &sources {
        let name = if into {
            join(&target, last(source))
        } else {
            target.clone()
        };
        let found = runner.shell.stat(source, true);
        let copied = found.and_then(|(_, node)| match &node.kind {
            Kind::File(content) => {
                if runner.shell.stat(&name, false).is_ok() {
                    runner.shell.unlink(&name)?;
                }
                let at = runner.shell.open(&name, true, 0o600)?;
                let (kind, time) = (Kind::File(Content::clone(content)), node.meta.mtime);
                runner.shell.change(&at, |own| own.kind = kind);
                if given.has("p") {
                    runner.shell.set_time(&at, time)?;
                }
                Ok(())
            }
            _ => Err(Errno::IsDirectory),
        });
        match copied {
            Ok(()) => made.push(name),
            Err(errno) => {
                let busybox = format!("can't stat '{source}'");
                code = runner.fails(args, &busybox, &format!("cannot stat '{source}'"), errno);
            }
        }
    }
    let owner = match (given.value('o'), given.value('g')) {
        (None, None) => None,
        (user, group) => {
            let who = format!("{}:{}", user.unwrap_or("root"), group.unwrap_or(""));
            match runner.accounts().identity(&who) {
                Ok(who) => Some((who.uid, who.gid)),
                Err(_) => return Ok(runner.misused(args, &format!("unknown user {who}"))),
            }
        }
    };
    for path in made {
        let Ok((at, _)) = runner.shell.stat(&path, true) else {
            continue;
        };
        if let Some((uid, gid)) = owner {
            let _ = runner.shell.chown(&at, uid, gid);
        }
        let _ = runner.shell.chmod(&at, mode);
    }
    Ok(code)
}

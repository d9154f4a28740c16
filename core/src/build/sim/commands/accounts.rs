//! useradd and groupadd, as shadow-utils have them, and adduser and addgroup, as busybox does.

use super::{Errno, Given, Runner, Stop, base};
use crate::accounts::Accounts;
use crate::tree::Kind;

/// Seconds of a day; /etc/shadow counts in days.
const DAY: i64 = 86_400;

/// `useradd` and `adduser`
pub(super) fn add_user(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let is_useradd = base(&args[0]) == "useradd";
    let long = [
        ("system", 'r'),
        ("create-home", 'm'),
        ("no-create-home", 'M'),
        ("home-dir", 'd'),
        ("home", 'd'),
        ("uid", 'u'),
        ("gid", 'g'),
        ("groups", 'G'),
        ("shell", 's'),
        ("comment", 'c'),
        ("gecos", 'c'),
        ("no-user-group", 'N'),
        ("user-group", 'U'),
        ("no-log-init", 'l'),
        ("non-unique", 'o'),
        ("disabled-password", 'D'),
        ("disabled-login", 'D'),
        ("ingroup", 'i'),
        ("group", 'U'),
    ];
    let known = if is_useradd {
        "rmMd:u:g:G:s:c:NUlo"
    } else {
        "DHSh:u:G:s:g:rMd:c:i:U"
    };
    let given = Given::read(args, known, &long)?;
    let mut wish = Wish {
        system: given.has("rS"),
        uid: None,
        home: given.value('d').or(given.value('h')).map(str::to_owned),
        shell: given.value('s').map(str::to_owned),
        comment: given.value('c').unwrap_or_default().to_owned(),
        group: None,
        makes_home: true,
        others: Vec::new(),
    };
    if let Some(text) = given.value('u') {
        let Ok(uid) = text.parse() else {
            return Ok(runner.misused(args, &format!("invalid user ID '{text}'")));
        };
        wish.uid = Some(uid);
    }
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    if is_useradd {
        wish.group = given.value('g').map(str::to_owned);
        wish.others = given.value('G').map(list).unwrap_or_default();
        wish.makes_home = given.has("m");
    } else {
        wish.group = given.value('G').or(given.value('i')).map(str::to_owned);
        wish.makes_home = !given.has("HM");
        if !runner.gnu {
            let comment = given.value('g').or(given.value('c'));
            comment
                .unwrap_or("Linux User,,,")
                .clone_into(&mut wish.comment);
        }
    }
    if let ([user, group], false) = (&given.operands[..], is_useradd) {
        return join_group(runner, args, user, group);
    }
    let [name] = &given.operands[..] else {
        return Ok(runner.misused(args, "one name is needed"));
    };
    if !is_useradd && !given.has("DSr") {
        return Err(Stop::command(
            "adduser",
            "`adduser` without -D: nobody is there to type a password",
        ));
    }
    Ok(make_user(runner, args, name, &wish, is_useradd))
}

/// What a new user shall be like.
#[derive(Debug)]
struct Wish {
    system: bool,
    uid: Option<u32>,
    home: Option<String>,
    shell: Option<String>,
    comment: String,
    group: Option<String>,
    makes_home: bool,
    others: Vec<String>,
}

fn make_user(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    name: &str,
    wish: &Wish,
    is_useradd: bool,
) -> i32 {
    let accounts = runner.accounts();
    let complain = |runner: &mut Runner<'_, '_>, busybox: String, gnu: String, code: i32| {
        let what = if is_useradd { gnu } else { busybox };
        runner.misused(args, &what);
        if is_useradd { code } else { 1 }
    };
    if accounts.users.iter().any(|user| user.name == name) {
        let (busybox, gnu) = (
            format!("user '{name}' in use"),
            format!("user '{name}' already exists"),
        );
        return complain(runner, busybox, gnu, 9);
    }
    let used = |uid: u32| accounts.users.iter().any(|user| user.uid == uid);
    if let Some(uid) = wish.uid.filter(|uid| used(*uid)) {
        let (busybox, gnu) = (
            format!("uid '{uid}' in use"),
            format!("UID {uid} is not unique"),
        );
        return complain(runner, busybox, gnu, 4);
    }
    let Some(uid) = wish.uid.or_else(|| free(wish.system, is_useradd, used)) else {
        return runner.misused(args, "no free number");
    };
    let gid = match &wish.group {
        Some(group) => {
            let Some(gid) = group_number(&accounts, group) else {
                let (busybox, gnu) = (
                    format!("unknown group {group}"),
                    format!("group '{group}' does not exist"),
                );
                return complain(runner, busybox, gnu, 6);
            };
            gid
        }
        // A user of the system is in no group of its own with busybox.
        None if wish.system && !is_useradd && !runner.gnu => 65534,
        None => {
            let taken = |gid: u32| accounts.groups.iter().any(|group| group.gid == gid);
            if accounts.groups.iter().any(|group| group.name == name) {
                let (busybox, gnu) = (
                    format!("group '{name}' in use"),
                    format!(
                        "group {name} exists - if you want to add this user to that group, use -g."
                    ),
                );
                return complain(runner, busybox, gnu, 9);
            }
            let gid = if taken(uid) {
                free(wish.system, is_useradd, taken)
            } else {
                Some(uid)
            };
            let gid = gid.unwrap_or(uid);
            append(runner, "/etc/group", &format!("{name}:x:{gid}:"));
            append(runner, "/etc/gshadow", &format!("{name}:!::"));
            gid
        }
    };
    let home = wish.home.clone().unwrap_or_else(|| format!("/home/{name}"));
    let shell = wish.shell.clone().unwrap_or_else(|| {
        if wish.system && !is_useradd {
            "/bin/false"
        } else {
            "/bin/sh"
        }
        .to_owned()
    });
    let entry = format!("{name}:x:{uid}:{gid}:{}:{home}:{shell}", wish.comment);
    append(runner, "/etc/passwd", &entry);
    let day = runner.shell.time.seconds.div_euclid(DAY);
    append(
        runner,
        "/etc/shadow",
        &format!("{name}:!:{day}:0:99999:7:::"),
    );
    for group in &wish.others {
        if group_number(&accounts, group).is_none() {
            runner.misused(args, &format!("group '{group}' does not exist"));
            return 6;
        }
        edit(runner, "/etc/group", |line| with_member(line, group, name));
    }
    if wish.makes_home {
        make_home(runner, &home, uid, gid, is_useradd || runner.gnu);
    }
    0
}

/// busybox counts up, and so does everybody for people; for the system, shadow-utils count down.
fn free(system: bool, down: bool, used: impl Fn(u32) -> bool) -> Option<u32> {
    match (system, down) {
        (true, true) => (100..=999).rev().find(|id| !used(*id)),
        (true, false) => (100..=999).find(|id| !used(*id)),
        (false, _) => (1000..=59_999).find(|id| !used(*id)),
    }
}

fn group_number(accounts: &Accounts, text: &str) -> Option<u32> {
    let named = accounts.groups.iter().find(|group| group.name == text);
    let numbered = || {
        let gid: u32 = text.parse().ok()?;
        accounts.groups.iter().find(|group| group.gid == gid)
    };
    named.or_else(numbered).map(|group| group.gid)
}

fn make_home(runner: &mut Runner<'_, '_>, home: &str, uid: u32, gid: u32, plain: bool) {
    if let Some((above, _)) = home.rsplit_once('/')
        && plain
    {
        runner.make_directories(above);
    }
    let Ok(at) = runner.shell.walk(home, true) else {
        return;
    };
    if runner.shell.create(&at, Kind::Directory, 0o755).is_err() {
        return;
    }
    let skeleton = crate::path::RootedPath::root().resolve("etc/skel");
    let skeleton: Vec<_> = runner
        .shell
        .tree
        .below(&skeleton)
        .filter_map(|(path, node)| Some((path.strip(&skeleton)?, node.clone())))
        .collect();
    let mut all = vec![at.clone()];
    for (path, node) in skeleton {
        let place = at.join(&path);
        let _ = runner
            .shell
            .create(&place, node.kind.clone(), node.meta.mode);
        all.push(place);
    }
    for place in all {
        let _ = runner.shell.chown(&place, uid, gid);
    }
    if !plain {
        let _ = runner.shell.chmod(&at, 0o2755);
    }
}

/// `groupadd` and `addgroup`
pub(super) fn add_group(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let is_groupadd = base(&args[0]) == "groupadd";
    let long = [("system", 'r'), ("gid", 'g'), ("force", 'f')];
    let given = Given::read(args, if is_groupadd { "rg:fo" } else { "Sg:r" }, &long)?;
    if let ([user, group], false) = (&given.operands[..], is_groupadd) {
        return join_group(runner, args, user, group);
    }
    let [name] = &given.operands[..] else {
        return Ok(runner.misused(args, "one name is needed"));
    };
    let accounts = runner.accounts();
    if accounts.groups.iter().any(|group| group.name == *name) {
        if given.has("f") {
            return Ok(0);
        }
        let what = if is_groupadd {
            format!("group '{name}' already exists")
        } else {
            format!("group '{name}' in use")
        };
        runner.misused(args, &what);
        return Ok(if is_groupadd { 9 } else { 1 });
    }
    let used = |gid: u32| accounts.groups.iter().any(|group| group.gid == gid);
    let wanted = match given.value('g') {
        None => free(given.has("rS"), is_groupadd, used),
        Some(text) => match text.parse::<u32>() {
            Ok(gid) if used(gid) => {
                let what = if is_groupadd {
                    format!("GID '{gid}' already exists")
                } else {
                    format!("gid '{gid}' in use")
                };
                runner.misused(args, &what);
                return Ok(if is_groupadd { 4 } else { 1 });
            }
            Ok(gid) => Some(gid),
            Err(_) => None,
        },
    };
    let Some(gid) = wanted else {
        return Ok(runner.misused(args, "invalid group number"));
    };
    append(runner, "/etc/group", &format!("{name}:x:{gid}:"));
    append(runner, "/etc/gshadow", &format!("{name}:!::"));
    Ok(0)
}

/// Adds a user to a group.
fn join_group(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    user: &str,
    group: &str,
) -> Result<i32, Stop> {
    let accounts = runner.accounts();
    if !accounts.users.iter().any(|known| known.name == user) {
        return Ok(runner.misused(args, &format!("unknown user {user}")));
    }
    if !accounts.groups.iter().any(|known| known.name == group) {
        return Ok(runner.misused(args, &format!("unknown group {group}")));
    }
    edit(runner, "/etc/group", |line| with_member(line, group, user));
    Ok(0)
}

fn with_member(line: &str, group: &str, user: &str) -> String {
    let mine = line.split(':').next() == Some(group);
    let members = line.rsplit(':').next().unwrap_or_default();
    if !mine || members.split(',').any(|member| member == user) {
        return line.to_owned();
    }
    let between = if members.is_empty() { "" } else { "," };
    format!("{line}{between}{user}")
}

fn append(runner: &mut Runner<'_, '_>, path: &str, line: &str) {
    rewrite(runner, path, |mut text| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text + line + "\n"
    });
}

fn edit(runner: &mut Runner<'_, '_>, path: &str, change: impl Fn(&str) -> String) {
    rewrite(runner, path, |text| {
        text.lines().map(|line| change(line) + "\n").collect()
    });
}

/// Writes a list of accounts anew. The old one stays under a name with a hyphen, as all these
/// tools leave it. A list that is not there is not begun, but for the two that every system has.
fn rewrite(runner: &mut Runner<'_, '_>, path: &str, change: impl FnOnce(String) -> String) {
    let there = runner.shell.stat(path, true);
    let text = match runner.shell.read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(Errno::NoEntry) if matches!(path, "/etc/passwd" | "/etc/group") => String::new(),
        Err(_) => return,
    };
    let Ok((_, old)) = there else {
        let _ = runner.shell.write(path, change(text).into_bytes(), 0o644);
        return;
    };
    let backup = format!("{path}-");
    let _ = runner.shell.unlink(&backup);
    if runner.shell.rename(path, &backup).is_err() {
        return;
    }
    let _ = runner.shell.write(path, change(text).into_bytes(), 0o600);
    if let Ok((at, _)) = runner.shell.stat(path, true) {
        let _ = runner.shell.chown(&at, old.meta.uid, old.meta.gid);
        let _ = runner.shell.chmod(&at, old.meta.mode);
    }
}

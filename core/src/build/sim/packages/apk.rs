//! apk.

use std::fmt::Write as _;

use super::stand_in;
use super::table::{APK, Package, closure, find};
use crate::build::sim::files::Errno;
use crate::build::sim::run::{Runner, Stop};

const INSTALLED: &str = "/lib/apk/db/installed";
const WORLD: &str = "/etc/apk/world";
const CACHE: &str = "/var/cache/apk";
/// The index of main and community, 2.4 MB.
const INDEX: [(&str, usize); 2] = [
    ("APKINDEX.1f0a9e3b.tar.gz", 430),
    ("APKINDEX.c84d2f57.tar.gz", 1960),
];

/// `apk`
pub(in super::super) fn apk(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let mut words = Vec::new();
    let (mut no_cache, mut update, mut group) = (false, false, None);
    let mut rest = args[1..].iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--no-cache" => no_cache = true,
            "-U" | "--update" | "--update-cache" => update = true,
            "-t" | "--virtual" => group = rest.next().cloned(),
            "-q" | "--quiet" | "--no-progress" | "-l" | "--latest" | "-u" | "--upgrade"
            | "--available" | "-a" | "--purge" => {}
            arg if arg.starts_with("--virtual=") => {
                group = arg.split_once('=').map(|(_, g)| g.to_owned());
            }
            arg if arg.starts_with('-') => {
                return Err(Stop::command("apk", format!("`apk` with the option {arg}")));
            }
            _ => words.push(arg.clone()),
        }
    }
    let Some((action, names)) = words.split_first() else {
        return Err(Stop::command("apk", "`apk` without an action"));
    };
    if runner.shell.user.uid != 0 {
        runner.err("ERROR: Unable to lock database: Permission denied");
        runner.err("ERROR: Failed to open apk database: Permission denied");
        return Ok(99);
    }
    let done = match action.as_str() {
        "update" => fetch(runner, true).map(|()| {
            runner.out("OK: 24163 distinct packages available\n");
            0
        }),
        "add" => add(runner, names, (no_cache, update), group),
        "del" => del(runner, names),
        "upgrade" => {
            summary(runner);
            Ok(0)
        }
        "cache" if names == ["clean"] => {
            for (name, _) in INDEX {
                runner.take_away(&format!("{CACHE}/{name}"));
            }
            Ok(0)
        }
        other => return Err(Stop::command("apk", format!("`apk {other}`"))),
    };
    Ok(done.unwrap_or_else(|errno| {
        runner.err(format!("ERROR: {errno}"));
        1
    }))
}

fn fetch(runner: &mut Runner<'_, '_>, keep: bool) -> Result<(), Errno> {
    for ((file, size), repository) in INDEX.into_iter().zip(["main", "community"]) {
        runner.out(format!(
            "fetch alpine/v3.20/{repository}/x86_64/APKINDEX.tar.gz\n"
        ));
        if keep {
            runner.put_file(
                &format!("{CACHE}/{file}"),
                stand_in(repository, size),
                0o644,
            )?;
        }
    }
    Ok(())
}

fn is_installed(runner: &Runner<'_, '_>, name: &str) -> bool {
    runner
        .text(INSTALLED)
        .lines()
        .any(|line| line.strip_prefix("P:") == Some(name))
}

fn summary(runner: &mut Runner<'_, '_>) {
    let text = runner.text(INSTALLED);
    let sizes = text
        .lines()
        .filter_map(|line| line.strip_prefix("I:")?.parse::<usize>().ok());
    let (count, size) = sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
    // A byte here stands for a kilobyte.
    runner.out(format!(
        "OK: {} MiB in {count} packages\n",
        size.div_ceil(1024)
    ));
}

fn add(
    runner: &mut Runner<'_, '_>,
    names: &[String],
    (no_cache, update): (bool, bool),
    group: Option<String>,
) -> Result<i32, Errno> {
    if no_cache || update {
        fetch(runner, !no_cache)?;
    }
    let indexed = no_cache
        || INDEX
            .iter()
            .all(|(file, _)| runner.shell.stat(&format!("{CACHE}/{file}"), true).is_ok());
    if !indexed {
        runner.err("WARNING: opening from cache alpine/v3.20/main: No such file or directory");
        runner.err("WARNING: opening from cache alpine/v3.20/community: No such file or directory");
    }
    let mut wanted = Vec::new();
    let mut missing = Vec::new();
    for word in names {
        let name = word
            .split(['=', '<', '>', '~', '@'])
            .next()
            .unwrap_or_default();
        let found = find(APK, name).filter(|_| indexed);
        let version = word.split_once('=').map(|(_, version)| version);
        match found {
            Some(package)
                if version
                    .is_none_or(|v| v == package.version || v.starts_with(['~', '<', '>'])) =>
            {
                wanted.push(package);
            }
            _ if is_installed(runner, name) => {}
            Some(package) => missing.push(format!(
                "  {name}-{}:\n    breaks: world[{word}]",
                package.version
            )),
            None => missing.push(format!(
                "  {name} (no such package):\n    required by: world[{word}]"
            )),
        }
    }
    if !missing.is_empty() {
        runner.err("ERROR: unable to select packages:");
        let count = missing.len();
        for line in missing {
            runner.err(line);
        }
        return Ok(i32::try_from(count).unwrap_or(1));
    }
    let all = closure(APK, &wanted, false);
    let all: Vec<_> = all
        .into_iter()
        .filter(|p| !is_installed(runner, p.name))
        .collect();
    let mut count = all.len();
    count += usize::from(group.is_some());
    for (index, package) in all.iter().enumerate() {
        runner.out(format!(
            "({}/{count}) Installing {} ({})\n",
            index + 1,
            package.name,
            package.version
        ));
        set_up(runner, package)?;
    }
    let mut world: Vec<String> = runner.text(WORLD).lines().map(str::to_owned).collect();
    if let Some(group) = group {
        runner.out(format!("({count}/{count}) Installing {group} (0)\n"));
        let depends = names.join(" ");
        runner.add_to(INSTALLED, &format!("P:{group}\nV:0\nI:0\nD:{depends}\n\n"))?;
        world.push(group);
    } else {
        world.extend(names.iter().cloned());
    }
    world.sort();
    world.dedup();
    runner.put_file(WORLD, (world.join("\n") + "\n").into_bytes(), 0o644)?;
    if !all.is_empty() {
        runner.out("Executing busybox-1.36.1-r29.trigger\n");
    }
    summary(runner);
    Ok(0)
}

fn set_up(runner: &mut Runner<'_, '_>, package: &Package) -> Result<(), Errno> {
    let paths = runner.unpack(package, "/usr/share")?;
    let mut entry = format!(
        "P:{}\nV:{}\nS:{}\nI:{}\n",
        package.name, package.version, package.download, package.size
    );
    if !package.depends.is_empty() {
        let _ = writeln!(entry, "D:{}", package.depends.join(" "));
    }
    for path in paths {
        let (directory, name) = path.rsplit_once('/').unwrap_or_default();
        let _ = writeln!(entry, "F:{}\nR:{name}", directory.trim_start_matches('/'));
    }
    runner.add_to(INSTALLED, &(entry + "\n"))
}

/// Takes packages out of the world, and then everything that nothing in it needs any more.
fn del(runner: &mut Runner<'_, '_>, names: &[String]) -> Result<i32, Errno> {
    let world: Vec<String> = runner.text(WORLD).lines().map(str::to_owned).collect();
    let world: Vec<String> = world
        .into_iter()
        .filter(|name| !names.contains(name))
        .collect();
    runner.put_file(WORLD, (world.join("\n") + "\n").into_bytes(), 0o644)?;
    let text = runner.text(INSTALLED);
    let entries: Vec<&str> = text.split_inclusive("\n\n").collect();
    let field = |entry: &str, key: &str| -> Option<String> {
        entry
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::to_owned)
    };
    let mut needed: Vec<String> = world;
    let mut at = 0;
    while at < needed.len() {
        let name = needed[at].clone();
        at += 1;
        let entry = entries
            .iter()
            .find(|entry| field(entry, "P:").as_ref() == Some(&name));
        let depends = entry
            .and_then(|entry| field(entry, "D:"))
            .unwrap_or_default();
        for name in depends.split_whitespace() {
            if !needed.iter().any(|known| known == name) {
                needed.push(name.to_owned());
            }
        }
    }
    // What the base image brought is not in the table, and stays.
    let goes = |entry: &&&str| {
        let name = field(entry, "P:").unwrap_or_default();
        let ours = find(APK, &name).is_some() || names.contains(&name);
        ours && !needed.contains(&name)
    };
    let gone: Vec<&str> = entries.iter().filter(goes).copied().collect();
    for (index, entry) in gone.iter().enumerate() {
        let (name, version) = (field(entry, "P:"), field(entry, "V:"));
        runner.out(format!(
            "({}/{}) Purging {} ({})\n",
            index + 1,
            gone.len(),
            name.clone().unwrap_or_default(),
            version.unwrap_or_default()
        ));
        let mut directory = String::new();
        for line in entry.lines() {
            if let Some(path) = line.strip_prefix("F:") {
                directory = format!("/{path}");
            } else if let Some(file) = line.strip_prefix("R:") {
                runner.take_away(&format!("{directory}/{file}"));
            }
        }
        let _ = runner
            .shell
            .remove_directory(&format!("/usr/share/{}", name.unwrap_or_default()));
    }
    let kept: String = entries
        .iter()
        .filter(|entry| !gone.contains(entry))
        .copied()
        .collect();
    runner.put_file(INSTALLED, kept.into_bytes(), 0o644)?;
    if !gone.is_empty() {
        runner.out("Executing busybox-1.36.1-r29.trigger\n");
    }
    summary(runner);
    Ok(0)
}

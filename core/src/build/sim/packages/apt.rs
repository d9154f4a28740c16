//! apt-get and apt.

use std::fmt::Write as _;

use super::kilobytes;
use super::stand_in;
use super::table::{APT, Package, closure, find};
use crate::build::sim::run::{Runner, Stop};

const LISTS: &str = "/var/lib/apt/lists";
const STATUS: &str = "/var/lib/dpkg/status";
const ARCHIVES: &str = "/var/cache/apt/archives";
/// With this file, as Docker's images have it, nothing stays in the archives.
const DOCKER_CLEAN: &str = "/etc/apt/apt.conf.d/docker-clean";
/// The lists of bookworm, 18 MB.
const LIST_SIZE: usize = 18_000;

/// `apt-get` and `apt`
pub(in super::super) fn apt(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let name = args[0].rsplit('/').next().unwrap_or_default().to_owned();
    let mut words = Vec::new();
    let (mut yes, mut recommends) = (false, true);
    let mut rest = args[1..].iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-y" | "--yes" | "--assume-yes" | "-qy" | "-yq" | "-qqy" | "-yqq" => yes = true,
            "-q"
            | "-qq"
            | "--quiet"
            | "--no-install-suggests"
            | "--fix-missing"
            | "-f"
            | "--allow-unauthenticated"
            | "--purge"
            | "--auto-remove"
            | "--fix-broken" => {}
            "--no-install-recommends" => recommends = false,
            "-o" => {
                let _ = rest.next();
            }
            arg if arg.starts_with('-') => {
                return Err(Stop::command(
                    &name,
                    format!("`{name}` with the option {arg}"),
                ));
            }
            _ => words.push(arg.clone()),
        }
    }
    let Some((action, packages)) = words.split_first() else {
        return Err(Stop::command(&name, format!("`{name}` without an action")));
    };
    if runner.shell.user.uid != 0 {
        runner.err("E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)");
        runner.err("E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?");
        return Ok(100);
    }
    let done = match action.as_str() {
        "update" => update(runner),
        "install" => install(runner, packages, yes, recommends),
        "remove" | "purge" => remove(runner, packages),
        "autoremove" | "upgrade" | "dist-upgrade" | "full-upgrade" => {
            runner.out("Reading package lists...\nBuilding dependency tree...\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n");
            Ok(0)
        }
        "clean" | "autoclean" => clean(runner),
        other => return Err(Stop::command(&name, format!("`{name} {other}`"))),
    };
    Ok(done.unwrap_or_else(|errno| {
        runner.err(format!("E: {errno}"));
        100
    }))
}

type Done = Result<i32, crate::build::sim::files::Errno>;

fn update(runner: &mut Runner<'_, '_>) -> Done {
    runner.make_directories(&format!("{LISTS}/partial"));
    let mut index = String::new();
    for package in APT {
        let _ = write!(
            index,
            "Package: {}\nVersion: {}\n\n",
            package.name, package.version
        );
    }
    let list = format!("{LISTS}/debian_dists_bookworm_main_binary-amd64_Packages");
    runner.put_file(&list, stand_in(index.trim_end(), LIST_SIZE), 0o644)?;
    let release = format!("{LISTS}/debian_dists_bookworm_InRelease");
    runner.put_file(&release, stand_in("Suite: stable", 151), 0o644)?;
    runner.put_file(&format!("{LISTS}/lock"), Vec::new(), 0o640)?;
    runner.out(format!(
        "Get:1 debian bookworm InRelease [151 kB]\nGet:2 debian bookworm/main amd64 Packages [8787 kB]\nFetched {} in 1s\nReading package lists...\n",
        kilobytes(8938)
    ));
    Ok(0)
}

fn has_lists(runner: &Runner<'_, '_>) -> bool {
    let found = runner.shell.walk(LISTS, true);
    let names = found
        .and_then(|at| runner.shell.names(&at))
        .unwrap_or_default();
    names.iter().any(|name| name.ends_with(b"_Packages"))
}

fn is_installed(runner: &Runner<'_, '_>, name: &str) -> bool {
    runner
        .text(STATUS)
        .lines()
        .any(|line| line.strip_prefix("Package: ") == Some(name))
}

fn install(runner: &mut Runner<'_, '_>, names: &[String], yes: bool, recommends: bool) -> Done {
    runner.out(
        "Reading package lists...\nBuilding dependency tree...\nReading state information...\n",
    );
    let has_lists = has_lists(runner);
    let mut wanted = Vec::new();
    let mut missing = false;
    for word in names {
        let (name, version) = match word.split_once('=') {
            Some((name, version)) => (name, Some(version)),
            None => (word.as_str(), None),
        };
        let Some(package) = find(APT, name).filter(|_| has_lists || is_installed(runner, name))
        else {
            runner.err(format!("E: Unable to locate package {name}"));
            missing = true;
            continue;
        };
        let fits = |version: &str| match version.strip_suffix('*') {
            Some(start) => package.version.starts_with(start),
            None => package.version == version,
        };
        if let Some(version) = version.filter(|version| !fits(version)) {
            runner.err(format!("E: Version '{version}' for '{name}' was not found"));
            missing = true;
            continue;
        }
        if is_installed(runner, name) {
            runner.out(format!(
                "{name} is already the newest version ({}).\n",
                package.version
            ));
        } else {
            wanted.push(package);
        }
    }
    if missing {
        return Ok(100);
    }
    let all = closure(APT, &wanted, recommends);
    let all: Vec<_> = all
        .into_iter()
        .filter(|p| !is_installed(runner, p.name))
        .collect();
    let extra: Vec<_> = all
        .iter()
        .filter(|p| !wanted.iter().any(|w| w.name == p.name))
        .collect();
    let list = |packages: &[&Package]| {
        let mut names: Vec<_> = packages.iter().map(|p| p.name).collect();
        names.sort_unstable();
        names.join(" ")
    };
    if !all.is_empty() {
        runner.out(format!(
            "The following NEW packages will be installed:\n  {}\n",
            list(&all)
        ));
    }
    runner.out(format!(
        "0 upgraded, {} newly installed, 0 to remove and 0 not upgraded.\n",
        all.len()
    ));
    if all.is_empty() {
        return Ok(0);
    }
    let download: usize = all.iter().map(|p| p.download).sum();
    let size: usize = all.iter().map(|p| p.size).sum();
    runner.out(format!(
        "Need to get {} of archives.\nAfter this operation, {} of additional disk space will be used.\n",
        kilobytes(download),
        kilobytes(size)
    ));
    if !extra.is_empty() && !yes {
        runner.out("Do you want to continue? [Y/n] Abort.\n");
        return Ok(1);
    }
    let keeps = runner.shell.stat(DOCKER_CLEAN, true).is_err();
    for (index, package) in all.iter().enumerate() {
        runner.out(format!(
            "Get:{} debian bookworm/main amd64 {} {} [{}]\n",
            index + 1,
            package.name,
            package.version,
            kilobytes(package.download)
        ));
        if keeps {
            let version = package.version.replace(':', "%3a");
            let path = format!("{ARCHIVES}/{}_{version}_amd64.deb", package.name);
            runner.put_file(&path, stand_in(package.name, package.download), 0o644)?;
        }
    }
    for package in &all {
        set_up(
            runner,
            package,
            extra.iter().any(|e| e.name == package.name),
        )?;
    }
    for package in &all {
        runner.out(format!(
            "Setting up {} ({}) ...\n",
            package.name, package.version
        ));
    }
    Ok(0)
}

fn set_up(
    runner: &mut Runner<'_, '_>,
    package: &Package,
    automatic: bool,
) -> Result<(), crate::build::sim::files::Errno> {
    let (name, version) = (package.name, package.version);
    runner.out(format!("Unpacking {name} ({version}) ...\n"));
    let mut paths = runner.unpack(package, "/usr/share")?;
    let copyright = format!("/usr/share/doc/{name}/copyright");
    runner.put_file(&copyright, stand_in(name, 8), 0o644)?;
    paths.push(copyright);
    let list = paths.join("\n") + "\n";
    runner.put_file(
        &format!("/var/lib/dpkg/info/{name}.list"),
        list.into_bytes(),
        0o644,
    )?;
    let status = format!(
        "Package: {name}\nStatus: install ok installed\nInstalled-Size: {}\nArchitecture: amd64\nVersion: {version}\n\n",
        package.size
    );
    runner.add_to(STATUS, &status)?;
    runner.add_to(
        "/var/log/dpkg.log",
        &format!("status installed {name}:amd64 {version}\n"),
    )?;
    runner.add_to(
        "/var/log/apt/history.log",
        &format!("Install: {name}:amd64 ({version})\n"),
    )?;
    if automatic {
        let entry = format!("Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n");
        runner.add_to("/var/lib/apt/extended_states", &entry)?;
    }
    Ok(())
}

fn remove(runner: &mut Runner<'_, '_>, names: &[String]) -> Done {
    runner.out(
        "Reading package lists...\nBuilding dependency tree...\nReading state information...\n",
    );
    for name in names {
        if !is_installed(runner, name) {
            if find(APT, name).is_none() {
                runner.err(format!("E: Unable to locate package {name}"));
                return Ok(100);
            }
            runner.out(format!(
                "Package '{name}' is not installed, so not removed\n"
            ));
            continue;
        }
        let list = format!("/var/lib/dpkg/info/{name}.list");
        for path in runner.text(&list).lines() {
            runner.take_away(path);
        }
        runner.take_away(&list);
        for directory in ["share", "share/doc"] {
            let _ = runner
                .shell
                .remove_directory(&format!("/usr/{directory}/{name}"));
        }
        let status = runner.text(STATUS);
        let start = format!("Package: {name}\n");
        let kept = status
            .split_inclusive("\n\n")
            .filter(|entry| !entry.starts_with(&start));
        let kept: String = kept.collect();
        runner.put_file(STATUS, kept.into_bytes(), 0o644)?;
        runner.out(format!("Removing {name} ...\n"));
    }
    Ok(0)
}

fn clean(runner: &mut Runner<'_, '_>) -> Done {
    let found = runner.shell.walk(ARCHIVES, true);
    let names = found
        .and_then(|at| runner.shell.names(&at))
        .unwrap_or_default();
    for name in names {
        if name.ends_with(b".deb") {
            let name = String::from_utf8_lossy(&name).into_owned();
            runner.take_away(&format!("{ARCHIVES}/{name}"));
        }
    }
    Ok(0)
}

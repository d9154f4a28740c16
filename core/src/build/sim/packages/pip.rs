//! pip, and the little of python that calls it.

use super::table::{PIP, closure, find};
use super::{kilobytes, stand_in};
use crate::build::sim::files::Errno;
use crate::build::sim::run::{Runner, Stop};
use crate::digest::Digest;

/// `python -m pip`; everything else is a program that nobody runs here.
pub(in super::super) fn python(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    if args.get(1).is_some_and(|arg| arg == "-m") && args.get(2).is_some_and(|arg| arg == "pip") {
        return pip(runner, &args[2..]);
    }
    if args[1..] == ["--version"] || args[1..] == ["-V"] {
        let (place, _) = site_packages(runner);
        let version = if place.contains("3.12") {
            "3.12.6"
        } else {
            "3.11.2"
        };
        runner.out(format!("Python {version}\n"));
        return Ok(0);
    }
    let name = args[0].rsplit('/').next().unwrap_or_default();
    Err(Stop::command(name, format!("`{}`", args.join(" "))))
}

/// `pip`
pub(in super::super) fn pip(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    let mut words = Vec::new();
    let mut requirements = Vec::new();
    let mut cache = runner
        .shell
        .env
        .get("PIP_NO_CACHE_DIR")
        .is_none_or(String::is_empty);
    let mut target = None;
    let mut rest = args[1..].iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--no-cache-dir" => cache = false,
            "-r" | "--requirement" => requirements.extend(rest.next().cloned()),
            "-t" | "--target" => target = rest.next().cloned(),
            "-U"
            | "--upgrade"
            | "-q"
            | "--quiet"
            | "--disable-pip-version-check"
            | "--break-system-packages"
            | "--no-compile"
            | "--no-input"
            | "-y"
            | "--yes"
            | "--root-user-action=ignore"
            | "--prefer-binary" => {}
            arg if arg.starts_with('-') => {
                return Err(Stop::command("pip", format!("`pip` with the option {arg}")));
            }
            _ => words.push(arg.clone()),
        }
    }
    let Some((action, names)) = words.split_first() else {
        return Err(Stop::command("pip", "`pip` without an action"));
    };
    let mut names = names.to_vec();
    match (action.as_str(), names.first().map(String::as_str)) {
        ("install", _) => {}
        ("cache", Some("purge")) => {
            let place = cache_place(runner);
            runner.take_away(&place);
            runner.out("Files removed: 1\n");
            return Ok(0);
        }
        (action, _) => return Err(Stop::command("pip", format!("`pip {action}`"))),
    }
    for path in requirements {
        let Ok(bytes) = runner.shell.read(&path) else {
            runner.err(format!(
                "ERROR: Could not open requirements file: [Errno 2] No such file or directory: '{path}'"
            ));
            return Ok(1);
        };
        for line in String::from_utf8_lossy(&bytes).lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.starts_with('-') {
                return Err(Stop::command(
                    "pip",
                    format!("`pip` with the line {line:?} in {path}"),
                ));
            }
            if !line.is_empty() {
                names.push(line.to_owned());
            }
        }
    }
    if names.is_empty() {
        runner.err(
            "ERROR: You must give at least one requirement to install (see \"pip help install\")",
        );
        return Ok(1);
    }
    if let Some(path) = names.iter().find(|name| name.starts_with(['.', '/'])) {
        return Err(Stop::command(
            "pip",
            format!("`pip install {path}`: it builds nothing"),
        ));
    }
    let done = install(runner, &names, cache, target);
    Ok(done.unwrap_or_else(|errno| {
        runner.err(format!(
            "ERROR: Could not install packages due to an OSError: [Errno 13] {errno}"
        ));
        1
    }))
}

/// Where packages go, and where their programs do.
fn site_packages(runner: &Runner<'_, '_>) -> (String, bool) {
    let own = "/usr/local/lib/python3.12/site-packages";
    if runner.shell.is_directory(own) {
        return (own.to_owned(), true);
    }
    ("/usr/local/lib/python3.11/dist-packages".to_owned(), false)
}

fn cache_place(runner: &Runner<'_, '_>) -> String {
    let home = runner.shell.env.get("HOME").map_or("/root", String::as_str);
    format!("{}/.cache/pip", home.trim_end_matches('/'))
}

fn install(
    runner: &mut Runner<'_, '_>,
    names: &[String],
    cache: bool,
    target: Option<String>,
) -> Result<i32, Errno> {
    let mut wanted = Vec::new();
    for word in names {
        let end = word
            .find(['=', '<', '>', '~', '!', '[', ';', ' '])
            .unwrap_or(word.len());
        let name = word[..end].to_lowercase().replace('_', "-");
        let version = word.split_once("==").map(|(_, version)| version.trim());
        let versions = find(PIP, &name).map_or("none", |package| package.version);
        match find(PIP, &name) {
            Some(package) if version.is_none_or(|version| version == package.version) => {
                wanted.push(package);
            }
            _ => {
                runner.err(format!(
                    "ERROR: Could not find a version that satisfies the requirement {word} (from versions: {versions})"
                ));
                runner.err(format!("ERROR: No matching distribution found for {word}"));
                return Ok(1);
            }
        }
    }
    let place = target.unwrap_or_else(|| site_packages(runner).0);
    let mut installed = Vec::new();
    for package in closure(PIP, &wanted, false) {
        let (name, version) = (package.name, package.version);
        let module = name.replace('-', "_");
        let info = format!("{place}/{module}-{version}.dist-info");
        if runner.shell.is_directory(&info) {
            runner.out(format!(
                "Requirement already satisfied: {name} in {place} ({version})\n"
            ));
            continue;
        }
        let wheel = stand_in(&format!("wheel of {name} {version}"), package.download);
        let digest = Digest::of(&wheel).to_string().replace("sha256:", "");
        let path = format!(
            "{}/http-v2/{}/{}/{digest}.body",
            cache_place(runner),
            &digest[..1],
            &digest[1..2]
        );
        let known = cache && runner.shell.stat(&path, true).is_ok();
        let verb = if known { "Using cached" } else { "Downloading" };
        runner.out(format!(
            "Collecting {name}\n  {verb} {module}-{version}-py3-none-any.whl ({})\n",
            kilobytes(package.download)
        ));
        if cache && !known {
            runner.put_file(&path, wheel, 0o644)?;
        }
        let source = format!("# a stand-in for {name}\n__version__ = \"{version}\"");
        let half = package.size / 2;
        runner.put_file(
            &format!("{place}/{module}/__init__.py"),
            stand_in(&source, half),
            0o644,
        )?;
        let compiled = format!("{place}/{module}/__pycache__/__init__.cpython-312.pyc");
        runner.put_file(
            &compiled,
            stand_in(&format!("compiled {name}"), half),
            0o644,
        )?;
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        runner.put_file(&format!("{info}/METADATA"), metadata.into_bytes(), 0o644)?;
        for program in package.programs {
            runner.put_file(program, super::stand_in_program(name, version, 1), 0o755)?;
        }
        installed.push(format!("{name}-{version}"));
    }
    if !installed.is_empty() {
        installed.sort();
        runner.out(format!(
            "Installing collected packages\nSuccessfully installed {}\n",
            installed.join(" ")
        ));
    }
    Ok(0)
}

//! `go build` and `cargo build`: a program of a plausible size, another one for other sources.

use super::stand_in;
use crate::build::sim::files::Errno;
use crate::build::sim::run::{Runner, Stop};
use crate::digest::Digest;
use crate::path::RootedPath;
use crate::tree::Kind;

/// A small web server in Go, 7 MB, and what the compiler keeps, 62 MB.
const GO: (usize, usize) = (7_000, 62_000);
/// The same in Rust.
const RUST: (usize, usize) = (4_400, 48_000);

/// `go`
pub(in super::super) fn go(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    match args.get(1).map(String::as_str) {
        Some("version") => {
            runner.out("go version go1.23.1 linux/amd64\n");
            return Ok(0);
        }
        Some("mod")
            if args
                .get(2)
                .is_some_and(|arg| arg == "download" || arg == "tidy") =>
        {
            return Ok(0);
        }
        Some("build") => {}
        _ => return Err(Stop::command("go", format!("`{}`", args.join(" ")))),
    }
    let mut output = None;
    let mut rest = args[2..].iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-o" => output = rest.next().cloned(),
            "-ldflags" | "-tags" | "-mod" | "-p" => {
                let _ = rest.next();
            }
            _ => {}
        }
    }
    let Some(sources) = sources(runner, ".go") else {
        let cwd = runner.shell.cwd.to_string();
        runner.err(format!("no Go files in {cwd}"));
        return Ok(1);
    };
    let module = runner.text("go.mod");
    let module = module.lines().find_map(|line| line.strip_prefix("module "));
    let name = module
        .and_then(|path| path.rsplit('/').next())
        .unwrap_or("main")
        .trim();
    let mut path = output.unwrap_or_else(|| name.to_owned());
    if path.ends_with('/') || runner.shell.is_directory(&path) {
        path = format!("{}/{name}", path.trim_end_matches('/'));
    }
    let home = runner.shell.env.get("HOME").map_or("/root", String::as_str);
    let cache = format!("{home}/.cache/go-build/{}/objects-d", &sources[..2]);
    finish(
        runner,
        args,
        &[(&path, GO.0, 0o755), (&cache, GO.1, 0o644)],
        &sources,
    )
}

/// `cargo`
pub(in super::super) fn cargo(runner: &mut Runner<'_, '_>, args: &[String]) -> Result<i32, Stop> {
    match args.get(1).map(String::as_str) {
        Some("--version" | "-V") => {
            runner.out("cargo 1.81.0\n");
            return Ok(0);
        }
        Some("fetch") => return Ok(0),
        Some("build" | "b") => {}
        _ => return Err(Stop::command("cargo", format!("`{}`", args.join(" ")))),
    }
    let release = args.iter().any(|arg| arg == "--release" || arg == "-r");
    let manifest = runner.text("Cargo.toml");
    let name = manifest.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "name").then(|| value.trim().trim_matches('"').to_owned())
    });
    let (Some(name), Some(sources)) = (name, sources(runner, ".rs")) else {
        let cwd = runner.shell.cwd.to_string();
        runner.err(format!(
            "error: could not find `Cargo.toml` in `{cwd}` or any parent directory"
        ));
        return Ok(101);
    };
    let profile = if release { "release" } else { "debug" };
    let path = format!("target/{profile}/{name}");
    let objects = format!("target/{profile}/deps/lib{name}.rlib");
    runner.err(format!("   Compiling {name} v0.1.0"));
    let code = finish(
        runner,
        args,
        &[(&path, RUST.0, 0o755), (&objects, RUST.1, 0o644)],
        &sources,
    )?;
    let kind = if release {
        "`release` profile [optimized]"
    } else {
        "`dev` profile [unoptimized + debuginfo]"
    };
    runner.err(format!("    Finished {kind} target(s) in 1.00s"));
    Ok(code)
}

/// The digest of all sources below the current directory; none when there are none.
fn sources(runner: &Runner<'_, '_>, suffix: &str) -> Option<String> {
    let cwd: &RootedPath = &runner.shell.cwd;
    let mut text = Vec::new();
    for (path, node) in runner.shell.tree.below(cwd) {
        let is_source = path.name().ends_with(suffix.as_bytes())
            || [&b"go.mod"[..], b"go.sum", b"Cargo.toml", b"Cargo.lock"].contains(&path.name());
        if let (Kind::File(content), true) = (&node.kind, is_source) {
            text.extend_from_slice(path.as_bytes());
            text.push(0);
            text.extend_from_slice(content.digest().ok()?.to_string().as_bytes());
        }
    }
    let any = runner
        .shell
        .tree
        .below(cwd)
        .any(|(path, _)| path.name().ends_with(suffix.as_bytes()));
    any.then(|| Digest::of(&text).to_string().replace("sha256:", ""))
}

fn finish(
    runner: &mut Runner<'_, '_>,
    args: &[String],
    files: &[(&str, usize, u32)],
    sources: &str,
) -> Result<i32, Stop> {
    for (path, size, mode) in files {
        let line = format!("\x7fELF simulated build of sources {sources}");
        let placed: Result<(), Errno> = runner.put_file(path, stand_in(&line, *size), *mode);
        if let Err(errno) = placed {
            runner.err(format!("{}: {path}: {errno}", args[0]));
            return Ok(1);
        }
    }
    Ok(0)
}

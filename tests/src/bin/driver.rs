//! The smallest program that runs containers: a root directory and options in, an exit code out.
//!
//! The tests of isolation start it as root and as an ordinary user. It is a program of its own
//! because it is executed again, by the library, as the stages of the container's start.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::PathBuf;
use std::process::ExitCode;

use coracle::event::Event;
use coracle::linux::runtime::{Request, Streams, run};
use coracle::linux::snapshot::RootFs;
use coracle::linux::userns::reenter;
use coracle::runtime::bundle::{HostFiles, write};
use coracle::runtime::{Bind, Network, Place, RunOptions, Tmpfs, Ulimit};
use coracle::spec::RunConfig;

fn main() -> ExitCode {
    coracle::linux::dispatch();
    let asked = match Asked::parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(message) => return fail(&message, 2),
    };
    let explain = asked.explain;
    let mut on = move |event| match event {
        Event::Explain(told) if explain => {
            eprintln!("{}", serde_json::to_string(&told).unwrap_or_default());
        }
        Event::Warning { message } => eprintln!("warning: {message}"),
        Event::Output { stream, text } => print!("[{stream}]{text}"),
        _ => {}
    };
    if let Err(error) = reenter(&mut on) {
        return fail(&error.to_string(), 125);
    }
    let place = Place {
        id: "c0ffee".repeat(11)[..64].to_owned(),
        bundle: asked.bundle.clone(),
        architecture: architecture().to_owned(),
    };
    let spec = match write(
        &RunConfig::default(),
        &asked.options,
        &place,
        &HostFiles::read(),
    ) {
        Ok(spec) => spec,
        Err(error) => return fail(&error.to_string(), 125),
    };
    let request = Request {
        bundle: asked.bundle.into(),
        root: asked.root,
        spec,
        init: asked.options.init,
        streams: asked.streams,
        explain,
    };
    match run(&request, &mut on) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => fail(&error.to_string(), error.exit_code()),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("driver: {message}");
    ExitCode::from(code)
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

/// What the command line asks for.
struct Asked {
    bundle: String,
    root: RootFs,
    options: RunOptions,
    streams: Streams,
    explain: bool,
}

impl Asked {
    /// Options first, then the command. `--root` is a directory, or with `--overlay` the lower
    /// one of an overlay mount.
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = RunOptions::default();
        let (mut bundle, mut root) = (None, None);
        let (mut overlay, mut explain, mut interactive, mut capture) = (false, false, false, false);
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or(format!("{flag} needs a value"));
            let text = |e: coracle::runtime::OptionError| e.to_string();
            match flag.as_str() {
                "--bundle" => bundle = Some(value()?),
                "--root" => root = Some(PathBuf::from(value()?)),
                "--overlay" => overlay = true,
                "--explain" => explain = true,
                "--capture" => capture = true,
                "-i" => interactive = true,
                "-t" => options.tty = true,
                "--init" => options.init = true,
                "--privileged" => options.privileged = true,
                "--read-only" => options.read_only = true,
                "--user" => options.user = Some(value()?),
                "--hostname" => options.hostname = Some(value()?),
                "--workdir" => options.working_dir = Some(value()?),
                "--env" => options.env.push(value()?),
                "--cap-add" => options.cap_add.push(value()?),
                "--cap-drop" => options.cap_drop.push(value()?),
                "--network" => options.network = Network::parse(&value()?).map_err(text)?,
                "--volume" => options.binds.push(Bind::parse(&value()?).map_err(text)?),
                "--tmpfs" => options.tmpfs.push(Tmpfs::parse(&value()?).map_err(text)?),
                "--ulimit" => options
                    .ulimits
                    .push(Ulimit::parse(&value()?).map_err(text)?),
                "--security-opt" => options.security_opt(&value()?).map_err(text)?,
                "--" => {
                    options.command = args.collect();
                    break;
                }
                _ => return Err(format!("unknown option {flag}")),
            }
        }
        let streams = match (options.tty, capture) {
            (true, _) => Streams::Terminal { input: interactive },
            (false, true) => Streams::Capture,
            (false, false) => Streams::Inherit { input: interactive },
        };
        let bundle = bundle.ok_or("--bundle is missing")?;
        let root = root.ok_or("--root is missing")?;
        let root = if overlay {
            RootFs::Overlay {
                lower: vec![root],
                upper: format!("{bundle}/upper").into(),
                work: format!("{bundle}/work").into(),
                userxattr: false,
                volatile: true,
            }
        } else {
            RootFs::Directory(root)
        };
        Ok(Self {
            bundle,
            root,
            options,
            streams,
            explain,
        })
    }
}

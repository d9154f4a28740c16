//! Executing the command: looking for it in the search path, and saying exactly why it cannot run.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use elf::ElfStream;
use elf::abi::{EM_386, EM_AARCH64, EM_ARM, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64, PT_INTERP};
use elf::endian::AnyEndian;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::execve;

use super::control::FailureKind;
use super::explain::Kernel;
use super::init::Stop;

/// What is executed.
#[derive(Debug)]
pub(super) struct Command<'a> {
    /// The command's name or path, and its arguments.
    pub args: &'a [String],
    /// `NAME=value` each.
    pub env: Vec<String>,
}

/// The command as the kernel takes it.
pub(super) struct Prepared {
    pub args: Vec<CString>,
    pub env: Vec<CString>,
    /// Where the command may lie, in the order of the search path.
    pub candidates: Vec<CString>,
}

/// Turns this process into the command. Returns only when that fails.
pub(super) fn replace(kernel: &mut Kernel<'_>, command: &Command<'_>) -> Stop {
    let prepared = match prepare(command) {
        Ok(prepared) => prepared,
        Err(stop) => return stop,
    };
    reset_signals();
    let result = first(&prepared, |path| -> Result<Infallible, Errno> {
        kernel.tell(
            "this process becomes the command; descriptors of ours are closed by the kernel",
            || {
                format!(
                    "execve({path:?}, {:?}, {} variables)",
                    command.args,
                    prepared.env.len()
                )
            },
        );
        execve(path, &prepared.args, &prepared.env)
    });
    match result {
        Ok(never) => match never {},
        Err((path, errno)) => explain(command, path.as_deref(), errno),
    }
}

/// Makes the command ready for the kernel.
pub(super) fn prepare(command: &Command<'_>) -> Result<Prepared, Stop> {
    let strings = |list: &[String]| {
        list.iter()
            .map(|text| CString::new(text.as_str()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| Stop::because(FailureKind::Runtime, format!("the command has a {e}")))
    };
    let Some(name) = command.args.first() else {
        return Err(Stop::because(FailureKind::Runtime, "there is no command"));
    };
    Ok(Prepared {
        args: strings(command.args)?,
        env: strings(&command.env)?,
        candidates: strings(&candidates(name, &command.env))?,
    })
}

/// Where a command may lie: a path is itself, a name is looked for in each part of `PATH`.
fn candidates(name: &str, env: &[String]) -> Vec<String> {
    if name.contains('/') {
        return vec![name.to_owned()];
    }
    let path = env.iter().find_map(|v| v.strip_prefix("PATH="));
    path.unwrap_or_default()
        .split(':')
        .map(|directory| match directory {
            // An empty part means the current directory, since the first shells.
            "" => format!("./{name}"),
            directory => format!("{}/{name}", directory.trim_end_matches('/')),
        })
        .collect()
}

/// Tries the candidates in order, as execvp(3) does: what is not there is passed over, and what
/// may not be executed is remembered in case nothing better follows.
pub(super) fn first<T>(
    prepared: &Prepared,
    mut attempt: impl FnMut(&CString) -> Result<T, Errno>,
) -> Result<T, (Option<String>, Errno)> {
    let mut refused = None;
    for path in &prepared.candidates {
        let text = || path.to_string_lossy().into_owned();
        if fs::symlink_metadata(text()).is_err() {
            continue;
        }
        match attempt(path) {
            Ok(done) => return Ok(done),
            Err(Errno::EACCES) => refused = refused.or(Some((Some(text()), Errno::EACCES))),
            Err(errno) => return Err((Some(text()), errno)),
        }
    }
    Err(refused.unwrap_or((None, Errno::ENOENT)))
}

/// Why the command does not run, and which exit code that means: decided by errno alone.
pub(super) fn explain(command: &Command<'_>, path: Option<&str>, errno: Errno) -> Stop {
    let name = command.args.first().map_or("", String::as_str);
    let (kind, reason) = match (path, errno) {
        (None, _) if name.contains('/') => (
            FailureKind::NotFound,
            "no such file in the image".to_owned(),
        ),
        (None, _) => {
            let path = command.env.iter().find_map(|v| v.strip_prefix("PATH="));
            let path = path.unwrap_or("empty");
            (
                FailureKind::NotFound,
                format!("executable file not found in $PATH, which is {path}"),
            )
        }
        (Some(path), Errno::ENOENT | Errno::ENOTDIR) => (
            FailureKind::NotFound,
            match interpreter(path) {
                Some(interpreter) => format!(
                    "{path} is there, but {interpreter}, which has to load it, is not in the image"
                ),
                None => format!("{path} is a link to something that is not in the image"),
            },
        ),
        (Some(path), Errno::EACCES) if fs::metadata(path).is_ok_and(|m| m.is_dir()) => {
            (FailureKind::NotExecutable, format!("{path} is a directory"))
        }
        (Some(path), Errno::EACCES) => (
            FailureKind::NotExecutable,
            format!(
                "permission denied; `chmod +x {path}` in the image makes it executable, if the user may read it"
            ),
        ),
        (Some(path), Errno::ENOEXEC) => (FailureKind::NotExecutable, not_for_us(path)),
        (Some(path), errno) => (
            FailureKind::NotExecutable,
            format!("execve({path:?}): {errno:?} ({})", errno.desc()),
        ),
    };
    Stop::because(kind, format!("exec: {name:?}: {reason}"))
}

/// What has to load the file: the interpreter of a script, the dynamic linker of a program.
fn interpreter(path: &str) -> Option<String> {
    let file = File::open(path).ok()?;
    let mut start = Vec::new();
    BufReader::new(&file)
        .take(256)
        .read_until(b'\n', &mut start)
        .ok()?;
    if let Some(line) = start.strip_prefix(b"#!") {
        let line = String::from_utf8_lossy(line);
        return line.split_whitespace().next().map(str::to_owned);
    }
    let mut program = ElfStream::<AnyEndian, _>::open_stream(File::open(path).ok()?).ok()?;
    let segment = *program.segments().iter().find(|s| s.p_type == PT_INTERP)?;
    let bytes = program.segment_data(&segment).ok()?;
    let text = String::from_utf8_lossy(bytes);
    Some(text.trim_end_matches('\0').to_owned())
}

/// Why the kernel does not know how to run the file.
fn not_for_us(path: &str) -> String {
    let machine = File::open(path)
        .ok()
        .and_then(|file| ElfStream::<AnyEndian, _>::open_stream(file).ok())
        .map(|program| program.ehdr.e_machine);
    match machine.map(|number| match number {
        EM_X86_64 => "amd64",
        EM_AARCH64 => "arm64",
        EM_386 => "386",
        EM_ARM => "arm",
        EM_RISCV => "riscv64",
        EM_S390 => "s390x",
        EM_PPC64 => "ppc64le",
        _ => "another processor",
    }) {
        Some(name) => format!("exec format error: {path} is a program for {name}"),
        None => format!(
            "exec format error: {path} is neither a program nor a script whose first line begins with #!"
        ),
    }
}

/// Gives the command the signals as a fresh process has them: none blocked, none ignored.
///
/// What is ignored stays ignored through execve: SIGPIPE, which every Rust program ignores, and
/// whatever the caller ignored (`nohup`, or a shell's background job). What is caught goes back to
/// the default. So everything that is ignored is caught for a moment, by a handler that does
/// nothing.
pub(super) fn reset_signals() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for signal in ignored(&status) {
        // The few that may not be caught cannot have been ignored with an effect either.
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    let none = SigSet::empty();
    // It fails only for an unknown way of changing the mask.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&none), None);
}

/// The numbers in the line `SigIgn:` of `/proc/self/status`, a mask in hexadecimal digits.
fn ignored(status: &str) -> impl Iterator<Item = i32> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .unwrap_or(0);
    (1..=64).filter(move |signal| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::FailureKind::{NotExecutable, NotFound};
    use super::*;

    #[test]
    fn where_a_command_may_lie() {
        let check = |name: &str, env: &[&str], expected: &[&str]| {
            let env: Vec<_> = env.iter().map(ToString::to_string).collect();
            assert_eq!(candidates(name, &env), expected);
        };
        check(
            "ls",
            &["A=b", "PATH=/bin:/usr/bin/"],
            &["/bin/ls", "/usr/bin/ls"],
        );
        check("ls", &["PATH=:/bin"], &["./ls", "/bin/ls"]);
        check("./ls", &["PATH=/bin"], &["./ls"]);
        check("ls", &[], &["./ls"]);
    }

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        let check = |line: &str, expected: &[i32]| {
            assert_eq!(ignored(line).collect::<Vec<_>>(), expected);
        };
        check("SigIgn:\t0000000000001000", &[13]);
        check("SigBlk:\t1\nSigIgn:\t8000000000000003", &[1, 2, 64]);
        check("", &[]);
    }

    /// Looks for a command without running it: `errno` is what the kernel says about each file.
    fn stop(dir: &std::path::Path, name: &str, errno: Errno) -> (FailureKind, String) {
        let args = [name.to_owned()];
        let command = Command {
            args: &args,
            env: vec![format!("PATH=/nowhere:{}", dir.display())],
        };
        let prepared = prepare(&command).unwrap();
        let (path, errno) = first(&prepared, |path| {
            let there = fs::symlink_metadata(path.to_str().unwrap()).is_ok();
            Err::<(), _>(if there { errno } else { Errno::ENOENT })
        })
        .unwrap_err();
        match explain(&command, path.as_deref(), errno) {
            Stop::Because(failure) => (failure.kind, failure.message),
            Stop::Refused(error) => panic!("{error}"),
        }
    }

    #[test]
    fn why_a_command_does_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8], mode: u32| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        file("closed", b"#!/bin/sh\n", 0o644);
        file("text", b"echo\n", 0o755);
        file("script", b"#!/bin/absent -x\n", 0o755);
        let mut foreign = fs::read("/proc/self/exe").unwrap();
        foreign[18..20].copy_from_slice(&EM_S390.to_le_bytes());
        file("foreign", &foreign, 0o755);
        fs::create_dir(dir.path().join("directory")).unwrap();
        symlink("/absent", dir.path().join("dangling")).unwrap();

        let check = |name: &str, errno, kind, part: &str| {
            let (got, message) = stop(dir.path(), name, errno);
            assert_eq!(got, kind, "{message}");
            assert!(message.contains(part), "{message}");
        };
        check(
            "absent",
            Errno::ENOENT,
            NotFound,
            "not found in $PATH, which is /nowhere:",
        );
        check(
            "/absent",
            Errno::ENOENT,
            NotFound,
            "no such file in the image",
        );
        check("dangling", Errno::ENOENT, NotFound, "a link to something");
        check(
            "script",
            Errno::ENOENT,
            NotFound,
            "/bin/absent, which has to load it",
        );
        check(
            "closed",
            Errno::EACCES,
            NotExecutable,
            "permission denied; `chmod +x",
        );
        check("directory", Errno::EACCES, NotExecutable, "is a directory");
        check(
            "text",
            Errno::ENOEXEC,
            NotExecutable,
            "neither a program nor a script",
        );
        check(
            "foreign",
            Errno::ENOEXEC,
            NotExecutable,
            "a program for s390x",
        );
        check("text", Errno::E2BIG, NotExecutable, "E2BIG");
    }
}

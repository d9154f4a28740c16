//! Re-execution: the stages of a container's start, each the same program called by another name.
//!
//! A process with threads may not enter a user namespace, and a forked copy of one may hardly do
//! anything. So nothing is forked here. `coracle run` executes itself as `coracle-enter`, which
//! makes the namespaces, and that executes itself as `coracle-init`, which is PID 1 inside.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};

use super::{enter, init, userns};

/// The name under which the program becomes the stage that makes the namespaces.
pub(super) const ENTER: &str = "coracle-enter";
/// The name under which the program becomes the container's first process.
pub(super) const INIT: &str = "coracle-init";
/// The name under which the program moves itself into a user namespace.
pub(super) const USERNS: &str = "coracle-userns";

/// The program that is running, whatever its file is called by now.
pub(super) const SELF: &str = "/proc/self/exe";

/// Runs the stage that the program was called for, and then never returns.
///
/// Call it first thing in `main`: a stage must be single-threaded, and holds nothing open but
/// what it was given.
pub fn dispatch() {
    match env::args_os().next().as_deref().and_then(OsStr::to_str) {
        Some(ENTER) => {
            start_clean();
            enter::main()
        }
        Some(INIT) => {
            start_clean();
            init::main()
        }
        Some(USERNS) => userns::main(),
        _ => {}
    }
}

/// A command that executes `program`, a copy of ourselves, as the stage `name`.
pub(super) fn command(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg0(name).env_clear();
    command
}

/// Gives up what comes with being somebody's child: open descriptors, file mode, blocked signals.
///
/// A descriptor of the host that leaks into a container is a way out of it: CVE-2024-21626 was
/// one that pointed at a directory. Nothing of ours is open yet, so all but the standard three go.
fn start_clean() {
    // Nothing is listed when /proc is missing, and then every later step fails by itself.
    let numbers: Vec<i32> = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            OsStr::from_bytes(entry.file_name().as_bytes())
                .to_str()?
                .parse()
                .ok()
        })
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // The directory that was just read is on the list and closed already.
        let _ = nix::unistd::close(number);
    }
    // The caller's mask would keep others from what a stage makes inside.
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    // An inherited mask would keep signals from the command, too.
    let _ = SigSet::empty().thread_set_mask();
}

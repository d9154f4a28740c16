//! The small init of `--init`: PID 1 that passes signals on and reaps orphans.
//!
//! A process whose parent ends becomes a child of PID 1, and stays in the process table until PID
//! 1 waits for it. Most programs never do. And to PID 1 the kernel delivers only the signals that
//! it has a handler for, so that a plain program there survives SIGTERM.

use std::process::exit;

use nix::errno::Errno;
use nix::libc;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::prctl::set_name;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::exec::{self, Command, Prepared};
use super::explain::Kernel;
use super::init::Stop;

/// Starts the command as a child and stays until it ends. Returns only when the start fails.
pub(super) fn run(kernel: &mut Kernel<'_>, command: &Command<'_>) -> Stop {
    match start(kernel, command) {
        Ok((child, signals)) => exit(watch(child, &signals)),
        Err(stop) => stop,
    }
}

fn start(kernel: &mut Kernel<'_>, command: &Command<'_>) -> Result<(Pid, SignalFd), Stop> {
    let prepared = exec::prepare(command)?;
    // What comes before the first read waits there: no signal is lost.
    let all = SigSet::all();
    let signals = kernel.ask(
        "every signal is read like a file, so that it can be passed on",
        || "signalfd(all signals)".to_owned(),
        || all.thread_block().and_then(|()| SignalFd::new(&all)),
    )?;
    // The name that `ps` shows; it is only for people.
    let _ = set_name(c"coracle-init");
    kernel.tell("the command is PID 2, a child of this init", || {
        format!("posix_spawn({:?})", command.args)
    });
    let child = exec::first(&prepared, |path| spawn(path, &prepared))
        .map_err(|(path, errno)| exec::explain(command, path.as_deref(), errno))?;
    Ok((child, signals))
}

/// The child gets the signals as a fresh process has them: none blocked, none ignored.
fn spawn(path: &std::ffi::CString, prepared: &Prepared) -> Result<Pid, Errno> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_sigdefault(&SigSet::all())?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
    )?;
    let actions = PosixSpawnFileActions::init()?;
    posix_spawn(
        path.as_c_str(),
        &actions,
        &attributes,
        &prepared.args,
        &prepared.env,
    )
}

/// Passes signals on and reaps until the child ends; then gives its exit code.
fn watch(child: Pid, signals: &SignalFd) -> i32 {
    loop {
        if let Some(code) = reap(child) {
            return code;
        }
        let Ok(Some(info)) = signals.read_signal() else {
            continue;
        };
        let number = i32::try_from(info.ssi_signo).unwrap_or(0);
        // The terminal sends its signals to the whole foreground group, the child included.
        let from_terminal = info.ssi_code == libc::SI_KERNEL;
        match Signal::try_from(number) {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            Ok(_) if from_terminal => {}
            Ok(signal) => {
                // It may just have ended; the next round sees that.
                let _ = kill(child, signal);
            }
        }
    }
}

/// Waits for every child that has ended. `Some` is the exit code, once `child` is among them.
fn reap(child: Pid) -> Option<i32> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => code = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                code = Some(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return code,
            Ok(_) | Err(_) => {}
        }
    }
}

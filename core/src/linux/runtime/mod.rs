//! Running a container: from a specification and a root file system to an exit code.

mod attend;
mod input;
mod output;

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use self::attend::{attend, start};
use super::control::{Failure, FailureKind};
use super::signals::Signals;
use super::snapshot::RootFs;
use super::sys::SysError;
use super::terminal;
use crate::event::Event;
use crate::spec::runtime::Spec;

/// A container that shall run.
#[derive(Debug)]
pub struct Request {
    /// The container's directory, as `runtime::bundle::write` makes it.
    pub bundle: PathBuf,
    /// What the root file system is made of.
    pub root: RootFs,
    /// What runs in it and how it is confined.
    pub spec: Spec,
    /// PID 1 is a small init that passes signals on and reaps orphans.
    pub init: bool,
    /// Where the command's standard streams lead.
    pub streams: Streams,
    /// Whether every request to the kernel is reported as an event.
    pub explain: bool,
}

/// Where a command's standard streams lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// To the caller's own; where one is a terminal, it goes through a pipe, as in Docker.
    Inherit {
        /// Whether the command reads the caller's standard input; otherwise there is none.
        input: bool,
    },
    /// Output becomes events of the kind [`Event::Output`]; there is no input.
    Capture,
    /// To a terminal of the container's own, connected with the caller's. The specification's
    /// `process.terminal` must say so, too.
    Terminal {
        /// Whether what is typed goes in.
        input: bool,
    },
}

/// How a container's command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code, 0 to 255.
    Code(u8),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// The exit code by which a shell or Docker tells the end: 128 and the signal's number when a
    /// signal ended it.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

/// Why a container's command did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The command is not in the image.
    #[error("{message}")]
    NotFound {
        /// What was looked for, and where.
        message: String,
    },
    /// The command is there but cannot be executed.
    #[error("{message}")]
    NotExecutable {
        /// Which file, and why not.
        message: String,
    },
    /// A stage inside the container failed.
    #[error("start the container: {message}")]
    Stage {
        /// The step and the refused call.
        message: String,
    },
    /// The container's keeper ended without a word.
    #[error("the process that held the container ended unexpectedly: {how}")]
    Lost {
        /// How it ended.
        how: String,
    },
    /// A signal asked for the end of a container whose output becomes events.
    #[error("interrupted by {signal}")]
    Interrupted {
        /// Which one.
        signal: Signal,
    },
    /// Somebody asked for the end by other means than a signal.
    #[error("stopped")]
    Stopped,
    /// There is no terminal to connect with.
    #[error("the input device is not a TTY")]
    NotATerminal,
    /// The system refused something outside the container.
    #[error(transparent)]
    System(#[from] SysError),
}

impl RunError {
    /// The exit code that stands for it, as in Docker: 127 not found, 126 not executable, 1 no
    /// terminal, 128 and the signal's number when interrupted, 125 everything else that is not
    /// the command's doing.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted { signal } => Exit::Signal(*signal as i32).code(),
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::NotATerminal => 1,
            _ => 125,
        }
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        let message = failure.message;
        match failure.kind {
            FailureKind::NotFound => Self::NotFound { message },
            FailureKind::NotExecutable => Self::NotExecutable { message },
            FailureKind::Runtime => Self::Stage { message },
        }
    }
}

/// Runs a container to its end.
///
/// It lives in its own namespaces; when this returns, its processes, mounts and namespaces are
/// gone. While it runs, signals that this thread would receive are passed on to it, and should
/// this process die, the kernel ends the container. With [`Streams::Capture`] nobody talks to the
/// command: there, a signal that asks for the end is not left to it, but ends the container.
///
/// The caller is root, or has moved into a user namespace with [`super::userns::reenter`], and
/// has called [`super::dispatch`] first thing in `main`.
pub fn run(request: &Request, on: &mut dyn FnMut(Event)) -> Result<Exit, RunError> {
    run_until(request, None, on)
}

/// As [`run`], but ends the container when something can be read from `stop`, or when its last
/// writer is gone.
pub fn run_until(
    request: &Request,
    stop: Option<BorrowedFd<'_>>,
    on: &mut dyn FnMut(Event),
) -> Result<Exit, RunError> {
    if request.streams == (Streams::Terminal { input: true }) && !terminal::input_is_terminal() {
        return Err(RunError::NotATerminal);
    }
    let signals = Signals::catch()?;
    let mut container = start(request)?;
    let result = attend(request, &mut container, &signals, stop, on);
    if result.is_err() {
        // The kernel ends everything inside with it.
        let _ = container.keeper.kill();
    }
    let status = container
        .keeper
        .wait()
        .map_err(|e| SysError::from_io("wait4(keeper)", &e))?;
    if result.is_err() {
        container.wait_for_the_end();
    }
    result?.ok_or_else(|| RunError::Lost {
        how: status.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_a_code() {
        let check = |exit: Exit, code| assert_eq!(exit.code(), code);
        check(Exit::Code(0), 0);
        check(Exit::Code(255), 255);
        check(Exit::Signal(9), 137);
        check(Exit::Signal(64), 192);
    }
}

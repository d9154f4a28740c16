//! Signals for somebody else: what the waiting process receives goes on to the one that works.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::sys::SysError;

/// What people and service managers send to a program that runs in the foreground.
const PASSED_ON: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::SIGWINCH,
];

/// As long as this lives, signals do not interrupt the calling thread; they are read here.
#[derive(Debug)]
pub(super) struct Signals {
    descriptor: SignalFd,
    /// The mask to put back.
    before: SigSet,
}

/// A signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    pub signal: Signal,
    /// Whether the terminal sent it, and so has sent it to the whole foreground group.
    pub from_terminal: bool,
}

impl Signals {
    /// Starts to catch what is passed on, and the end of children.
    pub(super) fn catch() -> Result<Self, SysError> {
        let mut set: SigSet = PASSED_ON.into_iter().collect();
        set.add(Signal::SIGCHLD);
        let refused = |errno: Errno| SysError::new("signalfd()", errno);
        let before = set
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .map_err(refused)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let descriptor = SignalFd::with_flags(&set, flags).map_err(refused)?;
        Ok(Self { descriptor, before })
    }

    /// The next signal that has arrived already.
    pub(super) fn next(&self) -> Option<Arrived> {
        let info = self.descriptor.read_signal().ok().flatten()?;
        let number = i32::try_from(info.ssi_signo).ok()?;
        Some(Arrived {
            signal: Signal::try_from(number).ok()?,
            from_terminal: info.ssi_code == libc::SI_KERNEL,
        })
    }
}

/// Whether a signal asks a program to end.
pub(super) fn asks_for_the_end(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::SIGHUP | Signal::SIGINT | Signal::SIGQUIT | Signal::SIGTERM
    )
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // It fails only for an unknown way of changing the mask.
        let _ = self.before.thread_set_mask();
    }
}

//! Ending steps that run: for a build that has failed elsewhere, or that a signal ends.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::sys::signal::{SigSet, Signal, raise};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::signals::{Signals, asks_for_the_end};
use super::sys::SysError;
use crate::build::executor::ExecutorError;

/// What every step that runs watches: a pipe whose writer goes when all shall end.
#[derive(Debug)]
pub struct Stop {
    watched: PipeReader,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Gone once everything shall end.
    writer: Option<PipeWriter>,
    /// The signal that asked for it, if one did.
    signal: Option<Signal>,
    /// How many steps have a container, and must be let end.
    running: usize,
}

/// How long work may take to notice that it shall end, at least, before it is ended.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 300_000_000,
};

impl Stop {
    /// Nothing is stopped yet.
    pub fn new() -> io::Result<Self> {
        let (watched, writer) = io::pipe()?;
        let writer = Some(writer);
        let state = State {
            writer,
            signal: None,
            running: 0,
        };
        Ok(Self {
            watched,
            state: Mutex::new(state),
        })
    }

    /// Says that something runs that has to be cleared away, until the guard is dropped: as long
    /// as one lives, no signal ends this process.
    pub(super) fn running(&self) -> Running<'_> {
        self.state().running += 1;
        Running { stop: self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what runs. The first reason counts.
    pub(super) fn stop(&self, signal: Option<Signal>) {
        let mut state = self.state();
        if state.writer.take().is_some() {
            state.signal = signal;
        }
    }

    /// What becomes readable at the end.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state().writer.is_none()
    }

    /// The error of a step that was ended.
    pub(super) fn why(&self) -> ExecutorError {
        let signal = self.state().signal;
        match signal {
            Some(signal) => ExecutorError::Interrupted {
                signal: signal as i32,
                name: signal.as_str(),
            },
            None => ExecutorError::Stopped,
        }
    }

    /// Does `work` with the signals blocked in this thread and those that it starts, while
    /// another thread waits for them. Steps that run are ended by a signal and cleared away;
    /// what else there is, such as the copying of a large file, is ended by the signal itself, as
    /// if nobody had minded it.
    pub(super) fn mind_signals<T>(&self, work: impl FnOnce() -> T) -> Result<T, SysError> {
        let refused = |e: io::Error| SysError::from_io("pipe()", &e);
        let signals = Signals::catch()?;
        let (ended, end) = io::pipe().map_err(refused)?;
        Ok(thread::scope(|scope| {
            scope.spawn(|| self.watch(&signals, &ended));
            let result = work();
            drop(end);
            result
        }))
    }

    fn watch(&self, signals: &Signals, ended: &PipeReader) {
        let mut asked = None;
        let mut idle = false;
        loop {
            let mut waiting = [
                PollFd::new(signals, PollFlags::IN),
                PollFd::new(ended, PollFlags::IN),
            ];
            let count = match poll(&mut waiting, asked.map(|_| &PATIENCE)) {
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            };
            if !waiting[1].revents().is_empty() {
                return;
            }
            // Who has just cleared away what ran is given time to say so.
            let was_idle = idle;
            idle = count == 0 && self.state().running == 0;
            if let Some(signal) = asked.filter(|_| idle && was_idle) {
                // Somebody may ignore it; then the next step notices that it shall not begin.
                let _ = SigSet::from(signal).thread_unblock();
                let _ = raise(signal);
            }
            while let Some(arrived) = signals.next() {
                if asks_for_the_end(arrived.signal) {
                    self.stop(Some(arrived.signal));
                    asked = Some(arrived.signal);
                }
            }
        }
    }
}

/// Something that runs and has to be cleared away.
#[derive(Debug)]
pub(super) struct Running<'a> {
    stop: &'a Stop,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.stop.state().running -= 1;
    }
}

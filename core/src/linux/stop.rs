//! Ending steps that run: for a build that has failed elsewhere, or that a signal ends.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::thread;

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};

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
}

impl Stop {
    /// Nothing is stopped yet.
    pub fn new() -> io::Result<Self> {
        let (watched, writer) = io::pipe()?;
        let writer = Some(writer);
        let signal = None;
        Ok(Self {
            watched,
            state: Mutex::new(State { writer, signal }),
        })
    }

    /// Ends what runs. The first reason counts.
    pub(super) fn stop(&self, signal: Option<Signal>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.writer.take().is_some() {
            state.signal = signal;
        }
    }

    /// What becomes readable at the end.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }

    pub(super) fn is_stopped(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.writer.is_none()
    }

    /// The error of a step that was ended.
    pub(super) fn why(&self) -> ExecutorError {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.signal {
            Some(signal) => ExecutorError::Interrupted {
                signal: signal as i32,
                name: signal.as_str(),
            },
            None => ExecutorError::Stopped,
        }
    }

    /// Does `work` with the signals blocked in this thread and those that it starts, while
    /// another thread waits for them.
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
        loop {
            let mut waiting = [
                PollFd::new(signals, PollFlags::IN),
                PollFd::new(ended, PollFlags::IN),
            ];
            match poll(&mut waiting, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            }
            if !waiting[1].revents().is_empty() {
                return;
            }
            while let Some(arrived) = signals.next() {
                if asks_for_the_end(arrived.signal) {
                    self.stop(Some(arrived.signal));
                }
            }
        }
    }
}

//! What a person types on its way to a command that has no terminal of its own.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::{Errno, ioctl_fionbio};

/// The person's terminal, read here and passed on through a pipe. The terminal itself is not
/// handed in: whoever holds it can write to it and change its settings.
pub(super) struct Input {
    /// `None` once everything was passed on, or nobody reads any more.
    pipe: Option<PipeWriter>,
    /// What was typed and not taken yet. Nothing more is read before it is.
    typed: Vec<u8>,
    /// Whether the person has not ended the input with Ctrl-D.
    open: bool,
}

impl Input {
    /// A new way in, and the end that the command reads from.
    pub(super) fn new() -> io::Result<(Self, PipeReader)> {
        let (inside, pipe) = io::pipe()?;
        // A command that does not read must not make this process wait.
        ioctl_fionbio(&pipe, true)?;
        let input = Self {
            pipe: Some(pipe),
            typed: Vec::new(),
            open: true,
        };
        Ok((input, inside))
    }

    /// Whether more could be taken.
    pub(super) fn wants_more(&self) -> bool {
        self.pipe.is_some() && self.open && self.typed.is_empty()
    }

    /// The pipe, when something waits to be written to it.
    pub(super) fn full(&self) -> Option<BorrowedFd<'_>> {
        let pipe = self.pipe.as_ref().filter(|_| !self.typed.is_empty());
        pipe.map(AsFd::as_fd)
    }

    /// Takes what was typed.
    pub(super) fn read(&mut self, from: impl AsFd) {
        let mut bytes = [0; 4096];
        match rustix::io::read(from, &mut bytes) {
            Ok(count) if count > 0 => self.typed.extend_from_slice(&bytes[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            _ => self.open = false,
        }
        self.pass_on();
    }

    /// Passes on what can be passed on without waiting.
    pub(super) fn pass_on(&mut self) {
        if let Some(pipe) = &self.pipe {
            match rustix::io::write(pipe, &self.typed) {
                Ok(count) => drop(self.typed.drain(..count)),
                Err(Errno::INTR | Errno::AGAIN) => {}
                // Nobody reads any more; the command goes on all the same.
                Err(_) => self.pipe = None,
            }
        }
        if !self.open && self.typed.is_empty() {
            self.pipe = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn it_passes_on_everything_and_then_the_end() {
        let (mut input, mut inside) = Input::new().unwrap();
        let (person, mut hand) = io::pipe().unwrap();
        hand.write_all(b"hello\n").unwrap();
        input.read(&person);
        let mut bytes = [0; 6];
        inside.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello\n");
        assert!(input.wants_more());
        drop(hand);
        input.read(&person);
        assert!(!input.wants_more());
        assert_eq!(inside.read(&mut bytes).unwrap(), 0);
    }

    #[test]
    fn it_waits_for_nobody() {
        let (mut input, mut inside) = Input::new().unwrap();
        let (person, mut hand) = io::pipe().unwrap();
        // A pipe takes 64 KiB, and then the rest stays here until somebody reads.
        while input.wants_more() {
            hand.write_all(&[b'x'; 4096]).unwrap();
            input.read(&person);
        }
        assert!(input.full().is_some());
        inside.read_exact(&mut [0; 8192]).unwrap();
        input.pass_on();
        assert!(input.wants_more());
        drop(inside);
        hand.write_all(b"x").unwrap();
        input.read(&person);
        assert!(!input.wants_more() && input.full().is_none());
    }
}

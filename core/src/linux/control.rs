//! The line between the process that asked for a container and the stages inside it.
//!
//! One pair of sockets. Down it goes the job, up it come the messages: what the kernel is asked
//! for, the handle of the container's first process, its terminal, how it ended. Each message is
//! one line of JSON; a descriptor may travel with it.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::Explanation;

/// What the stages tell the process that asked for the container.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Message {
    /// The kernel is about to be asked for something.
    Explain(Explanation),
    /// Something that a person should know although the container goes on.
    Warning {
        /// One sentence with its remedy.
        message: String,
    },
    /// The container's first process exists and waits for its job. Its pidfd travels along.
    Born {
        /// Its number, as the host sees it.
        pid: u32,
    },
    /// The container has a terminal. Its other end travels along.
    Terminal,
    /// A stage failed before the command could start.
    Failed(Failure),
    /// The container's first process ended.
    Ended {
        /// Its exit code, when it exited.
        code: i32,
        /// The signal that ended it, when one did.
        signal: Option<i32>,
    },
}

/// Why the command did not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// Whose fault it is, which decides the exit code.
    pub kind: FailureKind,
    /// What happened, in one sentence.
    pub message: String,
}

/// Whose fault it is that the command did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FailureKind {
    /// Ours, or the kernel's: exit code 125.
    Runtime,
    /// The command is there but cannot be executed: exit code 126.
    NotExecutable,
    /// The command is not there: exit code 127.
    NotFound,
}

/// One end of the line.
#[derive(Debug)]
pub(super) struct Control {
    socket: UnixStream,
    /// Bytes that came after the last whole line.
    pending: Vec<u8>,
    /// Descriptors that came and were not taken yet, oldest first.
    descriptors: VecDeque<OwnedFd>,
}

/// A line longer than this, in bytes, is no message of ours.
const LONGEST_LINE: usize = 64 << 20;

impl Control {
    /// A new line: the end that stays, and the end for the stage.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (here, there) = UnixStream::pair()?;
        Ok((Self::new(here), there.into()))
    }

    /// The end that a stage was started with. It comes as standard input, the one way in which
    /// the standard library hands a descriptor to a child without other children seeing it.
    pub(super) fn of_this_stage() -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self::new(socket.into()))
    }

    fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            pending: Vec::new(),
            descriptors: VecDeque::new(),
        }
    }

    /// A second handle of this end, for a child's standard input.
    pub(super) fn for_child(&self) -> io::Result<OwnedFd> {
        Ok(self.socket.try_clone()?.into())
    }

    /// Sends a message.
    pub(super) fn send(&self, message: &impl Serialize) -> io::Result<()> {
        self.send_line(message, &[])
    }

    /// Sends a message with a descriptor.
    pub(super) fn send_with(
        &self,
        message: &impl Serialize,
        descriptor: BorrowedFd<'_>,
    ) -> io::Result<()> {
        self.send_line(message, &[descriptor])
    }

    fn send_line(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rest = &line[..];
        let mut descriptors = descriptors;
        while !rest.is_empty() {
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            let sent = sendmsg(
                &self.socket,
                &[IoSlice::new(rest)],
                &mut ancillary,
                SendFlags::NOSIGNAL,
            )?;
            rest = &rest[sent..];
            // They travel with the first byte, once.
            descriptors = &[];
        }
        Ok(())
    }

    /// Waits for the next message. `None` means that the other end is closed.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(Some(message));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// The next message of those that have come already.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some(end) = self.pending.iter().position(|b| *b == b'\n') else {
            return Ok(None);
        };
        let message = serde_json::from_slice(&self.pending[..end])?;
        self.pending.drain(..=end);
        Ok(Some(message))
    }

    /// Reads what has come, waiting for at least one byte. `false` means that the other end is
    /// closed.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 16 << 10];
        let received = loop {
            let slices = &mut [IoSliceMut::new(&mut bytes)];
            // A received descriptor must not outlive the next exec.
            match recvmsg(
                &self.socket,
                slices,
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                Err(rustix::io::Errno::INTR) => {}
                // The other end died with something of ours unread: closed all the same.
                Err(rustix::io::Errno::CONNRESET) => return Ok(false),
                other => break other?.bytes,
            }
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        self.pending.extend_from_slice(&bytes[..received]);
        if self.pending.len() > LONGEST_LINE {
            return Err(io::Error::other("a message has no end"));
        }
        Ok(received > 0)
    }

    /// Whether the other end is gone.
    pub(super) fn is_closed(&self) -> bool {
        let mut fds = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        let now = Timespec::default();
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// The oldest descriptor that came with a message.
    pub(super) fn descriptor(&mut self) -> io::Result<OwnedFd> {
        self.descriptors
            .pop_front()
            .ok_or_else(|| io::Error::other("a message came without its descriptor"))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::thread;

    use super::*;

    #[test]
    fn messages_and_descriptors_arrive_in_order() {
        let (here, there) = Control::pair().unwrap();
        let mut there = Control::new(there.into());
        let (reader, writer) = io::pipe().unwrap();
        here.send(&Message::Warning {
            message: "one\ntwo".into(),
        })
        .unwrap();
        here.send_with(&Message::Born { pid: 7 }, reader.as_fd())
            .unwrap();
        drop((here, reader, writer));
        let Some(Message::Warning { message }) = there.receive().unwrap() else {
            panic!("no warning");
        };
        assert_eq!(message, "one\ntwo");
        assert!(matches!(
            there.receive().unwrap(),
            Some(Message::Born { pid: 7 })
        ));
        let mut received = std::fs::File::from(there.descriptor().unwrap());
        assert_eq!(received.read(&mut [0]).unwrap(), 0);
        assert!(there.descriptor().is_err());
        assert!(there.receive::<Message>().unwrap().is_none());
    }

    #[test]
    fn a_message_larger_than_the_socket_holds_arrives_whole() {
        let (here, there) = Control::pair().unwrap();
        let mut there = Control::new(there.into());
        let long = "x".repeat(3 << 20);
        let sent = long.clone();
        let sender = thread::spawn(move || here.send(&sent).unwrap());
        assert_eq!(there.receive::<String>().unwrap().unwrap(), long);
        sender.join().unwrap();
    }
}

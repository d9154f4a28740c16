//! An SSH agent for a build step: a socket of the step's own that leads to the person's.
//!
//! The person's socket is not handed in: whoever is not root inside could not open it, and its
//! owner must not be changed.

use std::fs::{self, File, Permissions};
use std::io::{self, PipeReader, PipeWriter};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::event::{PollFd, PollFlags, poll};

/// A socket that is served as long as this lives.
#[derive(Debug)]
pub(super) struct Agent {
    /// Closed at the end.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// Serves a socket named `name` in `directory` with what the agent at `socket` answers.
    pub(super) fn serve(
        directory: &Path,
        name: &str,
        socket: &str,
        (mode, uid, gid): (u32, u32, u32),
    ) -> io::Result<Self> {
        // A socket's path has at most 108 bytes, which the way through a descriptor never needs.
        let opened = File::open(directory)?;
        let short = PathBuf::from(format!("/proc/self/fd/{}/{name}", opened.as_raw_fd()));
        let listener = UnixListener::bind(&short)?;
        let place = directory.join(name);
        fs::set_permissions(&place, Permissions::from_mode(mode))?;
        chown(&place, Some(uid), Some(gid))?;
        let (stopped, stop) = io::pipe()?;
        let socket = PathBuf::from(socket);
        // Signals are for the thread that attends to the step.
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let thread = thread::spawn(move || accept(&listener, &stopped, &socket));
        before.thread_set_mask()?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.stop.take());
        // The thread only passes bytes on; if it died there is nothing left to do for it.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Takes connections until the end.
fn accept(listener: &UnixListener, stopped: &PipeReader, socket: &Path) {
    loop {
        let mut waiting = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(stopped, PollFlags::IN),
        ];
        match poll(&mut waiting, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        if !waiting[1].revents().is_empty() {
            return;
        }
        // A connection that fails is closed, which is what whoever made it sees.
        if let Ok((inside, _)) = listener.accept()
            && let Ok(outside) = UnixStream::connect(socket)
        {
            join(&inside, &outside);
        }
    }
}

/// Lets two threads pass on what each side says, until both have ended. They end with the step,
/// because all of its processes do.
fn join(inside: &UnixStream, outside: &UnixStream) {
    for (from, to) in [(inside, outside), (outside, inside)] {
        if let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) {
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn both_sides_hear_each_other_and_the_socket_ends_with_the_step() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().join("real");
        let listener = UnixListener::bind(&real).unwrap();
        let echo = thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut said = Vec::new();
                stream.read_to_end(&mut said).unwrap();
                said.reverse();
                stream.write_all(&said).unwrap();
            }
        });
        // A path that is too long for a socket.
        let deep = place.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        let owner = (0o600, uid.as_raw(), gid.as_raw());
        let agent = Agent::serve(&deep, "own", real.to_str().unwrap(), owner).unwrap();
        let opened = File::open(&deep).unwrap();
        let own = format!("/proc/self/fd/{}/own", opened.as_raw_fd());
        for word in ["abc", "de"] {
            let mut stream = UnixStream::connect(&own).unwrap();
            stream.write_all(word.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, word.chars().rev().collect::<String>());
        }
        echo.join().unwrap();
        let mode = fs::metadata(deep.join("own")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(agent);
        assert!(UnixStream::connect(&own).is_err());
    }
}

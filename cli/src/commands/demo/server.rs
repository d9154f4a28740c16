//! A container that serves a page, asked from outside.

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::failure::Failure;

/// A container that serves a page in the background; it ends with this value.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// What it says on standard error.
    log: PathBuf,
}

impl Server {
    /// Watches over a server that was started.
    pub(super) fn new(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

    /// Asks for the page until it comes; returns the status line and the content.
    pub(super) fn ask(&mut self, port: u16) -> Result<String, Failure> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let started = Instant::now();
        loop {
            let error = match ask_once(port) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let ended = self
                .child
                .try_wait()
                .map_err(|e| Failure::io("wait for the server", &e))?;
            if let Some(status) = ended {
                return Err(
                    Failure::new(format!("the server ended before it answered: {status}"))
                        .hint(self.log().trim_end()),
                );
            }
            if started.elapsed() > PATIENCE {
                return Err(Failure::io(
                    format!("ask 127.0.0.1:{port} for the page"),
                    &error,
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has said on standard error.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends SIGTERM and returns the exit code.
    pub(super) fn end(mut self) -> Result<i32, Failure> {
        let pid = i32::try_from(self.child.id()).unwrap_or_default();
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
        let status = self
            .child
            .wait()
            .map_err(|e| Failure::io("wait for the server", &e))?;
        Ok(code(status))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong before.
        if matches!(self.child.try_wait(), Ok(None)) {
            let pid = i32::try_from(self.child.id()).unwrap_or_default();
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    let by_signal = status.signal().map(|signal| 128 + signal);
    status.code().or(by_signal).unwrap_or_default()
}

/// A request by HTTP/1.0: the server closes the connection when the page has ended.
fn ask_once(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| {
        io::Error::new(ErrorKind::UnexpectedEof, "the answer has no end of header")
    })?;
    let status = head.lines().next().unwrap_or_default();
    Ok(format!("{status}\n{body}"))
}

//! Where a command reads from and writes to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::files::Errno;
use super::run::{Runner, Stop};
use super::syntax::{Redirect, To};
use crate::path::RootedPath;
use crate::tree::Kind;

/// The open files of a command.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    /// What can be read, and how far it has been. Whoever reads, moves it for all.
    pub(super) input: Rc<RefCell<(Vec<u8>, usize)>>,
    sinks: BTreeMap<u8, Sink>,
}

/// Where bytes go.
#[derive(Debug, Clone)]
pub(super) enum Sink {
    /// Out of the shell, as standard output or standard error.
    Outside(u8),
    /// To whoever put this here: the next command of a pipeline, `$( … )`.
    Kept(Rc<RefCell<Vec<u8>>>),
    /// To the end of a file.
    File(RootedPath),
    /// Nowhere.
    Null,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self {
            input: input(Vec::new()),
            sinks: BTreeMap::from([(1, Sink::Outside(1)), (2, Sink::Outside(2))]),
        }
    }

    /// Sends what is written to `fd` elsewhere.
    pub(super) fn set(&mut self, fd: u8, sink: Sink) {
        self.sinks.insert(fd, sink);
    }
}

/// Bytes to be read.
pub(super) fn input(bytes: Vec<u8>) -> Rc<RefCell<(Vec<u8>, usize)>> {
    Rc::new(RefCell::new((bytes, 0)))
}

/// All that a script may write, in bytes, so that no loop fills the memory.
const MOST_WRITTEN: usize = 256 << 20;

impl Runner<'_, '_> {
    /// Writes to standard output.
    pub(super) fn out(&mut self, bytes: impl AsRef<[u8]>) {
        self.write_to(1, bytes.as_ref());
    }

    /// Writes a line to standard error.
    pub(super) fn err(&mut self, line: impl std::fmt::Display) {
        self.write_to(2, format!("{line}\n").as_bytes());
    }

    /// Writes to a descriptor. What goes to the same place is put together until somebody could
    /// see the difference.
    pub(super) fn write_to(&mut self, fd: u8, bytes: &[u8]) {
        let Some(sink) = self.streams.sinks.get(&fd).cloned() else {
            return;
        };
        self.written += bytes.len();
        if self.written > MOST_WRITTEN {
            return;
        }
        match &sink {
            Sink::Kept(buffer) => {
                buffer.borrow_mut().extend_from_slice(bytes);
                return;
            }
            Sink::Null => return,
            _ => {}
        }
        let same = match (&self.pending.0, &sink) {
            (Sink::Outside(a), Sink::Outside(b)) => a == b,
            (Sink::File(a), Sink::File(b)) => a == b,
            _ => false,
        };
        if !same {
            self.flush();
            self.pending.0 = sink;
        }
        self.pending.1.extend_from_slice(bytes);
    }

    /// Lets everything that was written arrive.
    pub(super) fn flush(&mut self) {
        let sink = std::mem::replace(&mut self.pending.0, Sink::Null);
        let bytes = std::mem::take(&mut self.pending.1);
        if bytes.is_empty() {
            return;
        }
        match sink {
            Sink::Outside(stream) => (self.outside)(stream, &String::from_utf8_lossy(&bytes)),
            Sink::File(at) => {
                let there = self.shell.tree.get(&at).map(|node| node.kind.clone());
                if let Some(Kind::File(content)) = there {
                    let mut whole = content.read().unwrap_or_default();
                    whole.extend_from_slice(&bytes);
                    self.shell.put(&at, whole);
                }
            }
            Sink::Kept(_) | Sink::Null => {}
        }
    }

    /// Whether the script has written more than any honest one.
    pub(super) fn has_written_too_much(&self) -> bool {
        self.written > MOST_WRITTEN
    }

    /// All that is left to be read.
    pub(super) fn take_input(&mut self) -> Vec<u8> {
        let mut input = self.streams.input.borrow_mut();
        let (bytes, at) = &mut *input;
        let rest = bytes[*at..].to_vec();
        *at = bytes.len();
        rest
    }

    /// The next line without its end; `None` after the last one.
    pub(super) fn take_line(&mut self) -> Option<Vec<u8>> {
        let mut input = self.streams.input.borrow_mut();
        let (bytes, at) = &mut *input;
        let rest = &bytes[*at..];
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|b| *b == b'\n');
        let line = rest[..end.unwrap_or(rest.len())].to_vec();
        *at += end.map_or(rest.len(), |end| end + 1);
        Some(line)
    }

    /// Runs `then` with redirections, and without them again afterwards. `None` when one of them
    /// is not possible, which has been said.
    pub(super) fn redirected<T>(
        &mut self,
        redirects: &[Redirect],
        then: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<Option<T>, Stop> {
        if redirects.is_empty() {
            return then(self).map(Some);
        }
        let before = self.streams.clone();
        for redirect in redirects {
            if let Err((text, errno)) = self.redirect(redirect)? {
                let reading = matches!(redirect.to, To::Read(_));
                self.streams = before;
                self.cannot_open(&text, errno, reading);
                return Ok(None);
            }
        }
        let result = then(self);
        self.flush();
        self.streams = before;
        result.map(Some)
    }

    fn redirect(&mut self, redirect: &Redirect) -> Result<Result<(), (String, Errno)>, Stop> {
        let fd = redirect.fd;
        match &redirect.to {
            To::Text(word) => {
                let text = self.single(word)?;
                self.streams.input = input(text.into_bytes());
            }
            To::Same(None) => self.streams.set(fd, Sink::Null),
            To::Same(Some(other)) => {
                if let Some(sink) = self.streams.sinks.get(other).cloned() {
                    self.streams.set(fd, sink);
                } else if !(fd == 0 && *other == 0) {
                    return Ok(Err((other.to_string(), Errno::Invalid)));
                }
            }
            To::Read(word) => {
                let path = self.single(word)?;
                match self.contents(&path)? {
                    Ok(bytes) => self.streams.input = input(bytes),
                    Err(errno) => return Ok(Err((path, errno))),
                }
            }
            To::Write(word) | To::Append(word) | To::Both { file: word, .. } => {
                let path = self.single(word)?;
                let append = matches!(redirect.to, To::Append(_) | To::Both { append: true, .. });
                let sink = match self.sink(&path, append)? {
                    Ok(sink) => sink,
                    Err(errno) => return Ok(Err((path, errno))),
                };
                if matches!(redirect.to, To::Both { .. }) {
                    self.streams.set(1, sink.clone());
                    self.streams.set(2, sink);
                } else {
                    self.streams.set(fd, sink);
                }
            }
        }
        Ok(Ok(()))
    }

    /// Opens a path for writing.
    pub(super) fn sink(&mut self, path: &str, append: bool) -> Result<Result<Sink, Errno>, Stop> {
        self.flush();
        Ok(match self.device(path)? {
            Some("null" | "full" | "zero") => Ok(Sink::Null),
            Some("stdout") => Ok(self.streams.sinks.get(&1).cloned().unwrap_or(Sink::Null)),
            Some("stderr" | "tty") => Ok(self.streams.sinks.get(&2).cloned().unwrap_or(Sink::Null)),
            _ => self.shell.open(path, !append, 0o666).map(Sink::File),
        })
    }

    /// What can be read at a path.
    pub(super) fn contents(&mut self, path: &str) -> Result<Result<Vec<u8>, Errno>, Stop> {
        self.flush();
        Ok(match self.device(path)? {
            Some("null" | "tty") => Ok(Vec::new()),
            Some("stdin") => Ok(self.take_input()),
            _ => self.shell.read(path),
        })
    }

    /// The name of a device of `/dev` that is there in every container. What only a kernel can
    /// tell is refused.
    pub(super) fn device<'p>(&self, path: &'p str) -> Result<Option<&'p str>, Stop> {
        for kernel in ["/proc/", "/sys/"] {
            if path.starts_with(kernel) {
                return Err(Stop::refuse(format!(
                    "{path}: there is no kernel behind it that could tell"
                )));
            }
        }
        let name = path.strip_prefix("/dev/");
        if let Some(name @ ("urandom" | "random" | "zero" | "full")) = name
            && self
                .shell
                .tree
                .get(&RootedPath::root().resolve(path))
                .is_none()
        {
            return Err(Stop::refuse(format!("/dev/{name}, which never ends")));
        }
        Ok(name.filter(|name| matches!(*name, "null" | "stdout" | "stderr" | "stdin" | "tty")))
    }
}

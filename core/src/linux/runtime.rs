//! Running a container: from a specification and a root file system to an exit code.

use std::fs::File;
use std::io::{self, IsTerminal, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::pidfd_send_signal;

use super::control::{Control, Failure, FailureKind, Message};
use super::signals::Signals;
use super::snapshot::RootFs;
use super::sys::SysError;
use super::terminal::{self, Connection};
use super::{enter, init, stage};
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
    /// To the caller's own; where that is a terminal, output goes through a pipe, as in Docker.
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
    /// There is no terminal to connect with.
    #[error("the input device is not a TTY")]
    NotATerminal,
    /// The system refused something outside the container.
    #[error(transparent)]
    System(#[from] SysError),
}

impl RunError {
    /// The exit code that stands for it, as in Docker: 127 not found, 126 not executable, 1 no
    /// terminal, 125 everything that is not the command's doing.
    pub fn exit_code(&self) -> u8 {
        match self {
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
/// this process die, the kernel ends the container.
///
/// The caller is root, or has moved into a user namespace with [`super::userns::reenter`], and
/// has called [`super::dispatch`] first thing in `main`.
pub fn run(request: &Request, on: &mut dyn FnMut(Event)) -> Result<Exit, RunError> {
    if request.streams == (Streams::Terminal { input: true }) && !terminal::input_is_terminal() {
        return Err(RunError::NotATerminal);
    }
    let signals = Signals::catch()?;
    let mut container = start(request)?;
    let result = attend(request, &mut container, &signals, on);
    if result.is_err() {
        // The kernel ends everything inside with it.
        let _ = container.keeper.kill();
    }
    let status = container
        .keeper
        .wait()
        .map_err(|e| SysError::from_io("wait4(keeper)", &e))?;
    result?.ok_or_else(|| RunError::Lost {
        how: status.to_string(),
    })
}

/// A container that is being attended to.
struct Container {
    /// The stage that made the namespaces and waits for the container's first process.
    keeper: Child,
    /// The line to the stages; it is closed when the last of them has ended.
    control: Control,
    line_open: bool,
    /// The container's first process, once it exists.
    process: Option<OwnedFd>,
    /// The reading ends of what the command writes, where it comes through us.
    outputs: Vec<Output>,
    /// The container's terminal, connected with the person's.
    terminal: Option<Connection>,
    end: Option<Exit>,
    failure: Option<Failure>,
}

/// What can happen to a container, as far as it can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Line,
    Signals,
    Output(usize),
    Input,
    Terminal,
}

fn start(request: &Request) -> Result<Container, RunError> {
    let refused = |call: &'static str| move |e: io::Error| SysError::from_io(call, &e);
    let (control, there) = Control::pair().map_err(refused("socketpair()"))?;
    let mut command = stage::command(Path::new(stage::SELF), stage::ENTER);
    command.stdin(Stdio::from(there));
    let mut outputs = Vec::new();
    for stream in [1, 2] {
        let to = match request.streams {
            Streams::Capture => Destination::Events,
            // The person's terminal is not handed in: whoever holds it can also read from it.
            Streams::Inherit { .. } if is_terminal(stream) => Destination::Stream,
            // They become the terminal inside; until then there is nothing to say.
            Streams::Terminal { .. } | Streams::Inherit { .. } => continue,
        };
        let (pipe, inside) = io::pipe().map_err(refused("pipe()"))?;
        match stream {
            1 => command.stdout(inside),
            _ => command.stderr(inside),
        };
        outputs.push(Output::new(stream, pipe, to));
    }
    if matches!(request.streams, Streams::Terminal { .. }) {
        command.stdout(Stdio::null());
    }
    let keeper = command
        .spawn()
        .map_err(refused("execve(\"/proc/self/exe\")"))?;
    Ok(Container {
        keeper,
        control,
        line_open: true,
        process: None,
        outputs,
        terminal: None,
        end: None,
        failure: None,
    })
}

/// Listens to everything that can happen, until the container has ended and all is said.
fn attend(
    request: &Request,
    container: &mut Container,
    signals: &Signals,
    on: &mut dyn FnMut(Event),
) -> Result<Option<Exit>, RunError> {
    let job = enter::Job::new(
        &request.root,
        target(request),
        &request.spec,
        request.explain,
    );
    container.control.send(&job).map_err(line_broken)?;
    while container.line_open || container.outputs.iter().any(|output| output.open) {
        for source in container.wait(signals)? {
            match source {
                Source::Line => container.listen(request, on)?,
                Source::Signals => container.pass_on(signals),
                Source::Output(index) => container.outputs[index].pass_on(on),
                Source::Input => container
                    .terminal
                    .iter_mut()
                    .for_each(Connection::read_input),
                Source::Terminal => container.terminal.iter_mut().for_each(Connection::exchange),
            }
        }
    }
    container.terminal.iter_mut().for_each(Connection::exchange);
    match container.failure.take() {
        Some(failure) => Err(failure.into()),
        None => Ok(container.end),
    }
}

impl Container {
    /// Waits until something happens.
    fn wait(&self, signals: &Signals) -> Result<Vec<Source>, SysError> {
        let stdin = io::stdin();
        let mut waiting = vec![(Source::Signals, PollFd::new(signals, PollFlags::IN))];
        if self.line_open {
            waiting.push((Source::Line, PollFd::new(&self.control, PollFlags::IN)));
        }
        for (index, output) in self.outputs.iter().enumerate() {
            if output.open {
                let entry = PollFd::new(&output.pipe, PollFlags::IN);
                waiting.push((Source::Output(index), entry));
            }
        }
        if let Some(terminal) = &self.terminal {
            if terminal.wants_input() {
                waiting.push((Source::Input, PollFd::new(&stdin, PollFlags::IN)));
            }
            let flags = terminal.wanted();
            if !flags.is_empty() {
                waiting.push((Source::Terminal, PollFd::new(terminal, flags)));
            }
        }
        let (sources, mut descriptors): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        loop {
            match poll(&mut descriptors, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(SysError::new("poll()", Errno::from_raw(e.raw_os_error()))),
            }
        }
        let happened = sources.into_iter().zip(&descriptors);
        Ok(happened
            .filter(|(_, descriptor)| !descriptor.revents().is_empty())
            .map(|(source, _)| source)
            .collect())
    }

    /// Takes what the stages say.
    fn listen(&mut self, request: &Request, on: &mut dyn FnMut(Event)) -> Result<(), RunError> {
        self.line_open = self.control.fill().map_err(line_broken)?;
        while let Some(message) = self.control.next().map_err(line_broken)? {
            match message {
                Message::Explain(explanation) => on(Event::Explain(explanation)),
                Message::Warning { message } => on(Event::Warning { message }),
                Message::Born => {
                    self.process = Some(self.control.descriptor().map_err(line_broken)?);
                    // Room for a bridge: here the namespace exists, and the command waits.
                    send_job(request, &self.control).map_err(line_broken)?;
                }
                Message::Terminal => {
                    let outer = self.control.descriptor().map_err(line_broken)?;
                    let input = request.streams == Streams::Terminal { input: true };
                    self.terminal = Some(Connection::new(outer, input)?);
                }
                Message::Failed(failure) => self.failure = self.failure.take().or(Some(failure)),
                Message::Ended { code, signal } => {
                    let code = u8::try_from(code).unwrap_or(u8::MAX);
                    self.end = Some(signal.map_or(Exit::Code(code), Exit::Signal));
                }
            }
        }
        Ok(())
    }

    fn pass_on(&self, signals: &Signals) {
        while let Some(arrived) = signals.next() {
            match (arrived.signal, &self.terminal, &self.process) {
                (Signal::SIGWINCH, Some(terminal), _) => terminal.copy_size(),
                // Its session is its own, so the terminal has not sent it there already.
                (signal, _, Some(process)) if signal != Signal::SIGCHLD => {
                    // It may just have ended; the line says so next.
                    let _ = send_signal(process, signal);
                }
                _ => {}
            }
        }
    }
}

/// Sends the first process its job, with the command's standard input.
fn send_job(request: &Request, control: &Control) -> io::Result<()> {
    let job = init::Job {
        target: target(request),
        spec: request.spec.clone(),
        init: request.init,
        explain: request.explain,
    };
    match request.streams {
        Streams::Inherit { input: true } => control.send_with(&job, io::stdin().as_fd()),
        Streams::Inherit { input: false } | Streams::Capture => {
            control.send_with(&job, File::open("/dev/null")?.as_fd())
        }
        Streams::Terminal { .. } => control.send(&job),
    }
}

fn send_signal(process: &OwnedFd, signal: Signal) -> Result<(), rustix::io::Errno> {
    match rustix::process::Signal::from_named_raw(signal as i32) {
        Some(signal) => pidfd_send_signal(process, signal),
        None => Ok(()),
    }
}

#[allow(clippy::needless_pass_by_value)] // The shape of `map_err`.
fn line_broken(e: io::Error) -> RunError {
    SysError::from_io("the line to the container", &e).into()
}

/// Where the root file system is mounted. The stages go elsewhere, so the path is absolute.
fn target(request: &Request) -> PathBuf {
    let path = request.bundle.join("rootfs");
    std::path::absolute(&path).unwrap_or(path)
}

fn is_terminal(stream: u8) -> bool {
    match stream {
        1 => io::stdout().is_terminal(),
        _ => io::stderr().is_terminal(),
    }
}

/// What the command writes to one of its streams, on its way through us.
struct Output {
    /// 1 is standard output, 2 is standard error.
    stream: u8,
    pipe: PipeReader,
    open: bool,
    to: Destination,
    /// The beginning of a character whose end has not come yet.
    part: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    /// Events with text.
    Events,
    /// Our own stream of the same number.
    Stream,
}

impl Output {
    fn new(stream: u8, pipe: PipeReader, to: Destination) -> Self {
        Self {
            stream,
            pipe,
            open: true,
            to,
            part: Vec::new(),
        }
    }

    /// Reads what has come and passes it on.
    fn pass_on(&mut self, on: &mut dyn FnMut(Event)) {
        let mut bytes = [0; 8 << 10];
        let bytes = match self.pipe.read(&mut bytes) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return,
            Ok(count) if count > 0 => &bytes[..count],
            _ => {
                self.open = false;
                &[]
            }
        };
        match self.to {
            Destination::Events => {
                let text = self.text(bytes);
                if !text.is_empty() {
                    let stream = self.stream;
                    on(Event::Output { stream, text });
                }
            }
            // When nobody reads any more, the command goes on all the same.
            Destination::Stream if self.stream == 1 => {
                let mut out = io::stdout().lock();
                let _ = out.write_all(bytes).and_then(|()| out.flush());
            }
            Destination::Stream => {
                let _ = io::stderr().write_all(bytes);
            }
        }
    }

    /// The bytes as text, without a character that is cut off at the end; that waits for its
    /// rest. What is not UTF-8 becomes U+FFFD.
    fn text(&mut self, bytes: &[u8]) -> String {
        self.part.extend_from_slice(bytes);
        let whole = if self.open {
            whole_characters(&self.part)
        } else {
            self.part.len()
        };
        let rest = self.part.split_off(whole);
        let text = String::from_utf8_lossy(&self.part).into_owned();
        self.part = rest;
        text
    }
}

/// How many bytes there are without a character that is cut off at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.iter().rev().take(3);
    let Some(back) = tail.clone().position(|b| *b >= 0xc0) else {
        return bytes.len();
    };
    let start = bytes.len() - back - 1;
    match std::str::from_utf8(&bytes[start..]) {
        Err(e) if e.error_len().is_none() => start,
        _ => bytes.len(),
    }
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

    #[test]
    fn text_is_not_cut_inside_a_character() {
        let check = |pieces: &[&[u8]], expected: &[&str]| {
            let (reader, mut writer) = io::pipe().unwrap();
            let mut output = Output::new(2, reader, Destination::Events);
            let mut got = Vec::new();
            let mut on = |event| match event {
                Event::Output { stream: 2, text } => got.push(text),
                other => panic!("{other:?}"),
            };
            for piece in pieces {
                writer.write_all(piece).unwrap();
                output.pass_on(&mut on);
            }
            drop(writer);
            output.pass_on(&mut on);
            assert!(!output.open);
            assert_eq!(got, expected);
        };
        check(&[b"ab"], &["ab"]);
        check(&["é".as_bytes()], &["é"]);
        check(&[b"a\xc3", b"\xa9b"], &["a", "éb"]);
        check(&[b"\xf0\x9f", b"\x9a", b"\xa2"], &["\u{1f6a2}"]);
        check(&[b"\xff\xc3", b"\xa9"], &["\u{fffd}", "é"]);
        check(&[b"a\xc3"], &["a", "\u{fffd}"]);
        check(
            &[b"\x80\x80\x80\x80"],
            &["\u{fffd}\u{fffd}\u{fffd}\u{fffd}"],
        );
    }
}

//! Attending to a container: everything that can happen to it, in one loop.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::pidfd_send_signal;

use super::input::Input;
use super::output::{Destination, Output};
use super::{Exit, Request, RunError, Streams};
use crate::event::Event;
use crate::linux::control::{Control, Failure, Message};
use crate::linux::signals::{Signals, asks_for_the_end};
use crate::linux::sys::SysError;
use crate::linux::terminal::{self, Connection, Size};
use crate::linux::{enter, init, stage};

/// A container that is being attended to.
pub(super) struct Container {
    /// The stage that made the namespaces and waits for the container's first process.
    pub keeper: Child,
    /// The line to the stages; it is closed when the last of them has ended.
    control: Control,
    line_open: bool,
    /// The container's first process, once it exists.
    process: Option<OwnedFd>,
    /// The reading ends of what the command writes, where it comes through us.
    outputs: Vec<Output>,
    /// What the command reads, where it comes through us.
    input: Option<Input>,
    /// The container's terminal, connected with the person's.
    terminal: Option<Connection>,
    end: Option<Exit>,
    failure: Option<Failure>,
}

/// What can happen to a container, as far as it can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Stop,
    Line,
    Signals,
    Output(usize),
    Input,
    InputPipe,
    Terminal,
}

pub(super) fn start(request: &Request) -> Result<Container, RunError> {
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
        input: None,
        terminal: None,
        end: None,
        failure: None,
    })
}

/// Listens to everything that can happen, until the container has ended and all is said.
pub(super) fn attend(
    request: &Request,
    container: &mut Container,
    signals: &Signals,
    stop: Option<BorrowedFd<'_>>,
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
        for source in container.wait(signals, stop)? {
            match source {
                Source::Stop => return Err(RunError::Stopped),
                Source::Line => container.listen(request, on)?,
                Source::Signals => container.pass_on(request, signals)?,
                Source::Output(index) => container.outputs[index].pass_on(on),
                Source::Input => container.read_input(),
                Source::InputPipe => container.input.iter_mut().for_each(Input::pass_on),
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
    fn wait(
        &self,
        signals: &Signals,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Vec<Source>, SysError> {
        let stdin = io::stdin();
        let mut waiting = vec![(Source::Signals, PollFd::new(signals, PollFlags::IN))];
        waiting
            .extend(stop.map(|stop| (Source::Stop, PollFd::from_borrowed_fd(stop, PollFlags::IN))));
        if self.line_open {
            waiting.push((Source::Line, PollFd::new(&self.control, PollFlags::IN)));
        }
        for (index, output) in self.outputs.iter().enumerate() {
            if output.open {
                let entry = PollFd::new(&output.pipe, PollFlags::IN);
                waiting.push((Source::Output(index), entry));
            }
        }
        if self.wants_input() {
            waiting.push((Source::Input, PollFd::new(&stdin, PollFlags::IN)));
        }
        if let Some(pipe) = self.input.as_ref().and_then(Input::full) {
            let entry = PollFd::from_borrowed_fd(pipe, PollFlags::OUT);
            waiting.push((Source::InputPipe, entry));
        }
        if let Some(terminal) = &self.terminal {
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

    /// Waits for the first process of a container whose keeper was killed. It is not our child: the
    /// kernel kills it a moment after the keeper, and it ends after everything else inside.
    pub(super) fn wait_for_the_end(&mut self) {
        // Until it executes the command it holds its end of the line; an error ends the line, too.
        while self.line_open {
            self.line_open = self.control.fill().unwrap_or(false);
        }
        // It may have been born a moment before, and not yet been listened to.
        let born = || self.control.descriptor().ok();
        if let Some(process) = self.process.take().or_else(born) {
            // A program with a set-user-ID bit has forgotten that it dies with the keeper.
            let _ = send_signal(&process, Signal::SIGKILL);
            let mut ended = [PollFd::new(&process, PollFlags::IN)];
            while poll(&mut ended, None) == Err(rustix::io::Errno::INTR) {}
        }
    }

    fn wants_input(&self) -> bool {
        self.terminal.as_ref().is_some_and(Connection::wants_input)
            || self.input.as_ref().is_some_and(Input::wants_more)
    }

    fn read_input(&mut self) {
        match (&mut self.terminal, &mut self.input) {
            (Some(terminal), _) => terminal.read_input(),
            (None, Some(input)) => input.read(io::stdin()),
            (None, None) => {}
        }
    }

    /// Takes what the stages say.
    fn listen(&mut self, request: &Request, on: &mut dyn FnMut(Event)) -> Result<(), RunError> {
        self.line_open = self.control.fill().map_err(line_broken)?;
        while let Some(message) = self.control.next().map_err(line_broken)? {
            match message {
                Message::Explain(explanation) => on(Event::Explain(explanation)),
                Message::Warning { message } => on(Event::Warning { message }),
                Message::Born { pid } => {
                    self.process = Some(self.control.descriptor().map_err(line_broken)?);
                    on(Event::Started { pid });
                    // Room for a bridge: here the namespace exists, and the command waits.
                    self.send_job(request).map_err(line_broken)?;
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

    /// Sends the first process its job, with the command's standard input.
    fn send_job(&mut self, request: &Request) -> io::Result<()> {
        let job = init::Job {
            target: target(request),
            spec: request.spec.clone(),
            // Known from the start, so that the command never sees a terminal without a size.
            size: Size::of_person(),
            init: request.init,
            explain: request.explain,
        };
        match request.streams {
            Streams::Inherit { input: true } if terminal::input_is_terminal() => {
                let (input, inside) = Input::new()?;
                self.input = Some(input);
                self.control.send_with(&job, inside.as_fd())
            }
            Streams::Inherit { input: true } => self.control.send_with(&job, io::stdin().as_fd()),
            Streams::Inherit { input: false } | Streams::Capture => self
                .control
                .send_with(&job, File::open("/dev/null")?.as_fd()),
            Streams::Terminal { .. } => self.control.send(&job),
        }
    }

    fn pass_on(&self, request: &Request, signals: &Signals) -> Result<(), RunError> {
        while let Some(arrived) = signals.next() {
            match (arrived.signal, &self.terminal, &self.process) {
                // A command that is PID 1 and has no handler would not even notice.
                (signal, ..) if request.streams == Streams::Capture && asks_for_the_end(signal) => {
                    return Err(RunError::Interrupted { signal });
                }
                (Signal::SIGWINCH, Some(terminal), _) => terminal.copy_size(),
                // Its session is its own, so the terminal has not sent it there already.
                (signal, _, Some(process)) if signal != Signal::SIGCHLD => {
                    // It may just have ended; the line says so next.
                    let _ = send_signal(process, signal);
                }
                _ => {}
            }
        }
        Ok(())
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

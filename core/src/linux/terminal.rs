//! Terminals: a pair of ends, one for the container's processes, one for the process outside that
//! connects it with the terminal of the person.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags, open as open_file};
use rustix::io::ioctl_fionbio;
use rustix::process::ioctl_tiocsctty;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, ptsname, unlockpt};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use serde::{Deserialize, Serialize};

use super::control::{Control, Message};
use super::explain::{Kernel, chapter};
use super::sys::SysError;

/// Gives the container a terminal of its own: makes the pair in the container's devpts, makes it
/// the controlling terminal of this session and its three standard streams, and hands the other
/// end out.
pub(super) fn open(
    kernel: &mut Kernel<'_>,
    control: &Control,
    size: Option<Size>,
) -> Result<(), SysError> {
    kernel.turn_to(chapter::INIT);
    let outer = kernel.ask(
        "a new pair of terminal ends, of the container's own devpts",
        || "open(\"/dev/pts/ptmx\", O_RDWR|O_NOCTTY)".to_owned(),
        || {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            open_file("/dev/pts/ptmx", flags, Mode::empty())
        },
    )?;
    let inner = kernel.ask(
        "the inner end of the pair, by its handle and not by a path",
        || "ioctl(ptmx, TIOCGPTPEER)".to_owned(),
        || {
            unlockpt(&outer)?;
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            ioctl_tiocgptpeer(&outer, flags)
        },
    )?;
    if let Some(size) = size {
        kernel.ask(
            "as many lines and columns as the person's terminal",
            || format!("ioctl(ptmx, TIOCSWINSZ, {} by {})", size.rows, size.columns),
            || tcsetwinsize(&outer, size.into()),
        )?;
    }
    kernel.ask(
        "the terminal of this session: Ctrl-C typed there is a signal here",
        || "ioctl(pts, TIOCSCTTY)".to_owned(),
        || ioctl_tiocsctty(&inner),
    )?;
    console(kernel, &outer)?;
    control
        .send_with(&Message::Terminal, outer.as_fd())
        .map_err(|e| SysError::from_io("sendmsg(ptmx)", &e))?;
    kernel.ask(
        "what the command reads and writes is the terminal",
        || "dup2(pts, 0); dup2(pts, 1); dup2(pts, 2)".to_owned(),
        || {
            rustix::stdio::dup2_stdin(&inner)?;
            rustix::stdio::dup2_stdout(&inner)?;
            rustix::stdio::dup2_stderr(&inner)
        },
    )
}

/// Shows the terminal as `/dev/console`, where programs look for the first one.
fn console(kernel: &mut Kernel<'_>, outer: &OwnedFd) -> Result<(), SysError> {
    let target = Path::new("/dev/console");
    let Ok(name) = ptsname(outer, Vec::new()) else {
        // A terminal without a name works; only the second name is missing.
        return Ok(());
    };
    let source = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    File::create(target).map_err(|e| SysError::from_io("creat(\"/dev/console\")", &e))?;
    kernel.ask(
        "programs that look for the console find the terminal",
        || format!("mount({source:?}, {target:?}, NULL, MS_BIND)"),
        || {
            let flags = MsFlags::MS_BIND;
            mount(Some(source), target, None::<&str>, flags, None::<&str>)
        },
    )
}

/// How much fits on a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Size {
    pub rows: u16,
    pub columns: u16,
}

impl Size {
    /// The size of the person's terminal, when one of the standard streams is one.
    pub(super) fn of_person() -> Option<Self> {
        let streams = [stdin(), stdout(), stderr()];
        let size = streams.into_iter().find_map(|s| tcgetwinsize(s).ok())?;
        Some(Self {
            rows: size.ws_row,
            columns: size.ws_col,
        })
    }
}

impl From<Size> for Winsize {
    fn from(size: Size) -> Self {
        Self {
            ws_row: size.rows,
            ws_col: size.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        }
    }
}

/// Whether a person sits at standard input.
pub(super) fn input_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The person's terminal passes every key on as it is, until this is dropped.
#[derive(Debug)]
pub(super) struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Switches standard input to raw mode. `None` when it is not a terminal.
    pub(super) fn enter() -> Result<Option<Self>, SysError> {
        if !input_is_terminal() {
            return Ok(None);
        }
        let refused = |e: rustix::io::Errno| {
            SysError::new("ioctl(0, TCSETS)", Errno::from_raw(e.raw_os_error()))
        };
        let before = tcgetattr(io::stdin()).map_err(refused)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(refused)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // When the terminal is gone there is nothing to put back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// The container's terminal, connected with the person's.
#[derive(Debug)]
pub(super) struct Connection {
    outer: OwnedFd,
    /// Kept for its end: it puts the person's terminal back.
    _raw: Option<RawMode>,
    /// Whether what is typed goes in.
    input: bool,
    /// Whether the inner end is still held by somebody.
    output: bool,
    /// What was typed and not taken yet. Nothing more is read before it is.
    typed: Vec<u8>,
}

impl Connection {
    /// Connects `outer` with standard output, and with standard input when `input` says so.
    pub(super) fn new(outer: OwnedFd, input: bool) -> Result<Self, SysError> {
        // Both ends can be full at the same time, so neither may make this process wait.
        ioctl_fionbio(&outer, true).map_err(|e| {
            SysError::new("ioctl(ptmx, FIONBIO)", Errno::from_raw(e.raw_os_error()))
        })?;
        let raw = if input { RawMode::enter()? } else { None };
        let connection = Self {
            outer,
            _raw: raw,
            input,
            output: true,
            typed: Vec::new(),
        };
        connection.copy_size();
        Ok(connection)
    }

    /// Whether more input could be taken.
    pub(super) fn wants_input(&self) -> bool {
        self.input && self.output && self.typed.is_empty()
    }

    /// What is waited for at the outer end.
    pub(super) fn wanted(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.output);
        flags.set(PollFlags::OUT, self.output && !self.typed.is_empty());
        flags
    }

    /// Takes what was typed.
    pub(super) fn read_input(&mut self) {
        let mut bytes = [0; 4096];
        match rustix::io::read(io::stdin(), &mut bytes) {
            Ok(count) if count > 0 => self.typed.extend_from_slice(&bytes[..count]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // The person's terminal is gone. The container hears of it when it ends.
            _ => self.input = false,
        }
        self.exchange();
    }

    /// Moves what can be moved in both directions without waiting for the container.
    pub(super) fn exchange(&mut self) {
        if let Ok(count) = rustix::io::write(&self.outer, &self.typed) {
            self.typed.drain(..count);
        }
        let mut bytes = [0; 16 << 10];
        loop {
            match rustix::io::read(&self.outer, &mut bytes) {
                Ok(count) if count > 0 => {
                    let mut out = io::stdout().lock();
                    // Nobody reads any more; the command goes on all the same.
                    let _ = out.write_all(&bytes[..count]).and_then(|()| out.flush());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                // EIO: the last process inside has closed the inner end.
                _ => {
                    self.output = false;
                    return;
                }
            }
        }
    }

    /// Gives the container's terminal the size of the person's.
    pub(super) fn copy_size(&self) {
        if let Some(size) = Size::of_person() {
            // A terminal that does not take a size keeps its own.
            let _ = tcsetwinsize(&self.outer, size.into());
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.outer.as_fd()
    }
}

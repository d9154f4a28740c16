//! Where the demonstration plays: a state directory of its own, commands that are typed and run,
//! and a clean floor afterwards.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use coracle::linux::userns;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::human;
use crate::progress::Explain;

/// A file that says that a directory is a demonstration's state, so that nothing else is removed.
const MARKER: &str = ".coracle-demo";

/// The signals that end the demonstration; the state is removed all the same.
const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// The stage.
#[derive(Debug)]
pub(super) struct Stage {
    /// The state directory, and the working directory of all commands.
    pub(super) root: PathBuf,
    /// Whether and how `run` and `build` explain what they do.
    pub(super) explain: Option<Explain>,
    act: usize,
    /// What was said already and need not be said again, such as a warning.
    said: BTreeSet<String>,
    /// Where the ending signals arrive. They are blocked in this process only: what it starts
    /// begins with a clean mask.
    signals: SignalFd,
    closed: bool,
}

impl Stage {
    /// Makes the state directory, and sees to it that it does not stay.
    pub(super) fn open(explain: Option<Explain>) -> Result<Self, Failure> {
        let mask: SigSet = ENDING.into_iter().collect();
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let number = getrandom::u32()?;
        let root = std::env::temp_dir().join(format!("coracle-demo-{number:08x}"));
        let refused = |e| Failure::io(format!("make the directory {}", root.display()), &e);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&root)
            .map_err(refused)?;
        fs::write(root.join(MARKER), "").map_err(refused)?;
        Ok(Self {
            root,
            explain,
            act: 0,
            said: BTreeSet::new(),
            signals,
            closed: false,
        })
    }

    /// Announces an act and the chapters that explain it.
    pub(super) fn act(&mut self, title: &str, chapters: &[&str]) -> Result<(), Failure> {
        self.act += 1;
        let word = if chapters.len() == 1 {
            "chapter"
        } else {
            "chapters"
        };
        let title = output::bold(&format!("{}  {title}", self.act));
        say(&format!(
            "\n{title}\n   ({word} {})\n\n",
            chapters.join(", ")
        ))
    }

    /// Types a command, runs it, and shows what it prints as it prints it.
    pub(super) fn coracle(&mut self, arguments: &[&str]) -> Result<(), Failure> {
        let arguments = self.explained(arguments);
        say(&typed(&arguments, ""))?;
        let (reader, writer) = io::pipe().map_err(|e| Failure::io("make a pipe", &e))?;
        let again = writer
            .try_clone()
            .map_err(|e| Failure::io("make a pipe", &e))?;
        let mut command = self.command(&arguments);
        command.stdin(Stdio::null()).stdout(writer).stderr(again);
        let mut child = command.spawn().map_err(|e| starting(&e))?;
        // The writing ends live in the command; while they are open the pipe does not end.
        drop(command);
        let mut again = false;
        for line in BufReader::new(reader).split(b'\n') {
            let line = line.map_err(|e| Failure::io("read what a command prints", &e))?;
            let line = String::from_utf8_lossy(&line);
            // A warning that was shown before is left out, with the lines that it goes on in.
            if line.starts_with("WARNING: ") {
                again = !self.said.insert(line.to_string());
            } else if !line.starts_with("  ") {
                again = false;
            }
            if !again {
                say(&format!("{}\n", format!("  {line}").trim_end()))?;
            }
        }
        self.ended(&arguments, &mut child)
    }

    /// Runs a command and returns what it prints on standard output. What it explains is shown.
    pub(super) fn answer(&mut self, arguments: &[&str]) -> Result<String, Failure> {
        let arguments = self.explained(arguments);
        let mut command = self.command(&arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| starting(&e))?;
        let mut text = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout
                .read_to_string(&mut text)
                .map_err(|e| Failure::io("read what a command prints", &e))?;
        }
        self.ended(&arguments, &mut child)?;
        Ok(text)
    }

    /// Types a command that goes on in the background.
    pub(super) fn start(&mut self, arguments: &[&str]) -> Result<Server, Failure> {
        let arguments = self.explained(arguments);
        say(&typed(&arguments, " &"))?;
        let mut command = self.command(&arguments);
        let log = self.root.join("server.log");
        let file =
            File::create(&log).map_err(|e| Failure::io(format!("write {}", log.display()), &e))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        let child = command.spawn().map_err(|e| starting(&e))?;
        Ok(Server { child, log })
    }

    /// How many bytes the blobs of the store have.
    pub(super) fn stored(&self) -> Result<u64, Failure> {
        let blobs = self.root.join("store/blobs/sha256");
        let refused = |e: io::Error| Failure::io(format!("read {}", blobs.display()), &e);
        let mut bytes = 0;
        for entry in fs::read_dir(&blobs).map_err(refused)? {
            bytes += entry
                .and_then(|entry| entry.metadata())
                .map_err(refused)?
                .len();
        }
        Ok(bytes)
    }

    /// Removes the state, and says what is gone.
    pub(super) fn close(mut self) -> Result<String, Failure> {
        self.closed = true;
        let (files, bytes) = extent(&self.root);
        remove(&self.root)?;
        let name = self.root.display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let left = mounts.lines().filter(|line| line.contains(&name)).count();
        Ok(format!(
            "\nRemoved {name}: {files} files, {}. Mounts left: {left}.\n",
            human::size(bytes, 4)
        ))
    }

    fn command(&self, arguments: &[String]) -> Command {
        // The very binary that runs now, even if its file was replaced meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command
            .args(arguments)
            .current_dir(&self.root)
            .env("CORACLE_ROOT", &self.root)
            .env("COLUMNS", output::width().saturating_sub(2).to_string())
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// The arguments, with `--explain` where the command has it.
    fn explained(&self, arguments: &[&str]) -> Vec<String> {
        let mut out: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let option = match self.explain {
            Some(Explain::Text) => "--explain",
            Some(Explain::Json) => "--explain=json",
            None => return out,
        };
        if matches!(arguments.first(), Some(&("run" | "build"))) {
            out.insert(1, option.to_owned());
        }
        out
    }

    /// Waits for a command that must succeed.
    fn ended(&self, arguments: &[String], child: &mut Child) -> Result<(), Failure> {
        let status = child
            .wait()
            .map_err(|e| Failure::io("wait for a command", &e))?;
        self.interrupted()?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "`coracle {}` ended with {status}",
            arguments.join(" ")
        ))
        .hint("`coracle doctor` says what this machine offers and what to do about the rest."))
    }

    /// Ends the demonstration when somebody asked for it.
    pub(super) fn interrupted(&self) -> Result<(), Failure> {
        match self.signals.read_signal()? {
            None => Ok(()),
            Some(signal) => {
                let code = u8::try_from(128 + signal.ssi_signo).unwrap_or(u8::MAX);
                Err(Failure::new("interrupted").code(code))
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.closed {
            let _ = remove(&self.root);
        }
    }
}

/// A container that serves a page in the background; it ends with this value.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// What it says on standard error.
    log: PathBuf,
}

impl Server {
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

/// Prints a part of the performance.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    output::print(text)
}

/// A headline, and text below it, indented.
pub(super) fn indented(head: &str, text: &str) -> String {
    let mut out = format!("{head}\n");
    for line in text.lines() {
        out.push_str(format!("  {line}").trim_end());
        out.push('\n');
    }
    out
}

/// Who runs this, in words.
pub(super) fn who() -> String {
    match fs::metadata("/proc/self").map(|meta| meta.uid()) {
        Ok(0) => "as root".to_owned(),
        Ok(uid) => format!("as an ordinary user (uid {uid})"),
        Err(_) => "as you".to_owned(),
    }
}

fn typed(arguments: &[String], end: &str) -> String {
    output::bold(&format!("$ coracle {}{end}", arguments.join(" "))) + "\n"
}

fn starting(error: &io::Error) -> Failure {
    Failure::io("start /proc/self/exe, this program itself", error)
}

/// How many files there are below a directory, and how many bytes they have.
fn extent(directory: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            let (f, b) = extent(&entry.path());
            files += f;
            bytes += b;
        } else {
            files += 1;
            bytes += meta.len();
        }
    }
    (files, bytes)
}

/// Removes the state. Unpacked files belong to users whom only a user namespace has; there a
/// second process removes what this one may not.
fn remove(root: &Path) -> Result<(), Failure> {
    let refused = |e: &io::Error| Failure::io(format!("remove {}", root.display()), e);
    match fs::remove_dir_all(root) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {}
        other => return other.map_err(|e| refused(&e)),
    }
    let status = Command::new("/proc/self/exe")
        .args(["demo", "--remove-state"])
        .arg(root)
        .stdin(Stdio::null())
        .status()
        .map_err(|e| starting(&e))?;
    if !status.success() || root.exists() {
        return Err(Failure::new(format!(
            "the state in {} could not be removed: {status}",
            root.display()
        )));
    }
    Ok(())
}

/// The second process of [`remove`].
pub(super) fn remove_state(directory: &Path) -> Outcome {
    let marker = directory.join(MARKER);
    // The first attempt may have removed the marker already; then the name must do.
    let named = directory
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("coracle-demo-"));
    if !marker.exists() && !named {
        return Err(Failure::new(format!(
            "{} is no demonstration's state",
            directory.display()
        )));
    }
    userns::reenter(&mut |_| ())?;
    fs::remove_dir_all(directory)
        .map_err(|e| Failure::io(format!("remove {}", directory.display()), &e))?;
    Ok(0)
}

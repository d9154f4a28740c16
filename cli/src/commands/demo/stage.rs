//! Where the demonstration plays: a state directory of its own, and commands that are typed and
//! run in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::floor;
use super::server::Server;
use crate::failure::Failure;
use crate::output;
use crate::output::human;
use crate::progress::Explain;

/// The signals that end the demonstration; the state is removed all the same.
const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// The stage.
#[derive(Debug)]
pub(super) struct Stage {
    /// The state directory, and the working directory of all commands.
    pub(super) root: PathBuf,
    /// Whether and how commands explain what they do.
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
        fs::write(root.join(floor::MARKER), "").map_err(refused)?;
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
        Ok(Server::new(child, log))
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
        let (files, bytes) = floor::extent(&self.root);
        floor::remove(&self.root)?;
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
        if matches!(
            arguments.first(),
            Some(&("run" | "build" | "push" | "pull"))
        ) {
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
            let _ = floor::remove(&self.root);
        }
    }
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

/// This program could not be started once more.
pub(super) fn starting(error: &io::Error) -> Failure {
    Failure::io("start /proc/self/exe, this program itself", error)
}

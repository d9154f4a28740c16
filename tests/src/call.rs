//! One call of a command: what goes in, a limit of time, and everything that comes out.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// A command that is about to be called.
#[derive(Debug)]
pub struct Call {
    command: Command,
    limit: Duration,
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    told: String,
    begin: Instant,
    limit: Duration,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// What came of a call.
#[derive(Debug)]
pub struct Outcome {
    /// The command, as text.
    pub told: String,
    /// The exit code, unless a signal ended the command.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// The time from the start to the end.
    pub took: Duration,
}

impl Call {
    /// A call of `command`, in a process group of its own, without input, of at most two minutes.
    pub fn new(mut command: Command) -> Self {
        command.stdin(Stdio::null()).process_group(0);
        Self {
            command,
            limit: Duration::from_mins(2),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(words);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Gives a file as standard input.
    #[must_use]
    pub fn input(mut self, file: File) -> Self {
        self.command.stdin(file);
        self
    }

    /// Ends the call with SIGKILL after this time; that fails the test.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts the command and collects its output in the background.
    pub fn start(mut self) -> Running {
        let told = format!("{:?}", self.command);
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let begin = Instant::now();
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {told}: {error}"));
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Running {
            child,
            told,
            begin,
            limit: self.limit,
            stdout,
            stderr,
        }
    }

    /// Runs the command to its end.
    pub fn run(self) -> Outcome {
        self.start().wait()
    }
}

impl Running {
    /// The process id of the command.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the command still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal to the command alone.
    pub fn signal(&self, signal: Signal) {
        // An error means that it has ended already.
        let _ = rustix::process::kill_process(self.pid(), signal);
    }

    /// Sends SIGKILL to the command and to everything in its process group.
    pub fn kill_group(&self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
    }

    /// Waits for the end; past the limit the group is killed and the test fails.
    pub fn wait(mut self) -> Outcome {
        let status = loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                break status;
            }
            if self.begin.elapsed() > self.limit {
                self.kill_group();
                let status = self.child.wait().unwrap();
                let outcome = self.outcome(status);
                panic!("still running after {:?}\n{outcome}", outcome.took);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        self.outcome(status)
    }

    fn outcome(&mut self, status: ExitStatus) -> Outcome {
        let took = self.begin.elapsed();
        let text = |thread: Option<JoinHandle<Vec<u8>>>| {
            let bytes = thread.map(|thread| thread.join().unwrap());
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        };
        Outcome {
            told: self.told.clone(),
            code: status.code(),
            signal: status.signal(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
            took,
        }
    }

    fn pid(&self) -> Pid {
        let raw = i32::try_from(self.child.id()).expect("a process id fits");
        Pid::from_raw(raw).expect("a process id is not 0")
    }
}

impl Drop for Running {
    /// A test that fails half-way does not leave its commands running.
    fn drop(&mut self) {
        if self.runs() {
            self.kill_group();
            let _ = self.child.wait();
        }
    }
}

impl Outcome {
    /// Asserts exit code 0.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// Asserts an exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code\n{self}");
        self
    }

    /// Asserts an exit code that is not 0, and is no signal's.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code.is_some_and(|code| code != 0), "exit code\n{self}");
        self
    }

    /// Asserts that standard error has every one of these words.
    #[track_caller]
    pub fn complains(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} on stderr\n{self}");
        }
        self
    }

    /// Asserts that standard output has every one of these words.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stdout.contains(word), "no {word:?} on stdout\n{self}");
        }
        self
    }

    /// Standard output without the white space at its ends.
    pub fn line(&self) -> &str {
        self.stdout.trim()
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}", self.told)?;
        writeln!(
            f,
            "code {:?}, signal {:?}, after {:?}",
            self.code, self.signal, self.took
        )?;
        writeln!(f, "--- stdout\n{}", self.stdout.trim_end())?;
        writeln!(f, "--- stderr\n{}", self.stderr.trim_end())
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Call {
        Call::new(Command::new("sh")).args(["-c", script])
    }

    #[test]
    fn everything_that_comes_out_is_kept() {
        let outcome = shell("echo out; echo err >&2; exit 3").run().exits(3);
        assert_eq!(outcome.line(), "out");
        assert_eq!(outcome.stderr, "err\n");
        assert_eq!(shell("kill -9 $$").run().signal, Some(9));
        assert_eq!(shell("echo '[1]'").run().json(), serde_json::json!([1]));
    }

    #[test]
    #[should_panic(expected = "still running")]
    fn a_call_that_hangs_is_ended() {
        let limit = Duration::from_millis(50);
        shell("sleep 60").limit(limit).run();
    }
}

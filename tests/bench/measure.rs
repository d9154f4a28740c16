//! Runs one command and says what it cost: time, processor time, memory.
//!
//! Between this program and the command stands another process of this program, for two reasons:
//! the kernel tells the memory of ended children only as the maximum of all of them, so each
//! command needs a parent of its own; and a child begins with its parent's maximum, so that parent
//! must be small.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{Pid, Signal, kill_process_group};

/// The word that makes this program the parent of one command.
pub(crate) const WORD: &str = "measure";

/// How long a command may take; some peers hang.
const LIMIT: Duration = Duration::from_mins(2);

/// A command that is to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    words: Vec<String>,
    variables: Vec<(String, String)>,
    stdout: PathBuf,
}

/// What a command cost, or several one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// From its start to its end.
    pub(crate) time: Duration,
    /// Time that processors worked for it and its children, in the kernel too.
    pub(crate) processor: Duration,
    /// The most memory that one of its processes had at once, in bytes.
    pub(crate) memory: u64,
}

impl Step {
    /// A command without input whose output nobody wants.
    pub(crate) fn new(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            variables: Vec::new(),
            stdout: "/dev/null".into(),
        }
    }

    /// A shell's script; `words` are its `$1`, `$2`, ….
    pub(crate) fn shell(script: &str, words: &[&Path]) -> Self {
        let words = words.iter().map(|word| word.display().to_string());
        let shell = ["sh", "-ec", script, "sh"].map(str::to_owned);
        Self::new(shell.into_iter().chain(words))
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        let value = value.as_ref().display().to_string();
        self.variables.push((name.to_owned(), value));
        self
    }

    /// Keeps standard output in a file.
    pub(crate) fn stdout(mut self, file: PathBuf) -> Self {
        self.stdout = file;
        self
    }

    /// The command as text.
    pub(crate) fn told(&self) -> String {
        self.words.join(" ")
    }

    /// Runs the command to its end. An error has what it said on standard error.
    pub(crate) fn run(&self) -> Result<Cost, String> {
        use std::os::unix::process::CommandExt as _;
        let failed = |error: String| format!("{}: {error}", self.told());
        let log = tempfile::NamedTempFile::new().map_err(|e| failed(e.to_string()))?;
        let stderr = log.reopen().map_err(|e| failed(e.to_string()))?;
        let own = std::env::current_exe().map_err(|e| failed(e.to_string()))?;
        let mut parent = Command::new(own);
        parent
            .arg(WORD)
            .arg(&self.stdout)
            .args(&self.words)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0);
        let mut child = parent.spawn().map_err(|e| failed(e.to_string()))?;
        if let Err(error) = wait(&mut child) {
            return Err(failed(error));
        }
        let output = child
            .wait_with_output()
            .map_err(|e| failed(e.to_string()))?;
        if !output.status.success() {
            let said = std::fs::read_to_string(log.path()).unwrap_or_default();
            return Err(failed(said.trim().to_owned()));
        }
        Cost::parse(&String::from_utf8_lossy(&output.stdout))
            .ok_or_else(|| failed("its measure cannot be read".to_owned()))
    }
}

/// Waits for the end; past the limit the whole group is killed.
fn wait(child: &mut Child) -> Result<(), String> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => return Ok(()),
            Err(error) => return Err(error.to_string()),
            Ok(None) if begin.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                let _ = group.map(|group| kill_process_group(group, Signal::KILL));
                let _ = child.wait();
                return Err(format!("still running after {} s", LIMIT.as_secs()));
            }
        }
    }
}

impl Cost {
    /// Adds what comes afterwards.
    pub(crate) fn then(self, next: Self) -> Self {
        Self {
            time: self.time + next.time,
            processor: self.processor + next.processor,
            memory: self.memory.max(next.memory),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            time: Duration::from_nanos(next()?),
            processor: Duration::from_micros(next()?),
            memory: next()? << 10,
        })
    }
}

/// The process between: runs a command, and prints what it cost as three numbers.
pub(crate) fn main(words: &[String]) -> ExitCode {
    match between(words) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn between(words: &[String]) -> Result<String, String> {
    let [stdout, program, words @ ..] = words else {
        return Err("a file for the output and a command are missing".to_owned());
    };
    let stdout = File::create(stdout).map_err(|e| format!("cannot write {stdout}: {e}"))?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(stdout);
    let begin = Instant::now();
    let status = command
        .status()
        .map_err(|e| format!("cannot start {program}: {e}"))?;
    let time = begin.elapsed();
    if !status.success() {
        return Err(status.to_string());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| e.to_string())?;
    let spent = [usage.user_time(), usage.system_time()];
    let micros: i64 = spent
        .iter()
        .map(|t| t.tv_sec() * 1_000_000 + t.tv_usec())
        .sum();
    Ok(format!("{} {micros} {}", time.as_nanos(), usage.max_rss()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_is_read_as_it_is_written() {
        let shell = ["/dev/null", "sh", "-c", "sleep 0.02"].map(str::to_owned);
        let cost = Cost::parse(&between(&shell).unwrap()).unwrap();
        assert!(cost.time >= Duration::from_millis(20), "{cost:?}");
        assert!(cost.memory > 100 << 10, "{cost:?}");
        assert_eq!(Cost::parse("1 2"), None);
        let failing = ["/dev/null", "false"].map(str::to_owned);
        assert!(between(&failing).unwrap_err().contains("exit status: 1"));
    }

    #[test]
    fn what_comes_one_after_the_other_adds_up_but_for_memory() {
        let cost = |ms, memory| Cost {
            time: Duration::from_millis(ms),
            processor: Duration::from_millis(ms * 2),
            memory,
        };
        assert_eq!(cost(10, 7).then(cost(5, 3)), cost(15, 7));
    }
}

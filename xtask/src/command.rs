//! Running a command with its output kept whole in a log and its lines at hand.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Whether it could be started and ended with exit code 0.
    pub(crate) success: bool,
    /// Its lines, standard output and standard error in the order in which they arrived.
    pub(crate) lines: Vec<String>,
}

/// Runs `command` to its end, without input, and appends every line to the file `log`.
///
/// Both streams are read line by line, each by its own thread: two processes that write at the
/// same time would otherwise cut each other's lines, and a cut line cannot be counted.
pub(crate) fn run(command: &mut Command, log: &Path) -> Outcome {
    let told = told(command);
    let mut lines = vec![format!("$ {told}")];
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let success = match child {
        Ok(mut child) => {
            let streams: [Option<Box<dyn Read + Send>>; 2] = [
                child.stdout.take().map(|s| Box::new(s) as _),
                child.stderr.take().map(|s| Box::new(s) as _),
            ];
            let shared = Mutex::new(&mut lines);
            std::thread::scope(|scope| {
                for stream in streams.into_iter().flatten() {
                    scope.spawn(|| collect(stream, &shared));
                }
            });
            child.wait().is_ok_and(|status| status.success())
        }
        Err(error) => {
            lines.push(format!("cannot start {told}: {error}"));
            false
        }
    };
    append(log, &lines);
    Outcome { success, lines }
}

/// Whether a program of this name is in one of PATH's folders, or in those that PATH often lacks
/// for an ordinary user.
pub(crate) fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// The command as a person would type it.
pub(crate) fn told(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.display(), quoted(&value.to_string_lossy())))
    });
    let words = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn collect(stream: impl Read, lines: &Mutex<&mut Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        bytes.clear();
        if let Ok(mut lines) = lines.lock() {
            lines.push(line);
        }
    }
}

/// Adds lines to a log. A log that cannot be written is said, and is no reason to stop.
pub(crate) fn append(log: &Path, lines: &[String]) {
    let text: String = lines
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect();
    let file = File::options().create(true).append(true).open(log);
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        eprintln!("cannot write {}: {error}", log.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_as_it_would_be_typed() {
        let check = |words: &[&str], expected: &str| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]);
            assert_eq!(told(&command), expected);
        };
        check(&["ls", "-l", "/"], "ls -l /");
        check(&["echo", "it's", ""], r"echo 'it'\''s' ''");
        let mut command = Command::new("cargo");
        command.env("A", "b c").arg("build");
        assert_eq!(told(&command), "A='b c' cargo build");
    }

    #[test]
    fn output_and_failure_are_seen() {
        let log = std::env::temp_dir().join(format!("xtask-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        let outcome = run(command.args(["-c", "echo out; echo err >&2; exit 3"]), &log);
        assert!(!outcome.success);
        assert!(outcome.lines.contains(&"out".to_owned()));
        assert!(outcome.lines.contains(&"err".to_owned()));
        let kept = std::fs::read_to_string(&log).unwrap();
        assert!(kept.contains("out\n") && kept.starts_with("$ sh -c"));
        std::fs::remove_file(&log).unwrap();
        let absent = run(&mut Command::new("/no/such/program"), &log);
        assert!(!absent.success);
        std::fs::remove_file(&log).unwrap();
    }
}

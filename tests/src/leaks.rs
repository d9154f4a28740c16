//! What a test could leave on this machine: processes and mounts that know its folder.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long an ended container may take until its last process is gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is left that knows `folder`: one line each. The processes among it are killed.
///
/// A container's own environment and arguments say nothing about where it came from, but its mount
/// table does: an overlay's options name its layers.
pub fn sweep(folder: &Path) -> Vec<String> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE && !(processes(folder).is_empty() && mounts(folder).is_empty())
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    let processes = processes(folder);
    for (pid, _) in &processes {
        if let Some(pid) = Pid::from_raw(*pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let processes = processes.into_iter();
    processes
        .map(|(pid, command)| format!("process {pid}: {command}"))
        .chain(mounts(folder))
        .collect()
}

/// Every other process that knows `folder`, with its command line.
pub fn processes(folder: &Path) -> Vec<(i32, String)> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| i64::from(*pid) != i64::from(std::process::id()))
        .filter(|pid| knows(*pid, needle))
        .map(|pid| (pid, command_line(pid)))
        .collect()
}

/// The lines of this machine's mount table that know `folder`.
fn mounts(folder: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let needle = folder.to_string_lossy();
    let lines = table.lines().filter(|line| line.contains(&*needle));
    lines.map(|line| format!("mount {line}")).collect()
}

fn knows(pid: i32, needle: &[u8]) -> bool {
    let process = format!("/proc/{pid}");
    // A zombie still has its command line for a moment, and nothing else.
    let files = ["cmdline", "environ", "mountinfo"];
    let in_file = files.iter().any(|file| {
        let bytes = std::fs::read(format!("{process}/{file}")).unwrap_or_default();
        contains(&bytes, needle)
    });
    let links = ["cwd", "root", "exe"];
    in_file
        || links.iter().any(|link| {
            let target = std::fs::read_link(format!("{process}/{link}")).unwrap_or_default();
            contains(target.as_os_str().as_encoded_bytes(), needle)
        })
}

fn command_line(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    words.collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_stays_is_seen_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new("sleep");
        let mut child = command
            .arg("60")
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        let seen = processes(folder.path());
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].1, "sleep 60");
        let left = sweep(folder.path());
        assert!(left[0].starts_with("process "), "{left:?}");
        assert!(!child.wait().unwrap().success());
    }
}

//! Running a container that stays, with each change of its state written down.

use std::fs;
use std::time::SystemTime;

use nix::errno::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::record::{Container, RecordError};
use crate::event::Event;
use crate::linux::runtime::{self, Exit, Request, RunError};
use crate::linux::sys::SysError;
use crate::runtime::status::{Failure, Process};
use crate::tree::Timestamp;

/// Why a container has no exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifeError {
    /// Its command did not run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Where it stands could not be written down.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Runs the container's command to its end. The caller has its directory locked.
///
/// See [`runtime::run`] for what happens meanwhile.
pub fn run(
    container: &mut Container,
    request: &Request,
    on: &mut dyn FnMut(Event),
) -> Result<Exit, LifeError> {
    let mut noted = Ok(());
    let ended = runtime::run(request, &mut |event| {
        if let Event::Started { pid } = &event {
            noted = note_start(container, *pid);
        }
        on(event);
    });
    noted?;
    let status = match &ended {
        Ok(exit) => container.status.end(exit.code(), now()),
        Err(error) => container.status.fail(Failure {
            code: error.exit_code(),
            message: error.to_string(),
        }),
    };
    container.set_status(status.map_err(RecordError::from)?)?;
    Ok(ended?)
}

fn note_start(container: &mut Container, pid: u32) -> Result<(), RecordError> {
    // One that has ended already is written down as ended in a moment.
    let start_time = start_time(pid).unwrap_or(0);
    let process = Process { pid, start_time };
    let status = container.status.start(process, now())?;
    container.set_status(status)
}

/// Ends a container's first process, and with it all of its processes, by SIGKILL. Whether there
/// was anything to end: the number may belong to another process by now.
///
/// An ordinary user calls it from outside of their user namespaces: there, whoever made a
/// namespace may end everything in it, whichever user it runs as.
pub fn kill(process: Process) -> Result<bool, SysError> {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else {
        return Ok(false);
    };
    let call = |name: &str| format!("{name}({})", process.pid);
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        other => other.map_err(|e| SysError::from_rustix(call("pidfd_open"), e))?,
    };
    // The handle stays with the process that has the number now; this tells whether it is ours.
    if start_time(process.pid) != Some(process.start_time) {
        return Ok(false);
    }
    match pidfd_send_signal(&handle, Signal::KILL) {
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(e) => {
            let refused = SysError::from_rustix(call("pidfd_send_signal"), e);
            Err(match refused.errno {
                Errno::EPERM => refused.remedy("it was started by another user"),
                _ => refused,
            })
        }
        Ok(()) => Ok(true),
    }
}

/// When a process began, in clock ticks since the machine's start. See proc_pid_stat(5).
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// The time, RFC 3339, always to the nanosecond, so that the later of two is the greater text.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let second = Timestamp {
        seconds: since.as_secs().cast_signed(),
        nanos: 0,
    };
    let second = second.rfc3339();
    let second = second.trim_end_matches('Z');
    format!("{second}.{:09}Z", since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_the_process_that_is_meant_is_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        let start_time = start_time(pid).unwrap();
        let other = Process {
            pid,
            start_time: start_time + 1,
        };
        assert!(!kill(other).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        let process = Process { pid, start_time };
        assert!(kill(process).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!kill(process).unwrap());
    }
}

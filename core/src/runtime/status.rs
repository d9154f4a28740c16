//! The states of a container that stays, and the only ways from one to the next.

use serde::{Deserialize, Serialize};

/// Where a container stands.
///
/// ```text
/// created ──start──▶ running ──end──▶ exited
///    ▲                  │  ▲             │
///    └──────fail────────┘  └────start────┘
/// ```
///
/// The words are Docker's. The OCI runtime specification calls `exited` *stopped*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// It has a root file system and a specification, and its command has not run yet.
    Created {
        /// Why the last attempt to run it came to nothing.
        failure: Option<Failure>,
    },
    /// Its command runs.
    Running {
        /// The container's first process, as the host sees it.
        process: Process,
        /// When it was started, RFC 3339.
        started: String,
    },
    /// Its command has ended.
    Exited(End),
}

/// A process of the host, told apart from a later one that gets the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The number.
    pub pid: u32,
    /// When it began, in clock ticks since the machine's start: field 22 of `/proc/PID/stat`.
    pub start_time: u64,
}

/// Why a command did not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// 127 not found, 126 not executable, 125 everything else.
    pub code: u8,
    /// What happened, in one sentence.
    pub message: String,
}

/// How and when a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The exit code; 128 and the signal's number when a signal ended it.
    pub code: u8,
    /// When it had been started, RFC 3339.
    pub started: String,
    /// When it ended, or when it was noticed, RFC 3339.
    pub finished: String,
    /// Whether nobody saw the end, because the process that attended to it was killed. The
    /// kernel then kills the container's processes, so the code is 137.
    #[serde(default)]
    pub unseen: bool,
}

/// Something was asked of a container that its state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a container that {is} cannot {wanted}")]
pub struct TransitionError {
    /// What it is, as the end of a sentence: `runs`.
    pub is: &'static str,
    /// What it was to do: `start`.
    pub wanted: &'static str,
}

/// The code of a process that SIGKILL ended: 128 + 9.
const KILLED: u8 = 137;

impl Status {
    /// The state of a container that was just made.
    pub fn new() -> Self {
        Self::Created { failure: None }
    }

    /// The command's process exists now.
    pub fn start(&self, process: Process, now: String) -> Result<Self, TransitionError> {
        match self {
            Self::Running { .. } => Err(self.cannot("start")),
            Self::Created { .. } | Self::Exited(_) => Ok(Self::Running {
                process,
                started: now,
            }),
        }
    }

    /// The command has ended with this code.
    pub fn end(&self, code: u8, now: String) -> Result<Self, TransitionError> {
        match self {
            Self::Running { started, .. } => Ok(Self::Exited(End {
                code,
                started: started.clone(),
                finished: now,
                unseen: false,
            })),
            Self::Created { .. } | Self::Exited(_) => Err(self.cannot("end")),
        }
    }

    /// Whoever attended to the container is gone, and with it the container's processes.
    pub fn lose(&self, now: String) -> Result<Self, TransitionError> {
        match self.end(KILLED, now)? {
            Self::Exited(end) => Ok(Self::Exited(End {
                unseen: true,
                ..end
            })),
            other => Ok(other),
        }
    }

    /// The command could not be started. It is as if it had never been.
    pub fn fail(&self, failure: Failure) -> Result<Self, TransitionError> {
        match self {
            Self::Exited(_) => Err(self.cannot("fail to start")),
            Self::Created { .. } | Self::Running { .. } => Ok(Self::Created {
                failure: Some(failure),
            }),
        }
    }

    /// Docker's word for it: `created`, `running`, `exited`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Running { .. } => "running",
            Self::Exited(_) => "exited",
        }
    }

    /// The exit code, 0 as long as there is none.
    pub fn code(&self) -> u8 {
        match self {
            Self::Created { failure } => failure.as_ref().map_or(0, |failure| failure.code),
            Self::Running { .. } => 0,
            Self::Exited(end) => end.code,
        }
    }

    fn cannot(&self, wanted: &'static str) -> TransitionError {
        let is = match self {
            Self::Created { .. } => "was only created",
            Self::Running { .. } => "runs",
            Self::Exited(_) => "has ended",
        };
        TransitionError { is, wanted }
    }
}

impl Default for Status {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: Process = Process {
        pid: 7,
        start_time: 99,
    };

    fn running() -> Status {
        Status::new().start(PROCESS, "then".into()).unwrap()
    }

    fn exited() -> Status {
        running().end(3, "now".into()).unwrap()
    }

    #[test]
    fn only_these_ways_lead_from_one_state_to_the_next() {
        let check = |from: &Status, words: [Option<&str>; 4]| {
            let failure = Failure {
                code: 127,
                message: "not there".into(),
            };
            let ways = [
                from.start(PROCESS, "now".into()),
                from.end(0, "now".into()),
                from.lose("now".into()),
                from.fail(failure),
            ];
            let got = ways.map(|way| way.ok().map(|status| status.word()));
            assert_eq!(got, words, "{from:?}");
        };
        let (created, running, exited) = ("created", "running", "exited");
        check(&Status::new(), [Some(running), None, None, Some(created)]);
        check(
            &self::running(),
            [None, Some(exited), Some(exited), Some(created)],
        );
        check(&self::exited(), [Some(running), None, None, None]);
    }

    #[test]
    fn an_end_keeps_when_it_began_and_who_saw_it() {
        let Status::Exited(end) = exited() else {
            panic!("it has ended");
        };
        assert_eq!((end.code, end.unseen), (3, false));
        assert_eq!(
            (end.started.as_str(), end.finished.as_str()),
            ("then", "now")
        );
        let lost = running().lose("later".into()).unwrap();
        assert_eq!(lost.code(), 137);
        assert!(matches!(lost, Status::Exited(end) if end.unseen));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let error = running().start(PROCESS, "now".into()).unwrap_err();
        assert_eq!(error.to_string(), "a container that runs cannot start");
    }

    #[test]
    fn it_survives_being_written_down() {
        let failed = running().fail(Failure {
            code: 126,
            message: "no".into(),
        });
        for status in [Status::new(), running(), exited(), failed.unwrap()] {
            let text = serde_json::to_string(&status).unwrap();
            assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
            assert!(text.contains(&format!("\"status\":\"{}\"", status.word())));
        }
    }
}

//! What a person may ask for when a container is run, and how it is written on a command line.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::capabilities;
use crate::path::RootedPath;

/// What a person asks for, beside what the image's config says.
///
/// The default is what `docker run IMAGE` does, but for the network: there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each is a flag of the command line.
pub struct RunOptions {
    /// Replaces the image's entrypoint, and with it the image's default command.
    /// An empty list takes the entrypoint away.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's default command.
    pub command: Vec<String>,
    /// `NAME=value` sets a variable; `NAME` alone takes it away.
    pub env: Vec<String>,
    /// Anything a person wants to say about the container, beside what the image says.
    pub labels: BTreeMap<String, String>,
    /// Where the process starts, instead of where the image says.
    pub working_dir: Option<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`, instead of the image's.
    pub user: Option<String>,
    /// The name that the container sees of itself; otherwise the first twelve digits of its ID.
    pub hostname: Option<String>,
    /// Which network the container sees.
    pub network: Network,
    /// The root file system cannot be written.
    pub read_only: bool,
    /// File systems in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// Directories and files of the host.
    pub binds: Vec<Bind>,
    /// Capabilities beside the default ones, as people write them: `NET_ADMIN`, `cap_net_admin`,
    /// `ALL`.
    pub cap_add: Vec<String>,
    /// Default capabilities that the container shall not have.
    pub cap_drop: Vec<String>,
    /// Every capability, no system call filter, nothing masked.
    pub privileged: bool,
    /// Whether processes may gain privileges by executing a file. It can only be turned off
    /// together with the system call filter: the kernel lets an ordinary user set a filter only
    /// when it cannot be tricked into running a set-user-ID program under it.
    pub allow_new_privileges: bool,
    /// Which system calls are allowed.
    pub seccomp: SeccompOption,
    /// Limits of the process.
    pub ulimits: Vec<Ulimit>,
    /// PID 1 is a small init that forwards signals and reaps orphans.
    pub init: bool,
    /// The process has a terminal.
    pub tty: bool,
}

/// Which network a container sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Its own, with nothing but a loopback interface.
    #[default]
    None,
    /// The host's.
    Host,
}

/// Which system calls are allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SeccompOption {
    /// Those of Docker's default policy.
    #[default]
    Default,
    /// All of them.
    Unconfined,
}

/// A directory or file of the host, seen from inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The absolute path on the host.
    pub source: String,
    /// The absolute path inside.
    pub target: String,
    /// It cannot be written from inside.
    pub read_only: bool,
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// The absolute path inside.
    pub target: String,
    /// Mount options such as `size=64m`.
    pub options: Vec<String>,
}

/// A limit of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// What is limited, as in `nofile`.
    pub name: &'static str,
    /// The limit that holds.
    pub soft: u64,
    /// The limit to which the process may raise it.
    pub hard: u64,
}

/// An option that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} {value:?}: {reason}")]
pub struct OptionError {
    /// The option's name, such as `--ulimit`.
    pub option: &'static str,
    /// What was given.
    pub value: String,
    /// What is wrong with it, and how it is written.
    pub reason: String,
}

impl OptionError {
    pub(super) fn new(option: &'static str, value: &str, reason: impl Into<String>) -> Self {
        Self {
            option,
            value: value.to_owned(),
            reason: reason.into(),
        }
    }
}

impl Network {
    /// Reads the value of `--network`.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        match text {
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            _ => Err(OptionError::new(
                "--network",
                text,
                "this version knows none and host",
            )),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Host => "host",
        })
    }
}

impl Bind {
    /// Reads `SOURCE:TARGET[:OPTIONS]`, the value of `--volume`. Options are `ro` and `rw`;
    /// `z` and `Z` (labels of SELinux) are accepted and mean nothing.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let error = |reason: &str| Err(OptionError::new("--volume", text, reason));
        let mut parts = text.split(':');
        let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
            return error("write SOURCE:TARGET or SOURCE:TARGET:ro");
        };
        let options = parts.next().unwrap_or_default();
        if parts.next().is_some() {
            return error("it has more than three parts; a path cannot hold a colon");
        }
        if !source.starts_with('/') {
            return error("the source must be an absolute path; named volumes come later");
        }
        if !target.starts_with('/') {
            return error("the target must be an absolute path");
        }
        let mut read_only = false;
        for option in options.split(',').filter(|o| !o.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" | "z" | "Z" => {}
                _ => return error("the options are ro and rw"),
            }
        }
        Ok(Self {
            source: source.to_owned(),
            target: target.to_owned(),
            read_only,
        })
    }
}

impl Tmpfs {
    /// Reads `TARGET[:OPTIONS]`, the value of `--tmpfs`.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        if !target.starts_with('/') {
            let reason = "write an absolute path, and options after a colon: /run:size=64m";
            return Err(OptionError::new("--tmpfs", text, reason));
        }
        Ok(Self {
            target: target.to_owned(),
            options: options
                .split(',')
                .filter(|o| !o.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// The names that `--ulimit` knows, with the names of the runtime specification.
pub(super) const ULIMITS: [(&str, &str); 15] = [
    ("core", "RLIMIT_CORE"),
    ("cpu", "RLIMIT_CPU"),
    ("data", "RLIMIT_DATA"),
    ("fsize", "RLIMIT_FSIZE"),
    ("locks", "RLIMIT_LOCKS"),
    ("memlock", "RLIMIT_MEMLOCK"),
    ("msgqueue", "RLIMIT_MSGQUEUE"),
    ("nice", "RLIMIT_NICE"),
    ("nofile", "RLIMIT_NOFILE"),
    ("nproc", "RLIMIT_NPROC"),
    ("rss", "RLIMIT_RSS"),
    ("rtprio", "RLIMIT_RTPRIO"),
    ("rttime", "RLIMIT_RTTIME"),
    ("sigpending", "RLIMIT_SIGPENDING"),
    ("stack", "RLIMIT_STACK"),
];

impl Ulimit {
    /// Reads `NAME=SOFT[:HARD]`, the value of `--ulimit`. `-1` and `unlimited` mean no limit.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let error = |reason: String| Err(OptionError::new("--ulimit", text, reason));
        let Some((name, limits)) = text.split_once('=') else {
            return error("write NAME=SOFT or NAME=SOFT:HARD, as in nofile=1024:2048".into());
        };
        let Some((name, _)) = ULIMITS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = ULIMITS.iter().map(|(name, _)| *name).collect();
            return error(format!("the limits are {}", known.join(", ")));
        };
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        let number = |text: &str| match text {
            "-1" | "unlimited" => Some(u64::MAX),
            _ => text.parse().ok(),
        };
        match (number(soft), number(hard)) {
            (Some(soft), Some(hard)) if soft <= hard => Ok(Self { name, soft, hard }),
            (Some(_), Some(_)) => error("the soft limit is above the hard limit".into()),
            _ => error("a limit is a number, -1 or unlimited".into()),
        }
    }
}

impl RunOptions {
    /// Takes one value of `--security-opt`.
    pub fn security_opt(&mut self, text: &str) -> Result<(), OptionError> {
        match text.split_once(['=', ':']).unwrap_or((text, "true")) {
            ("no-new-privileges", "true") => self.allow_new_privileges = false,
            ("no-new-privileges", "false") => self.allow_new_privileges = true,
            ("seccomp", "unconfined") => self.seccomp = SeccompOption::Unconfined,
            ("seccomp", "builtin") => self.seccomp = SeccompOption::Default,
            _ => {
                let reason =
                    "this version knows no-new-privileges, seccomp=unconfined and seccomp=builtin";
                return Err(OptionError::new("--security-opt", text, reason));
            }
        }
        Ok(())
    }

    /// Whether the options can stand together.
    pub fn check(&self) -> Result<(), OptionError> {
        if self.allow_new_privileges && self.filters() {
            return Err(OptionError::new(
                "--security-opt",
                "no-new-privileges=false",
                "the system call filter needs no-new-privileges; to give up both, add --security-opt seccomp=unconfined",
            ));
        }
        for (option, target) in self.targets() {
            if RootedPath::root().resolve(target) == RootedPath::root() {
                let reason =
                    "the root itself is the image's, and nothing else can be mounted there";
                return Err(OptionError::new(option, target, reason));
            }
        }
        capabilities::granted(self).map(|_| ())
    }

    /// Where something is mounted, and the option that says so.
    fn targets(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let binds = self.binds.iter();
        let binds = binds.map(|bind| ("--volume", bind.target.as_str()));
        let tmpfs = self.tmpfs.iter();
        binds.chain(tmpfs.map(|tmpfs| ("--tmpfs", tmpfs.target.as_str())))
    }

    /// Whether the container's system calls are filtered.
    pub fn filters(&self) -> bool {
        self.seccomp == SeccompOption::Default && !self.privileged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes() {
        let check = |text: &str, expected: Result<(&str, &str, bool), &str>| match (
            Bind::parse(text),
            expected,
        ) {
            (Ok(bind), Ok((source, target, read_only))) => {
                assert_eq!(
                    (bind.source.as_str(), bind.target.as_str(), bind.read_only),
                    (source, target, read_only)
                );
            }
            (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{error}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("/a:/b", Ok(("/a", "/b", false)));
        check("/a:/b:ro", Ok(("/a", "/b", true)));
        check("/a:/b:rw,z", Ok(("/a", "/b", false)));
        check("/a", Err("SOURCE:TARGET"));
        check("a:/b", Err("absolute"));
        check("/a:b", Err("absolute"));
        check("/a:/b:x", Err("ro and rw"));
        check("/a:/b:ro:x", Err("three parts"));
    }

    #[test]
    fn limits() {
        let check = |text: &str, expected: Result<(&str, u64, u64), &str>| match (
            Ulimit::parse(text),
            expected,
        ) {
            (Ok(limit), Ok(expected)) => {
                assert_eq!((limit.name, limit.soft, limit.hard), expected);
            }
            (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{error}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("nofile=10", Ok(("nofile", 10, 10)));
        check("nofile=10:20", Ok(("nofile", 10, 20)));
        check("core=0:-1", Ok(("core", 0, u64::MAX)));
        check("nofile", Err("NAME=SOFT"));
        check("files=3", Err("the limits are core, cpu"));
        check("nofile=2:1", Err("above"));
        check("nofile=x", Err("a number"));
    }

    #[test]
    fn memory_file_systems() {
        let tmpfs = Tmpfs::parse("/run:size=1m,mode=755").unwrap();
        assert_eq!(tmpfs.target, "/run");
        assert_eq!(tmpfs.options, ["size=1m", "mode=755"]);
        assert!(Tmpfs::parse("run").is_err());
    }

    #[test]
    fn nothing_takes_the_place_of_the_root() {
        let check = |target: &str, expected: bool| {
            let volume = RunOptions {
                binds: vec![Bind::parse(&format!("/a:{target}")).unwrap()],
                ..RunOptions::default()
            };
            assert_eq!(volume.check().is_ok(), expected, "--volume /a:{target}");
            let tmpfs = RunOptions {
                tmpfs: vec![Tmpfs::parse(target).unwrap()],
                ..RunOptions::default()
            };
            assert_eq!(tmpfs.check().is_ok(), expected, "--tmpfs {target}");
        };
        check("/", false);
        check("/.", false);
        check("/a/..", false);
        check("/a", true);
        check("/..a", true);
    }

    #[test]
    fn new_privileges_need_the_filter_gone() {
        let check = |values: &[&str], expected: bool| {
            let mut options = RunOptions::default();
            for value in values {
                options.security_opt(value).unwrap();
            }
            assert_eq!(options.check().is_ok(), expected, "{values:?}");
        };
        check(&[], true);
        check(&["no-new-privileges"], true);
        check(&["no-new-privileges=false"], false);
        check(&["no-new-privileges:false", "seccomp=unconfined"], true);
        assert!(
            RunOptions::default()
                .security_opt("label=disable")
                .unwrap_err()
                .to_string()
                .contains("this version knows")
        );
    }
}

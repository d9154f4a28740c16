//! What Docker has and Coracle does not, so that nobody reads "unknown" where Docker's word is meant.

/// When something of Docker's comes to Coracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// With containers in the background: `-d`, `logs`, `exec`.
    Engine,
    /// With cgroup limits.
    Limits,
    /// With bridges, ports and names.
    Network,
    /// With volumes.
    Volumes,
    /// With compose.
    Compose,
    /// Some day, without a place in the course.
    Later,
    /// Not at all: it is about clusters, Windows, or another product.
    Never,
}

impl Plan {
    /// The sentence for somebody who typed `what`.
    pub(crate) fn say(self, what: &str) -> String {
        let when = match self {
            Self::Engine => "it comes with the engine (chapter 18-engine)",
            Self::Limits => "it comes with cgroup limits (chapter 15-limits)",
            Self::Network => "it comes with bridges and ports (chapter 17-network)",
            Self::Volumes => "it comes with volumes (chapter 18-engine)",
            Self::Compose => "it comes with compose (chapter 19-compose)",
            Self::Later => "it has no place in the course so far",
            Self::Never => return format!("{what}: Docker has this, Coracle does not"),
        };
        format!("{what}: Docker has this, Coracle does not (yet); {when}")
    }
}

/// What is known about a verb of Docker's, such as `ps` or `image pull`.
pub(crate) fn verb(path: &str) -> Option<Plan> {
    VERBS
        .iter()
        .find(|(_, verbs)| verbs.contains(&path))
        .map(|(plan, _)| *plan)
}

/// What is known about an option of the Docker command `path`, such as `--memory` of `run`.
pub(crate) fn flag(path: &str, flag: &str) -> Option<Plan> {
    // What one takes, the other takes too.
    let path = if path == "create" { "run" } else { path };
    FLAGS
        .iter()
        .filter(|(command, ..)| *command == path)
        .find(|(_, _, flags)| flags.contains(&flag))
        .map(|(_, plan, _)| *plan)
}

const VERBS: &[(Plan, &[&str])] = &[
    (
        Plan::Engine,
        &[
            "stop",
            "restart",
            "kill",
            "pause",
            "unpause",
            "wait",
            "logs",
            "attach",
            "exec",
            "top",
            "events",
            "port",
            "container attach",
            "container exec",
            "container kill",
            "container logs",
            "container pause",
            "container port",
            "container restart",
            "container stop",
            "container top",
            "container unpause",
            "container wait",
            "system events",
            "system info",
            "info",
        ],
    ),
    (
        Plan::Limits,
        &["stats", "update", "container stats", "container update"],
    ),
    (Plan::Network, &["network"]),
    (Plan::Volumes, &["volume"]),
    (Plan::Compose, &["compose"]),
    (
        Plan::Later,
        &[
            "buildx",
            "init",
            "manifest annotate",
            "manifest create",
            "manifest push",
            "manifest rm",
        ],
    ),
    (
        Plan::Never,
        &[
            "swarm",
            "node",
            "service",
            "stack",
            "secret",
            "config",
            "plugin",
            "trust",
            "checkpoint",
            "search",
            "scout",
            "sbom",
            "model",
            "mcp",
            "offload",
            "desktop",
            "debug",
            "extension",
            "ai",
            "cloud",
            "harmonia",
            "pass",
            "sandbox",
        ],
    ),
];

const FLAGS: &[(&str, Plan, &[&str])] = &[
    (
        "run",
        Plan::Engine,
        &[
            "-d",
            "--detach",
            "--detach-keys",
            "-a",
            "--attach",
            "--restart",
            "--label-file",
            "--stop-signal",
            "--stop-timeout",
            "--health-cmd",
            "--health-interval",
            "--health-retries",
            "--health-start-interval",
            "--health-start-period",
            "--health-timeout",
            "--no-healthcheck",
            "--pid",
            "--ipc",
            "--uts",
            "--userns",
            "--group-add",
            "--log-driver",
            "--log-opt",
            "--annotation",
        ],
    ),
    (
        "run",
        Plan::Limits,
        &[
            "-m",
            "--memory",
            "--memory-reservation",
            "--memory-swap",
            "--memory-swappiness",
            "--kernel-memory",
            "-c",
            "--cpu-shares",
            "--cpus",
            "--cpu-period",
            "--cpu-quota",
            "--cpu-rt-period",
            "--cpu-rt-runtime",
            "--cpuset-cpus",
            "--cpuset-mems",
            "--pids-limit",
            "--blkio-weight",
            "--blkio-weight-device",
            "--device-read-bps",
            "--device-read-iops",
            "--device-write-bps",
            "--device-write-iops",
            "--oom-kill-disable",
            "--oom-score-adj",
            "--cgroup-parent",
            "--cgroupns",
            "--device-cgroup-rule",
        ],
    ),
    (
        "run",
        Plan::Network,
        &[
            "-p",
            "--publish",
            "-P",
            "--publish-all",
            "--expose",
            "--network-alias",
            "--net-alias",
            "--dns",
            "--dns-option",
            "--dns-search",
            "--add-host",
            "--ip",
            "--ip6",
            "--link",
            "--link-local-ip",
            "--mac-address",
            "--domainname",
        ],
    ),
    ("run", Plan::Volumes, &["--volumes-from", "--volume-driver"]),
    (
        "run",
        Plan::Later,
        &[
            "--device",
            "--gpus",
            "--shm-size",
            "--sysctl",
            "--storage-opt",
            "--runtime",
        ],
    ),
    (
        "run",
        Plan::Never,
        &[
            "--cpu-count",
            "--cpu-percent",
            "--io-maxbandwidth",
            "--io-maxiops",
            "--isolation",
            "--disable-content-trust",
            "--use-api-socket",
        ],
    ),
    ("pull", Plan::Never, &["--disable-content-trust"]),
    ("push", Plan::Never, &["--disable-content-trust"]),
    (
        "manifest inspect",
        Plan::Later,
        &["--insecure", "-v", "--verbose"],
    ),
    (
        "build",
        Plan::Limits,
        &[
            "-m",
            "--memory",
            "--memory-swap",
            "-c",
            "--cpu-shares",
            "--cpu-period",
            "--cpu-quota",
            "--cpuset-cpus",
            "--cpuset-mems",
            "--cgroup-parent",
        ],
    ),
    (
        "build",
        Plan::Later,
        &[
            "--squash",
            "--security-opt",
            "--annotation",
            "--sbom",
            "--provenance",
            "--attest",
            "--call",
            "--debug",
            "--force-rm",
            "--rm",
            "--compress",
        ],
    ),
    (
        "build",
        Plan::Never,
        &["--isolation", "--disable-content-trust", "--builder"],
    ),
    ("commit", Plan::Limits, &["-p", "--pause"]),
    ("container prune", Plan::Later, &["--filter"]),
    ("start", Plan::Engine, &["--detach-keys"]),
    ("start", Plan::Never, &["--checkpoint", "--checkpoint-dir"]),
    ("rm", Plan::Network, &["-l", "--link"]),
    ("history", Plan::Later, &["--platform"]),
    ("image inspect", Plan::Later, &["--platform"]),
    ("save", Plan::Later, &["--platform"]),
    ("load", Plan::Later, &["--platform"]),
    ("rmi", Plan::Later, &["--platform", "--no-prune"]),
    ("inspect", Plan::Engine, &["-s", "--size"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_has_is_known() {
        assert_eq!(verb("logs"), Some(Plan::Engine));
        assert_eq!(verb("manifest create"), Some(Plan::Later));
        assert_eq!(verb("nonsense"), None);
        assert_eq!(flag("run", "-d"), Some(Plan::Engine));
        assert_eq!(flag("create", "-m"), Some(Plan::Limits));
        assert_eq!(flag("build", "-d"), None);
    }

    /// Whoever adds a command or an option takes it off these lists.
    #[test]
    fn nothing_is_both_here_and_missing() {
        fn walk(command: &clap::Command, path: &str) {
            assert_eq!(verb(path), None, "`{path}` exists now");
            for arg in command.get_arguments() {
                let long = arg.get_long().map(|long| format!("--{long}"));
                let short = arg.get_short().map(|short| format!("-{short}"));
                for name in [long, short].into_iter().flatten() {
                    assert_eq!(flag(path, &name), None, "`{path} {name}` exists now");
                }
            }
            for sub in command.get_subcommands() {
                walk(sub, format!("{path} {}", sub.get_name()).trim());
            }
        }
        walk(&crate::app::command(), "");
    }
}

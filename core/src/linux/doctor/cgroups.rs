//! Cgroups: which version stands here, and whether limits can be set.

use super::{Finding, Host, Topic};

/// The controllers that `--memory`, `--cpus` and `--pids-limit` write to.
const WANTED: [&str; 3] = ["cpu", "memory", "pids"];

/// How the machine has its cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One tree, everything in it.
    V2,
    /// A tree for each controller, and one for version 2 without them.
    Hybrid,
    /// A tree for each controller.
    V1,
    /// Not mounted.
    None,
}

pub(super) fn version(host: &Host) -> Finding {
    let topic = Topic {
        name: "cgroup version",
        why: "A cgroup is a group of processes that share limits; version 2 is one tree that an \
              ordinary user can own a part of.",
        chapter: "15-limits",
        needed: false,
    };
    let use_v2 = if is_wsl(host) {
        "in Windows, write kernelCommandLine=cgroup_no_v1=all below [wsl2] in .wslconfig, then: wsl \
         --shutdown"
    } else {
        "boot with cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1; limits work for root as it is"
    };
    match layout(host) {
        Layout::V2 => topic.ok("version 2"),
        Layout::Hybrid => topic.limited(
            "hybrid: controllers in version 1, version 2 beside them",
            use_v2,
        ),
        Layout::V1 => topic.limited("version 1", use_v2),
        Layout::None => topic.missing(
            "no cgroup file system at /sys/fs/cgroup",
            "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        ),
    }
}

/// Whether this user can give a group of processes limits.
pub(super) fn limits(host: &Host) -> Finding {
    let topic = Topic {
        name: "cgroup limits",
        why: "Memory, processor time and the number of processes can be held only where the \
              controllers may be written to.",
        chapter: "15-limits",
        needed: false,
    };
    let layout = layout(host);
    if layout == Layout::None {
        return topic.missing("no cgroups", "see the cgroup version above");
    }
    if host.is_root() {
        let controllers = if layout == Layout::V2 {
            controllers(host, "")
        } else {
            separate_controllers(host)
        };
        return if host.probes.cgroup_writable {
            judge(
                topic,
                &controllers,
                "boot with cgroup_enable=memory, or use a kernel that has them",
            )
        } else {
            topic.missing(
                "/sys/fs/cgroup is read-only here",
                "run the container outside with --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw, \
                 or do without limits",
            )
        };
    }
    if layout != Layout::V2 {
        return topic.missing(
            "version 1 controllers belong to root",
            "run as root for limits, or see the cgroup version above",
        );
    }
    let uid = host.probes.user.uid;
    let own = format!("user.slice/user-{uid}.slice/user@{uid}.service");
    if !host.exists(&format!("sys/fs/cgroup/{own}")) {
        let remedy = if host.exists("run/systemd/system") {
            "log in through systemd (`loginctl enable-linger`), or run as root for limits"
        } else {
            "run as root for limits: without systemd, nobody hands out parts of the tree"
        };
        return topic.missing("no part of the tree is yours", remedy);
    }
    judge(
        topic,
        &controllers(host, &own),
        "sudo systemctl edit user@.service, add [Service] Delegate=cpu cpuset io memory pids, log in again",
    )
}

fn is_wsl(host: &Host) -> bool {
    let release = host.text("proc/sys/kernel/osrelease");
    release.is_some_and(|release| release.contains("WSL2"))
}

fn judge(topic: Topic, controllers: &[String], remedy: &str) -> Finding {
    let has = |wanted: &&str| controllers.iter().any(|c| c == wanted);
    let (there, gone): (Vec<&str>, Vec<&str>) = WANTED.iter().partition(|w| has(w));
    if gone.is_empty() {
        topic.ok(format!("{} can be held", there.join(", ")))
    } else if there.is_empty() {
        topic.missing("no controller can be used", remedy)
    } else {
        topic.limited(
            format!(
                "{} can be held, {} cannot",
                there.join(", "),
                gone.join(", ")
            ),
            remedy,
        )
    }
}

/// The kind of file system at /sys/fs/cgroup decides: cgroup2 there is version 2; a tmpfs holds
/// the trees of version 1, and a `0::` line in /proc/self/cgroup says that version 2 is beside them.
/// Source: cgroups(7).
fn layout(host: &Host) -> Layout {
    let own = host.text("proc/self/cgroup").unwrap_or_default();
    let one = own.lines().any(|line| line.starts_with("0::"));
    let many = own.lines().any(|line| !line.starts_with("0::"));
    match host.probes.cgroup_file_system.as_str() {
        "cgroup2" => Layout::V2,
        "tmpfs" | "cgroup" if many && one => Layout::Hybrid,
        "tmpfs" | "cgroup" if many => Layout::V1,
        _ => Layout::None,
    }
}

/// The controllers of a cgroup in version 2.
fn controllers(host: &Host, cgroup: &str) -> Vec<String> {
    let text = host.text(&format!("sys/fs/cgroup/{cgroup}/cgroup.controllers"));
    let text = text.unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// The controllers that have a tree of their own, from lines like `4:memory:/` or `3:cpu,cpuacct:/`.
fn separate_controllers(host: &Host) -> Vec<String> {
    let text = host.text("proc/self/cgroup").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split(':').nth(1))
        .flat_map(|names| names.split(','))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

//! What confines processes: capabilities, seccomp, and the security modules.

use super::probe::Answer;
use super::surroundings::{LOOSEN, is_contained};
use super::{Finding, Host, Topic};

/// The capabilities that root's containers are made with.
const NEEDED_OF_ROOT: [&str; 9] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_ADMIN",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
];

pub(super) fn capabilities(host: &Host) -> Finding {
    let topic = Topic {
        name: "capabilities",
        why: "Root's power is cut into some forty capabilities; a container gets a few of them, \
              and cannot get more than we have.",
        chapter: "16-confine",
        needed: host.is_root(),
    };
    if !host.is_root() {
        return topic.ok("none outside; all of them inside a user namespace");
    }
    let Some(bounds) = host
        .status("CapBnd")
        .and_then(|hex| u64::from_str_radix(&hex, 16).ok())
    else {
        return topic.limited(
            "CapBnd is not in /proc/self/status",
            "run `mount -t proc proc /proc` as root",
        );
    };
    let last = host.number("proc/sys/kernel/cap_last_cap").unwrap_or(40);
    let mut all: Vec<caps::Capability> = caps::all().into_iter().collect();
    all.sort_by_key(caps::Capability::index);
    let gone: Vec<String> = all
        .iter()
        .filter(|c| u64::from(c.index()) <= last && bounds & (1 << c.index()) == 0)
        .map(ToString::to_string)
        .collect();
    let blocking: Vec<&str> = NEEDED_OF_ROOT
        .into_iter()
        .filter(|name| gone.iter().any(|g| g == name))
        .collect();
    if gone.is_empty() {
        topic.ok(format!("all {}", last + 1))
    } else if blocking.is_empty() {
        topic.limited(
            format!("all but {}", shortened(&gone)),
            "containers that ask for these will not get them; nothing else is affected",
        )
    } else {
        topic.missing(
            format!("root without {}", blocking.join(", ")),
            if is_contained(host) {
                LOOSEN
            } else {
                "start coracle as an ordinary user, or with all capabilities"
            },
        )
    }
}

pub(super) fn seccomp(host: &Host) -> Finding {
    let topic = Topic {
        name: "seccomp",
        why: "A filter keeps a container's processes from system calls that they have no business \
              with.",
        chapter: "16-confine",
        needed: false,
    };
    let rebuild = "use a kernel built with CONFIG_SECCOMP_FILTER, or run with --security-opt \
                   seccomp=unconfined";
    let actions = host.text("proc/sys/kernel/seccomp/actions_avail");
    let actions = actions.unwrap_or_default();
    let errno = actions.split_whitespace().any(|action| action == "errno");
    match &host.probes.seccomp {
        Answer::Works => topic.ok("filters can be set"),
        Answer::Refused(call) => topic.missing(call, rebuild),
        Answer::Untried(_) if errno => topic.ok("the kernel has filters"),
        Answer::Untried(why) => {
            topic.missing(format!("the kernel shows no filters; {why}"), rebuild)
        }
    }
}

pub(super) fn apparmor(host: &Host) -> Finding {
    let topic = Topic {
        name: "AppArmor",
        why: "It can forbid user namespaces to programs that it has no profile for.",
        chapter: "10-users",
        needed: false,
    };
    if !active(
        host,
        "apparmor",
        "sys/module/apparmor/parameters/enabled",
        "Y",
    ) {
        return topic.ok("not active");
    }
    if host.number("proc/sys/kernel/apparmor_restrict_unprivileged_userns") != Some(1) {
        return topic.ok("active, and leaves user namespaces alone");
    }
    if host.is_root() || host.probes.user_namespace == Answer::Works {
        return topic.ok("active; restricts user namespaces, but not for us");
    }
    topic.limited(
        "active, and restricts user namespaces",
        "see the user namespace above",
    )
}

pub(super) fn selinux(host: &Host) -> Finding {
    let topic = Topic {
        name: "SELinux",
        why: "It labels every file and process; a volume whose label does not fit cannot be read \
              by confined containers.",
        chapter: "16-confine",
        needed: false,
    };
    match host.number("sys/fs/selinux/enforce") {
        Some(0) => topic.ok("active, permissive"),
        Some(_) => topic.ok("active, enforcing; Coracle does not change labels"),
        None => topic.ok("not active"),
    }
}

pub(super) fn landlock(host: &Host) -> Finding {
    let topic = Topic {
        name: "Landlock",
        why: "It lets a program give up rights on files by itself; Coracle's own processes may use \
              it, containers need not.",
        chapter: "16-confine",
        needed: false,
    };
    match host.text("sys/kernel/security/lsm") {
        Some(lsm) if lsm.split(',').any(|module| module == "landlock") => topic.ok("active"),
        Some(_) => topic.limited(
            "not among the active security modules",
            "boot with lsm=landlock,… in front of the modules listed in /sys/kernel/security/lsm",
        ),
        None => topic.unknown("/sys/kernel/security is not mounted"),
    }
}

/// Whether a security module is active: in the kernel's list, or by a parameter of its own where
/// the list cannot be seen.
fn active(host: &Host, name: &str, parameter: &str, value: &str) -> bool {
    match host.text("sys/kernel/security/lsm") {
        Some(lsm) => lsm.split(',').any(|module| module == name),
        None => host.text(parameter).as_deref() == Some(value),
    }
}

/// At most four names, and how many more.
fn shortened(names: &[String]) -> String {
    let shown = names.len().min(4);
    let mut text = names[..shown].join(", ");
    if names.len() > shown {
        use std::fmt::Write as _;
        let _ = write!(text, " and {} more", names.len() - shown);
    }
    text
}

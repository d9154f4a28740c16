//! The eight kinds of namespace, each its own row.

use super::probe::Answer;
use super::surroundings::{LOOSEN, is_contained};
use super::{Finding, Host, Topic};

/// Name in /proc/self/ns, name of the sysctl's kind, topic.
const KINDS: [(&str, Topic); 8] = [
    (
        "user",
        Topic {
            name: "user namespace",
            why: "It makes an ordinary user root of a container, and of nothing else; all other \
                  namespaces follow from it.",
            chapter: "10-users",
            needed: true,
        },
    ),
    (
        "mnt",
        Topic {
            name: "mnt namespace",
            why: "It gives a container its own mounts, and so its own root directory.",
            chapter: "11-rootfs",
            needed: true,
        },
    ),
    (
        "pid",
        Topic {
            name: "pid namespace",
            why: "It gives a container its own process numbers, from 1.",
            chapter: "09-namespaces",
            needed: true,
        },
    ),
    (
        "net",
        Topic {
            name: "net namespace",
            why: "It gives a container its own network interfaces, addresses and ports.",
            chapter: "17-network",
            needed: true,
        },
    ),
    (
        "uts",
        Topic {
            name: "uts namespace",
            why: "It gives a container its own host name.",
            chapter: "09-namespaces",
            needed: true,
        },
    ),
    (
        "ipc",
        Topic {
            name: "ipc namespace",
            why: "It keeps a container's shared memory and message queues its own.",
            chapter: "09-namespaces",
            needed: true,
        },
    ),
    (
        "cgroup",
        Topic {
            name: "cgroup namespace",
            why: "It hides from a container where in the tree of cgroups it stands.",
            chapter: "15-limits",
            needed: false,
        },
    ),
    (
        "time",
        Topic {
            name: "time namespace",
            why: "It can give a container its own boot time; containers moved between machines like it.",
            chapter: "09-namespaces",
            needed: false,
        },
    ),
];

pub(super) fn each(host: &Host) -> impl Iterator<Item = Finding> {
    KINDS.iter().map(|(kind, topic)| match *kind {
        "user" => user(host, *topic),
        kind => other(host, kind, *topic),
    })
}

/// Root can do without a user namespace; for everybody else it is the door to the rest.
fn user(host: &Host, topic: Topic) -> Finding {
    let topic = Topic {
        needed: !host.is_root(),
        ..topic
    };
    if !host.exists("proc/self/ns/user") {
        return topic.missing(
            "the kernel has none",
            "use a kernel built with CONFIG_USER_NS, or run as root",
        );
    }
    match &host.probes.user_namespace {
        Answer::Works => topic.ok("works for you"),
        Answer::Refused(call) => {
            let (cause, remedy) = why_no_user_namespace(host);
            topic.missing(join(call, &cause), remedy)
        }
        Answer::Untried(why) => topic.unknown(why),
    }
}

/// The setting that stands in the way, as far as the machine's files tell, and how to change it.
fn why_no_user_namespace(host: &Host) -> (String, String) {
    let set = |path: &str, value: u64| host.number(path) == Some(value);
    if set("proc/sys/user/max_user_namespaces", 0) {
        return (
            "user.max_user_namespaces is 0".to_owned(),
            "sudo sysctl user.max_user_namespaces=15000 (keep it in /etc/sysctl.d/userns.conf)"
                .to_owned(),
        );
    }
    if is_contained(host) {
        return (
            "the container around us forbids it".to_owned(),
            LOOSEN.to_owned(),
        );
    }
    if set("proc/sys/kernel/unprivileged_userns_clone", 0) {
        return (
            "kernel.unprivileged_userns_clone is 0".to_owned(),
            "sudo sysctl kernel.unprivileged_userns_clone=1 (keep it in /etc/sysctl.d/userns.conf)"
                .to_owned(),
        );
    }
    if set("proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1) {
        return (
            "AppArmor restricts them".to_owned(),
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 (or give the coracle \
             binary an AppArmor profile that says `userns,`)"
                .to_owned(),
        );
    }
    (
        String::new(),
        "ask who runs this machine why user namespaces are refused, or run as root".to_owned(),
    )
}

fn other(host: &Host, kind: &str, topic: Topic) -> Finding {
    if !host.exists(&format!("proc/self/ns/{kind}")) {
        return topic.missing(
            "the kernel has none",
            format!(
                "use a kernel that has {kind} namespaces; every distribution's current one does"
            ),
        );
    }
    if host.number(&format!("proc/sys/user/max_{kind}_namespaces")) == Some(0) {
        return topic.missing(
            format!("user.max_{kind}_namespaces is 0"),
            format!("sudo sysctl user.max_{kind}_namespaces=15000"),
        );
    }
    match host.probes.namespaces.get(kind) {
        Some(Answer::Works) => topic.ok("works for you"),
        Some(Answer::Refused(call)) if is_contained(host) => topic.missing(call, LOOSEN),
        Some(Answer::Refused(call)) => topic.missing(
            call,
            "see the user namespace above: what forbids one usually forbids the other",
        ),
        Some(Answer::Untried(why)) => topic.unknown(why),
        None => topic.unknown("not tried"),
    }
}

fn join(call: &str, cause: &str) -> String {
    if cause.is_empty() {
        call.to_owned()
    } else {
        format!("{cause}: {call}")
    }
}

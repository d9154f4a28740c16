//! What is around: another container, a virtual machine's kernel, devices, helper programs, the disk.

use super::{Finding, Host, Topic, install};

/// What to tell the engine of the container that we are in.
pub(super) const LOOSEN: &str = "start the container outside with --privileged, or with \
    --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined";

/// Below this many free bytes the next image may not fit.
const LITTLE_SPACE: u64 = 1 << 30;

/// Where we are. Inside a container, what is refused is refused by the engine outside.
pub(super) fn surroundings(host: &Host) -> Finding {
    let topic = Topic {
        name: "surroundings",
        why: "Inside another container, the engine outside decides what we may do.",
        chapter: "09-namespaces",
        needed: false,
    };
    let release = host.text("proc/sys/kernel/osrelease").unwrap_or_default();
    let map = host.text("proc/self/uid_map");
    let mapped = map.is_some_and(|map| !is_whole_map(&map));
    if is_contained(host) {
        topic.limited(
            "inside a container, with parts of /proc covered",
            format!("if something below is refused: {LOOSEN}"),
        )
    } else if release.contains("WSL2") {
        topic.ok("Windows Subsystem for Linux, version 2")
    } else if release.ends_with("Microsoft") {
        topic.missing(
            "Windows Subsystem for Linux, version 1: there is no Linux kernel",
            "in Windows: wsl --set-version DISTRIBUTION 2",
        )
    } else if mapped {
        topic.ok("inside a user namespace")
    } else {
        topic.ok("a machine of its own, or a virtual one")
    }
}

/// Whether a uid_map is that of the first user namespace: every ID is itself.
pub(super) fn is_whole_map(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether an engine's marks are here: covered files below /proc, which nothing but a container
/// engine makes.
pub(super) fn is_contained(host: &Host) -> bool {
    let mounts = host.text("proc/self/mountinfo").unwrap_or_default();
    mounts.lines().any(|line| {
        let target = line.split(' ').nth(4).unwrap_or_default();
        ["/proc/kcore", "/proc/keys", "/proc/sysrq-trigger"].contains(&target)
    })
}

/// The door through which a program can carry packets in and out of a network namespace.
pub(super) fn tun(host: &Host) -> Finding {
    let topic = Topic {
        name: "/dev/net/tun",
        why: "Through it an ordinary user's containers reach the network.",
        chapter: "17-network",
        needed: false,
    };
    match host.probes.devices.get("net/tun") {
        Some(true) => topic.ok("can be opened"),
        _ if host.is_root() => topic.ok("not there, and root does not need it"),
        Some(false) => topic.limited("there, but not for you", "sudo chmod 0666 /dev/net/tun"),
        None => topic.missing("not there", "sudo modprobe tun"),
    }
}

/// The door to file systems that are programs.
pub(super) fn fuse(host: &Host) -> Finding {
    let topic = Topic {
        name: "/dev/fuse",
        why: "Other engines stack layers through it where the kernel's overlays are refused; \
              Coracle copies instead.",
        chapter: "13-overlay",
        needed: false,
    };
    match host.probes.devices.get("fuse") {
        Some(true) => topic.ok("can be opened"),
        Some(false) => topic.ok("not for you, and not needed"),
        None => topic.ok("not there, and not needed"),
    }
}

/// The programs that connect a rootless network namespace with the world.
pub(super) fn user_network(host: &Host) -> Finding {
    let topic = Topic {
        name: "pasta",
        why: "It carries an ordinary user's packets between a container and the network; without \
              it there are `none` and `host`.",
        chapter: "17-network",
        needed: false,
    };
    let path = |name: &str| host.probes.programs.get(name).map(|p| p.path.clone());
    let package = [
        ("debian", "passt"),
        ("fedora", "passt"),
        ("alpine", "passt"),
        ("arch", "passt"),
        ("suse", "passt"),
    ];
    match (path("pasta"), path("slirp4netns")) {
        (Some(pasta), _) => topic.ok(pasta),
        (None, Some(slirp)) => {
            topic.limited(format!("only its elder, {slirp}"), install(host, &package))
        }
        (None, None) if host.is_root() => topic.ok("not needed: root can make bridges"),
        (None, None) => topic.missing("neither pasta nor slirp4netns", install(host, &package)),
    }
}

/// The disk that images and containers lie on.
pub(super) fn store(host: &Host) -> Finding {
    let topic = Topic {
        name: "store",
        why: "Images and containers lie there, and the file system decides what overlays can do.",
        chapter: "18-engine",
        needed: true,
    };
    let store = &host.probes.store;
    let seen = format!(
        "{}: {}, {} free",
        store.path,
        store.file_system,
        size(store.free)
    );
    if !store.writable {
        topic.missing(
            format!("{}: cannot be written to", store.path),
            "set CORACLE_ROOT to a directory of yours",
        )
    } else if store.free < LITTLE_SPACE {
        topic.limited(
            seen,
            "make room, or set CORACLE_ROOT to a directory on a larger disk",
        )
    } else if ["nfs", "9p", "fuse", "vfat", "smb"].contains(&store.file_system.as_str()) {
        topic.limited(
            seen,
            "set CORACLE_ROOT to a directory on a local disk: this file system lacks owners, \
             attributes or overlays",
        )
    } else {
        topic.ok(seen)
    }
}

/// A size to one digit, in powers of ten as `df -H` prints them.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB")];
    for (unit, name) in units {
        if bytes >= unit {
            return format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10));
        }
    }
    format!("{bytes} bytes")
}

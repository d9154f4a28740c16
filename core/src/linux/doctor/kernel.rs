//! The kernel itself: its version, and the calls and file systems that everything stands on.

use super::probe::Answer;
use super::surroundings::LOOSEN;
use super::{Finding, Host, Topic};

/// The version from which an ordinary user may mount an overlay.
const OVERLAY_FOR_USERS: (u32, u32) = (5, 11);

pub(super) fn version(host: &Host) -> Finding {
    let topic = Topic {
        name: "kernel",
        why: "A container is made of things that the kernel offers, and newer ones offer more.",
        chapter: "09-namespaces",
        needed: true,
    };
    let Some(release) = host.text("proc/sys/kernel/osrelease") else {
        return topic.missing(
            "/proc/sys/kernel/osrelease is not there",
            "run `mount -t proc proc /proc` as root: without /proc there are no containers",
        );
    };
    let seen = format!("Linux {release}");
    match parse(&release) {
        Some(version) if version >= OVERLAY_FOR_USERS => topic.ok(seen),
        Some(version) if version >= (5, 6) => topic.limited(
            format!("{seen}; ordinary users cannot mount overlays before 5.11"),
            "update the kernel to 5.11 or later, or run as root",
        ),
        _ => topic.missing(
            format!("{seen}; older than 5.6"),
            "update the kernel: 5.6 or later for root, 5.11 or later for ordinary users",
        ),
    }
}

/// Whether paths can be walked without ever leaving a directory.
pub(super) fn openat2(host: &Host) -> Finding {
    let topic = Topic {
        name: "openat2",
        why: "Unpacking an image must never follow a hostile link out of its directory; the kernel \
              sees to it in the call openat2.",
        chapter: "01-layers",
        needed: true,
    };
    match &host.probes.openat2 {
        Answer::Works => topic.ok("works, with RESOLVE_IN_ROOT"),
        Answer::Refused(call) => topic.missing(
            call,
            "update the kernel to 5.6 or later; in a container, update the engine outside, whose \
             filter does not know the call",
        ),
        Answer::Untried(why) => topic.unknown(why),
    }
}

/// Overlays: the kernel's way of stacking layers.
pub(super) fn overlay(host: &Host) -> Finding {
    let topic = Topic {
        name: "overlayfs",
        why: "With it, containers share the layers of their image; without it, each start copies \
              the whole image.",
        chapter: "13-overlay",
        needed: false,
    };
    let known = host
        .text("proc/filesystems")
        .is_some_and(|text| text.split_whitespace().any(|word| word == "overlay"));
    let store = &host.probes.store;
    match &host.probes.overlay {
        Answer::Works if host.is_root() => topic.ok(format!("works on {}", store.file_system)),
        Answer::Works => topic.ok(format!(
            "works for you on {}, with userxattr",
            store.file_system
        )),
        Answer::Refused(call) => topic.missing(call, overlay_remedy(host, known, call)),
        Answer::Untried(why) => topic.unknown(why),
    }
}

fn overlay_remedy(host: &Host, known: bool, call: &str) -> String {
    let version = host.text("proc/sys/kernel/osrelease");
    let version = version.as_deref().and_then(parse);
    let file_system = host.probes.store.file_system.as_str();
    if !known || call.contains("ENODEV") {
        "sudo modprobe overlay (images are copied until then)".to_owned()
    } else if !host.is_root() && version.is_some_and(|v| v < OVERLAY_FOR_USERS) {
        "update the kernel to 5.11 or later, or run as root (images are copied until then)"
            .to_owned()
    } else if ["overlay", "nfs", "9p", "fuse"].contains(&file_system) {
        format!(
            "{file_system} cannot hold the upper directory: set CORACLE_ROOT to a directory on \
             ext4, xfs, btrfs or tmpfs (images are copied until then)"
        )
    } else {
        "images are copied instead: slower starts, more space, the same result".to_owned()
    }
}

/// Whether a new /proc can be mounted for new processes.
pub(super) fn proc(host: &Host) -> Finding {
    let topic = Topic {
        name: "new /proc",
        why: "A container sees its own processes only through a /proc of its own.",
        chapter: "11-rootfs",
        needed: true,
    };
    match &host.probes.mount_proc {
        Answer::Works => topic.ok("can be mounted"),
        Answer::Refused(call) => topic.missing(
            format!("{call}; parts of the /proc here are covered"),
            LOOSEN,
        ),
        Answer::Untried(why) => topic.unknown(why),
    }
}

/// Major and minor number of `6.8.0-45-generic`.
fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

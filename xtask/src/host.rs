//! What a container could leave behind on this machine: mounts, cgroups, network interfaces.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The machine at one moment.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// Mounts and interfaces, each as one line of text.
    things: BTreeSet<String>,
    cgroups: BTreeSet<PathBuf>,
}

/// How long the kernel may need to sweep up behind a process that has ended.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

impl Host {
    /// Looks at this machine.
    pub(crate) fn now() -> Self {
        let mut host = Self::default();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        host.things.extend(mounts.lines().filter_map(mount));
        let interfaces = std::fs::read_dir("/sys/class/net").into_iter().flatten();
        let names = interfaces.flatten().map(|entry| entry.file_name());
        host.things
            .extend(names.map(|name| format!("interface {}", name.display())));
        folders(Path::new("/sys/fs/cgroup"), &mut |path| {
            host.cgroups.insert(path.to_owned());
        });
        host
    }

    /// What is different from `before`, at the latest after `patience`: one line a thing.
    pub(crate) fn settle_to(self, before: &Self, patience: Duration) -> Vec<String> {
        let begin = Instant::now();
        let mut now = self;
        loop {
            let changes = now.changes_since(before);
            if changes.is_empty() || begin.elapsed() >= patience {
                return changes;
            }
            std::thread::sleep(Duration::from_millis(100));
            now = Self::now();
        }
    }

    fn changes_since(&self, before: &Self) -> Vec<String> {
        let left = self.things.difference(&before.things);
        let gone = before.things.difference(&self.things);
        let cgroups = self.cgroups.difference(&before.cgroups);
        // A new cgroup that somebody lives in is somebody's; an empty one was forgotten.
        let forgotten = cgroups.filter(|path| is_empty(path));
        left.map(|thing| format!("LEFT BEHIND {thing}"))
            .chain(gone.map(|thing| format!("TAKEN AWAY {thing}")))
            .chain(forgotten.map(|path| format!("LEFT BEHIND cgroup {}", path.display())))
            .collect()
    }
}

/// Whether no process is in a cgroup; one that has just gone away is not empty, but nothing.
fn is_empty(cgroup: &Path) -> bool {
    std::fs::read_to_string(cgroup.join("cgroup.procs")).is_ok_and(|processes| processes.is_empty())
}

/// `mount POINT TYPE` of a line of mountinfo (see proc(5)); the ids in it are of no interest.
fn mount(line: &str) -> Option<String> {
    let (front, back) = line.split_once(" - ")?;
    let point = front.split(' ').nth(4)?;
    let kind = back.split(' ').next()?;
    Some(format!("mount {point} {kind}"))
}

/// Calls `each` with every folder below `root`, without following links.
fn folders(root: &Path, each: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            each(&entry.path());
            folders(&entry.path(), each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_its_point_and_type() {
        let line = "29 1 254:0 / /srv/x rw,relatime shared:1 - ext4 /dev/vda rw";
        assert_eq!(mount(line).as_deref(), Some("mount /srv/x ext4"));
        assert_eq!(mount("nonsense"), None);
    }

    #[test]
    fn what_is_left_behind_is_named() {
        let mut before = Host::now();
        before.things.insert("interface gone0".into());
        let changes = Host::now().settle_to(&before, Duration::ZERO);
        assert!(changes.contains(&"TAKEN AWAY interface gone0".to_owned()));
        let mut after = Host::now();
        after.things.insert("interface left0".into());
        let changes = after.settle_to(&Host::now(), Duration::ZERO);
        assert!(changes.contains(&"LEFT BEHIND interface left0".to_owned()));
    }
}

//! What a container could leave behind on this machine: mounts, cgroups, network interfaces.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// The machine at one moment: each thing as one line of text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Host {
    things: BTreeSet<String>,
}

/// How long the kernel may need to sweep up behind a process that has ended.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

impl Host {
    /// Looks at this machine.
    pub(crate) fn now() -> Self {
        let mut things = BTreeSet::new();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        things.extend(mounts.lines().filter_map(mount));
        folders(Path::new("/sys/fs/cgroup"), &mut |path| {
            things.insert(format!("cgroup {}", path.display()));
        });
        for entry in std::fs::read_dir("/sys/class/net")
            .into_iter()
            .flatten()
            .flatten()
        {
            things.insert(format!("interface {}", entry.file_name().display()));
        }
        Self { things }
    }

    /// What is different from `before`, at the latest after `patience`: one line a thing.
    pub(crate) fn settle_to(self, before: &Self, patience: Duration) -> Vec<String> {
        let begin = Instant::now();
        let mut now = self;
        while now != *before && begin.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(100));
            now = Self::now();
        }
        let left = now.things.difference(&before.things);
        let gone = before.things.difference(&now.things);
        left.map(|thing| format!("LEFT BEHIND {thing}"))
            .chain(gone.map(|thing| format!("TAKEN AWAY {thing}")))
            .collect()
    }
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

//! Which users exist in a user namespace: the maps from numbers inside to numbers outside.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User};

use super::UserNamespaceError;
use crate::linux::explain::Kernel;
use crate::linux::sys::SysError;

/// How the numbers of the namespace are to be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    uid: u32,
    gid: u32,
    /// Subordinate users and groups: the first and the count of each range.
    users: Vec<(u32, u32)>,
    groups: Vec<(u32, u32)>,
}

impl Plan {
    pub(super) fn make() -> Self {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
        let ranges = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            ranges_of(&text, name.as_deref(), uid.as_raw())
        };
        Self {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
            users: ranges("/etc/subuid"),
            groups: ranges("/etc/subgid"),
        }
    }

    pub(super) fn write(
        &self,
        kernel: &mut Kernel<'_>,
        child: u32,
        warnings: &mut Vec<String>,
    ) -> Result<(), UserNamespaceError> {
        let why_single = if self.users.is_empty() || self.groups.is_empty() {
            "no range of subordinate ids is in /etc/subuid and /etc/subgid for this user".to_owned()
        } else {
            match self.write_ranges(kernel, child) {
                Ok(()) => return Ok(()),
                Err(why) => why,
            }
        };
        self.write_single(kernel, child)?;
        warnings.push(format!(
            "only one user exists inside, root ({why_single}): files keep one owner, and becoming another user fails. \
             For more, install the package uidmap and, as root, run \
             `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME`"
        ));
        Ok(())
    }

    /// Root inside is the caller, and the subordinate ids follow from 1 on. Only a tool that
    /// root has installed may write that.
    fn write_ranges(&self, kernel: &mut Kernel<'_>, child: u32) -> Result<(), String> {
        for (tool, own, ranges) in [
            ("newuidmap", self.uid, &self.users),
            ("newgidmap", self.gid, &self.groups),
        ] {
            let mut command = Command::new(tool);
            command
                .arg(child.to_string())
                .args(["0", &own.to_string(), "1"]);
            for (inside, first, count) in placed(ranges) {
                command.args([inside, first, count].map(|n| n.to_string()));
            }
            kernel.tell(
                "the caller's own number becomes 0 inside; the subordinate ones follow from 1",
                || format!("{command:?}").replace('"', ""),
            );
            let output = command.stdin(Stdio::null()).output();
            let output = output.map_err(|e| match e.kind() {
                io::ErrorKind::NotFound => format!("{tool} is not installed"),
                _ => format!("{tool}: {e}"),
            })?;
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{tool} failed: {}", text.trim()));
            }
        }
        Ok(())
    }

    /// The one map that the kernel lets anybody write.
    fn write_single(&self, kernel: &mut Kernel<'_>, child: u32) -> Result<(), SysError> {
        let lines = [
            (
                "setgroups",
                "deny".to_owned(),
                "whoever may change groups could leave one that is refused something, so nobody may",
            ),
            (
                "gid_map",
                format!("0 {} 1", self.gid),
                "group 0 inside is the caller's group",
            ),
            (
                "uid_map",
                format!("0 {} 1", self.uid),
                "user 0 inside is the caller",
            ),
        ];
        for (file, text, why) in lines {
            let path = format!("/proc/{child}/{file}");
            // Where the tools have written one before they failed, it stays.
            if has_map(child, file) {
                continue;
            }
            kernel.ask(
                why,
                || format!("write({path:?}, {text:?})"),
                || fs::write(&path, &text),
            )?;
        }
        Ok(())
    }
}

/// Whether a map stands there already. A map can be written once.
fn has_map(child: u32, file: &str) -> bool {
    file.ends_with("_map")
        && fs::read_to_string(format!("/proc/{child}/{file}")).is_ok_and(|map| !map.is_empty())
}

/// Where each range begins inside: the first at 1, the next where the last one ended.
fn placed(ranges: &[(u32, u32)]) -> impl Iterator<Item = (u32, u32, u32)> {
    let mut next = 1;
    ranges.iter().map(move |(first, count)| {
        let inside = next;
        next += count;
        (inside, *first, *count)
    })
}

/// The ranges of a user in a file of lines `NAME-OR-NUMBER:FIRST:COUNT`.
///
/// Source: [subuid(5)](https://man7.org/linux/man-pages/man5/subuid.5.html).
fn ranges_of(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            (Some(owner) == name || owner.parse() == Ok(uid)).then_some(range)
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Whether a map, as `/proc/self/uid_map` shows it, has the number `inside`.
pub(in crate::linux) fn is_mapped(map: &str, inside: u32) -> bool {
    map.lines().any(|line| {
        let mut fields = line
            .split_whitespace()
            .map(|f| f.parse::<u64>().unwrap_or(0));
        let (first, _, count) = (fields.next(), fields.next(), fields.next());
        let (first, count) = (first.unwrap_or(0), count.unwrap_or(0));
        (first..first + count).contains(&u64::from(inside))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_belong_to_a_name_or_a_number() {
        let text = "anna:100000:65536\n1000:200000:10\nbert:300000:1\nanna:400000:5\nbroken\nanna:1:0\nanna:x:1\n";
        let check = |name: Option<&str>, uid, expected: &[(u32, u32)]| {
            assert_eq!(ranges_of(text, name, uid), expected);
        };
        check(Some("anna"), 7, &[(100_000, 65_536), (400_000, 5)]);
        check(
            Some("anna"),
            1000,
            &[(100_000, 65_536), (200_000, 10), (400_000, 5)],
        );
        check(None, 1000, &[(200_000, 10)]);
        check(Some("carl"), 1, &[]);
        let ranges = placed(&[(100_000, 65_536), (400_000, 5)]).collect::<Vec<_>>();
        assert_eq!(ranges, [(1, 100_000, 65_536), (65_537, 400_000, 5)]);
    }

    #[test]
    fn maps_are_ranges() {
        let check = |map: &str, id, expected| assert_eq!(is_mapped(map, id), expected, "{id}");
        let map = "         0       1000          1\n         1     100000      65536\n";
        check(map, 0, true);
        check(map, 5, true);
        check(map, 65_536, true);
        check(map, 65_537, false);
        check("0 0 4294967295", 4_294_967_294, true);
        check("0 1000 1", 5, false);
        check("", 0, false);
    }
}

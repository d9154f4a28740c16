//! Who types the commands of an end-to-end test: root, an ordinary user, or one with a single id.

use std::os::unix::fs::MetadataExt;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The primary group's id.
    pub gid: u32,
    /// Whether `/etc/subuid` gives this user more ids.
    pub subordinate: bool,
}

/// The users that `cargo x test` adds when root runs it: with subordinate ids, and without.
const USER: &str = "coracle-test";
const LONE: &str = "coracle-lone";

impl Person {
    /// The person that `CORACLE_TEST_AS` asks for (`root`, `user`, `lone`); without it, whoever
    /// runs the tests. The error is the reason why that person is not to be had.
    pub fn wanted() -> Result<Self, String> {
        let me = Self::me();
        let wanted = std::env::var("CORACLE_TEST_AS").unwrap_or_default();
        match wanted.as_str() {
            "" => Ok(me),
            "root" if me.is_root() => Ok(me),
            "root" => Err("needs root".into()),
            "user" if me.is_root() => Self::named(USER),
            "lone" if me.is_root() => Self::named(LONE),
            "user" if me.subordinate => Ok(me),
            "user" => Err(format!(
                "needs root for subordinate ids: usermod --add-subuids 100000-165535 \
                 --add-subgids 100000-165535 {}",
                me.name
            )),
            "lone" if !me.subordinate => Ok(me),
            "lone" => Err("needs root for a user without subordinate ids".into()),
            other => panic!("CORACLE_TEST_AS is {other:?}; it is root, user or lone"),
        }
    }

    /// An ordinary user with subordinate ids: whoever runs the tests or, when that is root, the
    /// user that `cargo x test` adds. The error is the reason why there is none.
    pub fn with_many_ids() -> Result<Self, String> {
        let me = Self::me();
        let person = if me.is_root() { Self::named(USER)? } else { me };
        if person.subordinate {
            return Ok(person);
        }
        Err(format!("{} needs subordinate ids", person.name))
    }

    /// Whoever runs the tests.
    pub fn me() -> Self {
        let process = std::fs::metadata("/proc/self").expect("/proc is mounted");
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mine = entries(&users).find(|(_, uid, _)| *uid == process.uid());
        let name = mine.map_or_else(|| process.uid().to_string(), |(name, _, _)| name.into());
        Self {
            subordinate: has_subordinate(&name),
            name,
            uid: process.uid(),
            gid: process.gid(),
        }
    }

    /// The user of that name.
    fn named(name: &str) -> Result<Self, String> {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (_, uid, gid) = entries(&users)
            .find(|(entry, _, _)| *entry == name)
            .ok_or_else(|| crate::missing(&format!("the user {name}"), "cargo x test"))?;
        Ok(Self {
            name: name.into(),
            uid,
            gid,
            subordinate: has_subordinate(name),
        })
    }

    /// Whether this is root.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether files can have more than one owner in this person's containers.
    pub fn has_many_ids(&self) -> bool {
        self.is_root() || self.subordinate
    }
}

/// Name, user id and group id of every line of a passwd file.
fn entries(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((name, uid, gid))
    })
}

fn has_subordinate(name: &str) -> bool {
    ["/etc/subuid", "/etc/subgid"].iter().all(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .any(|line| line.split(':').next() == Some(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_lines_are_read() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1001::/:/bin/sh\n";
        let seen: Vec<_> = entries(text).collect();
        assert_eq!(seen, [("root", 0, 0), ("app", 1000, 1001)]);
    }
}

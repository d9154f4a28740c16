//! Users and groups as `/etc/passwd` and `/etc/group` of an image list them.
//!
//! Names mean what the image says they mean, never what the host says.
//! Sources: passwd(5), group(5).

/// The accounts of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    /// The users, in the file's order.
    pub users: Vec<User>,
    /// The groups, in the file's order.
    pub groups: Vec<Group>,
}

/// One line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's first group.
    pub gid: u32,
    /// The home directory.
    pub home: String,
}

/// One line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The group's number.
    pub gid: u32,
    /// The names of the users who are in it besides those whose first group it is.
    pub members: Vec<String>,
}

/// Who a process is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The groups beside it.
    pub groups: Vec<u32>,
    /// The home directory; `/` for a number without an entry.
    pub home: String,
}

/// A user or group that the image does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownAccount {
    /// A name that does not stand in `/etc/passwd`.
    #[error("no user {name:?} in the image's /etc/passwd, {}", list(.there))]
    NoUser {
        /// What was asked for.
        name: String,
        /// The names that are there, in the file's order.
        there: Vec<String>,
    },
    /// A name that does not stand in `/etc/group`.
    #[error("no group {name:?} in the image's /etc/group, {}", list(.there))]
    NoGroup {
        /// What was asked for.
        name: String,
        /// The names that are there, in the file's order.
        there: Vec<String>,
    },
    /// A number that no user can have.
    #[error("user or group {text:?} is above 4294967294, the largest number there is")]
    TooLarge {
        /// What was asked for.
        text: String,
    },
}

impl Accounts {
    /// Reads both files. A line that is not an entry is passed over, as the C library does.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            users: lines(passwd).filter_map(|f| user(&f)).collect(),
            groups: lines(group).filter_map(|f| self::group(&f)).collect(),
        }
    }

    /// Who `user`, `uid`, `user:group`, `uid:gid` or any mixture of them is. Empty means root.
    ///
    /// As in Docker: a number need not stand in the files; a user's own group and further groups
    /// come from the files unless a group is named; a number that the files do not know has
    /// group 0.
    pub fn identity(&self, text: &str) -> Result<Identity, UnknownAccount> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|g| !g.is_empty())),
            None => (text, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let uid = self.uid(user)?;
        let entry = self.entry(user);
        let (gid, groups) = match (group, entry) {
            (Some(group), _) => (self.gid(group)?, Vec::new()),
            (None, Some(entry)) => (entry.gid, self.groups_of(&entry.name)),
            (None, None) => (0, Vec::new()),
        };
        let home = entry.map_or("", |e| e.home.as_str());
        Ok(Identity {
            uid,
            gid,
            groups,
            home: if home.is_empty() { "/" } else { home }.to_owned(),
        })
    }

    /// The owner that `--chown=text` means. Without a group, as BuildKit has it, a user who is
    /// named brings the group of the image's files, and a number is the group's number, too.
    pub fn owner(&self, text: &str) -> Result<(u32, u32), UnknownAccount> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let user = if user.is_empty() { "0" } else { user };
        let uid = self.uid(user)?;
        if !group.is_empty() {
            return Ok((uid, self.gid(group)?));
        }
        let named = self.users.iter().find(|u| u.name == user);
        Ok((uid, named.map_or(uid, |u| u.gid)))
    }

    /// An entry by name, else by number. A name made of digits is a name first, as in Docker.
    fn entry(&self, text: &str) -> Option<&User> {
        let by_name = self.users.iter().find(|u| u.name == text);
        by_name.or_else(|| {
            let uid: u32 = text.parse().ok()?;
            self.users.iter().find(|u| u.uid == uid)
        })
    }

    fn uid(&self, text: &str) -> Result<u32, UnknownAccount> {
        match (self.entry(text), number(text)?) {
            (Some(entry), _) => Ok(entry.uid),
            (None, Some(uid)) => Ok(uid),
            (None, None) => Err(UnknownAccount::NoUser {
                name: text.to_owned(),
                there: self.users.iter().map(|u| u.name.clone()).collect(),
            }),
        }
    }

    fn gid(&self, text: &str) -> Result<u32, UnknownAccount> {
        let by_name = self.groups.iter().find(|g| g.name == text);
        match (by_name, number(text)?) {
            (Some(group), _) => Ok(group.gid),
            (None, Some(gid)) => Ok(gid),
            (None, None) => Err(UnknownAccount::NoGroup {
                name: text.to_owned(),
                there: self.groups.iter().map(|g| g.name.clone()).collect(),
            }),
        }
    }

    /// The groups of which the file says that `user` is a member, in its order.
    fn groups_of(&self, user: &str) -> Vec<u32> {
        let groups = self.groups.iter();
        let member = |g: &&Group| g.members.iter().any(|m| m == user);
        groups.filter(member).map(|g| g.gid).collect()
    }
}

/// `Ok(None)` is a name. The largest 32-bit number means "no user" to the kernel.
fn number(text: &str) -> Result<Option<u32>, UnknownAccount> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(u32::MAX) | Err(_) => Err(UnknownAccount::TooLarge {
            text: text.to_owned(),
        }),
        Ok(number) => Ok(Some(number)),
    }
}

fn lines(file: &[u8]) -> impl Iterator<Item = Vec<String>> + '_ {
    file.split(|b| *b == b'\n').map(|line| {
        let line = String::from_utf8_lossy(line);
        line.trim().split(':').map(str::to_owned).collect()
    })
}

fn user(fields: &[String]) -> Option<User> {
    let [name, _, uid, gid, rest @ ..] = fields else {
        return None;
    };
    if name.is_empty() {
        return None;
    }
    Some(User {
        name: name.clone(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: rest.get(1).cloned().unwrap_or_default(),
    })
}

fn group(fields: &[String]) -> Option<Group> {
    let [name, _, gid, rest @ ..] = fields else {
        return None;
    };
    if name.is_empty() {
        return None;
    }
    let members = rest.first().map(String::as_str).unwrap_or_default();
    Some(Group {
        name: name.clone(),
        gid: gid.parse().ok()?,
        members: members
            .split(',')
            .filter(|m| !m.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// The part of an error that says what is there instead.
fn list(there: &[String]) -> String {
    const SHOWN: usize = 12;
    if there.is_empty() {
        return "which is missing or empty; a number works without it".to_owned();
    }
    let shown = there[..there.len().min(SHOWN)].join(", ");
    match there.len().saturating_sub(SHOWN) {
        0 => format!("which has {shown}"),
        more => format!("which has {shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        # a comment\n\
        daemon:x:1:1::/usr/sbin:/bin/false\n\
        app:x:1000:1001:An app:/home/app:/bin/sh\n\
        7:x:2000:2000::/seven:\n\
        homeless:x:3000:3000:::\n\
        broken:x:many:0::/:\n";
    const GROUP: &str = "root:x:0:\nadm:x:4:app,daemon\napps:x:1001:\nwheel:x:10:app\n7:x:77:\n";

    fn accounts(passwd: &str) -> Accounts {
        Accounts::parse(passwd.as_bytes(), GROUP.as_bytes())
    }

    #[test]
    fn names_and_numbers() {
        let check = |user: &str, uid, gid, groups: &[u32], home: &str| {
            assert_eq!(
                accounts(PASSWD).identity(user).unwrap(),
                Identity {
                    uid,
                    gid,
                    groups: groups.to_vec(),
                    home: home.to_owned(),
                },
                "{user}"
            );
        };
        check("", 0, 0, &[], "/root");
        check("root", 0, 0, &[], "/root");
        check("app", 1000, 1001, &[4, 10], "/home/app");
        check("1000", 1000, 1001, &[4, 10], "/home/app");
        check("app:adm", 1000, 4, &[], "/home/app");
        check("app:55", 1000, 55, &[], "/home/app");
        check("app:", 1000, 1001, &[4, 10], "/home/app");
        check("5:6", 5, 6, &[], "/");
        check("5", 5, 0, &[], "/");
        check(":adm", 0, 4, &[], "/root");
        check("homeless", 3000, 3000, &[], "/");
        // A name made of digits is a name first, as in Docker.
        check("7", 2000, 2000, &[], "/seven");
        check("app:7", 1000, 77, &[], "/home/app");
    }

    #[test]
    fn who_is_not_there_is_named_with_who_is() {
        let check = |user: &str, passwd: &str, expected: &str| {
            assert_eq!(
                accounts(passwd).identity(user).unwrap_err().to_string(),
                expected
            );
        };
        check(
            "web",
            PASSWD,
            "no user \"web\" in the image's /etc/passwd, which has root, daemon, app, 7, homeless",
        );
        check(
            "web",
            "",
            "no user \"web\" in the image's /etc/passwd, which is missing or empty; a number works without it",
        );
        check(
            "app:web",
            PASSWD,
            "no group \"web\" in the image's /etc/group, which has root, adm, apps, wheel, 7",
        );
        check(
            "4294967295",
            PASSWD,
            "user or group \"4294967295\" is above 4294967294, the largest number there is",
        );
        let many: Vec<_> = (0..20).map(|n| format!("u{n}:x:{n}:0::/:")).collect();
        let many = many.join("\n");
        assert!(
            accounts(&many)
                .identity("web")
                .unwrap_err()
                .to_string()
                .ends_with("u11 and 8 more")
        );
    }

    #[test]
    fn owners() {
        let owner = |text: &str| accounts(PASSWD).owner(text).unwrap();
        assert_eq!(owner("app"), (1000, 1001));
        assert_eq!(owner("1000"), (1000, 1000));
        assert_eq!(owner("app:adm"), (1000, 4));
        assert_eq!(owner("70:8"), (70, 8));
        assert_eq!(owner(":adm"), (0, 4));
        assert!(accounts(PASSWD).owner("web").is_err());
    }
}

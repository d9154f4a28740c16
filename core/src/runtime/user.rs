//! Who runs in the container: a name or number, looked up in the image's own `/etc/passwd` and
//! `/etc/group`.

/// A process's identity inside a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The groups beside it.
    pub groups: Vec<u32>,
    /// Where the user is at home; `/` when `/etc/passwd` does not know them.
    pub home: String,
}

/// A user or group that the image does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// A name that does not stand in `/etc/passwd`.
    #[error("no user {name:?} in the image's /etc/passwd, {}", known(.there))]
    NoUser {
        /// What was asked for.
        name: String,
        /// The names that are there, in the file's order.
        there: Vec<String>,
    },
    /// A name that does not stand in `/etc/group`.
    #[error("no group {name:?} in the image's /etc/group, {}", known(.there))]
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

/// Resolves `user`, `uid`, `user:group` or `uid:gid`; empty means root.
///
/// As in Docker: a number need not stand in the files; a user's own group and further groups come
/// from the files unless a group is named; a number that the files do not know has group 0.
pub fn resolve(user: &str, passwd: &str, group: &str) -> Result<Identity, UserError> {
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|g| !g.is_empty())),
        None => (user, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let entries: Vec<User<'_>> = passwd.lines().filter_map(User::read).collect();
    let number = number(user)?;
    let entry = entries
        .iter()
        .find(|e| e.name == user)
        .or_else(|| entries.iter().find(|e| Some(e.uid) == number));
    let uid = match (entry, number) {
        (Some(entry), _) => entry.uid,
        (None, Some(number)) => number,
        (None, None) => {
            return Err(UserError::NoUser {
                name: user.to_owned(),
                there: entries.iter().map(|e| e.name.to_owned()).collect(),
            });
        }
    };
    let (gid, groups) = match wanted_group {
        Some(wanted) => (resolve_group(wanted, group)?, Vec::new()),
        None => (
            entry.map_or(0, |e| e.gid),
            entry.map_or_else(Vec::new, |e| groups_of(e.name, group)),
        ),
    };
    let home = entry.map_or("", |e| e.home);
    Ok(Identity {
        uid,
        gid,
        groups,
        home: if home.is_empty() { "/" } else { home }.to_owned(),
    })
}

fn resolve_group(wanted: &str, group: &str) -> Result<u32, UserError> {
    let groups: Vec<Group<'_>> = group.lines().filter_map(Group::read).collect();
    let by_name = groups.iter().find(|g| g.name == wanted).map(|g| g.gid);
    match (by_name, number(wanted)?) {
        (Some(gid), _) | (None, Some(gid)) => Ok(gid),
        (None, None) => Err(UserError::NoGroup {
            name: wanted.to_owned(),
            there: groups.iter().map(|g| g.name.to_owned()).collect(),
        }),
    }
}

/// The groups of which `/etc/group` says that `user` is a member.
fn groups_of(user: &str, group: &str) -> Vec<u32> {
    group
        .lines()
        .filter_map(Group::read)
        .filter(|g| g.members.split(',').any(|m| m == user))
        .map(|g| g.gid)
        .collect()
}

/// `Ok(None)` is a name. The largest 32-bit number means "no user" to the kernel.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(u32::MAX) | Err(_) => Err(UserError::TooLarge {
            text: text.to_owned(),
        }),
        Ok(number) => Ok(Some(number)),
    }
}

/// A line of `/etc/passwd`: name, password, uid, gid, comment, home, shell.
struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> User<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|n| !n.is_empty())?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self {
            name,
            uid,
            gid,
            home: fields.nth(1).unwrap_or_default(),
        })
    }
}

/// A line of `/etc/group`: name, password, gid, members.
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        Some(Self {
            name: fields.next().filter(|n| !n.is_empty())?,
            gid: fields.nth(1)?.parse().ok()?,
            members: fields.next().unwrap_or_default(),
        })
    }
}

/// The part of an error that says what is there instead.
fn known(there: &[String]) -> String {
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

    #[test]
    fn names_and_numbers() {
        let check = |user: &str, uid, gid, groups: &[u32], home: &str| {
            assert_eq!(
                resolve(user, PASSWD, GROUP).unwrap(),
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
                resolve(user, passwd, GROUP).unwrap_err().to_string(),
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
            resolve("web", &many, "")
                .unwrap_err()
                .to_string()
                .ends_with("u11 and 8 more")
        );
    }
}

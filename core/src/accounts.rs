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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Further groups, in order, without `gid`.
    pub additional_gids: Vec<u32>,
    /// The home directory; `/` for a number without an entry.
    pub home: String,
}

/// A user or group that the image does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {what} {name:?} in the image's {file}{}", list(.known))]
pub struct UnknownAccount {
    /// `user` or `group`.
    pub what: &'static str,
    /// What was asked for.
    pub name: String,
    /// The file that was searched.
    pub file: &'static str,
    /// The names that there are.
    pub known: Vec<String>,
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
    /// A number needs no entry. Without a group in `text` the user's own groups count, all of
    /// them; with one, only that.
    pub fn identity(&self, text: &str) -> Result<Identity, UnknownAccount> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|g| !g.is_empty())),
            None => (text, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let entry = self.find_user(user);
        let uid = match (entry, user.parse()) {
            (Some(entry), _) => entry.uid,
            (None, Ok(uid)) => uid,
            (None, Err(_)) => return Err(self.unknown_user(user)),
        };
        let gid = match group {
            Some(group) => self.gid(group)?,
            None => entry.map_or(0, |e| e.gid),
        };
        let mut additional_gids: Vec<u32> = Vec::new();
        if let (None, Some(entry)) = (group, entry) {
            let member = |g: &&Group| g.members.contains(&entry.name) && g.gid != gid;
            additional_gids.extend(self.groups.iter().filter(member).map(|g| g.gid));
            additional_gids.sort_unstable();
            additional_gids.dedup();
        }
        let home = entry.map_or("", |e| e.home.as_str());
        Ok(Identity {
            uid,
            gid,
            additional_gids,
            home: if home.is_empty() { "/" } else { home }.to_owned(),
        })
    }

    /// The owner that `--chown=text` means. Without a group, the group has the user's number, as
    /// BuildKit has it.
    pub fn owner(&self, text: &str) -> Result<(u32, u32), UnknownAccount> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let uid = match (self.find_user(user), user.parse()) {
            (Some(entry), _) => entry.uid,
            (None, Ok(uid)) => uid,
            (None, Err(_)) if user.is_empty() => 0,
            (None, Err(_)) => return Err(self.unknown_user(user)),
        };
        let gid = if group.is_empty() {
            uid
        } else {
            self.gid(group)?
        };
        Ok((uid, gid))
    }

    /// An entry by name, else by number.
    fn find_user(&self, text: &str) -> Option<&User> {
        let by_name = self.users.iter().find(|u| u.name == text);
        by_name.or_else(|| {
            let uid: u32 = text.parse().ok()?;
            self.users.iter().find(|u| u.uid == uid)
        })
    }

    fn gid(&self, text: &str) -> Result<u32, UnknownAccount> {
        match (self.groups.iter().find(|g| g.name == text), text.parse()) {
            (Some(group), _) => Ok(group.gid),
            (None, Ok(gid)) => Ok(gid),
            (None, Err(_)) => Err(UnknownAccount {
                what: "group",
                name: text.to_owned(),
                file: "/etc/group",
                known: self.groups.iter().map(|g| g.name.clone()).collect(),
            }),
        }
    }

    fn unknown_user(&self, text: &str) -> UnknownAccount {
        UnknownAccount {
            what: "user",
            name: text.to_owned(),
            file: "/etc/passwd",
            known: self.users.iter().map(|u| u.name.clone()).collect(),
        }
    }
}

fn lines(file: &[u8]) -> impl Iterator<Item = Vec<String>> + '_ {
    file.split(|b| *b == b'\n').map(|line| {
        let line = String::from_utf8_lossy(line);
        line.trim().split(':').map(str::to_owned).collect()
    })
}

fn user(fields: &[String]) -> Option<User> {
    let [name, _, uid, gid, _, home, ..] = fields else {
        return None;
    };
    Some(User {
        name: name.clone(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.clone(),
    })
}

fn group(fields: &[String]) -> Option<Group> {
    let [name, _, gid, members, ..] = fields else {
        return None;
    };
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

/// The names that there are, as the end of a sentence.
fn list(names: &[String]) -> String {
    if names.is_empty() {
        return ", which lists nobody; use a number, or create the account first".to_owned();
    }
    let shown: Vec<_> = names.iter().take(8).map(String::as_str).collect();
    let more = if names.len() > 8 { ", …" } else { "" };
    format!("; there are: {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts::parse(
            b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:\n# no entry\n12:x:5:5::/:\n",
            b"root:x:0:\nwww:x:33:app,other\napp:x:1001:\naudio:x:29:app\n",
        )
    }

    #[test]
    fn identities() {
        let check = |text: &str, uid, gid, more: &[u32], home: &str| {
            let expected = Identity {
                uid,
                gid,
                additional_gids: more.to_vec(),
                home: home.to_owned(),
            };
            assert_eq!(accounts().identity(text), Ok(expected), "{text}");
        };
        check("", 0, 0, &[], "/root");
        check("app", 1000, 1001, &[29, 33], "/home/app");
        check("1000", 1000, 1001, &[29, 33], "/home/app");
        check("app:www", 1000, 33, &[], "/home/app");
        check("app:", 1000, 1001, &[29, 33], "/home/app");
        check("4711", 4711, 0, &[], "/");
        check("4711:4712", 4711, 4712, &[], "/");
        check("12", 5, 5, &[], "/"); // a name made of digits is a name first
    }

    #[test]
    fn what_is_missing_is_named_with_what_there_is() {
        let error = accounts().identity("apt").unwrap_err().to_string();
        assert_eq!(
            error,
            "no user \"apt\" in the image's /etc/passwd; there are: root, app, 12"
        );
        let error = accounts().identity("app:nobody").unwrap_err();
        assert_eq!((error.what, error.file), ("group", "/etc/group"));
        let error = Accounts::default().owner("app").unwrap_err().to_string();
        assert!(error.contains("lists nobody"), "{error}");
    }

    #[test]
    fn owners() {
        assert_eq!(accounts().owner("app"), Ok((1000, 1000)));
        assert_eq!(accounts().owner("app:www"), Ok((1000, 33)));
        assert_eq!(accounts().owner("7:8"), Ok((7, 8)));
        assert_eq!(accounts().owner(":www"), Ok((0, 33)));
    }
}

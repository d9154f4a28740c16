//! Files of users and passwords, as `htpasswd -B` writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use coracle::digest::Digest;

use crate::failure::Failure;

/// Users, and what their passwords become under bcrypt.
pub(super) struct Htpasswd {
    users: BTreeMap<String, String>,
    /// The last password of each user that was right, as a digest with a salt: bcrypt is slow on
    /// purpose, and a client says its password with each request.
    right: Mutex<BTreeMap<String, Digest>>,
    /// Held while a password is tried, so that whoever guesses keeps one processor busy, not all.
    trying: Mutex<()>,
    /// Known to this process only, so that the digests say nothing to anybody else.
    salt: [u8; 32],
}

impl Htpasswd {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path)
            .map_err(|e| Failure::io(format!("read {}", path.display()), &e))?;
        let users = parse(&text).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|e| Failure::new(format!("choose a salt: {e}")))?;
        Ok(Self {
            users,
            right: Mutex::default(),
            trying: Mutex::default(),
            salt,
        })
    }

    /// Whether the user has this password.
    pub(super) fn check(&self, user: &str, password: &str) -> bool {
        let right = || self.right.lock().unwrap_or_else(PoisonError::into_inner);
        let salted = [&self.salt[..], user.as_bytes(), b"\0", password.as_bytes()].concat();
        let digest = Digest::of(&salted);
        if right().get(user) == Some(&digest) {
            return true;
        }
        let _trying = self.trying.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody learns from the time who is a user: for a stranger a password is tried, too.
        let known = self.users.get(user);
        let Some(hash) = known.or_else(|| self.users.values().next()) else {
            return false;
        };
        let is_right = bcrypt::verify(password, hash).unwrap_or(false) && known.is_some();
        if is_right {
            right().insert(user.to_owned(), digest);
        }
        is_right
    }
}

/// One user a line, `name:hash`; empty lines and comments are passed over.
fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut users = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = number + 1;
        let Some((user, hash)) = line.split_once(':').filter(|(user, _)| !user.is_empty()) else {
            return Err(format!("line {number} is not of the form USER:HASH"));
        };
        if hash.parse::<bcrypt::HashParts>().is_err() {
            return Err(format!(
                "line {number}: the password of {user} is not hashed by bcrypt, which is the \
                 only safe one of htpasswd's; make it anew: htpasswd -B FILE {user}"
            ));
        }
        users.insert(user.to_owned(), hash.to_owned());
    }
    if users.is_empty() {
        return Err("there is no user in it; add one: htpasswd -B FILE USER".to_owned());
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_line_by_line() {
        let hash = bcrypt::hash("pass:word", 4).unwrap();
        let check = |text: &str, expected: Result<&[&str], &str>| match (parse(text), expected) {
            (Ok(users), Ok(names)) => assert_eq!(users.into_keys().collect::<Vec<_>>(), names),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (found, expected) => panic!("{found:?}, {expected:?}"),
        };
        check(
            &format!("# team\n\nann:{hash}\r\nbob:{hash}\n"),
            Ok(&["ann", "bob"]),
        );
        check("", Err("no user"));
        check("ann", Err("line 1 is not of the form"));
        check(
            &format!("ann:{hash}\nbob:$apr1$x$y"),
            Err("line 2: the password of bob"),
        );
    }

    #[test]
    fn a_password_is_right_or_wrong_also_the_second_time() {
        let hash = bcrypt::hash("pass:word", 4).unwrap();
        let htpasswd = Htpasswd {
            users: parse(&format!("ann:{hash}")).unwrap(),
            right: Mutex::default(),
            trying: Mutex::default(),
            salt: [7; 32],
        };
        for _ in 0..2 {
            assert!(htpasswd.check("ann", "pass:word"));
            assert!(!htpasswd.check("ann", "other"));
            assert!(!htpasswd.check("ann", ""));
            assert!(!htpasswd.check("bob", "pass:word"));
        }
    }
}

//! Paths inside a root: clean by construction, and never outside.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A clean path inside some root: no leading slash, no empty component, no `.` and no `..`.
///
/// It is bytes, not text, so a name that is not UTF-8 survives a round trip. It is ordered by
/// component, so that a directory stands directly before everything below it: `a`, `a/b`, `a.txt`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct RootedPath {
    /// Components joined by one slash each; the root itself is empty.
    bytes: Arc<[u8]>,
}

/// Why bytes cannot be a path inside a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} {reason}")]
pub struct PathError {
    /// What was given, as text.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl RootedPath {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path as archives hold it: slashes at either end, doubled slashes and `.` mean
    /// nothing; `..` and NUL are refused, because no honest archive needs them.
    pub fn parse(path: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let path = path.as_ref();
        let refuse = |reason| PathError {
            path: String::from_utf8_lossy(path).into_owned(),
            reason,
        };
        if path.contains(&0) {
            return Err(refuse("contains a NUL byte"));
        }
        let mut clean = Vec::with_capacity(path.len());
        for component in path.split(|b| *b == b'/') {
            match component {
                b"" | b"." => {}
                b".." => return Err(refuse("contains `..`, which could lead outside the root")),
                name => push(&mut clean, name),
            }
        }
        Ok(Self {
            bytes: clean.into(),
        })
    }

    /// `path` seen from the directory `self`, as a person means it: an absolute path starts at
    /// the root, `..` goes up one and stops at the root. Purely lexical: links are not followed.
    #[must_use]
    pub fn resolve(&self, path: impl AsRef<[u8]>) -> Self {
        let path = path.as_ref();
        let mut clean = if path.first() == Some(&b'/') {
            Vec::new()
        } else {
            self.bytes.to_vec()
        };
        for component in path.split(|b| *b == b'/') {
            match component {
                b"" | b"." => {}
                b".." => clean.truncate(clean.iter().rposition(|b| *b == b'/').unwrap_or(0)),
                name => push(&mut clean, name),
            }
        }
        clean.retain(|b| *b != 0);
        Self {
            bytes: clean.into(),
        }
    }

    /// The path of `name` in the directory `self`. `name` must be one clean component.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> Self {
        debug_assert!(!name.is_empty() && !name.contains(&b'/') && name != b".." && name != b".");
        let mut bytes = self.bytes.to_vec();
        push(&mut bytes, name);
        Self {
            bytes: bytes.into(),
        }
    }

    /// The path of `below`, itself a path seen from the directory `self`.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        let mut bytes = self.bytes.to_vec();
        if !below.is_root() {
            push(&mut bytes, &below.bytes);
        }
        Self {
            bytes: bytes.into(),
        }
    }

    /// The directory that holds this; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.bytes.iter().rposition(|b| *b == b'/').unwrap_or(0);
        Some(Self {
            bytes: self.bytes[..end].into(),
        })
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        let start = self.bytes.iter().rposition(|b| *b == b'/');
        &self.bytes[start.map_or(0, |i| i + 1)..]
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.bytes.split(|b| *b == b'/').filter(|c| !c.is_empty())
    }

    /// The directories above this, from the root (always first) to the parent.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        let ends = self
            .bytes
            .iter()
            .enumerate()
            .filter(|(_, b)| **b == b'/')
            .map(|(i, _)| i);
        std::iter::once(0)
            .filter(|_| !self.is_root())
            .chain(ends)
            .map(|end| Self {
                bytes: self.bytes[..end].into(),
            })
    }

    /// Whether this is `directory` or lies below it.
    pub fn is_within(&self, directory: &Self) -> bool {
        self.strip(directory).is_some()
    }

    /// The path seen from `directory`; `None` when it lies elsewhere.
    pub fn strip(&self, directory: &Self) -> Option<Self> {
        if directory.is_root() {
            return Some(self.clone());
        }
        let rest = self.bytes.strip_prefix(&*directory.bytes)?;
        match rest.first() {
            None => Some(Self::root()),
            Some(b'/') => Some(Self {
                bytes: rest[1..].into(),
            }),
            Some(_) => None,
        }
    }

    /// Whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The path as text without a leading slash; what is not UTF-8 is replaced.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

impl Ord for RootedPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // A slash sorts before every other byte (a name has no NUL), which makes the order of
        // the bytes the order of the components.
        let key = |b: &u8| if *b == b'/' { 0 } else { *b };
        self.bytes.iter().map(key).cmp(other.bytes.iter().map(key))
    }
}

impl PartialOrd for RootedPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// With a leading slash, as people write paths inside a container.
impl fmt::Display for RootedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.to_text())
    }
}

impl fmt::Debug for RootedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"/{}\"", self.bytes.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootedPath {
        RootedPath::parse(text).unwrap()
    }

    #[test]
    fn archive_names_become_clean_or_are_refused() {
        let check = |given: &str, clean: Option<&str>| {
            let parsed = RootedPath::parse(given).ok();
            assert_eq!(parsed.as_ref().map(|p| p.to_text()).as_deref(), clean);
        };
        check("./a//b/", Some("a/b"));
        check("/etc/passwd", Some("etc/passwd"));
        check(".", Some(""));
        check("a/../b", None);
        check("..", None);
        check("a\0b", None);
        check("a/...", Some("a/..."));
    }

    #[test]
    fn resolving_never_leaves_the_root() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(path(from).resolve(to), path(expected));
        };
        check("usr/local", "app", "usr/local/app");
        check("usr/local", "/app", "app");
        check("usr/local", "../../../../x", "x");
        check("", ".", "");
        check("a", "..", "");
    }

    #[test]
    fn a_directory_stands_directly_before_what_is_below_it() {
        let mut paths = ["a.txt", "b", "a/b/c", "a", "a/b", "", "a-b"].map(path);
        paths.sort();
        let order: Vec<_> = paths.iter().map(RootedPath::to_text).collect();
        assert_eq!(order, ["", "a", "a/b", "a/b/c", "a-b", "a.txt", "b"]);
    }

    #[test]
    fn family_relations() {
        let p = path("a/b/c");
        assert_eq!(p.name(), b"c");
        assert_eq!(p.parent(), Some(path("a/b")));
        let above: Vec<_> = p.ancestors().collect();
        assert_eq!(above, ["", "a", "a/b"].map(path));
        assert_eq!(p.strip(&path("a")), Some(path("b/c")));
        assert!(!path("ab").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert_eq!(path("a").join(&path("b/c")), p);
        assert_eq!(RootedPath::root().parent(), None);
        assert_eq!(RootedPath::root().ancestors().count(), 0);
    }
}

//! A file system as a value: a sorted map from paths to nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use crate::digest::{Digest, Hashing};
use crate::path::RootedPath;

mod listing;
mod resolve;

pub use listing::listing;
pub use resolve::{ResolveError, resolve};

/// A file system: every path that exists, with what is there.
///
/// The order is by path component, so everything below a directory is one range, and comparing
/// two trees is a merge of two sorted lists. Two paths that share one `Arc` are hard links of
/// each other. Cloning is cheap, so every state of a build can be kept.
#[derive(Clone, Default, PartialEq)]
pub struct Tree {
    /// Every parent of an entry is itself an entry and a directory; the root is always there.
    nodes: BTreeMap<RootedPath, Arc<Node>>,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Owner, permissions, time.
    pub meta: Meta,
    /// What it is.
    pub kind: Kind,
}

/// What the file system says about a node, whatever its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The permission bits with set-user-ID, set-group-ID and sticky: at most `0o7777`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// When the content was last changed.
    pub mtime: Timestamp,
    /// Extended attributes, `user.…`, `security.capability` and kin.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A moment as file systems keep it: since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanos: u32,
}

/// The kinds of node.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A directory; what it holds are other entries of the tree.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and the path it holds, byte by byte.
    Symlink(Vec<u8>),
    /// A character device: major and minor number.
    CharDevice(u32, u32),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A hard link to a path of the layers below. Only layers hold this; applying a layer
    /// replaces it by the node itself, so a tree never does.
    HardLink(RootedPath),
}

/// The bytes of a file, here or elsewhere.
#[derive(Clone)]
pub enum Content {
    /// The bytes themselves.
    Inline(Arc<[u8]>),
    /// A place where they can be read: a file of the host, a part of a blob.
    Source(Arc<dyn Source>),
}

/// A place that holds a file's bytes. Opening it again gives the same bytes.
pub trait Source: fmt::Debug + Send + Sync {
    /// How many bytes there are.
    fn size(&self) -> u64;
    /// Starts reading at the first byte.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
    /// The digest of the bytes, where it is known without reading them.
    fn digest(&self) -> Option<Digest> {
        None
    }
}

impl Tree {
    /// A tree that holds only its root directory.
    pub fn new() -> Self {
        let mut tree = Self::default();
        tree.nodes
            .insert(RootedPath::root(), Arc::new(Node::directory(0o755)));
        tree
    }

    /// What stands at `path`. Links are not followed; see [`resolve`] for that.
    pub fn get(&self, path: &RootedPath) -> Option<&Arc<Node>> {
        self.nodes.get(path)
    }

    /// Puts `node` at `path`. Missing parents become directories, owned by root, mode 0755; a
    /// parent that is something else is replaced by a directory. What stood at `path` goes,
    /// except what is below a directory that another directory replaces.
    pub fn insert(&mut self, path: RootedPath, node: Arc<Node>) {
        // Where the parent is a directory, so are its own parents.
        if path
            .parent()
            .is_some_and(|parent| !self.is_directory(&parent))
        {
            for parent in path.ancestors() {
                if !self.is_directory(&parent) {
                    self.remove(&parent);
                    self.nodes.insert(parent, Arc::new(Node::directory(0o755)));
                }
            }
        }
        // Only below a directory can there be anything.
        if node.kind != Kind::Directory && self.is_directory(&path) {
            self.remove_below(&path);
        }
        self.nodes.insert(path, node);
    }

    /// Takes away what stands at `path` and below it. The root itself stays.
    pub fn remove(&mut self, path: &RootedPath) {
        self.remove_below(path);
        if !path.is_root() {
            self.nodes.remove(path);
        }
    }

    /// Takes away everything below `path`.
    pub fn remove_below(&mut self, path: &RootedPath) {
        let below: Vec<_> = self.below(path).map(|(p, _)| p.clone()).collect();
        for path in below {
            self.nodes.remove(&path);
        }
    }

    /// Everything below `path`, in order, without `path` itself.
    pub fn below<'a>(
        &'a self,
        path: &'a RootedPath,
    ) -> impl Iterator<Item = (&'a RootedPath, &'a Arc<Node>)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.nodes
            .range((Excluded(path), Unbounded))
            .take_while(move |(p, _)| p.is_within(path))
    }

    /// What stands directly in the directory `path`.
    pub fn children<'a>(
        &'a self,
        path: &'a RootedPath,
    ) -> impl Iterator<Item = (&'a RootedPath, &'a Arc<Node>)> {
        let depth = path.components().count() + 1;
        self.below(path)
            .filter(move |(p, _)| p.components().count() == depth)
    }

    /// Every entry in order, the root first.
    pub fn iter(&self) -> impl Iterator<Item = (&RootedPath, &Arc<Node>)> {
        self.nodes.iter()
    }

    /// Whether a directory stands at `path`.
    pub fn is_directory(&self, path: &RootedPath) -> bool {
        self.get(path).is_some_and(|n| n.kind == Kind::Directory)
    }

    /// How many entries there are, the root included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.len() <= 1
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&listing(self))
    }
}

impl Node {
    /// A directory owned by root.
    pub fn directory(mode: u32) -> Self {
        Self {
            meta: Meta::new(mode),
            kind: Kind::Directory,
        }
    }

    /// A file owned by root that holds `bytes`.
    pub fn file(mode: u32, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            meta: Meta::new(mode),
            kind: Kind::File(Content::Inline(bytes.into())),
        }
    }

    /// A symbolic link owned by root.
    pub fn symlink(target: impl Into<Vec<u8>>) -> Self {
        Self {
            meta: Meta::new(0o777),
            kind: Kind::Symlink(target.into()),
        }
    }
}

impl Meta {
    /// Owned by root, of the first second of 1970, without attributes.
    pub fn new(mode: u32) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            xattrs: BTreeMap::new(),
        }
    }
}

impl Timestamp {
    /// The time as image configs write it, RFC 3339 in UTC: `2024-02-29T12:00:00Z`.
    pub fn rfc3339(self) -> String {
        let (days, second) = (
            self.seconds.div_euclid(86_400),
            self.seconds.rem_euclid(86_400),
        );
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if self.nanos > 0 {
            let digits = format!("{:09}", self.nanos);
            text.push('.');
            text.push_str(digits.trim_end_matches('0'));
        }
        text.push('Z');
        text
    }
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
///
/// Years are taken to begin in March, so that the leap day is the last of its year, and are
/// counted in eras of 400, after which the calendar repeats.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from the first of March of the year 0
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Seconds, with nanoseconds as decimals where there are any: `-1.5`, `1350244992.02396`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, whole, nanos) = match *self {
            // -2 s and 500,000,000 ns is half a second before -1.
            Self { seconds, nanos } if seconds < 0 && nanos > 0 => {
                ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanos)
            }
            Self { seconds, nanos } => {
                let sign = if seconds < 0 { "-" } else { "" };
                (sign, seconds.unsigned_abs(), nanos)
            }
        };
        write!(f, "{sign}{whole}")?;
        if nanos == 0 {
            return Ok(());
        }
        write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))
    }
}

impl Kind {
    /// The kind in one word, as `--format json` prints it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Directory => "dir",
            Self::File(_) => "file",
            Self::Symlink(_) => "symlink",
            Self::CharDevice(..) => "char",
            Self::BlockDevice(..) => "block",
            Self::Fifo => "fifo",
            Self::HardLink(_) => "hardlink",
        }
    }
}

impl Content {
    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Source(source) => source.size(),
        }
    }

    /// Starts reading at the first byte.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Inline(bytes) => Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
            Self::Source(source) => source.open(),
        }
    }

    /// The digest of the bytes. They are read when it is not known.
    pub fn digest(&self) -> io::Result<Digest> {
        if let Self::Inline(bytes) = self {
            return Ok(Digest::of(bytes));
        }
        if let Self::Source(source) = self
            && let Some(digest) = source.digest()
        {
            return Ok(digest);
        }
        let mut reader = Hashing::new(self.open()?);
        io::copy(&mut reader, &mut io::sink())?;
        Ok(reader.finish().1)
    }

    /// All bytes at once. Only for files known to be small.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Source(source) => source.fmt(f),
        }
    }
}

/// Contents are equal when their bytes are, which their digests tell. A source that cannot be
/// read equals nothing but itself.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inline(a), Self::Inline(b)) => a == b,
            (Self::Source(a), Self::Source(b)) if Arc::ptr_eq(a, b) => true,
            _ => {
                self.size() == other.size()
                    && matches!((self.digest(), other.digest()), (Ok(a), Ok(b)) if a == b)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_configs_write_them() {
        let check = |seconds, nanos, text: &str| {
            assert_eq!(Timestamp { seconds, nanos }.rfc3339(), text);
        };
        check(0, 0, "1970-01-01T00:00:00Z");
        check(-1, 500_000_000, "1969-12-31T23:59:59.5Z");
        check(951_782_400, 0, "2000-02-29T00:00:00Z");
        check(1_709_208_000, 0, "2024-02-29T12:00:00Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00Z");
    }
}

//! What the files of build contexts were found to hold, so that nobody reads them again to know.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::file::{HostFile, Stat};
use crate::build::cache_directory::write;
use crate::digest::Digest;
use crate::path::RootedPath;
use crate::store::StoreError;

/// The digests of the files of build contexts, from one build to the next.
///
/// A file that has the size, the times and the inode that it had is not read again, as git has
/// it with its index. There is one file a context. It is written beside its place and renamed, and
/// begins with a digest of itself: one that a crash damaged says nothing, and everything is read
/// once more.
#[derive(Debug, Default)]
pub struct Digests {
    /// Where the files are; without a directory nothing is remembered.
    directory: Option<PathBuf>,
    /// The contexts that were read.
    contexts: Mutex<Vec<Seen>>,
}

/// A context that was read.
#[derive(Debug)]
struct Seen {
    /// Where its digests are kept.
    file: PathBuf,
    /// How many were known before.
    known: usize,
    /// When the reading began.
    began: SystemTime,
    files: Vec<(RootedPath, Arc<HostFile>)>,
}

/// What is known of the files of one context, by path.
pub(super) type Known = HashMap<Vec<u8>, (Stat, Digest)>;

/// How long nobody must have changed a file before it was looked at, so that whoever changes it
/// afterwards is sure to leave another time: the coarsest file systems count in steps of two
/// seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// How a file of digests begins; its own digest follows.
const HEADING: &str = "coracle context digests 2 ";

impl Digests {
    /// Those that are kept in a directory, which is made when there is something to keep.
    pub fn kept_in(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: Some(directory.into()),
            contexts: Mutex::default(),
        }
    }

    /// Whether a file of digests can be read, and is what was written.
    pub fn is_whole(file: &Path) -> bool {
        let bytes = fs::read(file).ok();
        bytes.and_then(|bytes| parse(&bytes)).is_some()
    }

    /// Writes down what has become known since. Nothing is written when nothing has.
    pub fn save(&self) -> Result<(), StoreError> {
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in contexts.drain(..) {
            if let Some(bytes) = seen.bytes() {
                if let Some(directory) = seen.file.parent() {
                    let action = format!("create directory {}", directory.display());
                    fs::create_dir_all(directory).map_err(|e| StoreError::io(action, e))?;
                }
                write(&seen.file, &bytes)?;
            }
        }
        Ok(())
    }

    /// What is known of the context at `root`, of which `ignore_file` leaves something out.
    pub(super) fn known(&self, root: &Path, ignore_file: &str) -> Known {
        let bytes = self
            .file(root, ignore_file)
            .and_then(|file| fs::read(file).ok());
        bytes.and_then(|bytes| parse(&bytes)).unwrap_or_default()
    }

    /// Takes the files of a context, to be written down when their digests are known.
    pub(super) fn take(
        &self,
        root: &Path,
        ignore_file: &str,
        known: usize,
        began: SystemTime,
        files: Vec<(RootedPath, Arc<HostFile>)>,
    ) {
        if let Some(file) = self.file(root, ignore_file) {
            let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
            contexts.push(Seen {
                file,
                known,
                began,
                files,
            });
        }
    }

    fn file(&self, root: &Path, ignore_file: &str) -> Option<PathBuf> {
        let root = fs::canonicalize(root).ok()?;
        let context = [root.as_os_str().as_bytes(), b"\n", ignore_file.as_bytes()].concat();
        let directory = self.directory.as_ref()?;
        Some(directory.join(Digest::of(&context).hex()))
    }
}

impl Seen {
    /// What is to be written down; nothing when that is there already.
    fn bytes(&self) -> Option<Vec<u8>> {
        let known = self.files.iter().filter_map(|(path, file)| {
            let (stat, digest) = file.known()?;
            let keep = file.is_remembered() || is_settled(stat, self.began);
            keep.then_some((path, stat, digest, file.is_remembered()))
        });
        let known: Vec<_> = known.collect();
        let all_old = known.iter().all(|(.., remembered)| *remembered);
        if all_old && known.len() == self.known {
            return None;
        }
        let mut records = Vec::new();
        for (path, stat, digest, _) in known {
            let Stat {
                size,
                modified,
                changed,
                inode,
            } = stat;
            let (m, c) = (modified, changed);
            let text = format!("{digest} {size} {} {} {} {} {inode} ", m.0, m.1, c.0, c.1);
            records.extend_from_slice(text.as_bytes());
            records.extend_from_slice(path.as_bytes());
            records.push(0);
        }
        let heading = format!("{HEADING}{}\n", Digest::of(&records).hex());
        Some([heading.as_bytes(), &records].concat())
    }
}

/// Whether nobody can have changed a file since it was looked at and have left the same times.
fn is_settled(stat: &Stat, looked: SystemTime) -> bool {
    let Some(latest) = looked.checked_sub(SETTLED) else {
        return false;
    };
    let since = latest.duration_since(SystemTime::UNIX_EPOCH);
    let latest = since.map_or(0, |since| since.as_secs().cast_signed());
    // Whole seconds, as the coarsest file systems count.
    stat.modified.0 < latest && stat.changed.0 < latest
}

/// The records of a file of digests; `None` when it is damaged, or of another version.
fn parse(bytes: &[u8]) -> Option<Known> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let (heading, records) = (&bytes[..end], &bytes[end + 1..]);
    let digest = heading.strip_prefix(HEADING.as_bytes())?;
    if Digest::of(records).hex().as_bytes() != digest {
        return None;
    }
    let record = |record: &[u8]| {
        let mut words = record.splitn(8, |b| *b == b' ');
        let mut word = || words.next();
        let mut text = || std::str::from_utf8(word()?).ok();
        let digest = text()?.parse().ok()?;
        let size = text()?.parse().ok()?;
        let mut number = || text()?.parse::<i64>().ok();
        let modified = (number()?, number()?);
        let changed = (number()?, number()?);
        let inode = text()?.parse().ok()?;
        let stat = Stat {
            size,
            modified,
            changed,
            inode,
        };
        Some((word()?.to_vec(), (stat, digest)))
    };
    let records = records.split(|b| *b == 0).filter(|r| !r.is_empty());
    records.map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::super::load_at;
    use super::*;
    use crate::build::context::Context;
    use crate::dockerfile::ignore::Ignore;
    use crate::tree::{Content, Kind, Timestamp};

    /// A context with one file, and where its digests are kept.
    struct Place {
        directory: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            fs::create_dir(directory.path().join("context")).unwrap();
            let place = Self { directory };
            place.write("one");
            place
        }

        fn file(&self) -> PathBuf {
            self.directory.path().join("context/a")
        }

        fn write(&self, content: &str) {
            fs::write(self.file(), content).unwrap();
        }

        /// Reads the context, looking at the file so many seconds from now.
        fn load(&self, later: u64) -> (Digests, Context) {
            let digests = Digests::kept_in(self.directory.path().join("kept"));
            let began = SystemTime::now() + Duration::from_secs(later);
            let root = self.directory.path().join("context");
            let (patterns, time) = (Ignore::default(), Timestamp::default());
            let context = load_at(&root, &patterns, "", None, time, &digests, began);
            (digests, context.unwrap())
        }

        /// The digest that a build finds, which is then kept.
        fn build(&self, later: u64) -> Digest {
            let (digests, context) = self.load(later);
            let digest = content(&context).digest().unwrap();
            digests.save().unwrap();
            digest
        }

        fn kept(&self) -> Option<PathBuf> {
            let entries = fs::read_dir(self.directory.path().join("kept")).ok()?;
            Some(entries.into_iter().next()?.unwrap().path())
        }

        /// Lets the kept digest be another than it is: only who does not read the file finds it.
        fn pretend(&self) -> Digest {
            let other = Digest::of(b"other");
            let bytes = fs::read(self.kept().unwrap()).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            let (_, records) = text.split_once('\n').unwrap();
            let records = records.replace(Digest::of(b"one").as_str(), other.as_str());
            let digest = Digest::of(records.as_bytes());
            let text = format!("{HEADING}{}\n{records}", digest.hex());
            fs::write(self.kept().unwrap(), text).unwrap();
            other
        }
    }

    fn content(context: &Context) -> Content {
        let node = context.tree.get(&RootedPath::parse("a").unwrap()).unwrap();
        let Kind::File(content) = &node.kind else {
            panic!("{node:?}");
        };
        content.clone()
    }

    #[test]
    fn a_file_that_nobody_changed_is_not_read_again() {
        let place = Place::new();
        assert_eq!(place.build(9), Digest::of(b"one"));
        let other = place.pretend();
        let before = fs::read(place.kept().unwrap()).unwrap();
        assert_eq!(place.build(9), other);
        // What is remembered stays remembered, also by a build that did not want to know it.
        place.load(9).0.save().unwrap();
        assert_eq!(place.build(0), other);
        assert_eq!(fs::read(place.kept().unwrap()).unwrap(), before);
    }

    #[test]
    fn a_file_that_somebody_changed_is_read_again() {
        let check = |change: &dyn Fn(&Place), expected: &[u8]| {
            let place = Place::new();
            place.build(9);
            place.pretend();
            change(&place);
            assert_eq!(place.build(9), Digest::of(expected));
        };
        check(&|place| place.write("longer"), b"longer");
        // As long as before, and of the same time: but the kernel knows better.
        let secretly = |place: &Place| {
            let modified = fs::metadata(place.file()).unwrap().modified().unwrap();
            std::thread::sleep(Duration::from_millis(20));
            place.write("two");
            let file = fs::File::options().write(true).open(place.file());
            file.unwrap().set_modified(modified).unwrap();
        };
        check(&secretly, b"two");
        let replaced = |place: &Place| {
            let new = place.file().with_extension("new");
            fs::write(&new, "new").unwrap();
            fs::rename(new, place.file()).unwrap();
        };
        check(&replaced, b"new");
    }

    /// Whoever writes within the same tick of the file system's clock leaves no trace.
    #[test]
    fn a_file_that_was_changed_just_now_is_not_remembered() {
        let place = Place::new();
        for later in [0, 1] {
            place.build(later);
            assert_eq!(place.kept(), None);
        }
        place.build(9);
        assert!(place.kept().is_some());
    }

    #[test]
    fn what_is_damaged_says_nothing() {
        let place = Place::new();
        place.build(9);
        place.pretend();
        let whole = fs::read(place.kept().unwrap()).unwrap();
        let check = |damaged: &[u8]| {
            fs::write(place.kept().unwrap(), damaged).unwrap();
            let (_, context) = place.load(9);
            assert_eq!(content(&context).digest().unwrap(), Digest::of(b"one"));
        };
        for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
            check(&whole[..cut]);
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        check(&flipped);
        check(&vec![0; whole.len()]);
    }

    #[test]
    fn a_remembered_file_must_not_change_while_it_is_read() {
        let place = Place::new();
        place.build(9);
        let (_, context) = place.load(9);
        assert_eq!(content(&context).read().unwrap(), b"one");
        place.write("two");
        let error = content(&context).read().unwrap_err().to_string();
        assert!(error.contains("/a changed while it was built"), "{error}");
    }
}

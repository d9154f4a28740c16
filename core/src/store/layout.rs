//! A store on disk: an OCI image layout directory that several processes may use at once.
//!
//! ```text
//! oci-layout        which version of the layout this is
//! index.json        the tags: one entry each, named by its annotations
//! blobs/sha256/…    one file a blob, named by its digest
//! tmp/…             blobs under way
//! lock              held shared by whoever uses the store, alone by whoever collects
//! index.lock        held while index.json is rewritten
//! ```
//!
//! Every file is written under `tmp/`, brought to the disk (fsync) and only then renamed to where
//! it belongs, so that a file which can be seen is whole. A tag is set after the directories of
//! the blobs have been brought to the disk too.
//!
//! The locks are the kernel's (flock): they end with the process that holds them, however it
//! ends. So whoever finds nobody else in the store knows that what is in `tmp/` was left behind by
//! the dead, and sweeps it away.
//!
//! Source: [image-spec, image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md).

mod temporary;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{
    BlobStore, BlobWriter, CONTAINERD_NAME, Hold, REF_NAME, StoreError, TagStore, tag_target,
    without_names,
};
use crate::digest::{Algorithm, Digest, Verify};
use crate::spec::{Descriptor, Document, Index};
use temporary::{FileWriter, PARTIAL, Temporary, damaged, io_at, sync_directory};

/// An OCI image layout directory.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    /// The index as it was read last: whoever asks a thousand times parses it once.
    known: Arc<Mutex<Option<Known>>>,
}

/// An index, and what tells the file that it came from.
#[derive(Debug)]
struct Known {
    index: Arc<Index>,
    /// As long as the file is open its inode's number is nobody else's, so an index that was put
    /// in its place has another one.
    _file: File,
    stamp: Stamp,
}

/// Device, inode, size in bytes and time of the last change of a file. Tools that write in place
/// change the last two.
type Stamp = (u64, u64, u64, (i64, i64));

/// The content of the file `oci-layout`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// The only version of the layout there is.
const VERSION: &str = "1.0.0";

/// How much is gathered before it is written or after it is read, in bytes.
const BUFFER: usize = 128 << 10;

impl Layout {
    /// Opens the layout at `root` and makes what is missing of it.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let layout = Self {
            root: root.into(),
            known: Arc::default(),
        };
        for directory in ["blobs/sha256", "tmp"] {
            let path = layout.root.join(directory);
            fs::create_dir_all(&path).map_err(io_at("create directory", &path))?;
        }
        let marker = layout.root.join("oci-layout");
        match fs::read(&marker) {
            Ok(bytes) => check_marker(&marker, &bytes)?,
            Err(e) if e.kind() == ErrorKind::NotFound => layout.initialise(&marker)?,
            Err(e) => return Err(io_at("read", &marker)(e)),
        }
        Ok(layout)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let directory = self.blob_directory(digest.algorithm());
        directory.join(digest.hex())
    }

    fn open_blob(&self, digest: &Digest) -> Result<(PathBuf, File), StoreError> {
        let path = self.blob_path(digest);
        match File::open(&path) {
            Ok(file) => Ok((path, file)),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(StoreError::Missing {
                digest: digest.clone(),
            }),
            Err(e) => Err(io_at("open", &path)(e)),
        }
    }

    fn blob_directory(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join("blobs").join(match algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        })
    }

    /// Makes an empty layout of the directory. The marker comes last: with it the layout is one.
    fn initialise(&self, marker: &Path) -> Result<(), StoreError> {
        let _hold = self.hold()?;
        let _lock = self.lock_index()?;
        let index = self.root.join("index.json");
        if !index.exists() {
            self.replace(&index, Document::write(Index::new(Vec::new())))?;
        }
        let version = Marker {
            image_layout_version: VERSION.to_owned(),
        };
        self.replace(marker, Document::write(version))
    }

    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), StoreError> {
        let path = self.root.join(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_at("open", &path))?;
        Ok((path, file))
    }

    fn lock_index(&self) -> Result<File, StoreError> {
        let (path, file) = self.lock_file("index.lock")?;
        file.lock().map_err(io_at("lock", &path))?;
        Ok(file)
    }

    fn index(&self) -> Result<Arc<Index>, StoreError> {
        let path = self.root.join("index.json");
        let stamp = stamp(&fs::metadata(&path).map_err(io_at("look up", &path))?);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().as_ref().filter(|known| known.stamp == stamp) {
            return Ok(Arc::clone(&known.index));
        }
        let mut file = File::open(&path).map_err(io_at("open", &path))?;
        let meta = file.metadata().map_err(io_at("look up", &path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io_at("read", &path))?;
        let index: Index = serde_json::from_slice(&bytes).map_err(|e| damaged(&path, &e))?;
        let index = Arc::new(index);
        *known() = Some(Known {
            index: Arc::clone(&index),
            _file: file,
            stamp: self::stamp(&meta),
        });
        Ok(index)
    }

    /// Rewrites `index.json`. `change` says whether it changed anything.
    fn update(&self, change: impl FnOnce(&mut Index) -> bool) -> Result<bool, StoreError> {
        let _hold = self.hold()?;
        let _lock = self.lock_index()?;
        let mut index = Index::clone(&*self.index()?);
        let changed = change(&mut index);
        if changed {
            // The same tags give the same bytes, in whatever order they were set.
            index.manifests.sort_by(|a, b| name_of(a).cmp(name_of(b)));
            let path = self.root.join("index.json");
            self.replace(&path, Document::write(index))?;
        }
        Ok(changed)
    }

    /// Puts a small document in the place of `path`, all at once.
    fn replace<T>(
        &self,
        path: &Path,
        document: serde_json::Result<Document<T>>,
    ) -> Result<(), StoreError>
    where
        T: Serialize,
    {
        let document = document.map_err(|e| damaged(path, &e))?;
        Temporary::new(&self.root.join("tmp"))?.place(document.bytes(), path)?;
        sync_directory(&self.root)
    }

    /// A hold for somebody who may not write here. Whoever may respects it; nothing is swept.
    fn hold_to_read(&self) -> Result<Hold, StoreError> {
        let path = self.root.join("lock");
        match File::open(&path) {
            Ok(file) => {
                file.lock_shared().map_err(io_at("lock", &path))?;
                Ok(Hold::new(file))
            }
            // Nobody has held the store since it was made, so nobody collects.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Hold::new(())),
            Err(e) => Err(io_at("open", &path)(e)),
        }
    }

    /// Removes what dead processes left in a directory. Only for somebody who is alone.
    fn sweep(&self, directory: &str) -> Result<(), StoreError> {
        let directory = self.root.join(directory);
        let entries = match fs::read_dir(&directory) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(io_at("read directory", &directory))?,
        };
        for entry in entries {
            let path = entry.map_err(io_at("read directory", &directory))?.path();
            if !path.is_dir() {
                fs::remove_file(&path).map_err(io_at("remove", &path))?;
            }
        }
        Ok(())
    }
}

impl BlobStore for Layout {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let path = self.blob_path(digest);
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
            Ok(_) => Err(damaged(&path, "it is not a regular file")),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_at("look up", &path)(e)),
        }
    }

    fn open(&self, digest: &Digest) -> Result<Verify<Box<dyn Read + Send>>, StoreError> {
        let (path, file) = self.open_blob(digest)?;
        let size = file.metadata().map_err(io_at("look up", &path))?.len();
        // Most blobs are documents, for which a whole buffer would cost more than the reading.
        let capacity = usize::try_from(size).unwrap_or(BUFFER).min(BUFFER);
        let reader: Box<dyn Read + Send> = Box::new(BufReader::with_capacity(capacity, file));
        Ok(Verify::new(reader, digest.clone(), size))
    }

    fn open_range(
        &self,
        digest: &Digest,
        offset: u64,
        length: u64,
    ) -> Result<Box<dyn Read + Send>, StoreError> {
        let (path, mut file) = self.open_blob(digest)?;
        file.seek(SeekFrom::Start(offset))
            .map_err(io_at("seek in", &path))?;
        Ok(Box::new(file.take(length)))
    }

    fn create(&self) -> Result<Box<dyn BlobWriter>, StoreError> {
        Ok(Box::new(FileWriter::new(self)?))
    }

    fn resume(
        &self,
        blob: &Descriptor,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<(Box<dyn BlobWriter>, u64), StoreError> {
        let (writer, there) = FileWriter::resume(self, blob, seen)?;
        Ok((Box::new(writer), there))
    }

    fn delete(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.blob_path(digest);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(io_at("remove", &path)(e)),
            _ => Ok(()),
        }
    }

    fn blobs(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let mut blobs = Vec::new();
        for (algorithm, prefix) in [(Algorithm::Sha256, "sha256"), (Algorithm::Sha512, "sha512")] {
            let directory = self.blob_directory(algorithm);
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(io_at("read directory", &directory)(e)),
            };
            for entry in entries {
                let name = entry
                    .map_err(io_at("read directory", &directory))?
                    .file_name();
                // What is not named like a digest is not ours to judge.
                let text = format!("{prefix}:{}", name.to_string_lossy());
                if let Ok(digest) = text.parse::<Digest>()
                    && let Some(size) = self.size(&digest)?
                {
                    blobs.push((digest, size));
                }
            }
        }
        blobs.sort();
        Ok(blobs)
    }

    fn hold(&self) -> Result<Hold, StoreError> {
        let (path, file) = match self.lock_file("lock") {
            Err(StoreError::Io { source, .. }) if is_read_only(&source) => {
                return self.hold_to_read();
            }
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => {
                self.sweep("tmp")?;
                file.unlock().map_err(io_at("unlock", &path))?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(io_at("lock", &path)(e)),
        }
        file.lock_shared().map_err(io_at("lock", &path))?;
        Ok(Hold::new(file))
    }

    fn alone(&self) -> Result<Option<Hold>, StoreError> {
        let (path, file) = self.lock_file("lock")?;
        match file.try_lock() {
            Ok(()) => {
                self.sweep("tmp")?;
                self.sweep(PARTIAL)?;
                Ok(Some(Hold::new(file)))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(io_at("lock", &path)(e)),
        }
    }
}

impl TagStore for Layout {
    fn resolve(&self, name: &str) -> Result<Option<Descriptor>, StoreError> {
        let index = self.index()?;
        let found = index.manifests.iter().find(|entry| name_of(entry) == name);
        Ok(found.map(without_names))
    }

    fn tag(&self, name: &str, target: &Descriptor) -> Result<(), StoreError> {
        let mut entry = tag_target(self, name, target)?;
        if is_tagged(&*self.index()?, name, &entry) {
            return Ok(());
        }
        if name != entry.digest.as_str() {
            for key in [REF_NAME, CONTAINERD_NAME] {
                entry.annotations.insert(key.to_owned(), name.to_owned());
            }
        }
        // The names of the blobs must be on the disk before a tag promises that they are there.
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let directory = self.blob_directory(algorithm);
            if directory.exists() {
                sync_directory(&directory)?;
            }
        }
        self.update(|index| {
            let nameless = entry.digest.to_string();
            index.manifests.retain(|other| {
                let other = name_of(other);
                other != name && other != nameless
            });
            index.manifests.push(entry);
            true
        })?;
        Ok(())
    }

    fn untag(&self, name: &str) -> Result<bool, StoreError> {
        self.update(|index| {
            let before = index.manifests.len();
            index.manifests.retain(|entry| name_of(entry) != name);
            index.manifests.len() != before
        })
    }

    fn tags(&self) -> Result<Vec<(String, Descriptor)>, StoreError> {
        self.tags_from("")
    }

    fn tags_from(&self, beginning: &str) -> Result<Vec<(String, Descriptor)>, StoreError> {
        let index = self.index()?;
        let wanted = |entry: &&Descriptor| name_of(entry).starts_with(beginning);
        let mut tags: Vec<_> = index
            .manifests
            .iter()
            .filter(wanted)
            .map(|entry| (name_of(entry).to_owned(), without_names(entry)))
            .collect();
        tags.sort_by(|a, b| a.0.cmp(&b.0));
        tags.dedup_by(|a, b| a.0 == b.0);
        Ok(tags)
    }
}

/// What an entry of the index is called; without a name, by its digest.
fn name_of(entry: &Descriptor) -> &str {
    let name = entry.annotations.get(REF_NAME);
    name.map_or(entry.digest.as_str(), String::as_str)
}

fn stamp(meta: &fs::Metadata) -> Stamp {
    let changed = (meta.mtime(), meta.mtime_nsec());
    (meta.dev(), meta.ino(), meta.len(), changed)
}

/// Whether the index says already what tagging `target` would make it say.
fn is_tagged(index: &Index, name: &str, target: &Descriptor) -> bool {
    let named = |name: &str| index.manifests.iter().find(|entry| name_of(entry) == name);
    let nameless = target.digest.as_str();
    named(name).map(without_names).as_ref() == Some(target)
        && (name == nameless || named(nameless).is_none())
}

/// Whether the system refused because nobody, or not this user, may write there.
fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
    )
}

fn check_marker(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let marker: Marker = serde_json::from_slice(bytes).map_err(|e| damaged(path, &e))?;
    if marker.image_layout_version == VERSION {
        return Ok(());
    }
    let version = marker.image_layout_version;
    let reason = format!("it is of version {version}, and only {VERSION} is known");
    Err(damaged(path, &reason))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::memory::MemoryStore;
    use super::super::suite;
    use super::*;
    use crate::spec::media;

    fn fresh() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::open(directory.path().join("store")).unwrap();
        (directory, layout)
    }

    fn files_in(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_a_store() {
        let directory = tempfile::tempdir().unwrap();
        let next = AtomicU64::new(0);
        suite::check_all(&|| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let root = directory.path().join(number.to_string());
            Box::new(Layout::open(root).unwrap())
        });
    }

    #[test]
    fn it_does_what_the_store_in_memory_does() {
        let directory = tempfile::tempdir().unwrap();
        let next = AtomicU64::new(0);
        suite::check_twins(&|| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let root = directory.path().join(number.to_string());
            let pair: [Box<dyn super::super::Store>; 2] = [
                Box::new(MemoryStore::new()),
                Box::new(Layout::open(root).unwrap()),
            ];
            pair
        });
    }

    /// image-spec, image layout: `oci-layout` and `index.json` MUST exist, blobs are at
    /// `blobs/<alg>/<encoded>`.
    #[test]
    fn the_files_are_where_the_specification_wants_them() {
        let (_directory, layout) = fresh();
        let digest = layout.put(b"foo").unwrap();
        let target = Descriptor::new(media::MANIFEST, digest.clone(), 3);
        layout
            .tag("docker.io/library/python:3.12", &target)
            .unwrap();
        assert_eq!(fs::read(layout.blob_path(&digest)).unwrap(), b"foo");
        let marker = fs::read(layout.root().join("oci-layout")).unwrap();
        assert_eq!(marker, br#"{"imageLayoutVersion":"1.0.0"}"#);
        let index = fs::read_to_string(layout.root().join("index.json")).unwrap();
        insta::assert_snapshot!(index, @r#"{"manifests":[{"annotations":{"io.containerd.image.name":"docker.io/library/python:3.12","org.opencontainers.image.ref.name":"docker.io/library/python:3.12"},"digest":"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","mediaType":"application/vnd.oci.image.manifest.v1+json","size":3}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#);
        assert!(files_in(&layout.root().join("tmp")).is_empty());
    }

    #[test]
    fn what_is_damaged_is_named() {
        let check = |file: &str, content: &str, parts: &[&str]| {
            let (_directory, layout) = fresh();
            fs::write(layout.root().join(file), content).unwrap();
            let error = Layout::open(layout.root())
                .and_then(|layout| layout.tags())
                .unwrap_err()
                .to_string();
            for part in [file].iter().chain(parts) {
                assert!(error.contains(part), "{error}");
            }
        };
        check("oci-layout", "{", &["is damaged", "EOF"]);
        check(
            "oci-layout",
            r#"{"imageLayoutVersion":"2.0.0"}"#,
            &["2.0.0", "1.0.0"],
        );
        check("index.json", "{}", &["is damaged", "schemaVersion"]);
    }

    #[test]
    fn a_changed_blob_is_reported_and_can_be_replaced() {
        let (_directory, layout) = fresh();
        let digest = layout.put(b"foo").unwrap();
        fs::write(layout.blob_path(&digest), b"bar").unwrap();
        let error = layout.read(&digest).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)));
        assert!(error.to_string().contains(digest.as_str()), "{error}");
        let mut writer = layout.create().unwrap();
        writer.write_all(b"foo").unwrap();
        writer.commit(Some(&digest)).unwrap();
        assert_eq!(layout.read(&digest).unwrap(), b"foo");
    }

    #[test]
    fn what_the_dead_left_is_swept_and_what_the_living_write_is_not() {
        let (_directory, layout) = fresh();
        let tmp = layout.root().join("tmp");
        fs::write(tmp.join("1-0"), b"left behind").unwrap();
        let mut writer = layout.create().unwrap();
        assert_eq!(files_in(&tmp).len(), 1, "only the living writer's file");
        // A second store object has locks of its own, as another process has.
        let other = Layout::open(layout.root()).unwrap();
        fs::write(tmp.join("1-0"), b"left behind").unwrap();
        drop(other.create().unwrap());
        assert!(other.alone().unwrap().is_none());
        writer.write_all(b"foo").unwrap();
        let (digest, _) = writer.commit(None).unwrap();
        assert_eq!(layout.read(&digest).unwrap(), b"foo");
        drop(other.alone().unwrap().unwrap());
        assert!(files_in(&tmp).is_empty());
    }

    #[test]
    fn what_others_write_into_the_index_is_seen_at_once() {
        let (_directory, layout) = fresh();
        let other = Layout::open(layout.root()).unwrap();
        let digests = [b"a", b"b"].map(|content| layout.put(content).unwrap());
        for round in 0..40 {
            let target = Descriptor::new(media::MANIFEST, digests[round % 2].clone(), 1);
            let [writer, reader] = if round % 3 == 0 {
                [&layout, &other]
            } else {
                [&other, &layout]
            };
            writer.tag("localhost/x:v", &target).unwrap();
            for store in [reader, writer] {
                assert_eq!(store.resolve("localhost/x:v").unwrap().unwrap(), target);
            }
        }
        // Some tools write in place, also a text of the same length; clocks tick every few
        // milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let path = layout.root().join("index.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("localhost/x:v", "localhost/x:w")).unwrap();
        let names: Vec<_> = layout.tags().unwrap().into_iter().map(|t| t.0).collect();
        assert_eq!(names, ["localhost/x:w"]);
    }

    #[test]
    fn entries_of_other_tools_are_kept() {
        let (_directory, layout) = fresh();
        let digest = layout.put(b"foo").unwrap();
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{digest}","size":3}}],"annotations":{{"a":"b"}}}}"#,
            media::MANIFEST
        );
        fs::write(layout.root().join("index.json"), index).unwrap();
        let other = layout.put(b"bar").unwrap();
        let target = Descriptor::new(media::MANIFEST, other, 3);
        layout.tag("docker.io/library/x:latest", &target).unwrap();
        let names: Vec<_> = layout.tags().unwrap().into_iter().map(|t| t.0).collect();
        assert_eq!(names, ["docker.io/library/x:latest", digest.as_str()]);
        assert_eq!(layout.index().unwrap().extra["annotations"]["a"], "b");
    }
}

//! Files under way: written under a name that means nothing, renamed when they are whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::{BUFFER, Layout};
use crate::digest::{Algorithm, Digest, DigestError, Hasher};
use crate::spec::Descriptor;
use crate::store::{BlobStore as _, BlobWriter, Hold, StoreError};

/// Where the beginnings of blobs are whose fetching broke off, by their digests: whoever fetches
/// them again goes on there. A collection removes them.
pub(super) const PARTIAL: &str = "partial";

/// A file under `tmp/`, removed when dropped unless it has been renamed away.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    file: File,
    /// Nothing is to be removed: it has been renamed away, or shall be gone on with.
    stays: bool,
}

impl Temporary {
    /// A new file in `directory`. Whoever asks holds the store; otherwise it could be swept away.
    pub(super) fn new(directory: &Path) -> Result<Self, StoreError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = directory.join(format!("{}-{number}", std::process::id()));
            // Somebody of the same process number may have left the name behind, or be alive in
            // another pid namespace.
            let created = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path);
            match created {
                Ok(file) => {
                    return Ok(Self {
                        path,
                        file,
                        stays: false,
                    });
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io_at("create", &path)(e)),
            }
        }
    }

    /// The beginning of a blob, which stays when it is dropped; `None` while somebody else is at it.
    fn partial(directory: &Path, digest: &Digest) -> Result<Option<Self>, StoreError> {
        fs::create_dir_all(directory).map_err(io_at("create directory", directory))?;
        let path = directory.join(digest.as_str().replace(':', "-"));
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true);
        let file = options.open(&path).map_err(io_at("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self {
                path,
                file,
                stays: true,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(io_at("lock", &path)(e)),
        }
    }

    /// Writes a small file to its end and puts it in the place of `to`, all at once.
    pub(super) fn place(mut self, bytes: &[u8], to: &Path) -> Result<(), StoreError> {
        let write = io_at("write", &self.path);
        self.file.write_all(bytes).map_err(&write)?;
        self.file.sync_data().map_err(&write)?;
        self.rename(to)
    }

    fn rename(mut self, to: &Path) -> Result<(), StoreError> {
        let action = format!("rename {} to", self.path.display());
        fs::rename(&self.path, to).map_err(io_at(&action, to))?;
        self.stays = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.stays {
            // What cannot be removed now is swept away later.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Write for Temporary {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // Whoever writes a blob sees only a writer, so the path has to be said here.
        let write =
            |e: io::Error| io::Error::new(e.kind(), format!("write {}: {e}", self.path.display()));
        self.file.write(buf).map_err(write)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// How many bytes are written before the disk is asked to take them. Each time it takes along what
/// others have written into the file system, such as the files of a layer that is being unpacked,
/// so it is not asked often.
const PIECE: u64 = 16 << 20;

/// How many bytes are written before another thread is asked to hash them.
const STRIDE: u64 = 4 << 20;

/// A file that is hashed and goes to the disk while it is still being written: both happen while
/// the next bytes are fetched, and whoever waits in the end waits for the last piece.
struct Flowing {
    file: Temporary,
    sum: Sum,
    /// How many bytes the file has.
    size: u64,
    /// How many of them the disk has not been asked to take.
    new: u64,
    disk: Option<Disk>,
}

/// The SHA-256 sum of what a file gets.
enum Sum {
    /// Computed by whoever writes: most files are small.
    Here(Hasher),
    /// Computed by a thread that reads, behind the writer, what is in the file.
    Behind {
        up_to: Sender<u64>,
        thread: JoinHandle<io::Result<Hasher>>,
    },
}

/// A thread that waits for the disk.
struct Disk {
    ask: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Flowing {
    fn new(file: Temporary) -> Self {
        Self {
            file,
            sum: Sum::Here(Hasher::new(Algorithm::Sha256)),
            size: 0,
            new: 0,
            disk: None,
        }
    }

    /// Takes bytes into account that are in the file already.
    fn pass(&mut self, bytes: &[u8]) {
        if let Sum::Here(hasher) = &mut self.sum {
            hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    /// Asks the disk to take what there is. While it is busy, the next question waits.
    fn flow(&mut self) {
        if self.disk.is_none() {
            // Without a thread it is as it would be without flowing: all waiting is in the end.
            self.disk = self.file.file.try_clone().and_then(Disk::start).ok();
        }
        let asked = self.disk.as_ref().map(|disk| disk.ask.try_send(()));
        if asked.is_none_or(|asked| asked.is_ok()) {
            self.new = 0;
        }
    }

    /// The sum of all that is in the file.
    fn sum(&mut self) -> Result<Digest, StoreError> {
        let read = io_at("read", &self.file.path);
        let sum = std::mem::replace(&mut self.sum, Sum::Here(Hasher::new(Algorithm::Sha256)));
        Ok(sum.end(self.size).map_err(read)?.finish())
    }

    /// The file, all of it on the disk.
    fn finish(self) -> Result<Temporary, StoreError> {
        let waited = self.disk.map_or(Ok(()), Disk::end);
        let synced = waited.and_then(|()| self.file.file.sync_data());
        synced.map_err(io_at("sync", &self.file.path))?;
        Ok(self.file)
    }
}

impl Sum {
    /// Lets the thread read up to `size`, and starts it if there is none: all before that has been
    /// hashed by the writer.
    fn follow(&mut self, file: &File, size: u64) {
        if let Self::Here(hasher) = self
            && let Ok(behind) = Self::behind(file, hasher, size)
        {
            *self = behind;
        }
        if let Self::Behind { up_to, .. } = self {
            // A thread that has ended says why in the end.
            let _ = up_to.send(size);
        }
    }

    fn behind(file: &File, hasher: &Hasher, from: u64) -> io::Result<Self> {
        let (file, mut hasher) = (file.try_clone()?, hasher.clone());
        let (up_to, asked) = channel();
        let work = move || {
            let mut buffer = vec![0; BUFFER];
            let mut at = from;
            for size in asked {
                while at < size {
                    let most = usize::try_from(size - at).unwrap_or(BUFFER).min(BUFFER);
                    file.read_exact_at(&mut buffer[..most], at)?;
                    hasher.update(&buffer[..most]);
                    at += most as u64;
                }
            }
            Ok(hasher)
        };
        let thread = std::thread::Builder::new().spawn(work)?;
        Ok(Self::Behind { up_to, thread })
    }

    /// The sum of the first `size` bytes.
    fn end(self, size: u64) -> io::Result<Hasher> {
        match self {
            Self::Here(hasher) => Ok(hasher),
            Self::Behind { up_to, thread } => {
                let _ = up_to.send(size);
                drop(up_to);
                let ended = thread.join();
                ended.unwrap_or_else(|_| Err(io::Error::other("the thread that hashes it died")))
            }
        }
    }
}

impl Disk {
    fn start(file: File) -> io::Result<Self> {
        let (ask, asked) = sync_channel(1);
        let wait = move || asked.iter().try_for_each(|()| file.sync_data());
        let thread = std::thread::Builder::new().spawn(wait)?;
        Ok(Self { ask, thread })
    }

    /// Why the disk failed, which it tells only once.
    fn end(self) -> io::Result<()> {
        drop(self.ask);
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("the thread that waits for it died")))
    }
}

impl Write for Flowing {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buf)?;
        if let Sum::Here(hasher) = &mut self.sum {
            hasher.update(&buf[..written]);
        }
        self.size += written as u64;
        self.new += written as u64;
        if self.size / STRIDE > (self.size - written as u64) / STRIDE {
            self.sum.follow(&self.file.file, self.size);
        }
        if self.new >= PIECE {
            self.flow();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A blob under way in a layout.
pub(super) struct FileWriter {
    layout: Layout,
    /// Bytes are gathered first and written in large pieces.
    file: BufWriter<Flowing>,
    /// As long as the file is under way, nobody sweeps.
    _hold: Hold,
}

impl FileWriter {
    /// Starts a blob.
    pub(super) fn new(layout: &Layout) -> Result<Self, StoreError> {
        let hold = layout.hold()?;
        let temporary = Temporary::new(&layout.root.join("tmp"))?;
        Ok(Self {
            layout: layout.clone(),
            file: BufWriter::with_capacity(BUFFER, Flowing::new(temporary)),
            _hold: hold,
        })
    }
}

impl FileWriter {
    /// Goes on with a blob: `seen` gets what is there, and it is told how much that is.
    pub(super) fn resume(
        layout: &Layout,
        blob: &Descriptor,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<(Self, u64), StoreError> {
        let hold = layout.hold()?;
        let directory = layout.root.join(PARTIAL);
        let Some(temporary) = Temporary::partial(&directory, &blob.digest)? else {
            return Ok((Self::new(layout)?, 0));
        };
        let read = io_at("read", &temporary.path);
        let mut there = temporary.file.try_clone().map_err(&read)?;
        if there.metadata().map_err(&read)?.len() > blob.size {
            // Whatever that is, it is not the beginning of this.
            there.set_len(0).map_err(&read)?;
        }
        let mut flowing = Flowing::new(temporary);
        let mut buffer = vec![0; BUFFER];
        let mut count = 0;
        loop {
            let n = there.read(&mut buffer).map_err(&read)?;
            if n == 0 {
                break;
            }
            flowing.pass(&buffer[..n]);
            seen(&buffer[..n]);
            count += n as u64;
        }
        let writer = Self {
            layout: layout.clone(),
            file: BufWriter::with_capacity(BUFFER, flowing),
            _hold: hold,
        };
        Ok((writer, count))
    }
}

impl Write for FileWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl BlobWriter for FileWriter {
    fn commit(self: Box<Self>, expected: Option<&Digest>) -> Result<(Digest, u64), StoreError> {
        let layout = self.layout;
        let mut flowing = match self.file.into_inner() {
            Ok(flowing) => flowing,
            Err(e) => {
                let path = layout.root.join("tmp");
                return Err(io_at("write a blob in", &path)(e.into_error()));
            }
        };
        let (mut actual, size) = (flowing.sum()?, flowing.size);
        if let Some(expected) = expected {
            if expected.algorithm() == Algorithm::Sha512 {
                actual = sha512_of(&flowing.file)?;
            }
            if *expected != actual {
                // Nobody shall go on with these bytes.
                flowing.file.stays = false;
                return Err(StoreError::Corrupt(DigestError::Mismatch {
                    expected: expected.clone(),
                    actual,
                }));
            }
        }
        let temporary = flowing.finish()?;
        let path = layout.blob_path(&actual);
        if actual.algorithm() == Algorithm::Sha512 {
            let directory = layout.blob_directory(Algorithm::Sha512);
            fs::create_dir_all(&directory).map_err(io_at("create directory", &directory))?;
        }
        // A blob of this name that is there already is replaced: should it be damaged, it is
        // whole again.
        temporary.rename(&path)?;
        Ok((actual, size))
    }
}

/// Blobs are hashed by SHA-256 while they are written; the other algorithm is so seldom that
/// reading the file again is the simpler way.
fn sha512_of(temporary: &Temporary) -> Result<Digest, StoreError> {
    let read = io_at("read", &temporary.path);
    let mut file = File::open(&temporary.path).map_err(&read)?;
    let mut hasher = Hasher::new(Algorithm::Sha512);
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = file.read(&mut buffer).map_err(&read)?;
        if n == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..n]);
    }
}

/// Brings a directory's names to the disk.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(io_at("sync directory", path))
}

/// Says what was attempted, and where.
pub(super) fn io_at(action: &str, path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let action = format!("{action} {}", path.display());
    move |e| StoreError::io(action.clone(), e)
}

/// A file of the store that does not say what it should.
pub(super) fn damaged(path: &Path, reason: &(impl ToString + ?Sized)) -> StoreError {
    StoreError::Damaged {
        what: path.display().to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::BlobStore;

    #[test]
    fn a_blob_of_several_pieces_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let store = Layout::open(place.path()).unwrap();
        let bytes: Vec<u8> = (0..PIECE / 4).flat_map(u64::to_le_bytes).collect();
        let mut writer = store.create().unwrap();
        writer.write_all(&bytes).unwrap();
        let (digest, size) = writer.commit(Some(&Digest::of(&bytes))).unwrap();
        assert_eq!(size, 2 * PIECE);
        let kept = fs::read(store.blob_path(&digest)).unwrap();
        assert!(kept == bytes, "other bytes");
        assert_eq!(fs::read_dir(place.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_blob_that_broke_off_is_gone_on_with() {
        let place = tempfile::tempdir().unwrap();
        let store = Layout::open(place.path()).unwrap();
        let bytes: Vec<u8> = (0..100_000).flat_map(usize::to_le_bytes).collect();
        let blob = Descriptor::new("any", Digest::of(&bytes), bytes.len() as u64);
        let resume = |seen: &mut Vec<u8>| {
            let mut seen = |bytes: &[u8]| seen.extend_from_slice(bytes);
            store.resume(&blob, &mut seen).unwrap()
        };
        let (mut writer, there) = resume(&mut Vec::new());
        assert_eq!(there, 0);
        writer.write_all(&bytes[..300_000]).unwrap();
        // Two cannot go on with one beginning.
        let (other, there) = resume(&mut Vec::new());
        assert_eq!(there, 0);
        drop(other);
        drop(writer);
        assert_eq!(store.size(&blob.digest).unwrap(), None);
        let mut seen = Vec::new();
        let (mut writer, there) = resume(&mut seen);
        assert!(there == 300_000 && seen == bytes[..300_000], "{there}");
        writer.write_all(&bytes[300_000..]).unwrap();
        let committed = writer.commit(Some(&blob.digest)).unwrap();
        assert_eq!(committed, (blob.digest.clone(), blob.size));
        assert!(fs::read(store.blob_path(&blob.digest)).unwrap() == bytes);

        // A beginning of something else is noticed in the end, and not gone on with again; one
        // that is too long for the blob is at once.
        store.delete(&blob.digest).unwrap();
        let partial = place.path().join(PARTIAL);
        let name = partial.join(blob.digest.as_str().replace(':', "-"));
        fs::write(&name, b"something else").unwrap();
        let (writer, there) = resume(&mut Vec::new());
        assert_eq!(there, 14);
        assert!(writer.commit(Some(&blob.digest)).is_err());
        assert!(!name.exists());
        fs::write(&name, vec![0; 900_000]).unwrap();
        let (writer, there) = resume(&mut Vec::new());
        assert_eq!(there, 0);
        drop(writer);
        drop(store.alone().unwrap().unwrap());
        assert_eq!(fs::read_dir(partial).unwrap().count(), 0);
    }

    #[test]
    fn what_the_disk_said_in_between_is_not_lost() {
        // A pipe has no disk, so it cannot be brought there.
        let (_read, write) = io::pipe().unwrap();
        let disk = Disk::start(File::from(std::os::fd::OwnedFd::from(write))).unwrap();
        disk.ask.send(()).unwrap();
        assert_eq!(disk.end().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

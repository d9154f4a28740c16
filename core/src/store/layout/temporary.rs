//! Files under way: written under a name that means nothing, renamed when they are whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{BUFFER, Layout};
use crate::digest::{Algorithm, Digest, DigestError, Hasher, Hashing};
use crate::store::{BlobStore as _, BlobWriter, Hold, StoreError};

/// A file under `tmp/`, removed when dropped unless it has been renamed away.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    file: File,
    placed: bool,
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
                        placed: false,
                    });
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io_at("create", &path)(e)),
            }
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
        self.placed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
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

/// A blob under way in a layout.
pub(super) struct FileWriter {
    layout: Layout,
    /// Bytes are gathered first and hashed when they are written, in large pieces.
    file: BufWriter<Hashing<Temporary>>,
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
            file: BufWriter::with_capacity(BUFFER, Hashing::new(temporary)),
            _hold: hold,
        })
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
        let (temporary, mut actual, size) = match self.file.into_inner() {
            Ok(hashing) => hashing.finish(),
            Err(e) => {
                let path = layout.root.join("tmp");
                return Err(io_at("write a blob in", &path)(e.into_error()));
            }
        };
        if let Some(expected) = expected {
            if expected.algorithm() == Algorithm::Sha512 {
                actual = sha512_of(&temporary)?;
            }
            if *expected != actual {
                return Err(StoreError::Corrupt(DigestError::Mismatch {
                    expected: expected.clone(),
                    actual,
                }));
            }
        }
        let synced = temporary.file.sync_data();
        synced.map_err(io_at("sync", &temporary.path))?;
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

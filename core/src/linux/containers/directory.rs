//! The directory of one container, locked.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::digest::Digest;

/// The directory of one container, locked as long as this value lives.
///
/// It goes away with the value, unless the container is to [stay](Self::stay).
#[derive(Debug)]
pub struct ContainerDirectory {
    /// The container's ID: 64 hexadecimal digits.
    pub id: String,
    /// The directory.
    pub path: PathBuf,
    stays: bool,
    _lock: File,
}

impl ContainerDirectory {
    /// Makes the directory of a new container below `containers`, readable by its owner only.
    pub fn make(containers: &Path) -> io::Result<Self> {
        let builder = || {
            let mut builder = DirBuilder::new();
            builder.mode(0o700);
            builder
        };
        builder().recursive(true).create(containers)?;
        loop {
            let id = new_id();
            let path = containers.join(&id);
            match builder().create(&path) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
                other => other?,
            }
            // Between making and locking, somebody may have swept it away.
            if let Some(lock) = lock(&path)? {
                return Ok(Self {
                    id,
                    path,
                    stays: false,
                    _lock: lock,
                });
            }
        }
    }

    /// Locks the directory of a container that is there; it stays. `None` when somebody else has
    /// it locked, or it is gone.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let id = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(lock(path)?.map(|lock| Self {
            id: id.into_owned(),
            path: path.to_owned(),
            stays: true,
            _lock: lock,
        }))
    }

    /// From now on the directory outlives this value.
    pub fn stay(&mut self) {
        self.stays = true;
    }

    /// Removes the directory with everything in it.
    pub fn remove(mut self) -> io::Result<()> {
        // Whatever is left after a failure is tried again by nobody but the next `remove`.
        self.stays = true;
        fs::remove_dir_all(&self.path)
    }
}

impl Drop for ContainerDirectory {
    fn drop(&mut self) {
        if !self.stays {
            // What cannot be removed now, the next sweep removes.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Locks a directory; nothing when somebody else has it, or has taken it away.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(e)) => return Err(e),
        Ok(()) => {}
    }
    let same = fs::metadata(path).is_ok_and(|now| {
        file.metadata()
            .is_ok_and(|locked| (locked.dev(), locked.ino()) == (now.dev(), now.ino()))
    });
    Ok(same.then_some(file))
}

/// 64 hexadecimal digits that no other container of this machine has.
fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanos = time.map_or(0, |t| t.as_nanos());
    let unique = format!("{} {number} {nanos}", std::process::id());
    Digest::of(unique.as_bytes()).hex().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_locked_and_goes_away_unless_it_stays() {
        let place = tempfile::tempdir().unwrap();
        let made = ContainerDirectory::make(place.path()).unwrap();
        assert_eq!(made.id.len(), 64);
        let path = made.path.clone();
        assert!(ContainerDirectory::open(&path).unwrap().is_none());
        drop(made);
        assert!(!path.exists());
        assert!(ContainerDirectory::open(&path).unwrap().is_none());

        let mut made = ContainerDirectory::make(place.path()).unwrap();
        let path = made.path.clone();
        made.stay();
        drop(made);
        let opened = ContainerDirectory::open(&path).unwrap().unwrap();
        assert_eq!(Some(opened.id.as_str()), path.file_name().unwrap().to_str());
        drop(opened);
        assert!(path.is_dir());
        let opened = ContainerDirectory::open(&path).unwrap().unwrap();
        opened.remove().unwrap();
        assert!(!path.exists());
    }
}

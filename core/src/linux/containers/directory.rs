//! Where containers live while they run: one directory each, which goes away with them.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::digest::Digest;

/// The directory of one container.
///
/// It is locked as long as this value lives, by a lock that ends with the process, however the
/// process ends. So a directory that nobody has locked was left behind by the dead, and
/// [`sweep`] takes it away.
#[derive(Debug)]
pub struct ContainerDirectory {
    /// The container's ID: 64 hexadecimal digits.
    pub id: String,
    /// The directory.
    pub path: PathBuf,
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
                    _lock: lock,
                });
            }
        }
    }
}

impl Drop for ContainerDirectory {
    fn drop(&mut self) {
        // What cannot be removed now, the next sweep removes.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what killed processes left below `containers`. Returns how many directories that were.
pub fn sweep(containers: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(containers) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut swept = 0;
    for entry in entries {
        let path = entry?.path();
        if let Ok(Some(_lock)) = lock(&path) {
            fs::remove_dir_all(&path)?;
            swept += 1;
        }
    }
    Ok(swept)
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
    fn only_what_the_dead_left_is_swept_away() {
        let place = tempfile::tempdir().unwrap();
        let alive = ContainerDirectory::make(place.path()).unwrap();
        assert_eq!(alive.id.len(), 64);
        fs::create_dir_all(place.path().join("dead/upper")).unwrap();
        assert_eq!(sweep(place.path()).unwrap(), 1);
        assert!(alive.path.is_dir());
        let path = alive.path.clone();
        drop(alive);
        assert!(!path.exists());
        assert_eq!(sweep(place.path()).unwrap(), 0);
        assert_eq!(sweep(&place.path().join("nowhere")).unwrap(), 0);
    }
}

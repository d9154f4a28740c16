//! Snapshots: layers unpacked on disk, each once, and the root file systems made of them.
//!
//! A layer is unpacked into a directory of its own, named by its chain ID: the same layer on
//! other layers may mean something else. A container's root is then one overlay mount of such
//! directories, and a layer that ten images share is on disk once. Where overlayfs cannot be
//! mounted, a snapshot is a whole file system instead, and every container gets a copy.
//!
//! A snapshot appears under its name all at once, by a rename, when it is complete. A process that
//! is killed leaves a directory with a temporary name, which the next one sweeps away. Only a crash
//! of the whole machine can cost a snapshot content that had not reached the disk: waiting for the
//! disk would make every first run many times slower, and a snapshot can always be made again.

mod choose;
mod copy;
mod fill;
mod inventory;
mod plain;
mod probe;
mod rootfs;
mod temporary;
mod unchanged;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use self::choose::{SNAPSHOTTER, decide, flavour, is_initial_user_namespace};
use self::copy::copy_tree;
use self::fill::Job;
pub use self::inventory::{Kept, disk_usage, inventory};
pub use self::plain::write_out;
pub use self::rootfs::RootFs;
use self::temporary::{TEMPORARY, Temporary};
use super::meta::{self, Refused};
use super::redirects::scan_redirected;
use super::root::RootDir;
use super::scan::{ScanError, scan_stack, scan_tree, scan_upper};
use super::sys::SysError;
use super::unpack::{Report, UnpackError};
use crate::digest::{ChainId, Digest, DigestError};
use crate::event::Event;
use crate::image::{StoredLayer, chain_ids};
use crate::layer::{self, Bounds, Layer};
use crate::path::RootedPath;
use crate::store::{BlobStore, StoreError};
use crate::tree::Meta;

/// The directory of all snapshots that this process can use.
#[derive(Debug)]
pub struct Snapshots {
    /// `snapshots/trusted` for root, `snapshots/user-…` in a user namespace: numbers and
    /// attributes on disk mean something else there.
    directory: PathBuf,
    how: How,
    bounds: Bounds,
    /// What has been said already of what could not be unpacked as it is.
    told: Mutex<BTreeSet<Refused>>,
}

/// How a container gets its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// By an overlay mount of the layers.
    Overlay {
        /// Whether overlayfs' attributes are `user.overlay.…`.
        userxattr: bool,
    },
    /// By a copy of everything, because of this.
    Copy {
        /// Why overlayfs is not used, as a sentence.
        why: String,
    },
}

/// What can go wrong with snapshots.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A layer cannot be unpacked.
    #[error("layer {digest}: {source}")]
    Unpack {
        /// The layer's blob.
        digest: Digest,
        /// Why.
        source: UnpackError,
    },
    /// The archive inside a blob is not the one that the image's config promises.
    #[error("the image's config and its layers disagree: {0}")]
    WrongArchive(DigestError),
    /// A blob cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A directory cannot be read as a tree.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The kernel refused.
    #[error(transparent)]
    System(#[from] SysError),
    /// The system refused.
    #[error("{action}: {source}")]
    Io {
        /// What was attempted, with the path.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// A variable of the environment says nothing that makes sense.
    #[error("{0}")]
    Setting(String),
    /// A thread of this process died.
    #[error("unpacking was interrupted; run the command again")]
    Interrupted,
}

impl Snapshots {
    /// Opens, or makes, the snapshots below the state root. `environment` looks up a variable;
    /// `CORACLE_SNAPSHOTTER=copy` or `overlay` decides without trying, and `CORACLE_LAYER_MAX_…`
    /// sets the bounds.
    ///
    /// What killed processes left unfinished is swept away, unless another process is at work.
    pub fn open(
        state_root: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SnapshotError> {
        let bounds = Bounds::from_environment(environment).map_err(SnapshotError::Setting)?;
        let userxattr = !is_initial_user_namespace();
        let base = state_root.join("snapshots").join(flavour(userxattr));
        make_private(&base)?;
        let how = decide(&base, userxattr, environment(SNAPSHOTTER).as_deref())?;
        let directory = match &how {
            How::Overlay { .. } => base.join("layers"),
            How::Copy { .. } => base.join("copies"),
        };
        make_private(&directory)?;
        let snapshots = Self {
            directory,
            how,
            bounds,
            told: Mutex::default(),
        };
        snapshots.sweep()?;
        Ok(snapshots)
    }

    /// How containers get their roots here.
    pub fn how(&self) -> &How {
        &self.how
    }

    /// Unpacks what is not unpacked yet of a stack of layers, lowest first. Returns the
    /// directories to give to [`Self::prepare`], topmost first.
    pub fn ensure(
        &self,
        layers: &[StoredLayer],
        store: &dyn BlobStore,
        on: &mut dyn FnMut(Event),
    ) -> Result<Vec<PathBuf>, SnapshotError> {
        let _working = self.lock(File::lock_shared)?;
        let diff_ids: Vec<_> = layers.iter().map(|l| l.diff_id.clone()).collect();
        let chains = chain_ids(&diff_ids);
        let jobs: Vec<_> = layers
            .iter()
            .zip(&chains)
            .map(|(layer, chain)| Job { layer, chain })
            .collect();
        if jobs.is_empty() {
            return Ok(vec![self.empty()?]);
        }
        match &self.how {
            How::Overlay { userxattr } => self.fill(&jobs, *userxattr, store, on),
            How::Copy { .. } => self.copy_stack(&jobs, store, on),
        }
    }

    /// Makes a container's root of the directories that [`Self::ensure`] returned, in the
    /// container's own directory, which exists. `volatile` says that the changes need not
    /// survive a crash of the machine.
    pub fn prepare(
        &self,
        lower: &[PathBuf],
        container: &Path,
        volatile: bool,
        on: &mut dyn FnMut(Event),
    ) -> Result<RootFs, SnapshotError> {
        let Some(top) = lower.first() else {
            return self.prepare(&[self.empty()?], container, volatile, on);
        };
        let make = |name: &str| {
            let path = container.join(name);
            DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .map_err(SnapshotError::io(format!("mkdir {}", path.display())))?;
            Ok::<_, SnapshotError>(path)
        };
        match &self.how {
            How::Overlay { userxattr } => {
                let (upper, work) = (make("upper")?, make("work")?);
                // The root of an overlay shows the metadata of its upper directory.
                let dir = RootDir::open(&upper)?.dir(&RootedPath::root())?;
                let meta = root_meta(top)?;
                meta::set_open(&dir, b"", &dir, &meta, &mut |_| {})?;
                Ok(RootFs::Overlay {
                    lower: lower.to_vec(),
                    upper,
                    work,
                    userxattr: *userxattr,
                    volatile,
                })
            }
            How::Copy { why } => {
                let message = format!("copying the whole root file system: {why}");
                on(Event::Warning { message });
                let rootfs = make("copy")?;
                copy_tree(top, &rootfs)?;
                Ok(RootFs::Directory(rootfs))
            }
        }
    }

    /// Takes snapshots away. That one is not there is no error; that one is in use is for the
    /// caller to know.
    pub fn remove(&self, chains: &[ChainId]) -> Result<(), SnapshotError> {
        let _alone = self.lock(File::lock)?;
        for chain in chains {
            let place = self.place(chain);
            let temporary = Temporary::new(&self.directory)?;
            // First the name, so that nobody finds half a snapshot.
            match fs::rename(&place, temporary.path()) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(SnapshotError::io(format!("rename {}", place.display()))(e));
                }
                _ => drop(temporary),
            }
        }
        Ok(())
    }

    /// Every snapshot with the bytes that it takes on disk, in order.
    pub fn usage(&self) -> Result<Vec<(ChainId, u64)>, SnapshotError> {
        let mut usage = Vec::new();
        for name in self.names()? {
            let Ok(digest) = format!("sha256:{name}").parse::<Digest>() else {
                continue;
            };
            usage.push((ChainId(digest), disk_usage(&self.directory.join(name))?));
        }
        usage.sort();
        Ok(usage)
    }

    /// Says what could not be unpacked as it is, each kind once: a build unpacks the same image's
    /// layers and then those of its own steps, one after the other.
    fn tell(&self, mut report: Report, on: &mut dyn FnMut(Event)) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        report.refused.retain(|kind, _| told.insert(*kind));
        for message in report.warnings() {
            on(Event::Warning { message });
        }
    }

    /// Where the snapshot of a chain is, once it is there.
    fn place(&self, chain: &ChainId) -> PathBuf {
        self.directory.join(chain.0.hex())
    }

    /// The snapshot of no layers: an empty directory.
    fn empty(&self) -> Result<PathBuf, SnapshotError> {
        let path = self.directory.join("empty");
        if !path.is_dir() {
            let temporary = Temporary::new(&self.directory)?;
            let dir = RootDir::open(temporary.path())?.dir(&RootedPath::root())?;
            meta::set_open(&dir, b"", &dir, &Meta::new(0o755), &mut |_| {})?;
            temporary.publish(&path)?;
        }
        Ok(path)
    }

    /// Removes what killed processes left, unless somebody is at work.
    fn sweep(&self) -> Result<(), SnapshotError> {
        let alone = self.lock_file()?;
        if alone.try_lock().is_ok() {
            for name in self.names()? {
                if name.starts_with(TEMPORARY) {
                    drop(Temporary::left(self.directory.join(name)));
                }
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, SnapshotError> {
        let refused = || SnapshotError::io(format!("list {}", self.directory.display()));
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(refused())? {
            let name = entry.map_err(refused())?.file_name();
            names.extend(name.into_string());
        }
        Ok(names)
    }

    /// Holds the lock for as long as the file lives: shared by those who unpack, alone for those
    /// who remove.
    fn lock(&self, how: fn(&File) -> io::Result<()>) -> Result<File, SnapshotError> {
        let file = self.lock_file()?;
        how(&file).map_err(SnapshotError::io(format!(
            "lock {}",
            self.directory.display()
        )))?;
        Ok(file)
    }

    fn lock_file(&self) -> Result<File, SnapshotError> {
        let path = self.directory.join(".lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        options
            .open(&path)
            .map_err(SnapshotError::io(format!("open {}", path.display())))
    }
}

/// What a container changed, as a layer. `lower` is what its root was prepared from.
///
/// File content stays in the container's directory until somebody reads it.
pub fn changes(rootfs: &RootFs, lower: &[PathBuf]) -> Result<Layer, SnapshotError> {
    match rootfs {
        RootFs::Overlay { lower, upper, .. } => {
            let before = match lower.first() {
                Some(top) => root_meta(top)?,
                None => Meta::new(0o755),
            };
            let upper = Arc::new(RootDir::open(upper)?);
            let below = lower.iter().map(RootDir::open);
            let below = below.collect::<Result<Vec<_>, _>>()?;
            let mut layer = match scan_upper(&upper, &before) {
                // Coracle asks for no such notes, but a kernel may be set up to write them.
                Err(ScanError::Foreign { .. }) => scan_redirected(&upper, &scan_stack(&below)?)?,
                scanned => scanned?,
            };
            unchanged::leave_out(&mut layer, &below)?;
            Ok(layer)
        }
        RootFs::Directory(path) => {
            let after = scan_tree(&Arc::new(RootDir::open(path)?))?;
            let before = match lower.first() {
                Some(top) => scan_tree(&Arc::new(RootDir::open(top)?))?,
                None => crate::tree::Tree::new(),
            };
            Ok(layer::diff(&before, &after))
        }
    }
}

impl SnapshotError {
    fn io(action: String) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    fn unpack(layer: &StoredLayer, source: UnpackError) -> Self {
        Self::Unpack {
            digest: layer.blob.digest.clone(),
            source,
        }
    }
}

fn root_meta(directory: &Path) -> Result<Meta, SysError> {
    let dir = RootDir::open(directory)?.dir(&RootedPath::root())?;
    Ok(meta::read(&dir, b"", &dir.stat_self()?)?.0)
}

fn make_private(path: &Path) -> Result<(), SnapshotError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(SnapshotError::io(format!("mkdir {}", path.display())))
}

//! What is written down about a container, and what there is of them.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::directory::ContainerDirectory;
use super::life::now;
use crate::digest::{ChainId, Digest};
use crate::linux::snapshot::RootFs;
use crate::runtime::options::{Bind, Network};
use crate::runtime::status::{Status, TransitionError};
use crate::spec::{Descriptor, RunConfig};

const RECORD: &str = "container.json";
const STATUS: &str = "status.json";

/// What a container was made of and what it runs. Only its name ever changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // Each is a flag of the command line.
pub struct Record {
    /// 64 hexadecimal digits.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The ID of its image: the digest of the image's config.
    pub image: Digest,
    /// What points at the image's manifest, so that its layers are kept as long as the container.
    pub manifest: Descriptor,
    /// The image as it was called when the container was made.
    pub image_name: String,
    /// What the container runs, and how: the image's config with what was asked for.
    pub config: RunConfig,
    /// The name that it sees of itself.
    pub hostname: String,
    /// What its root file system is made of.
    pub root: RootFs,
    /// The unpacked layers it stands on, topmost first.
    pub lower: Vec<PathBuf>,
    /// Directories and files of the host that it sees.
    pub binds: Vec<Bind>,
    /// Which network it sees.
    pub network: Network,
    /// Whether its root file system cannot be written.
    pub read_only: bool,
    /// Whether PID 1 is a small init.
    pub init: bool,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether its command reads standard input.
    pub interactive: bool,
    /// Whether it goes away when its command ends.
    pub remove: bool,
}

/// A container that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// What is written down about it.
    pub record: Record,
    /// Where it stands.
    pub status: Status,
    /// Its directory.
    pub path: PathBuf,
}

/// What is written down about a container cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The system refused.
    #[error("{action}: {source}")]
    Io {
        /// What was attempted, with the path.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no document of ours.
    #[error(
        "{path:?} is damaged: {source}; the container cannot be used, `coracle rm --force {}` takes it away",
        id(path)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It is not in the state for that.
    #[error(transparent)]
    Transition(#[from] TransitionError),
}

impl Record {
    /// Writes it down in the container's directory. For a container that stays, it reaches the
    /// disk before this returns: without it, what the container changes would be taken for
    /// something that the dead left.
    pub fn write(&self, directory: &Path) -> Result<(), RecordError> {
        write(&directory.join(RECORD), self, !self.remove)
    }
}

impl Container {
    /// Reads what is written down in a container's directory; `None` when nothing is.
    pub fn read(path: &Path) -> Result<Option<Self>, RecordError> {
        let Some(record) = read::<Record>(&path.join(RECORD))? else {
            return Ok(None);
        };
        Ok(Some(Self {
            record,
            // A crash of the machine may have come before the first status reached the disk.
            status: read(&path.join(STATUS))?.unwrap_or_default(),
            path: path.to_owned(),
        }))
    }

    /// Whether it is there for somebody although nobody attends to it. One that goes away with its
    /// command is so only between `create` and `start`, and then its status is written down.
    pub fn stays(&self) -> bool {
        let created = matches!(self.status, Status::Created { .. });
        !self.record.remove || (created && self.path.join(STATUS).is_file())
    }

    /// The chains of the unpacked layers that it stands on, by the names of their directories.
    pub fn chains(&self) -> impl Iterator<Item = ChainId> + '_ {
        self.record.lower.iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            format!("sha256:{name}").parse().ok().map(ChainId)
        })
    }

    /// Notes where the container stands now. The caller has its directory locked.
    pub fn set_status(&mut self, status: Status) -> Result<(), RecordError> {
        // Not brought to the disk: after a crash of the machine nothing runs, whatever it says.
        write(&self.path.join(STATUS), &status, false)?;
        self.status = status;
        Ok(())
    }
}

/// Every container below `containers`, newest first, as it stands now; and of those that cannot
/// be read, why.
///
/// What killed processes left is [swept](sweep) first.
pub fn list(containers: &Path) -> Result<(Vec<Container>, Vec<RecordError>), RecordError> {
    sweep(containers)?;
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    for path in directories(containers)? {
        match Container::read(&path) {
            Ok(container) => found.extend(container),
            Err(error) => damaged.push(error),
        }
    }
    found.sort_by(|a, b| {
        let key = |c: &Container| (c.record.created.clone(), c.record.id.clone());
        key(b).cmp(&key(a))
    });
    Ok((found, damaged))
}

/// Mends what killed processes left below `containers`: directories that hold no container, and
/// containers that should have gone with their command, are removed; a container that is written
/// down as running, and is not, is written down as ended. Returns how many went.
///
/// What an ordinary user may not remove, because its files belong to other users of a namespace,
/// is left to the next process that is inside of one.
pub fn sweep(containers: &Path) -> Result<usize, RecordError> {
    let mut swept = 0;
    for path in directories(containers)? {
        let failed = || format!("clean up {}", path.display());
        let lock = ContainerDirectory::open(&path).map_err(io_error(failed()))?;
        let Some(directory) = lock else {
            continue; // Somebody is at work there.
        };
        match Container::read(&path) {
            Ok(Some(mut container)) if container.stays() => {
                if matches!(container.status, Status::Running { .. }) {
                    let lost = container.status.lose(now())?;
                    container.set_status(lost)?;
                }
            }
            Ok(_) => match directory.remove() {
                Err(e) if e.kind() == ErrorKind::PermissionDenied => {}
                removed => {
                    removed.map_err(io_error(failed()))?;
                    swept += 1;
                }
            },
            // What a person may want to look at is not thrown away.
            Err(_) => {}
        }
    }
    Ok(swept)
}

/// The directories of containers; none where nobody has made any.
fn directories(containers: &Path) -> Result<Vec<PathBuf>, RecordError> {
    let refused = || io_error(format!("list {}", containers.display()));
    let entries = match fs::read_dir(containers) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(refused())?,
    };
    let mut directories = Vec::new();
    for entry in entries {
        directories.push(entry.map_err(refused())?.path());
    }
    Ok(directories)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RecordError> {
    let bytes = match fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io_error(format!("read {}", path.display())))?,
    };
    if bytes.is_empty() {
        return Ok(None); // The name reached the disk before a crash, and the content did not.
    }
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| RecordError::Damaged {
            path: path.to_owned(),
            source,
        })
}

/// Writes a document that is there whole or not at all: beside it first, and then renamed.
fn write(path: &Path, value: &impl Serialize, durable: bool) -> Result<(), RecordError> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&beside, path)?;
        if durable && let Some(directory) = path.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(io_error(format!("write {}", path.display())))
}

pub(super) fn io_error(action: String) -> impl FnOnce(io::Error) -> RecordError {
    move |source| RecordError::Io { action, source }
}

/// The container of which `path` is a file.
fn id(path: &Path) -> String {
    let directory = path.parent().and_then(Path::file_name).unwrap_or_default();
    directory.to_string_lossy().chars().take(12).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::runtime::status::Process;
    use crate::spec::media;

    pub(in crate::linux::containers) fn record(id: &str) -> Record {
        let digest = Digest::of(b"image");
        Record {
            id: id.to_owned(),
            name: format!("name-{id}"),
            created: format!("2026-01-01T00:00:0{}Z", id.len()),
            image: digest.clone(),
            manifest: Descriptor::new(media::MANIFEST, digest, 7),
            image_name: "base".to_owned(),
            config: RunConfig::default(),
            hostname: "box".to_owned(),
            root: RootFs::Directory("/nowhere".into()),
            lower: Vec::new(),
            binds: Vec::new(),
            network: Network::None,
            read_only: false,
            init: false,
            tty: false,
            interactive: false,
            remove: false,
        }
    }

    fn made(containers: &Path, record: &Record) -> Container {
        let path = containers.join(&record.id);
        fs::create_dir_all(&path).unwrap();
        record.write(&path).unwrap();
        Container::read(&path).unwrap().unwrap()
    }

    fn running() -> Status {
        let process = Process {
            pid: 1,
            start_time: 0,
        };
        Status::new().start(process, "then".to_owned()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let place = tempfile::tempdir().unwrap();
        let mut container = made(place.path(), &record("a"));
        assert_eq!(container.record, record("a"));
        assert_eq!(container.status, Status::new());
        container.set_status(running()).unwrap();
        let again = Container::read(&container.path).unwrap().unwrap();
        assert_eq!(again, container);
        assert_eq!(fs::read_dir(&container.path).unwrap().count(), 2);
    }

    #[test]
    fn the_newest_comes_first() {
        let place = tempfile::tempdir().unwrap();
        for id in ["a", "bb", "ccc"] {
            made(place.path(), &record(id));
        }
        let (found, damaged) = list(place.path()).unwrap();
        let ids: Vec<_> = found.iter().map(|c| c.record.id.as_str()).collect();
        assert_eq!((ids, damaged.len()), (vec!["ccc", "bb", "a"], 0));
        let (found, _) = list(&place.path().join("nowhere")).unwrap();
        assert!(found.is_empty());
    }

    #[test]
    fn what_the_dead_left_is_mended() {
        let place = tempfile::tempdir().unwrap();
        let alive = ContainerDirectory::make(place.path()).unwrap();
        fs::create_dir_all(place.path().join("dead/upper")).unwrap();
        let fleeting = Record {
            remove: true,
            ..record("fleeting")
        };
        made(place.path(), &fleeting).set_status(running()).unwrap();
        made(place.path(), &record("lost"))
            .set_status(running())
            .unwrap();
        made(place.path(), &record("calm"));
        let waiting = Record {
            remove: true,
            ..record("w")
        };
        made(place.path(), &waiting)
            .set_status(Status::new())
            .unwrap();
        let never_started = Record {
            remove: true,
            ..record("n")
        };
        made(place.path(), &never_started);
        assert_eq!(sweep(place.path()).unwrap(), 3);
        assert!(alive.path.is_dir());
        let (found, _) = list(place.path()).unwrap();
        let states: Vec<_> = found
            .iter()
            .map(|c| (c.record.id.as_str(), c.status.word(), c.status.code()))
            .collect();
        let expected = [
            ("lost", "exited", 137),
            ("calm", "created", 0),
            ("w", "created", 0),
        ];
        assert_eq!(states, expected);
    }

    #[test]
    fn one_that_is_attended_to_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let mut container = made(place.path(), &record("busy"));
        container.set_status(running()).unwrap();
        let _attended = ContainerDirectory::open(&container.path).unwrap().unwrap();
        let (found, _) = list(place.path()).unwrap();
        assert_eq!(found[0].status, running());
    }

    #[test]
    fn a_damaged_record_is_named_and_kept() {
        let place = tempfile::tempdir().unwrap();
        let container = made(place.path(), &record("abc"));
        fs::write(container.path.join(RECORD), "{").unwrap();
        let (found, damaged) = list(place.path()).unwrap();
        assert!(found.is_empty() && container.path.is_dir());
        let message = damaged[0].to_string();
        assert!(message.contains("container.json"), "{message}");
        assert!(message.contains("coracle rm --force abc"), "{message}");
        // A status that never reached the disk is that of a container that was only made.
        record("abc").write(&container.path).unwrap();
        fs::write(container.path.join(STATUS), "").unwrap();
        let (found, _) = list(place.path()).unwrap();
        assert_eq!(found[0].status, Status::new());
    }
}

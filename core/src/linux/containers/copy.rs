//! Copying between a container and the host, by Docker's rules of where it goes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use rustix::fs::FileType;

use crate::layer::Layer;
use crate::linux::meta;
use crate::linux::root::{RootDir, is_directory};
use crate::linux::scan::{ScanError, scan_node, scan_tree};
use crate::linux::sys::SysError;
use crate::linux::unpack::make;
use crate::path::RootedPath;
use crate::tree::{Kind, Meta, Node};

/// A place that a person named: in a container, or on the host.
#[derive(Debug, Clone)]
pub struct Place {
    /// The root below which everything happens.
    pub root: Arc<RootDir>,
    /// Where, once `..` is worked out.
    pub path: RootedPath,
    /// How the name ended.
    pub ending: Ending,
    /// The name by which it is copied, if that is not the last of the path.
    pub name: Option<Vec<u8>>,
}

/// How the name of a place ended, which says what is meant by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a name.
    Name,
    /// With `/`: a directory.
    Slash,
    /// With `/.`: what is in a directory.
    Dot,
}

/// What is copied.
#[derive(Debug, Clone)]
pub struct Copied {
    /// The name that it has where it comes from; empty for a root.
    pub name: Vec<u8>,
    /// The thing itself, at the root's path, and everything below it, in order.
    pub entries: Vec<(RootedPath, Arc<Node>)>,
    /// Whether only what is in the directory is meant, and not the directory.
    pub content_only: bool,
}

/// Whose the copies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Root's in a container, the caller's on the host.
    Here,
    /// Whose they were.
    Kept,
}

/// Why something cannot be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// There is nothing to copy.
    #[error("there is nothing at {path}")]
    NotFound {
        /// Where it should be.
        path: RootedPath,
    },
    /// There is nowhere to copy it to.
    #[error("there is no directory {path}; make it first, or name one that is there")]
    NoDirectory {
        /// Where it should be.
        path: RootedPath,
    },
    /// What is named as a directory is none.
    #[error("{path} is not a directory, although its name ends with a slash")]
    NotDirectory {
        /// The place.
        path: RootedPath,
    },
    /// A directory would replace a file, or the other way round.
    #[error("{path} is {there}, and {what} cannot take its place; remove it first")]
    Overwrite {
        /// Where.
        path: RootedPath,
        /// What is there.
        there: &'static str,
        /// What would come.
        what: &'static str,
    },
    /// The source cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The system refused.
    #[error("copy to {path}: {source}")]
    System {
        /// Where.
        path: RootedPath,
        /// What the system said.
        source: SysError,
    },
    /// Content could not be read or written.
    #[error("copy to {path}: {source}")]
    Content {
        /// Where.
        path: RootedPath,
        /// What the system said.
        source: io::Error,
    },
}

/// The most links that one name may go through, as in the kernel.
const MOST_LINKS: usize = 40;

impl Place {
    /// A place below `root`, as it was typed.
    pub fn new(root: &Arc<RootDir>, typed: &[u8]) -> Self {
        Self {
            root: Arc::clone(root),
            path: RootedPath::root().resolve(typed),
            ending: Ending::of(typed),
            name: None,
        }
    }

    /// Where it is once links on the way are followed, and the last one too when `last` says so;
    /// `None` when there is no directory that could hold it. What the last link leads to need not
    /// be there.
    fn resolve(&self, last: bool) -> Result<Option<RootedPath>, SysError> {
        let mut path = self.path.clone();
        for _ in 0..MOST_LINKS {
            if path.is_root() {
                return Ok(Some(path));
            }
            let Some(parent) = self.root.find_parent(&path)? else {
                return Ok(None);
            };
            let place = parent.at().child(path.name());
            let link = match parent.stat(path.name())? {
                Some(stat) if last && is_link(&stat) => parent.read_link(path.name())?,
                _ => return Ok(Some(place)),
            };
            path = parent.at().resolve(link);
        }
        let call = format!("open({:?})", self.path.to_text());
        Err(SysError::new(call, Errno::ELOOP))
    }
}

impl Ending {
    /// How a path ends.
    pub fn of(typed: &[u8]) -> Self {
        match typed {
            [.., b'/', b'.'] | b"." => Self::Dot,
            [.., b'/'] | b"" => Self::Slash,
            _ => Self::Name,
        }
    }
}

/// Reads what is at a place. A link there is what is copied, unless `follow` says otherwise or
/// the name ends with a slash. Contents are read when they are written.
pub fn take(from: &Place, follow: bool) -> Result<Copied, CopyError> {
    let not_found = || CopyError::NotFound {
        path: from.path.clone(),
    };
    let follow = follow || from.ending != Ending::Name;
    let path = from.resolve(follow).map_err(system(&from.path))?;
    let path = path.ok_or_else(not_found)?;
    let stat = from.root.stat(&path).map_err(system(&path))?;
    let stat = stat.ok_or_else(not_found)?;
    if !is_directory(&stat) && from.ending != Ending::Name {
        return Err(CopyError::NotDirectory { path });
    }
    let entries = if is_directory(&stat) {
        let below = from.root.below(&path).map_err(system(&path))?;
        let tree = scan_tree(&Arc::new(below))?;
        let entries = tree.iter();
        entries.map(|(p, n)| (p.clone(), Arc::clone(n))).collect()
    } else {
        let node = scan_node(&from.root, &path)?.ok_or_else(not_found)?;
        vec![(RootedPath::root(), node)]
    };
    Ok(Copied {
        name: from.name.clone().unwrap_or(from.path.name().to_vec()),
        entries,
        content_only: from.ending == Ending::Dot,
    })
}

impl Copied {
    /// What an archive holds, for `put` into a directory.
    pub fn of_archive(layer: Layer) -> Self {
        Self {
            name: Vec::new(),
            entries: layer.adds,
            content_only: true,
        }
    }

    /// The same with each path beginning with its name, as an archive of it is written.
    pub fn named(&self) -> Vec<(RootedPath, Arc<Node>)> {
        let base = if self.content_only {
            RootedPath::root()
        } else {
            RootedPath::root().child(&self.name)
        };
        let entries = self.entries.iter();
        entries
            .map(|(path, node)| (base.join(path), Arc::clone(node)))
            .collect()
    }

    fn is_directory(&self) -> bool {
        let first = self.entries.first();
        self.content_only || first.is_some_and(|(_, node)| node.kind == Kind::Directory)
    }
}

/// What stands at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    Directory,
    Other,
    Nothing,
}

/// What a copy does at its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    /// It becomes the destination, or is merged into the directory that stands there.
    As,
    /// It goes into the directory that stands there, under its own name.
    Into,
    /// It cannot go there: a directory would replace something else.
    Overwrites,
    /// It cannot go there: the destination is named as a directory and is none.
    NeedsDirectory,
}

/// Docker's rules.
/// Source: [docker container cp](https://docs.docker.com/reference/cli/docker/container/cp/).
fn goes(directory: bool, content_only: bool, ending: Ending, there: There) -> Goes {
    match (there, directory) {
        (There::Directory, true) if content_only => Goes::As,
        (There::Directory, _) => Goes::Into,
        (There::Other, true) => Goes::Overwrites,
        (There::Other | There::Nothing, false) if ending != Ending::Name => Goes::NeedsDirectory,
        (There::Other | There::Nothing, _) => Goes::As,
    }
}

/// Writes what was taken to a place. A file that is there is replaced, a directory is merged
/// with; links at the end of the name are followed, those inside what is copied never.
pub fn put(copied: &Copied, to: &Place, owner: Owner) -> Result<(), CopyError> {
    let place = to.resolve(true).map_err(system(&to.path))?;
    let place = place.ok_or_else(|| CopyError::NoDirectory {
        path: to.path.parent().unwrap_or_default(),
    })?;
    let there = match to.root.stat(&place).map_err(system(&place))? {
        Some(stat) if is_directory(&stat) => There::Directory,
        Some(_) => There::Other,
        None => There::Nothing,
    };
    let directory = copied.is_directory();
    let base = match goes(directory, copied.content_only, to.ending, there) {
        Goes::As => place,
        Goes::Into => place.join(&RootedPath::root().child(&copied.name)),
        Goes::Overwrites => {
            return Err(CopyError::Overwrite {
                path: to.path.clone(),
                there: "not a directory",
                what: "a directory",
            });
        }
        Goes::NeedsDirectory if there == There::Nothing => {
            return Err(CopyError::NoDirectory {
                path: to.path.clone(),
            });
        }
        Goes::NeedsDirectory => {
            return Err(CopyError::NotDirectory {
                path: to.path.clone(),
            });
        }
    };
    write(copied, &to.root, &base, owner)
}

fn write(
    copied: &Copied,
    root: &RootDir,
    base: &RootedPath,
    owner: Owner,
) -> Result<(), CopyError> {
    let mut links: BTreeMap<*const Node, RootedPath> = BTreeMap::new();
    let mut directories = Vec::new();
    for (path, node) in &copied.entries {
        let path = base.join(path);
        let meta = match owner {
            Owner::Kept => node.meta.clone(),
            Owner::Here => Meta {
                uid: 0,
                gid: 0,
                ..node.meta.clone()
            },
        };
        if node.kind == Kind::Directory {
            let made = make_directory(root, &path)?;
            // What is in a directory is copied without it.
            if made || path != *base || !copied.content_only {
                directories.push((path, meta));
            }
        } else if let Some(first) = links.get(&Arc::as_ptr(node)) {
            link(root, first, &path)?;
        } else {
            make_file(root, &path, node, &meta)?;
            links.insert(Arc::as_ptr(node), path);
        }
    }
    // Deepest first, because whatever is made in a directory changes its time.
    for (path, meta) in directories.iter().rev() {
        let set = || {
            let dir = root.dir(path)?;
            meta::set_open(&dir, b"", &dir, meta, &mut |_| {})
        };
        set().map_err(system(path))?;
    }
    Ok(())
}

/// Makes a directory unless it is there; whether it made one.
fn make_directory(root: &RootDir, path: &RootedPath) -> Result<bool, CopyError> {
    match root.stat(path).map_err(system(path))? {
        Some(stat) if is_directory(&stat) => Ok(false),
        Some(_) => Err(CopyError::Overwrite {
            path: path.clone(),
            there: "not a directory",
            what: "a directory",
        }),
        None => {
            // An archive may leave out the directories on the way.
            let made = root.make_dir(path, &mut |_, _| {});
            let dir = made.map_err(system(path))?;
            let meta = Meta::new(0o755);
            meta::set_open(&dir, b"", &dir, &meta, &mut |_| {}).map_err(system(path))?;
            Ok(true)
        }
    }
}

/// Makes anything but a directory, in the place of what is there, unless that is a directory.
fn make_file(root: &RootDir, path: &RootedPath, node: &Node, meta: &Meta) -> Result<(), CopyError> {
    let parent = path.parent().unwrap_or_default();
    if root.stat(&parent).map_err(system(&parent))?.is_none() {
        make_directory(root, &parent)?;
    }
    make_way(root, path)?;
    let dir = root.dir(&parent).map_err(system(path))?;
    let made = make(&dir, path.name(), &node.kind).map_err(system(path))?;
    let mut refused = |_| {};
    match (made, &node.kind) {
        (Some(mut file), Kind::File(content)) => {
            let failed = |source| CopyError::Content {
                path: path.clone(),
                source,
            };
            let mut reader = content.open().map_err(failed)?;
            io::copy(&mut reader, &mut file).map_err(failed)?;
            meta::set_open(&dir, path.name(), &file, meta, &mut refused).map_err(system(path))
        }
        _ => meta::set(&dir, path.name(), &node.kind, meta, &mut refused).map_err(system(path)),
    }
}

fn link(root: &RootDir, first: &RootedPath, path: &RootedPath) -> Result<(), CopyError> {
    make_way(root, path)?;
    let link = || {
        let from = root.dir(&first.parent().unwrap_or_default())?;
        let to = root.dir(&path.parent().unwrap_or_default())?;
        to.hard_link(&from, first.name(), path.name())
    };
    link().map_err(system(path))
}

/// Takes away what is at `path`, unless it is a directory.
fn make_way(root: &RootDir, path: &RootedPath) -> Result<(), CopyError> {
    match root.stat(path).map_err(system(path))? {
        Some(stat) if is_directory(&stat) => Err(CopyError::Overwrite {
            path: path.clone(),
            there: "a directory",
            what: "something else",
        }),
        Some(_) => root.remove(path).map_err(system(path)),
        None => Ok(()),
    }
}

fn is_link(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

fn system(path: &RootedPath) -> impl FnOnce(SysError) -> CopyError {
    let path = path.clone();
    |source| CopyError::System { path, source }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    #[test]
    fn where_it_goes() {
        use There::{Directory, Nothing, Other};
        let check = |what: &str, ending, there, expected| {
            let (directory, content_only) = match what {
                "file" => (false, false),
                "directory" => (true, false),
                _ => (true, true),
            };
            let got = goes(directory, content_only, ending, there);
            assert_eq!(got, expected, "{what} to {there:?} ending in {ending:?}");
        };
        for ending in [Ending::Name, Ending::Slash, Ending::Dot] {
            check("file", ending, Directory, Goes::Into);
            check("directory", ending, Directory, Goes::Into);
            check("content", ending, Directory, Goes::As);
            check("directory", ending, Other, Goes::Overwrites);
            check("content", ending, Other, Goes::Overwrites);
            check("directory", ending, Nothing, Goes::As);
            check("content", ending, Nothing, Goes::As);
        }
        check("file", Ending::Name, Other, Goes::As);
        check("file", Ending::Name, Nothing, Goes::As);
        check("file", Ending::Slash, Other, Goes::NeedsDirectory);
        check("file", Ending::Slash, Nothing, Goes::NeedsDirectory);
    }

    /// A source with a file, a hard link, a symbolic link and a directory; and a destination.
    fn scene() -> (tempfile::TempDir, Arc<RootDir>, Arc<RootDir>) {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        let to = folder.path().join("to");
        fs::create_dir_all(from.join("d/deep")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("d/one"), "1").unwrap();
        fs::set_permissions(from.join("d/one"), fs::Permissions::from_mode(0o751)).unwrap();
        fs::hard_link(from.join("d/one"), from.join("d/two")).unwrap();
        fs::write(from.join("d/deep/three"), "3").unwrap();
        symlink("/d/one", from.join("link")).unwrap();
        symlink("../../../../etc", from.join("out")).unwrap();
        let root = |path: &Path| Arc::new(RootDir::open(path).unwrap());
        let (from, to) = (root(&from), root(&to));
        (folder, from, to)
    }

    fn copy(
        (from, source): (&Arc<RootDir>, &str),
        (to, target): (&Arc<RootDir>, &str),
    ) -> Result<(), CopyError> {
        let copied = take(&Place::new(from, source.as_bytes()), false)?;
        put(&copied, &Place::new(to, target.as_bytes()), Owner::Kept)
    }

    #[test]
    fn a_directory_goes_whole_with_links_modes_and_times() {
        let (folder, from, to) = scene();
        copy((&from, "/d"), (&to, "/new")).unwrap();
        let new = folder.path().join("to/new");
        assert_eq!(fs::read(new.join("deep/three")).unwrap(), b"3");
        let stat = |name: &str| fs::metadata(new.join(name)).unwrap();
        assert_eq!(stat("one").ino(), stat("two").ino());
        assert_eq!(stat("one").mode() & 0o7777, 0o751);
        let before = fs::metadata(folder.path().join("from/d")).unwrap();
        assert_eq!(stat("").modified().unwrap(), before.modified().unwrap());
        // It is there now, so the same again goes into it; its content does not.
        copy((&from, "/d"), (&to, "/new")).unwrap();
        assert!(new.join("d/deep").is_dir());
        copy((&from, "/d/."), (&to, "/new")).unwrap();
        assert!(!new.join("d/d").exists());
    }

    #[test]
    fn links_are_followed_inside_only_where_the_name_means_what_they_lead_to() {
        let (folder, from, to) = scene();
        copy((&from, "/link"), (&to, "/link")).unwrap();
        let there = folder.path().join("to/link");
        assert_eq!(fs::read_link(&there).unwrap(), Path::new("/d/one"));
        let followed = take(&Place::new(&from, b"/link"), true).unwrap();
        assert_eq!(followed.name, b"link");
        assert!(matches!(&followed.entries[0].1.kind, Kind::File(_)));
        // A link out of the root ends at the root, where nothing of that name is.
        let error = take(&Place::new(&from, b"/out/"), false).unwrap_err();
        assert!(error.to_string().contains("nothing at /out"), "{error}");
        // At the destination, a link at the end is followed: what it leads to is written.
        fs::create_dir(folder.path().join("to/d")).unwrap();
        copy((&from, "/d/one"), (&to, "/link")).unwrap();
        assert_eq!(fs::read(folder.path().join("to/d/one")).unwrap(), b"1");
    }

    #[test]
    fn what_cannot_be_is_said() {
        let (folder, from, to) = scene();
        fs::write(folder.path().join("to/file"), "").unwrap();
        fs::create_dir_all(folder.path().join("to/x/one")).unwrap();
        let check = |source: &str, target: &str, part: &str| {
            let error = copy((&from, source), (&to, target)).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        check("/gone", "/", "nothing at /gone");
        check("/d/one/", "/", "/d/one is not a directory");
        check("/d", "/file", "/file is not a directory, and a directory");
        check("/d/one", "/no/where", "there is no directory /no");
        check("/d/one", "/new/", "there is no directory /new");
        check("/d/one", "/file/", "/file is not a directory, although");
        check("/d/.", "/x", "/x/one is a directory, and something else");
    }
}

//! The reverse of unpacking: from a directory on disk to a tree or a layer.
//!
//! File content is not read. It stays where it is, and is opened through the root's descriptor
//! when somebody asks for it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use rustix::fs::{FileType, Stat};

use super::meta::{self, OverlayNotes};
use super::root::{Dir, RootDir, is_directory};
use super::sys::SysError;
use crate::layer::{self, ApplyError, Layer, Whiteout};
use crate::path::RootedPath;
use crate::tree::{Content, Kind, Meta, Node, Source, Tree};

/// Why a directory cannot be read as a tree or layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The system refused.
    #[error("scan {path}: {source}")]
    System {
        /// Where.
        path: RootedPath,
        /// What the system said.
        source: SysError,
    },
    /// A directory whose overlay notes say that its content is somewhere else, where it is not
    /// known or not there.
    #[error(
        "{path} was written by an overlay mount with redirect_dir, metacopy or xwhiteouts, and what it leads to is not there; its content cannot be told from here"
    )]
    Foreign {
        /// The file or directory.
        path: RootedPath,
    },
    /// Directories that were no layers of one stack.
    #[error(transparent)]
    Unfit(#[from] ApplyError),
}

/// Reads a directory as a complete file system. Two paths that are hard links of each other
/// share one node. Owners are as this process sees them, so in a user namespace they are the
/// container's. Sockets are left out: they mean nothing without their process.
pub fn scan_tree(root: &Arc<RootDir>) -> Result<Tree, ScanError> {
    let mut tree = Tree::new();
    scan(root, &mut |path, node, _| {
        tree.insert(path.clone(), node);
        Ok(())
    })?;
    Ok(tree)
}

/// Reads overlayfs' upper directory as the layer that it is: whiteouts and opaque directories
/// become hides, everything else is added.
///
/// Parent directories that overlayfs copied up only to hold something are among the additions,
/// as in Docker. The root is one only when its owner, permissions or attributes are not those of
/// `root_before`, because its time says nothing.
pub fn scan_upper(upper: &Arc<RootDir>, root_before: &Meta) -> Result<Layer, ScanError> {
    let mut layer = Layer::default();
    scan(upper, &mut |path, node, notes| {
        if notes.foreign || notes.redirect.is_some() || notes.metacopy {
            return Err(ScanError::Foreign { path: path.clone() });
        }
        if notes.opaque {
            layer.hides.push(Whiteout::Below(path.clone()));
        }
        if node.kind == Kind::CharDevice(0, 0) {
            layer.hides.push(Whiteout::Path(path.clone()));
        } else if !path.is_root() || !same_but_for_time(&node.meta, root_before) {
            layer.adds.push((path.clone(), node));
        }
        Ok(())
    })?;
    layer.hides.sort();
    Ok(layer)
}

/// The tree that overlayfs would show of `lower`, topmost first.
pub(super) fn scan_stack(lower: &[RootDir]) -> Result<Tree, ScanError> {
    let root = RootedPath::root();
    let mut merged = Tree::new();
    for directory in lower.iter().rev() {
        let shared = directory.try_clone().map_err(|source| ScanError::System {
            path: root.clone(),
            source,
        })?;
        // The root has to be told, whatever it looks like.
        let layer = scan_upper(&Arc::new(shared), &Meta::new(u32::MAX))?;
        layer::apply(&mut merged, &layer)?;
    }
    Ok(merged)
}

/// Reads what stands at `path`, taken as it is written, as a tree's node; `None` when there is
/// nothing, or a socket.
pub fn scan_node(root: &Arc<RootDir>, path: &RootedPath) -> Result<Option<Arc<Node>>, ScanError> {
    let read = || {
        let Some(stat) = root.stat(path)? else {
            return Ok(None);
        };
        let dir = root.dir(&path.parent().unwrap_or_default())?;
        node(root, &dir, path, &stat, &mut Links::new())
    };
    let found = read().map_err(|source| ScanError::System {
        path: path.clone(),
        source,
    })?;
    Ok(found.map(|(node, _)| node))
}

/// A file of a root directory, opened when it is read.
#[derive(Debug)]
struct OnDisk {
    root: Arc<RootDir>,
    path: RootedPath,
    size: u64,
}

impl Source for OnDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let open = || {
            let parent = self.root.dir(&self.path.parent().unwrap_or_default())?;
            parent.open_file(self.path.name())
        };
        match open() {
            Ok(file) => Ok(Box::new(file)),
            Err(e) => Err(io::Error::new(
                io::Error::from_raw_os_error(e.errno as i32).kind(),
                format!("{} in {}", e, self.root.path().display()),
            )),
        }
    }
}

pub(super) type Visit<'a> =
    dyn FnMut(&RootedPath, Arc<Node>, OverlayNotes) -> Result<(), ScanError> + 'a;

/// Visits everything in `root`, in path order, the root first.
pub(super) fn scan(root: &Arc<RootDir>, visit: &mut Visit<'_>) -> Result<(), ScanError> {
    let system = |path: &RootedPath| {
        let path = path.clone();
        |source| ScanError::System { path, source }
    };
    let mut links = BTreeMap::new();
    // What is still to be visited, the next last: each a directory and a name in it. Only one
    // directory is open at a time, however deep they nest.
    let mut todo = vec![RootedPath::root()];
    let mut parent = None;
    while let Some(path) = todo.pop() {
        let dir = match (path.parent(), parent.take()) {
            (Some(above), Some(dir)) if Dir::at(&dir) == &above => dir,
            (above, _) => root
                .dir(&above.unwrap_or_default())
                .map_err(system(&path))?,
        };
        let stat = match path.name() {
            b"" => dir.stat_self().map(Some),
            name => dir.stat(name),
        };
        let Some(stat) = stat.map_err(system(&path))? else {
            parent = Some(dir);
            continue; // It went away in between.
        };
        let found = node(root, &dir, &path, &stat, &mut links).map_err(system(&path))?;
        if let Some((node, notes)) = found {
            visit(&path, node, notes)?;
        }
        parent = Some(if is_directory(&stat) && !path.is_root() {
            dir.open_dir(path.name()).map_err(system(&path))?
        } else {
            dir
        });
        if let Some(dir) = parent.as_ref().filter(|_| is_directory(&stat)) {
            let names = dir.names().map_err(system(&path))?;
            todo.extend(names.iter().rev().map(|name| path.child(name)));
        }
    }
    Ok(())
}

/// Files with several names, by device and inode number.
type Links = BTreeMap<(u64, u64), Arc<Node>>;

fn node(
    root: &Arc<RootDir>,
    dir: &Dir,
    path: &RootedPath,
    stat: &Stat,
    links: &mut Links,
) -> Result<Option<(Arc<Node>, OverlayNotes)>, SysError> {
    let linked = !is_directory(stat) && stat.st_nlink > 1;
    let key = (stat.st_dev, stat.st_ino);
    if let Some(node) = links.get(&key).filter(|_| linked) {
        return Ok(Some((Arc::clone(node), OverlayNotes::default())));
    }
    let Some(mut kind) = kind_of(dir, path.name(), stat)? else {
        return Ok(None);
    };
    if let Kind::File(content) = &mut kind
        && stat.st_size > 0
    {
        *content = Content::Source(Arc::new(OnDisk {
            root: Arc::clone(root),
            path: path.clone(),
            size: stat.st_size.unsigned_abs(),
        }));
    }
    let (meta, notes) = meta::read(dir, path.name(), stat)?;
    let node = Arc::new(Node { meta, kind });
    // Overlayfs may make all its whiteouts links of one device; they are still whiteouts.
    if linked {
        links.insert(key, Arc::clone(&node));
    }
    Ok(Some((node, notes)))
}

/// The kind of `name` in `dir`, a file's content left empty; `None` for a socket.
pub(super) fn kind_of(dir: &Dir, name: &[u8], stat: &Stat) -> Result<Option<Kind>, SysError> {
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some(Kind::Directory),
        FileType::RegularFile => Some(Kind::File(Content::Inline(Arc::from([])))),
        FileType::Symlink => Some(Kind::Symlink(dir.read_link(name)?)),
        FileType::Fifo => Some(Kind::Fifo),
        _ => device_of(stat),
    })
}

/// The device that `stat` is about, if it is about one.
pub(super) fn device_of(stat: &Stat) -> Option<Kind> {
    let (major, minor) = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => Some(Kind::CharDevice(major, minor)),
        FileType::BlockDevice => Some(Kind::BlockDevice(major, minor)),
        _ => None,
    }
}

pub(super) fn same_but_for_time(a: &Meta, b: &Meta) -> bool {
    (a.mode, a.uid, a.gid, &a.xattrs) == (b.mode, b.uid, b.gid, &b.xattrs)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::XattrFlags;

    use super::*;

    #[test]
    fn an_upper_directory_is_a_layer() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["opaque", "plain"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let mark = |name: &str, key: &str, value: &[u8]| {
            rustix::fs::setxattr(at(name), key, value, XattrFlags::empty()).unwrap();
        };
        mark("opaque", "user.overlay.opaque", b"y");
        mark("plain", "user.overlay.origin", b"whatever");
        mark("plain", "user.note", b"kept");
        std::fs::write(at("file"), "bytes").unwrap();
        std::fs::hard_link(at("file"), at("plain/again")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let upper = Arc::new(RootDir::open(folder.path()).unwrap());
        let top = upper.dir(&RootedPath::root()).unwrap();
        top.make_node(FileType::CharacterDevice, 0, 0, b"gone")
            .unwrap();
        let (before, _) = meta::read(&top, b"", &top.stat_self().unwrap()).unwrap();

        let layer = scan_upper(&upper, &before).unwrap();
        let path = |text: &str| RootedPath::parse(text).unwrap();
        assert_eq!(
            layer.hides,
            [
                Whiteout::Path(path("gone")),
                Whiteout::Below(path("opaque"))
            ]
        );
        let adds: Vec<_> = layer.adds.iter().map(|(p, _)| p.to_text()).collect();
        assert_eq!(adds, ["file", "opaque", "plain", "plain/again"]);
        assert!(Arc::ptr_eq(&layer.adds[0].1, &layer.adds[3].1));
        let keys: Vec<_> = layer.adds[2].1.meta.xattrs.keys().collect();
        assert_eq!(keys, [b"user.note"]);

        // The root is told when more than its time is another.
        let layer = scan_upper(&upper, &Meta::new(0o711)).unwrap();
        assert!(layer.adds[0].0.is_root());
    }

    #[test]
    fn whose_a_file_should_be_is_noted_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = Arc::new(RootDir::open(folder.path()).unwrap());
        let scanned = |name: &str| {
            let tree = scan_tree(&root).unwrap();
            let node = tree.get(&RootedPath::parse(name).unwrap()).unwrap();
            node.meta.clone()
        };
        let mine = |mode| Meta {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            ..Meta::new(mode)
        };
        let check = |note: &str, mode, expected: (u32, u32, u32)| {
            let path = folder.path().join("f");
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, "").unwrap();
            rustix::fs::chmod(&path, rustix::fs::Mode::from_raw_mode(mode)).unwrap();
            let flags = XattrFlags::empty();
            rustix::fs::setxattr(&path, "user.coracle.owner", note.as_bytes(), flags).unwrap();
            let meta = scanned("f");
            assert_eq!((meta.uid, meta.gid, meta.mode), expected, "{note}");
            assert!(meta.xattrs.is_empty());
        };
        let me = mine(0o755);
        check("7:8:4755", 0o755, (7, 8, 0o4755));
        check("7:8:4755", 0o700, (7, 8, 0o700)); // A mode that was changed since stays.
        check("4000000000:8:755", 0o755, (4_000_000_000, 8, 0o755));
        for wrong in ["", "7:8", "7:8:4755:9", "7:8:10755", "-1:8:755", "x:8:755"] {
            check(wrong, 0o755, (me.uid, me.gid, 0o755));
        }
        // What an archive says for itself is left out.
        let dir = root.dir(&RootedPath::root()).unwrap();
        let file = dir.create_file(b"forged").unwrap();
        let mut forged = mine(0o755);
        forged.xattrs = [(b"user.coracle.owner".to_vec(), b"0:0:4755".to_vec())].into();
        let mut refused = Vec::new();
        meta::set_open(&dir, b"forged", &file, &forged, &mut |r| refused.push(r)).unwrap();
        assert_eq!(refused, [meta::Refused::Overlay]);
        assert_eq!(scanned("forged").mode, 0o755);
    }

    #[test]
    fn whose_a_link_should_be_is_noted_on_its_directory() {
        let folder = tempfile::tempdir().unwrap();
        let root = Arc::new(RootDir::open(folder.path()).unwrap());
        let dir = root.dir(&RootedPath::root()).unwrap();
        let me = std::os::unix::fs::MetadataExt::uid(&folder.path().metadata().unwrap());
        let owner = |name: &str| {
            let node = scan_node(&root, &RootedPath::parse(name).unwrap());
            node.unwrap().unwrap().meta.uid
        };
        let set = |note: &[u8]| {
            let flags = XattrFlags::empty();
            rustix::fs::fsetxattr(&dir, "user.coracle.inside", note, flags).unwrap();
        };
        for name in [&b"a"[..], b"b"] {
            dir.make_link(b"anywhere", name).unwrap();
            let (kind, meta) = (Kind::Symlink(Vec::new()), Meta::new(0o777));
            let meta = Meta { uid: me, ..meta };
            meta::set(&dir, name, &kind, &meta, &mut |_| {}).unwrap();
        }
        dir.create_file(b"file").unwrap();
        set(b"7:8:777:0/a/file\0\09:8:777:1/b\0");
        // What has another time is another link, and a file has its own note.
        assert_eq!([owner("a"), owner("b"), owner("file")], [7, me, me]);
    }

    #[test]
    fn what_another_mount_wrote_is_refused() {
        for (key, value) in [
            ("redirect", "/elsewhere"),
            ("metacopy", ""),
            ("opaque", "x"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let key = format!("user.overlay.{key}");
            let file = folder.path().join("d");
            std::fs::create_dir(&file).unwrap();
            rustix::fs::setxattr(&file, key, value.as_bytes(), XattrFlags::empty()).unwrap();
            let upper = Arc::new(RootDir::open(folder.path()).unwrap());
            let error = scan_upper(&upper, &Meta::new(0o755)).unwrap_err();
            assert!(
                error.to_string().starts_with("/d was written by"),
                "{error}"
            );
        }
    }
}

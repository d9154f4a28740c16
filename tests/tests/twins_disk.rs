//! Layers laid on each other as values, on disk, and by overlayfs: three ways, one result. And
//! the way back: what a container changed, told as a layer.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use coracle::layer::{self, Bounds, gather, keep_inline};
use coracle::linux::meta;
use coracle::linux::root::RootDir;
use coracle::linux::scan::scan_tree;
use coracle::linux::snapshot::{self, RootFs};
use coracle::linux::unpack::{Report, Whiteouts, unpack, write_tree};
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Tree, listing};
use coracle_tests::inside::{self, Namespaces};
use coracle_tests::{Archive, Entry};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

#[test]
fn layers_agree_three_ways_as_root() {
    inside::again(Namespaces::OfRoot, "layers");
}

#[test]
fn layers_agree_three_ways_with_one_id() {
    inside::again(Namespaces::OneId, "layers");
}

#[test]
fn layers_agree_three_ways_with_many_ids() {
    inside::again(Namespaces::ManyIds, "layers");
}

#[test]
fn what_a_container_changes_is_told_as_root() {
    inside::again(Namespaces::OfRoot, "changes");
}

#[test]
fn what_a_container_changes_is_told_with_one_id() {
    inside::again(Namespaces::OneId, "changes");
}

#[test]
fn what_a_container_changes_is_told_with_many_ids() {
    inside::again(Namespaces::ManyIds, "changes");
}

/// A kernel may be set up to note that a directory was renamed, or that only the metadata of a
/// file was changed, instead of copying. Only root can have such a mount.
#[test]
fn what_overlayfs_notes_instead_of_copying_is_told() {
    inside::again(Namespaces::OfRoot, "noted_changes");
}

#[test]
#[ignore = "run by the other tests, in private namespaces"]
fn layers() {
    let stacks = any_stack(&owners());
    cases(&stacks, |stack, place| compare(&stack, place));
}

#[test]
#[ignore = "run by the other tests, in private namespaces"]
fn changes() {
    let containers = (
        any_stack(&owners()),
        prop::collection::vec(any_edit(&owners()), 0..12),
    );
    cases(&containers, |(stack, edits), place| {
        told(&stack, &edits, "", place)
    });
}

#[test]
#[ignore = "run by the other tests, in private namespaces"]
fn noted_changes() {
    let containers = (
        any_stack(&owners()),
        prop::collection::vec(any_edit(&owners()), 0..12),
    );
    cases(&containers, |(stack, edits), place| {
        told(&stack, &edits, "redirect_dir=on,metacopy=on", place)
    });
}

/// Runs `test` on many values, each in a folder of its own.
fn cases<S: Strategy>(values: &S, test: impl Fn(S::Value, &Path) -> Result<(), TestCaseError>) {
    let folder = inside::folder();
    let config = Config {
        // As three people that is a thousand.
        cases: std::env::var("PROPTEST_CASES").map_or(350, |n| n.parse().unwrap()),
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(values, |value| {
        let place = tempfile::tempdir_in(&folder).unwrap();
        test(value, place.path())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Whom a file may belong to here.
fn owners() -> Vec<u32> {
    match Namespaces::here() {
        Namespaces::OneId => vec![0],
        Namespaces::OfRoot | Namespaces::ManyIds => vec![0, 1, 1000],
    }
}

/// Lays the archives on each other in all three ways.
fn compare(stack: &[Vec<Entry>], place: &Path) -> Result<(), TestCaseError> {
    let archives: Vec<_> = stack.iter().map(|entries| Archive::of(entries)).collect();
    let pure = pure(&archives);
    let applied = applied(&archives, &place.join("applied"));
    let overlaid = overlaid(&archives, place);
    match (pure, applied, overlaid) {
        (Ok(pure), Ok(applied), Ok(overlaid)) => {
            same("applying on disk", &pure, &applied, true)?;
            // Overlayfs has no hard links between layers.
            same("overlayfs", &pure, &overlaid, stack.len() < 2)
        }
        (Err(_), Err(_), Err(_)) => Ok(()),
        (pure, applied, overlaid) => Err(TestCaseError::fail(format!(
            "one refuses, another does not:\npure: {pure:?}\napplied: {applied:?}\noverlaid: {overlaid:?}"
        ))),
    }
}

fn pure(archives: &[Vec<u8>]) -> Result<Tree, String> {
    let mut tree = Tree::new();
    for archive in archives {
        let layer = gather(archive.as_slice(), Bounds::default(), &mut keep_inline)
            .map_err(|e| e.to_string())?;
        layer::apply(&mut tree, &layer).map_err(|e| e.to_string())?;
    }
    Ok(tree)
}

fn applied(archives: &[Vec<u8>], place: &Path) -> Result<Tree, String> {
    std::fs::create_dir(place).unwrap();
    let root = Arc::new(RootDir::open(place).unwrap());
    write_tree(&Tree::new(), &root).unwrap();
    for archive in archives {
        put(archive, &root, Whiteouts::Apply)?;
    }
    Ok(scan_tree(&root).unwrap())
}

fn overlaid(archives: &[Vec<u8>], place: &Path) -> Result<Tree, String> {
    let lower = unpacked(archives, place)?;
    let rootfs = container(&lower, place);
    let mount = Mounted::new(&rootfs, "", &place.join("merged"));
    Ok(mount.tree())
}

/// Unpacks each archive into a directory of its own; topmost first.
fn unpacked(archives: &[Vec<u8>], place: &Path) -> Result<Vec<RootDir>, String> {
    let userxattr = userxattr();
    let mut lower: Vec<RootDir> = Vec::new();
    for (i, archive) in archives.iter().enumerate() {
        let path = place.join(format!("layer-{i}"));
        std::fs::create_dir(&path).unwrap();
        let root = RootDir::open(&path).unwrap();
        let how = Whiteouts::Overlay {
            userxattr,
            lower: &lower,
        };
        put(archive, &root, how)?;
        lower.insert(0, root);
    }
    Ok(lower)
}

/// A container's root on these layers. Its root directory looks like theirs.
fn container(lower: &[RootDir], place: &Path) -> RootFs {
    let [upper, work] = ["upper", "work"].map(|name| place.join(name));
    std::fs::create_dir(&upper).unwrap();
    std::fs::create_dir(&work).unwrap();
    let dir = |root: &RootDir| root.dir(&RootedPath::root()).unwrap();
    let (top, upper_dir) = (dir(&lower[0]), dir(&RootDir::open(&upper).unwrap()));
    let stat = top.stat_self().unwrap();
    let (meta, _) = meta::read(&top, b"", &stat).unwrap();
    meta::set_open(&upper_dir, b"", &upper_dir, &meta, &mut |_| {}).unwrap();
    RootFs::Overlay {
        lower: lower.iter().map(|root| root.path().to_owned()).collect(),
        upper,
        work,
        userxattr: userxattr(),
        volatile: true,
    }
}

/// A mount that goes away even when a test fails.
struct Mounted(PathBuf);

impl Mounted {
    /// Mounts as Coracle does; with `options`, as a kernel would that has them as its default.
    fn new(rootfs: &RootFs, options: &str, at: &Path) -> Self {
        std::fs::create_dir(at).unwrap();
        if options.is_empty() {
            rootfs.mount(at).unwrap();
        } else {
            let RootFs::Overlay {
                lower, upper, work, ..
            } = rootfs
            else {
                panic!("{rootfs:?} is no overlay");
            };
            let lower: Vec<_> = lower.iter().map(|path| path.to_str().unwrap()).collect();
            let options = format!(
                "lowerdir={},upperdir={},workdir={},{options}",
                lower.join(":"),
                upper.display(),
                work.display()
            );
            let mount = Command::new("mount")
                .args(["-t", "overlay", "overlay", "-o", &options])
                .arg(at)
                .status()
                .unwrap();
            assert!(mount.success(), "mount -o {options}");
        }
        Self(at.to_owned())
    }

    fn tree(&self) -> Tree {
        let root = Arc::new(RootDir::open(&self.0).unwrap());
        in_memory(&scan_tree(&root).unwrap())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status().unwrap();
        assert!(unmounted.success() || std::thread::panicking());
    }
}

/// Edits a container, and asks what it changed: laid on what was there before, that must make
/// what is there now.
fn told(
    stack: &[Vec<Entry>],
    edits: &[Edit],
    options: &str,
    place: &Path,
) -> Result<(), TestCaseError> {
    let archives: Vec<_> = stack.iter().map(|entries| Archive::of(entries)).collect();
    let Ok(lower) = unpacked(&archives, place) else {
        return Ok(()); // That all ways refuse the same stacks, the other test shows.
    };
    let rootfs = container(&lower, place);
    let mount = Mounted::new(&rootfs, options, &place.join("merged"));
    let mut before = mount.tree();
    for edit in edits {
        edit.make(&mount.0);
    }
    let after = mount.tree();
    drop(mount);
    let paths: Vec<_> = lower.iter().map(|root| root.path().to_owned()).collect();
    let layer = snapshot::changes(&rootfs, &paths).unwrap();
    let mut archive = Vec::new();
    layer::tar::write(&layer, &mut archive).unwrap();
    let layer = gather(archive.as_slice(), Bounds::default(), &mut keep_inline).unwrap();
    layer::apply(&mut before, &layer).unwrap();
    // The root's time says nothing, so it is not told.
    let root = Arc::clone(after.get(&RootedPath::root()).unwrap());
    let mut told = before;
    let mut meta = told.get(&RootedPath::root()).unwrap().meta.clone();
    meta.mtime = root.meta.mtime;
    told.insert(
        RootedPath::root(),
        Arc::new(Node {
            meta,
            kind: Kind::Directory,
        }),
    );
    same("the container", &told, &after, false)
}

/// Something that a process does to a file system.
#[derive(Debug, Clone)]
enum Edit {
    Write(String, String),
    Directory(String),
    Symlink(String, String),
    Link(String, String),
    Rename(String, String),
    Remove(String),
    Mode(String, u32),
    Own(String, u32),
    Time(String, i64),
    Xattr(String),
}

impl Edit {
    /// Does it, or fails as it would for the process.
    fn make(&self, root: &Path) {
        let _ = match self {
            Self::Write(path, text) => no_links(root, path).and_then(|p| std::fs::write(p, text)),
            Self::Directory(path) => no_links(root, path).and_then(std::fs::create_dir),
            Self::Symlink(path, target) => {
                no_links(root, path).and_then(|p| std::os::unix::fs::symlink(target, p))
            }
            Self::Link(from, to) => no_links(root, from)
                .and_then(|from| no_links(root, to).and_then(|to| std::fs::hard_link(from, to))),
            Self::Rename(from, to) => no_links(root, from)
                .and_then(|from| no_links(root, to).and_then(|to| std::fs::rename(from, to))),
            Self::Remove(path) => no_links(root, path).and_then(|path| {
                if path.is_dir() {
                    std::fs::remove_dir_all(path)
                } else {
                    std::fs::remove_file(path)
                }
            }),
            Self::Own(path, owner) => no_links(root, path)
                .and_then(|p| std::os::unix::fs::lchown(p, Some(*owner), Some(*owner))),
            Self::Time(path, seconds) => no_links(root, path).and_then(|p| touch(&p, *seconds)),
            Self::Xattr(path) => no_links(root, path).and_then(|p| {
                let flags = rustix::fs::XattrFlags::empty();
                Ok(rustix::fs::lsetxattr(p, "user.edit", b"1\0", flags)?)
            }),
            Self::Mode(path, mode) => no_links(root, path)
                .and_then(|p| std::fs::set_permissions(p, std::fs::Permissions::from_mode(*mode))),
        };
    }
}

fn touch(path: &Path, seconds: i64) -> std::io::Result<()> {
    let time = rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: 7,
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags)?)
}

/// The path on the host, if it goes through no symbolic link and names no pipe: an edit must not
/// leave the container, nor wait for a reader.
fn no_links(root: &Path, path: &str) -> std::io::Result<PathBuf> {
    let mut at = root.to_owned();
    for name in path.split('/') {
        at.push(name);
        let kind = std::fs::symlink_metadata(&at).map(|m| m.file_type());
        if kind.is_ok_and(|k| k.is_symlink() || k.is_fifo()) {
            return Err(std::io::Error::other("a link or a pipe"));
        }
    }
    Ok(at)
}

fn any_edit(owners: &[u32]) -> impl Strategy<Value = Edit> + use<> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let two = (path.clone(), path.clone());
    prop_oneof![
        3 => (path.clone(), "[xyz]{0,3}").prop_map(|(p, text)| Edit::Write(p, text)),
        3 => path.clone().prop_map(Edit::Directory),
        1 => (path.clone(), "[abc/]{1,3}").prop_map(|(p, target)| Edit::Symlink(p, target)),
        1 => two.clone().prop_map(|(from, to)| Edit::Link(from, to)),
        2 => two.prop_map(|(from, to)| Edit::Rename(from, to)),
        4 => path.clone().prop_map(Edit::Remove),
        1 => (path.clone(), prop::sample::select(vec![0o600, 0o755, 0o4711])).prop_map(|(p, m)| Edit::Mode(p, m)),
        1 => (path.clone(), prop::sample::select(owners.to_vec())).prop_map(|(p, o)| Edit::Own(p, o)),
        1 => (path.clone(), -5_i64..5_000_000_000).prop_map(|(p, t)| Edit::Time(p, t)),
        1 => path.prop_map(Edit::Xattr),
    ]
}

fn put(archive: &[u8], root: &RootDir, how: Whiteouts<'_>) -> Result<Report, String> {
    let report = unpack(archive, root, how, Bounds::default()).map_err(|e| e.to_string())?;
    assert!(report.refused.is_empty(), "{:?}", report.warnings());
    Ok(report)
}

/// The same tree with all content read, because its mount is about to go.
fn in_memory(tree: &Tree) -> Tree {
    let mut copies: BTreeMap<*const Node, Arc<Node>> = BTreeMap::new();
    let mut out = Tree::new();
    for (path, node) in tree.iter() {
        let copy = copies.entry(Arc::as_ptr(node)).or_insert_with(|| {
            let kind = match &node.kind {
                Kind::File(content) => Kind::File(coracle::tree::Content::Inline(
                    content.read().unwrap().into(),
                )),
                kind => kind.clone(),
            };
            let meta = node.meta.clone();
            Arc::new(Node { meta, kind })
        });
        out.insert(path.clone(), Arc::clone(copy));
    }
    out
}

fn same(what: &str, pure: &Tree, other: &Tree, links: bool) -> Result<(), TestCaseError> {
    let (a, b) = (describe(pure, links), describe(other, links));
    if a == b {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "{what} gives another tree.\n--- pure:\n{a}--- {what}:\n{b}"
    )))
}

/// Everything about a tree as text.
fn describe(tree: &Tree, links: bool) -> String {
    let mut text = if links { listing(tree) } else { String::new() };
    for (path, node) in tree.iter() {
        let _ = writeln!(text, "{path} {node:?}");
    }
    // Content that is still on disk shows where it is; what counts are the bytes.
    if tree.iter().any(|(_, node)| is_on_disk(node)) {
        return describe(&in_memory(tree), links);
    }
    text
}

fn is_on_disk(node: &Node) -> bool {
    matches!(&node.kind, Kind::File(coracle::tree::Content::Source(_)))
}

fn userxattr() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    !map.contains("4294967295")
}

/// `cap_net_raw+ep`, as a file has it (version 2 of the format).
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Stacks of up to three archives over few names, so that entries collide, kinds change, parents
/// are links, and whiteouts come before and after what they must not hide.
fn any_stack(owners: &[u32]) -> impl Strategy<Value = Vec<Vec<Entry>>> + use<> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let directory = prop::collection::vec(name.clone(), 0..3)
        .prop_map(|names| names.iter().flat_map(|n| [n, "/"]).collect::<String>());
    let path = (directory.clone(), name.clone()).prop_map(|(dir, name)| dir + name);
    let target = prop::sample::select(vec!["a", "b/c", "/c", "../a", "/", "missing", "../../b/a"]);
    let what = prop_oneof![
        4 => path.clone().prop_map(|p| Entry::directory(&format!("{p}/"))),
        4 => (path.clone(), "[xyz]{0,3}").prop_map(|(p, text)| Entry::file(&p, &text)),
        2 => (path.clone(), target).prop_map(|(p, t)| Entry::symlink(&p, t)),
        1 => (path.clone(), path.clone()).prop_map(|(p, t)| {
            // A link below its own target would have to be there before its directory.
            let target = if p.starts_with(&format!("{t}/")) { "missing".into() } else { t };
            Entry::hard_link(&p, &target)
        }),
        1 => path.prop_map(|p| Entry { name: p.into_bytes(), kind: b'6', ..Entry::default() }),
        2 => (directory.clone(), name)
            .prop_map(|(dir, name)| Entry::file(&format!("{dir}.wh.{name}"), "")),
        1 => directory.prop_map(|dir| Entry::file(&format!("{dir}.wh..wh..opq"), "")),
    ];
    let owner = prop::sample::select(owners.to_vec());
    let mode = prop::sample::select(vec![0o755, 0o700, 0o1777, 0o4755, 0o2755, 0o000, 0o444]);
    let mtime = (1_u64..4_000_000_000, 0_u32..1_000_000_000);
    let entry = (what, owner, mode, mtime, any::<bool>()).prop_map(
        |(mut entry, owner, mode, mtime, has_xattr)| {
            entry.owner = owner;
            entry.mtime = mtime;
            if entry.kind != b'2' {
                entry.mode = mode;
            }
            if has_xattr && matches!(entry.kind, b'0' | b'5') {
                entry.xattrs.push(("user.note".into(), b"a\0b".to_vec()));
            }
            if has_xattr && entry.kind == b'0' {
                entry
                    .xattrs
                    .push(("security.capability".into(), CAPABILITY.to_vec()));
            }
            entry
        },
    );
    prop::collection::vec(prop::collection::vec(entry, 0..7), 1..4)
}

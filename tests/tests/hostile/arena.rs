//! The arena: a directory with canaries, in which an archive is let loose on a root beside them.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use coracle::linux::root::RootDir;
use coracle::linux::scan::scan_tree;
use coracle::linux::unpack::{Report, UnpackError, Whiteouts, unpack};
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Tree};
use coracle_tests::{Archive, Entry, Person};

use super::BOUNDS;

/// A directory with canaries, and a root beside them.
pub(crate) struct Arena {
    folder: tempfile::TempDir,
    before: String,
}

impl Arena {
    pub(crate) fn new() -> Self {
        let folder = tempfile::TempDir::with_prefix("coracle-hostile-").unwrap();
        let path = folder.path();
        for name in ["root", "outside", "layers"] {
            std::fs::create_dir(path.join(name)).unwrap();
        }
        std::fs::write(path.join("canary"), "alive").unwrap();
        std::fs::write(path.join("outside/secret"), "secret").unwrap();
        let mut arena = Self {
            folder,
            before: String::new(),
        };
        arena.before = arena.describe_host();
        arena
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn text(&self) -> &str {
        self.path().to_str().unwrap()
    }

    /// `ARENA` in a table is the arena's path.
    pub(crate) fn named(&self, text: &str) -> String {
        text.replace("link ARENA", &format!("link {}", self.text()))
            .replace("ARENA", self.text().trim_start_matches('/'))
    }

    pub(crate) fn root(&self) -> RootDir {
        RootDir::open(self.path().join("root")).unwrap()
    }

    pub(crate) fn overlay() -> Whiteouts<'static> {
        Whiteouts::Overlay {
            userxattr: userxattr(),
            lower: &[],
        }
    }

    /// Unpacks a stack, into one root or each layer apart, and returns what is then to be seen
    /// in the topmost directory.
    pub(crate) fn unpack(&self, stack: &[Vec<Entry>], apply: bool) -> Result<Tree, UnpackError> {
        let userxattr = userxattr();
        let mut lower: Vec<RootDir> = Vec::new();
        for (i, entries) in stack.iter().enumerate() {
            let archive = Archive::of(entries);
            if apply {
                unpack(archive.as_slice(), &self.root(), Whiteouts::Apply, BOUNDS)?;
                continue;
            }
            let path = self.path().join(format!("layers/{i}"));
            std::fs::create_dir(&path).unwrap();
            let root = RootDir::open(path).unwrap();
            let how = Whiteouts::Overlay {
                userxattr,
                lower: &lower,
            };
            let _: Report = unpack(archive.as_slice(), &root, how, BOUNDS)?;
            lower.insert(0, root);
        }
        if apply {
            return Ok(scan_tree(&Arc::new(self.root())).unwrap());
        }
        // Overlayfs is not mounted here; the upper layers' own directories are laid on each other.
        let mut seen = Tree::new();
        for root in lower.into_iter().rev() {
            for (path, node) in scan_tree(&Arc::new(root)).unwrap().iter() {
                if node.kind == Kind::CharDevice(0, 0) {
                    seen.remove(path);
                } else {
                    seen.insert(path.clone(), Arc::clone(node));
                }
            }
        }
        Ok(seen)
    }

    /// Everything outside of the root, as text.
    pub(crate) fn describe_host(&self) -> String {
        let outside = RootDir::open(self.path().join("outside")).unwrap();
        let canary = self.path().join("canary");
        let stat = std::fs::metadata(&canary).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        format!(
            "{names:?}\ncanary {:o} {:?} {:?}\n{}",
            stat.permissions().mode(),
            stat.modified().unwrap(),
            std::fs::read(&canary).unwrap(),
            text(&scan_tree(&Arc::new(outside)).unwrap())
        )
    }

    pub(crate) fn describe_root(&self) -> String {
        text(&scan_tree(&Arc::new(self.root())).unwrap())
    }

    pub(crate) fn host_has_changed(&self) -> bool {
        self.describe_host() != self.before
    }

    pub(crate) fn assert_host_unchanged(&self, what: &str) {
        assert_eq!(
            self.describe_host(),
            self.before,
            "{what}: HOST PATH WAS CHANGED"
        );
    }

    /// Runs `work` while another process swaps `place`d in the root for a link that leads out.
    /// Returns the number of swaps, and what `work` returned.
    pub(crate) fn race(&self, place: &str, work: impl FnOnce(Instant) -> usize) -> (usize, usize) {
        let evil = self.path().join("root/evil");
        std::os::unix::fs::symlink(self.path().join("outside"), &evil).unwrap();
        let swapper = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "swapping", "--nocapture"])
            .env(ARENA, self.path())
            .env(PLACE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let swapper = Swapper(swapper);
        let result = work(Instant::now() + Duration::from_millis(1500));
        (swapper.stop(), result)
    }
}

/// Where the swapping process swaps, and what.
const ARENA: &str = "CORACLE_TEST_ARENA";
const PLACE: &str = "CORACLE_TEST_PLACE";

/// Swaps until standard input ends; how often.
pub(crate) fn swap_until_told() -> usize {
    let arena = PathBuf::from(std::env::var_os(ARENA).expect("run by the race"));
    let place = std::env::var(PLACE).unwrap();
    let directory = arena.join("root").join(&place).join("d");
    let evil = arena.join("root/evil");
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        end.store(true, Ordering::Relaxed);
    });
    let mut swaps = 0_usize;
    while !ended.load(Ordering::Relaxed) {
        if place.is_empty() {
            let _ = std::fs::create_dir(&directory);
        }
        if !evil.is_symlink() && !directory.is_symlink() {
            let _ = std::fs::remove_dir_all(&evil);
            let _ = std::os::unix::fs::symlink(arena.join("outside"), &evil);
        }
        swaps += usize::from(swap(&directory, &evil));
    }
    swaps
}

/// How the line begins on which the swapping process says how often.
pub(crate) const SWAPS: &str = "swaps: ";

/// The swapping process; it ends also when an assertion fails.
struct Swapper(Child);

impl Swapper {
    /// Ends it; how often it swapped.
    fn stop(mut self) -> usize {
        drop(self.0.stdin.take());
        let mut said = String::new();
        let out = self.0.stdout.as_mut().unwrap();
        out.read_to_string(&mut said).unwrap();
        let swaps = said.lines().find_map(|line| line.strip_prefix(SWAPS));
        swaps.unwrap_or_else(|| panic!("{said}")).parse().unwrap()
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // An ordinary user cannot empty the read-only directory that one attack leaves.
        for name in ["root/d", "layers/0/d"] {
            let path = self.path().join(name);
            if !path.is_symlink() {
                let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
            }
        }
    }
}

/// Whether overlayfs' attributes are the user's: only root of the machine may set the others. Only
/// the first user namespace maps every number to itself.
fn userxattr() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    !(Person::me().is_root() && map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Exchanges two names in one step; whether both were there.
fn swap(a: &PathBuf, b: &PathBuf) -> bool {
    let here = rustix::fs::CWD;
    rustix::fs::renameat_with(here, a, here, b, rustix::fs::RenameFlags::EXCHANGE).is_ok()
}

/// Everything about a tree as text, content and times included.
fn text(tree: &Tree) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (path, node) in tree.iter() {
        let _ = writeln!(text, "{path} {:?} {}", node.meta, what(node));
    }
    text
}

/// What is at a path, in a word or two.
pub(crate) fn describe(tree: &Tree, path: &str) -> String {
    let lossy = |p: &RootedPath| String::from_utf8_lossy(p.as_bytes()).into_owned();
    match tree.iter().find(|(p, _)| lossy(p) == path) {
        Some((_, node)) => what(node),
        None => "absent".to_owned(),
    }
}

fn what(node: &Node) -> String {
    match &node.kind {
        Kind::File(content) => {
            let bytes = content.read().unwrap_or_else(|e| e.to_string().into());
            format!("file {}", String::from_utf8_lossy(&bytes))
        }
        Kind::Directory => format!("dir {:o}", node.meta.mode),
        Kind::Symlink(target) => {
            let target = std::ffi::OsStr::from_bytes(target);
            format!("link {}", target.display())
        }
        kind => kind.word().to_owned(),
    }
}

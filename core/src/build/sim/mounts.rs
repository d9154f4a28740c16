//! What a step sees while it runs and never leaves behind: laid over the tree, and taken off.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::executor::RunMount;
use crate::path::RootedPath;
use crate::tree::{Kind, Node, ResolveError, Tree, resolve};

/// The directories that outlive steps, by ID; what they hold stands at [`CONTENT`].
pub(super) type Caches = BTreeMap<String, Tree>;

/// Where a mount's files stand in the tree that brings them.
const CONTENT: &str = "content";

/// The devices that every container has.
const DEVICES: &[(&str, u32, u32)] = &[
    ("full", 1, 7),
    ("null", 1, 3),
    ("random", 1, 8),
    ("tty", 5, 0),
    ("urandom", 1, 9),
    ("zero", 1, 5),
];

/// Everything that lies over a tree.
#[derive(Debug, Default)]
pub(super) struct Laid(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    at: RootedPath,
    /// What was there, and below.
    covered: Vec<(RootedPath, Arc<Node>)>,
    /// Directories that were made to lead there, the outermost first.
    made: Vec<RootedPath>,
    /// The cache that takes what is left.
    cache: Option<String>,
    read_only: bool,
}

/// Why something cannot be laid over a tree.
#[derive(Debug, thiserror::Error)]
pub(super) enum MountError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("the simulated shell has no agent that --mount=type=ssh could lead to")]
    Agent,
    #[error("{0} is no directory to mount in")]
    NoDirectory(RootedPath),
}

impl Laid {
    /// Lays what every container has, and then `mounts`, over `tree`.
    pub(super) fn over(
        tree: &mut Tree,
        mounts: &[RunMount],
        caches: &Caches,
    ) -> Result<Self, MountError> {
        let mut laid = Self::default();
        for (path, mode) in [("/proc", 0o555), ("/sys", 0o555)] {
            laid.lay(tree, path, &directory(mode, 0, 0), (None, false))?;
        }
        laid.lay(tree, "/dev", &devices(), (None, false))?;
        for (path, text) in [
            ("/etc/resolv.conf", ""),
            ("/etc/hostname", "build\n"),
            ("/etc/hosts", "127.0.0.1\tlocalhost\n"),
        ] {
            laid.lay(
                tree,
                path,
                &file(Node::file(0o644, text.as_bytes())),
                (None, false),
            )?;
        }
        for mount in mounts {
            laid.mount(tree, mount, caches)?;
        }
        Ok(laid)
    }

    fn mount(
        &mut self,
        tree: &mut Tree,
        mount: &RunMount,
        caches: &Caches,
    ) -> Result<(), MountError> {
        match mount {
            RunMount::File {
                target,
                content,
                mode,
                uid,
                gid,
            } => {
                let mut node = Node::file(*mode, content.as_slice());
                (node.meta.uid, node.meta.gid) = (*uid, *gid);
                self.lay(tree, target, &file(node), (None, true))
            }
            RunMount::Files {
                target,
                tree: files,
                read_only,
            } => self.lay(tree, target, files, (None, *read_only)),
            RunMount::Cache {
                target,
                cache,
                seed,
            } => {
                let own = caches.get(&cache.id).or(seed.as_ref()).cloned();
                let own = own.unwrap_or_else(|| directory(cache.mode, cache.uid, cache.gid));
                self.lay(
                    tree,
                    target,
                    &own,
                    (Some(cache.id.clone()), cache.read_only),
                )
            }
            RunMount::Tmpfs { target, .. } => {
                self.lay(tree, target, &directory(0o1777, 0, 0), (None, false))
            }
            RunMount::Agent { .. } => Err(MountError::Agent),
        }
    }

    fn lay(
        &mut self,
        tree: &mut Tree,
        target: &str,
        files: &Tree,
        (cache, read_only): (Option<String>, bool),
    ) -> Result<(), MountError> {
        let at = resolve(tree, &RootedPath::root().resolve(target))?;
        let mut made = Vec::new();
        for parent in at.ancestors() {
            match tree.get(&parent) {
                None => {
                    tree.insert(parent.clone(), Arc::new(Node::directory(0o755)));
                    made.push(parent);
                }
                Some(node) if node.kind != Kind::Directory => {
                    return Err(MountError::NoDirectory(parent));
                }
                Some(_) => {}
            }
        }
        let covered = family(tree, &at);
        tree.remove(&at);
        put(
            tree,
            files,
            &RootedPath::root().child(CONTENT.as_bytes()),
            &at,
        );
        self.0.push(Mount {
            at,
            covered,
            made,
            cache,
            read_only,
        });
        Ok(())
    }

    /// Whether what stands at a path is none of the tree's own.
    pub(super) fn covers(&self, path: &RootedPath) -> bool {
        self.0.iter().any(|mount| path.is_within(&mount.at))
    }

    /// The places where nothing can be written.
    pub(super) fn read_only(&self) -> Vec<RootedPath> {
        let mounts = self.0.iter().filter(|mount| mount.read_only);
        mounts.map(|mount| mount.at.clone()).collect()
    }

    /// Takes everything off again, the last first, and keeps what caches hold. Directories that
    /// were made to lead there go, too, unless something else is in them by now.
    pub(super) fn take_off(self, tree: &mut Tree, caches: &mut Caches) {
        for mount in self.0.into_iter().rev() {
            if let Some(id) = mount.cache.filter(|_| !mount.read_only) {
                let mut own = Tree::new();
                put(
                    &mut own,
                    tree,
                    &mount.at,
                    &RootedPath::root().child(CONTENT.as_bytes()),
                );
                caches.insert(id, own);
            }
            tree.remove(&mount.at);
            for (path, node) in mount.covered {
                tree.insert(path, node);
            }
            for path in mount.made.iter().rev() {
                if tree.below(path).next().is_none() {
                    tree.remove(path);
                }
            }
        }
    }
}

/// What stands at a path and below it.
fn family(tree: &Tree, at: &RootedPath) -> Vec<(RootedPath, Arc<Node>)> {
    let own = tree.get(at).map(|node| (at.clone(), Arc::clone(node)));
    let below = tree
        .below(at)
        .map(|(path, node)| (path.clone(), Arc::clone(node)));
    own.into_iter().chain(below).collect()
}

/// Copies what stands at `from` and below it to `to` in another tree. Files are new ones, so that
/// they are no hard links of what is elsewhere.
fn put(tree: &mut Tree, files: &Tree, from: &RootedPath, to: &RootedPath) {
    let mut twins: BTreeMap<*const Node, Arc<Node>> = BTreeMap::new();
    for (path, node) in family(files, from) {
        let twin = twins
            .entry(Arc::as_ptr(&node))
            .or_insert_with(|| Arc::new(Node::clone(&node)));
        let rest = path.strip(from).unwrap_or_default();
        tree.insert(to.join(&rest), Arc::clone(twin));
    }
}

fn directory(mode: u32, uid: u32, gid: u32) -> Tree {
    let mut node = Node::directory(mode);
    (node.meta.uid, node.meta.gid) = (uid, gid);
    file(node)
}

fn file(node: Node) -> Tree {
    let mut tree = Tree::new();
    tree.insert(RootedPath::root().child(CONTENT.as_bytes()), Arc::new(node));
    tree
}

fn devices() -> Tree {
    let mut tree = directory(0o755, 0, 0);
    let root = RootedPath::root().child(CONTENT.as_bytes());
    for (name, major, minor) in DEVICES {
        let mut node = Node::file(0o666, *b"");
        node.kind = Kind::CharDevice(*major, *minor);
        tree.insert(root.child(name.as_bytes()), Arc::new(node));
    }
    for (name, number) in [("stdin", 0), ("stdout", 1), ("stderr", 2)] {
        let node = Node::symlink(format!("/proc/self/fd/{number}"));
        tree.insert(root.child(name.as_bytes()), Arc::new(node));
    }
    tree.insert(root.child(b"fd"), Arc::new(Node::symlink("/proc/self/fd")));
    for name in ["pts", "shm"] {
        let mode = if name == "shm" { 0o1777 } else { 0o755 };
        tree.insert(root.child(name.as_bytes()), Arc::new(Node::directory(mode)));
    }
    tree
}

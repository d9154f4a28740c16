//! COPY and ADD: from a tree of sources and a file system to the layer that is laid on it.
//!
//! The rules are BuildKit's: a directory gives its content, a file its name; missing parents are
//! made; a directory that is a source gives its owner and mode to nobody, one inside it also to a
//! directory that exists; a link named as a source is followed, a link inside a copied directory
//! stays a link.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::mode::Chmod;
use super::select::{Picked, excluded, kept_ancestors, taken};
use crate::accounts::{Accounts, UnknownAccount};
use crate::dockerfile::glob::BadPattern;
use crate::layer::Layer;
use crate::path::RootedPath;
use crate::tree::{Kind, Meta, Node, ResolveError, Timestamp, Tree, resolve};

/// What to copy where, with everything expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySpec {
    /// Paths or patterns in the source tree.
    pub sources: Vec<String>,
    /// Small files that stand in the Dockerfile itself: name and content.
    pub heredocs: Vec<(String, String)>,
    /// An absolute path. A slash at its end says that it is a directory.
    pub destination: String,
    /// `user[:group]` as the image being built knows them; `None` keeps the sources' owners.
    pub chown: Option<String>,
    /// The permission bits of everything that is copied; `None` keeps the sources' bits.
    pub chmod: Option<Chmod>,
    /// Whether the directories of a source's path are kept below the destination.
    pub parents: bool,
    /// Whether nothing of the file system is looked at, neither its links nor its directories.
    pub link: bool,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// The time of directories that are made on the way and of heredocs.
    pub time: Timestamp,
}

/// Why something cannot be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A source names nothing.
    #[error("{path} does not exist")]
    NotFound {
        /// Which of the sources, counted from 0.
        source_number: usize,
        /// Where it should be.
        path: RootedPath,
    },
    /// A pattern is malformed.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// A directory would have to take the place of something else, or the other way round.
    #[error("{path} is {there} in the image, and {new} has to take its place; remove it first")]
    Conflict {
        /// Where in the image.
        path: RootedPath,
        /// What is there.
        there: &'static str,
        /// What has to come.
        new: &'static str,
    },
    /// `--chown` names an account that the image does not have.
    #[error("--chown: {0}")]
    Account(#[from] UnknownAccount),
    /// Links go round in a ring.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A file could not be read.
    #[error("read {path}: {source}")]
    Read {
        /// The file in the source tree.
        path: RootedPath,
        /// What the system said.
        source: io::Error,
    },
}

/// The layer that copying makes on the file system `onto`.
pub fn copy(
    spec: &CopySpec,
    picked: &[Picked],
    from: &Tree,
    onto: &Tree,
) -> Result<Layer, CopyError> {
    let mut copier = Copier::new(spec, onto)?;
    let wanted = RootedPath::root().resolve(&spec.destination);
    let destination = resolve(&copier.onto, &wanted)?;
    let into_directory = spec.destination.ends_with('/')
        || spec.destination.ends_with("/.")
        || spec.parents
        || picked.len() + spec.heredocs.len() > 1
        || copier.onto.is_directory(&destination);
    for pick in picked {
        let node = from.get(&pick.path).ok_or_else(|| CopyError::NotFound {
            source_number: 0,
            path: pick.path.clone(),
        })?;
        let target = if spec.parents {
            destination.join(&pick.kept)
        } else if node.kind == Kind::Directory || !into_directory {
            destination.clone()
        } else {
            destination.child(pick.named.name())
        };
        if spec.parents {
            copier.copy_ancestors(from, pick, &destination)?;
        }
        copier.copy_below(from, &pick.path, &target)?;
    }
    for (name, content) in &spec.heredocs {
        let target = if into_directory {
            destination.child(name.as_bytes())
        } else {
            destination.clone()
        };
        let mut node = Node::file(0o644, content.clone().into_bytes());
        node.meta.mtime = spec.time;
        copier.put(target, &Arc::new(node))?;
    }
    Ok(copier.finish())
}

/// The layer that the content of an unpacked archive makes on the file system `onto`. Modes, times
/// and owners are the archive's, unless `--chown` names an owner; `--chmod` is for files that are
/// copied. An entry takes the place of whatever is there, and links on the way to it are followed.
pub fn unpack(spec: &CopySpec, archive: &Layer, onto: &Tree) -> Result<Layer, CopyError> {
    let spec = &CopySpec {
        chmod: None,
        ..spec.clone()
    };
    let mut copier = Copier::new(spec, onto)?;
    let wanted = RootedPath::root().resolve(&spec.destination);
    let destination = resolve(&copier.onto, &wanted)?;
    copier.make_directory(&destination)?;
    // Only what the archive has an entry for: a directory that it merely names may be a link here.
    for (path, node) in archive.adds.iter().filter(|(path, _)| !path.is_root()) {
        let path = destination.join(path);
        let parent = resolve(&copier.onto, &path.parent().unwrap_or_default())?;
        copier.replace(parent.child(path.name()), node)?;
    }
    Ok(copier.finish())
}

/// The layers' common work: keeps what is added, and what the file system looks like with it.
struct Copier<'a> {
    spec: &'a CopySpec,
    owner: Option<(u32, u32)>,
    onto: Tree,
    adds: BTreeMap<RootedPath, Arc<Node>>,
    /// Hard links among the sources stay hard links. The original is kept beside its copy, so that
    /// nothing else gets its address meanwhile.
    copies: BTreeMap<*const Node, (Arc<Node>, Arc<Node>)>,
}

impl<'a> Copier<'a> {
    fn new(spec: &'a CopySpec, onto: &Tree) -> Result<Self, CopyError> {
        let owner = match &spec.chown {
            Some(text) => Some(accounts(onto)?.owner(text)?),
            None => None,
        };
        Ok(Self {
            spec,
            owner,
            onto: if spec.link { Tree::new() } else { onto.clone() },
            adds: BTreeMap::new(),
            copies: BTreeMap::new(),
        })
    }

    fn copy_below(
        &mut self,
        from: &Tree,
        source: &RootedPath,
        target: &RootedPath,
    ) -> Result<(), CopyError> {
        let exclude = excluded(&self.spec.exclude)?;
        for (path, below, node) in taken(from, source, &exclude) {
            // Of a directory that is a source, only the content is copied.
            if path == source && node.kind == Kind::Directory && !self.spec.parents {
                self.make_directory(target)?;
            } else {
                self.put(target.join(&below), node)?;
            }
        }
        Ok(())
    }

    /// Puts copies of the directories that `--parents` keeps below `destination`, where none are
    /// yet.
    fn copy_ancestors(
        &mut self,
        from: &Tree,
        pick: &Picked,
        destination: &RootedPath,
    ) -> Result<(), CopyError> {
        self.make_directory(destination)?;
        for above in kept_ancestors(from, pick)? {
            let target = destination.join(&above.below);
            if self.onto.get(&target).is_none() {
                self.put(target, above.node)?;
            }
        }
        Ok(())
    }

    /// Puts a copy of `node` at `path`, where there is nothing else or something of its kind.
    fn put(&mut self, path: RootedPath, node: &Arc<Node>) -> Result<(), CopyError> {
        let is_directory = |node: &Node| node.kind == Kind::Directory;
        if let Some(there) = self.onto.get(&path)
            && is_directory(there) != is_directory(node)
        {
            return Err(CopyError::Conflict {
                path,
                there: a_kind(&there.kind),
                new: a_kind(&node.kind),
            });
        }
        self.replace(path, node)
    }

    /// Puts a copy of `node` at `path`, whatever is there.
    fn replace(&mut self, path: RootedPath, node: &Arc<Node>) -> Result<(), CopyError> {
        if let Some(parent) = path.parent() {
            self.make_directory(&parent)?;
        }
        let directory = node.kind == Kind::Directory;
        if !directory && self.onto.is_directory(&path) {
            self.adds.retain(|added, _| !added.is_within(&path));
        }
        let copy = if let Some((_, copy)) = self.copies.get(&Arc::as_ptr(node)) {
            Arc::clone(copy)
        } else {
            let copy = Arc::new(self.with_owner_and_mode(node));
            if !directory {
                let both = (Arc::clone(node), Arc::clone(&copy));
                self.copies.insert(Arc::as_ptr(node), both);
            }
            copy
        };
        self.add(path, copy);
        Ok(())
    }

    fn with_owner_and_mode(&self, node: &Node) -> Node {
        let mut node = node.clone();
        if let Some((uid, gid)) = self.owner {
            node.meta.uid = uid;
            node.meta.gid = gid;
        }
        if let Some(chmod) = &self.spec.chmod
            && !matches!(node.kind, Kind::Symlink(_))
        {
            let is_directory = node.kind == Kind::Directory;
            node.meta.mode = chmod.apply(node.meta.mode, is_directory);
        }
        node
    }

    /// Makes a directory and what is missing above it.
    fn make_directory(&mut self, path: &RootedPath) -> Result<(), CopyError> {
        let chain: Vec<_> = path.ancestors().chain([path.clone()]).collect();
        for directory in chain {
            match self.onto.get(&directory).map(|node| &node.kind) {
                Some(Kind::Directory) => {}
                Some(other) => {
                    return Err(CopyError::Conflict {
                        path: directory,
                        there: a_kind(other),
                        new: "a directory",
                    });
                }
                None => {
                    let (uid, gid) = self.owner.unwrap_or((0, 0));
                    let meta = Meta {
                        uid,
                        gid,
                        mtime: self.spec.time,
                        ..Meta::new(0o755)
                    };
                    let kind = Kind::Directory;
                    self.add(directory, Arc::new(Node { meta, kind }));
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, path: RootedPath, node: Arc<Node>) {
        self.onto.insert(path.clone(), Arc::clone(&node));
        self.adds.insert(path, node);
    }

    fn finish(self) -> Layer {
        Layer {
            hides: Vec::new(),
            adds: self.adds.into_iter().collect(),
        }
    }
}

/// The layer that WORKDIR makes: the directory and what is missing above it, nothing otherwise.
///
/// What is made belongs to `user`, as USER says it; to root when the image does not know the
/// name, because BuildKit has it so, and whoever runs something as that user is told anyway.
pub fn make_directory(
    path: &str,
    user: &str,
    time: Timestamp,
    onto: &Tree,
) -> Result<Layer, CopyError> {
    let spec = CopySpec {
        sources: Vec::new(),
        heredocs: Vec::new(),
        destination: path.to_owned(),
        chown: None,
        chmod: None,
        parents: false,
        link: false,
        exclude: Vec::new(),
        time,
    };
    let mut copier = Copier::new(&spec, onto)?;
    copier.owner = match user {
        "" => None,
        user => accounts(onto)?.owner(user).ok(),
    };
    let place = resolve(onto, &RootedPath::root().resolve(path))?;
    copier.make_directory(&place)?;
    Ok(copier.finish())
}

/// The accounts of the image that is being built.
fn accounts(tree: &Tree) -> Result<Accounts, CopyError> {
    let read = |path: &str| -> Result<Vec<u8>, CopyError> {
        let path = resolve(tree, &RootedPath::root().resolve(path))?;
        match tree.get(&path).map(|node| &node.kind) {
            Some(Kind::File(content)) => content
                .read()
                .map_err(|source| CopyError::Read { path, source }),
            _ => Ok(Vec::new()),
        }
    };
    Ok(Accounts::parse(&read("etc/passwd")?, &read("etc/group")?))
}

fn a_kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Directory => "a directory",
        Kind::File(_) | Kind::HardLink(_) => "a file",
        Kind::Symlink(_) => "a symbolic link",
        Kind::CharDevice(..) | Kind::BlockDevice(..) => "a device",
        Kind::Fifo => "a named pipe",
    }
}

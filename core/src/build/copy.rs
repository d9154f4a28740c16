//! COPY and ADD: from a tree of sources and a file system to the layer that is laid on it.
//!
//! The rules are BuildKit's: a directory gives its content, a file its name; missing parents are
//! made; a directory that is a source gives its owner and mode to nobody, one inside it also to a
//! directory that exists; a link named as a source is followed, a link inside a copied directory
//! stays a link.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use super::mode::Chmod;
use crate::accounts::{Accounts, UnknownAccount};
use crate::dockerfile::glob::{BadPattern, Glob, has_wildcard};
use crate::dockerfile::ignore::Ignore;
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

/// One thing that a source names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// Where it is in the source tree, links followed.
    pub path: RootedPath,
    /// The path as the source named it.
    pub named: RootedPath,
    /// What `--parents` keeps of it: all, or what stands behind the first `/./`. Without it nothing.
    pub kept: RootedPath,
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

/// What the sources of `spec` name in `from`, in order. A pattern may name nothing.
pub fn select(spec: &CopySpec, from: &Tree) -> Result<Vec<Picked>, CopyError> {
    let mut picked = Vec::new();
    for (number, source) in spec.sources.iter().enumerate() {
        picked.extend(select_source(source, number, spec.parents, from)?);
    }
    Ok(picked)
}

/// What one source, number `source_number` of its instruction, names in `from`. With `parents`, as
/// BuildKit has it, `**` crosses directories, and `/./` says from where on they are kept.
pub fn select_source(
    source: &str,
    source_number: usize,
    parents: bool,
    from: &Tree,
) -> Result<Vec<Picked>, CopyError> {
    let named = RootedPath::root().resolve(source);
    let left = match source.split_once("/./").filter(|_| parents) {
        Some((left, _)) => RootedPath::root().resolve(left).components().count(),
        None if parents => 0,
        None => usize::MAX,
    };
    if has_wildcard(source) {
        let text = named.to_text();
        let pattern = if parents {
            Glob::path(&text)?
        } else {
            Glob::name(&text)?
        };
        return matching(from, &pattern, left);
    }
    let path = resolve(from, &named)?;
    if from.get(&path).is_none() {
        return Err(CopyError::NotFound {
            source_number,
            path: named,
        });
    }
    let kept = behind(&named, left);
    Ok(vec![Picked { path, named, kept }])
}

/// What a step that copies `picked` depends on: each path with mode, owner and digest.
pub fn key_files(
    exclude: &[String],
    from: &Tree,
    picked: &[Picked],
) -> Result<BTreeMap<String, String>, CopyError> {
    let exclude = excluded(exclude)?;
    let mut files = BTreeMap::new();
    let said = |path: &RootedPath, node: &Node| {
        let path = path.clone();
        describe(node).map_err(|source| CopyError::Read { path, source })
    };
    for pick in picked {
        for above in kept_ancestors(from, pick)? {
            let name = above.named.to_text().into_owned();
            files.insert(name, said(&above.named, above.node)?);
        }
        for (path, _, node) in taken(from, &pick.path, &exclude) {
            let said = said(path, node)?;
            // A link that was followed is known by the name that leads to it, too.
            let mut name = path.to_text().into_owned();
            if pick.path != pick.named && *path == pick.path {
                name = format!("{} -> {name}", pick.named.to_text());
            }
            files.insert(name, said);
        }
    }
    Ok(files)
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

/// What a pattern names, its first `left` components not to be kept. What is below a directory that
/// matches is not matched once more.
fn matching(from: &Tree, pattern: &Glob, left: usize) -> Result<Vec<Picked>, CopyError> {
    let mut picked: Vec<Picked> = Vec::new();
    for (path, _) in from.below(&RootedPath::root()) {
        let within = |last: &Picked| path.is_within(&last.named);
        if !picked.last().is_some_and(within) && pattern.matches(&path.to_text()) {
            picked.push(Picked {
                path: resolve(from, path)?,
                named: path.clone(),
                kept: behind(path, left),
            });
        }
    }
    Ok(picked)
}

/// A directory above a source that `--parents` keeps.
struct Kept<'t> {
    /// Where the source names it.
    named: RootedPath,
    /// What is kept of that.
    below: RootedPath,
    node: &'t Arc<Node>,
}

/// The directories above a source that `--parents` keeps, the outermost first.
fn kept_ancestors<'t>(from: &'t Tree, pick: &Picked) -> Result<Vec<Kept<'t>>, CopyError> {
    let left = pick.named.components().count() - pick.kept.components().count();
    let mut all = Vec::new();
    for below in pick.kept.ancestors().filter(|path| !path.is_root()) {
        let depth = left + below.components().count();
        let named = pick.named.components().take(depth);
        let named = named.fold(RootedPath::root(), |path, name| path.child(name));
        if let Some(node) = from.get(&resolve(from, &named)?) {
            all.push(Kept { named, below, node });
        }
    }
    Ok(all)
}

/// A path without its first components.
fn behind(path: &RootedPath, components: usize) -> RootedPath {
    let rest = path.components().skip(components);
    rest.fold(RootedPath::root(), |path, name| path.child(name))
}

/// What a source gives: itself and what is below it, without what is excluded. Each with its
/// path seen from the source.
fn taken<'a>(
    from: &'a Tree,
    source: &'a RootedPath,
    exclude: &'a Ignore,
) -> impl Iterator<Item = (&'a RootedPath, RootedPath, &'a Arc<Node>)> {
    let own = from.get(source).map(|node| (source, node));
    own.into_iter()
        .chain(from.below(source))
        .filter_map(move |(path, node)| {
            let below = path.strip(source).unwrap_or_default();
            // A file that is itself the source is known to the patterns by its name.
            let is_file = below.is_root() && node.kind != Kind::Directory;
            let seen = if is_file {
                RootedPath::root().child(path.name())
            } else {
                below.clone()
            };
            (!exclude.check(&seen).ignored).then_some((path, below, node))
        })
}

fn excluded(patterns: &[String]) -> Result<Ignore, CopyError> {
    Ok(Ignore::of(patterns.iter().map(String::as_str))?)
}

/// Mode, owner and content of a node as one text. The time is left out: it says nothing about
/// the content, and every checkout of the same sources has another.
fn describe(node: &Node) -> io::Result<String> {
    let Meta { mode, uid, gid, .. } = &node.meta;
    let what = match &node.kind {
        Kind::File(content) => content.digest()?.to_string(),
        Kind::Symlink(target) => format!("-> {}", target.escape_ascii()),
        Kind::CharDevice(major, minor) => format!("char {major}:{minor}"),
        Kind::BlockDevice(major, minor) => format!("block {major}:{minor}"),
        other => other.word().to_owned(),
    };
    let mut text = format!("{mode:04o} {uid}:{gid} {what}");
    for (name, value) in &node.meta.xattrs {
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        let _ = write!(text, " {name}={value}");
    }
    Ok(text)
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

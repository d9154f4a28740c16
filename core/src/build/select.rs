//! What the sources of COPY and ADD name, and what a step that copies it depends on.
//!
//! A source is a path or a pattern of Go's `filepath.Match`. A link that it names is followed,
//! inside the tree.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use super::copy::{CopyError, CopySpec};
use crate::dockerfile::glob::{Glob, has_wildcard};
use crate::dockerfile::ignore::Ignore;
use crate::path::RootedPath;
use crate::tree::{Kind, Meta, Node, Tree, resolve};

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
pub(super) struct Kept<'t> {
    /// Where the source names it.
    pub(super) named: RootedPath,
    /// What is kept of that.
    pub(super) below: RootedPath,
    /// What is there.
    pub(super) node: &'t Arc<Node>,
}

/// The directories above a source that `--parents` keeps, the outermost first.
pub(super) fn kept_ancestors<'t>(
    from: &'t Tree,
    pick: &Picked,
) -> Result<Vec<Kept<'t>>, CopyError> {
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
pub(super) fn taken<'a>(
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

pub(super) fn excluded(patterns: &[String]) -> Result<Ignore, CopyError> {
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

//! Stacks of layers as values: what each layer says, and what is seen above it.

use std::collections::BTreeMap;
use std::sync::Arc;

use coracle::digest::{ChainId, Digest};
use coracle::image::{StoredLayer, gather_layer};
use coracle::layer::{Bounds, Layer, apply};
use coracle::path::RootedPath;
use coracle::store::Store;
use coracle::store::memory::MemoryStore;
use coracle::tree::{Kind, Node, Tree};

use crate::view::LayerView;

/// What has been read of stacks, so that it is read once. All of it can be forgotten at any time.
#[derive(Debug, Default)]
pub struct Stacks {
    layers: BTreeMap<Digest, Arc<Layer>>,
    trees: BTreeMap<ChainId, Arc<Tree>>,
    counts: BTreeMap<ChainId, Counts>,
}

/// How many paths a layer adds, changes and hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    added: usize,
    modified: usize,
    deleted: usize,
}

/// So many trees are kept. Each shares its nodes with the others, but not the map that they are in.
const MOST_TREES: usize = 64;

/// What an archive from anywhere may hold here: a browser tab has little memory.
pub const BOUNDS: Bounds = Bounds {
    bytes: 4 << 30,
    ratio: 2000,
    entries: 500_000,
};

impl Stacks {
    /// What a layer says.
    pub fn layer(
        &mut self,
        store: &MemoryStore,
        stored: &StoredLayer,
    ) -> Result<Arc<Layer>, String> {
        let digest = &stored.blob.digest;
        if let Some(layer) = self.layers.get(digest) {
            return Ok(Arc::clone(layer));
        }
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let layer = gather_layer(&shared, stored, BOUNDS).map_err(|e| e.to_string())?;
        let layer = Arc::new(layer);
        self.layers.insert(digest.clone(), Arc::clone(&layer));
        Ok(layer)
    }

    /// What is seen at the top of a stack.
    pub fn tree(
        &mut self,
        store: &MemoryStore,
        layers: &[StoredLayer],
    ) -> Result<Arc<Tree>, String> {
        let chains = chain_ids(layers);
        let known = |chain: &ChainId| self.trees.get(chain).cloned();
        let mut found = chains.iter().enumerate().rev();
        let found = found.find_map(|(i, chain)| Some((i + 1, known(chain)?)));
        let (done, mut tree) = found.unwrap_or_else(|| (0, Arc::new(Tree::new())));
        if done == layers.len() {
            return Ok(tree);
        }
        for stored in &layers[done..] {
            let layer = self.layer(store, stored)?;
            apply(Arc::make_mut(&mut tree), &layer).map_err(|e| e.to_string())?;
        }
        self.keep(chains.last(), &tree);
        Ok(tree)
    }

    /// Each layer of a stack, as the page shows it.
    pub fn views(
        &mut self,
        store: &MemoryStore,
        layers: &[StoredLayer],
    ) -> Result<Vec<LayerView>, String> {
        let chains = chain_ids(layers);
        let unknown = chains.iter().position(|c| !self.counts.contains_key(c));
        if let Some(first) = unknown {
            let mut tree = self.tree(store, &layers[..first])?;
            for (stored, chain) in layers[first..].iter().zip(&chains[first..]) {
                let layer = self.layer(store, stored)?;
                self.counts.insert(chain.clone(), counts(&tree, &layer));
                apply(Arc::make_mut(&mut tree), &layer).map_err(|e| e.to_string())?;
            }
            self.keep(chains.last(), &tree);
        }
        let view = |(stored, chain): (&StoredLayer, &ChainId)| {
            let counts = self.counts.get(chain).copied().unwrap_or_default();
            LayerView {
                digest: stored.blob.digest.to_string(),
                diff_id: stored.diff_id.0.to_string(),
                chain_id: chain.0.to_string(),
                size: stored.blob.size,
                added: counts.added,
                modified: counts.modified,
                deleted: counts.deleted,
            }
        };
        Ok(layers.iter().zip(&chains).map(view).collect())
    }

    fn keep(&mut self, chain: Option<&ChainId>, tree: &Arc<Tree>) {
        if self.trees.len() >= MOST_TREES {
            self.trees.clear();
        }
        if let Some(chain) = chain {
            self.trees.insert(chain.clone(), Arc::clone(tree));
        }
    }
}

/// The chain ID of each layer with all below it, lowest first.
pub fn chain_ids(layers: &[StoredLayer]) -> Vec<ChainId> {
    let mut ids: Vec<ChainId> = Vec::with_capacity(layers.len());
    for layer in layers {
        ids.push(ChainId::on(ids.last(), &layer.diff_id));
    }
    ids
}

/// What a layer does to what is below it. A directory that is only in it because something in it
/// changed does not count.
fn counts(below: &Tree, layer: &Layer) -> Counts {
    let mut counts = Counts {
        deleted: layer.hides.len(),
        ..Counts::default()
    };
    for (path, node) in &layer.adds {
        match below.get(path) {
            None => counts.added += 1,
            Some(old) if is_passing(&differences(old, node), node) => {}
            Some(_) => counts.modified += 1,
        }
    }
    counts
}

/// Whether a change of a directory is only that something in it changed.
pub fn is_passing(what: &[&'static str], node: &Node) -> bool {
    node.kind == Kind::Directory && (what.is_empty() || what == ["time"])
}

/// In which respects two nodes differ: `kind`, `content`, `target`, `mode`, `owner`, `attributes`,
/// `time`.
pub fn differences(old: &Node, new: &Node) -> Vec<&'static str> {
    let mut what = Vec::new();
    match (&old.kind, &new.kind) {
        (Kind::File(a), Kind::File(b)) if a != b => what.push("content"),
        (Kind::Symlink(a), Kind::Symlink(b)) if a != b => what.push("target"),
        (a, b) if a.word() != b.word() => what.push("kind"),
        (a, b) if !matches!(a, Kind::File(_) | Kind::Symlink(_)) && a != b => what.push("kind"),
        _ => {}
    }
    let (a, b) = (&old.meta, &new.meta);
    let others = [
        ("mode", a.mode != b.mode),
        ("owner", (a.uid, a.gid) != (b.uid, b.gid)),
        ("attributes", a.xattrs != b.xattrs),
        ("time", a.mtime != b.mtime),
    ];
    what.extend(others.iter().filter(|(_, is)| *is).map(|(word, _)| *word));
    what
}

/// What of a stack a path of a layer is: `A` added, `M` modified; `None` for a directory that is
/// only there for what is in it.
pub fn change(
    below: &Tree,
    path: &RootedPath,
    node: &Node,
) -> Option<(&'static str, Vec<&'static str>)> {
    match below.get(path) {
        None => Some(("A", Vec::new())),
        Some(old) => {
            let what = differences(old, node);
            (!is_passing(&what, node)).then_some(("M", what))
        }
    }
}

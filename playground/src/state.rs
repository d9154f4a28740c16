//! What the log of a session adds up to: the project, the images, the registries, the containers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use coracle::build::cache::MemoryCache;
use coracle::build::context::Context;
use coracle::build::sim::fixtures::{self, FixtureImage};
use coracle::digest::Digest;
use coracle::dockerfile::ignore::{self, Ignore};
use coracle::image::StoredLayer;
use coracle::path::RootedPath;
use coracle::reference::Reference;
use coracle::registry::server::HOME;
use coracle::spec::{Descriptor, ImageConfig, Platform};
use coracle::store::memory::MemoryStore;
use coracle::store::{BlobStore, Store, StoreError, TagStore, gc};
use coracle::tree::{Kind, Timestamp, Tree, resolve};

use crate::names;
use crate::view::{UsageView, VoyageView};

/// Everything that an act can change.
#[derive(Debug)]
pub struct State {
    /// The project's files.
    pub project: Tree,
    /// The images that are here.
    pub store: MemoryStore,
    /// What builds have made.
    pub cache: MemoryCache,
    /// The registries that there are, by host; Docker Hub is `docker.io`.
    pub registries: BTreeMap<String, Registry>,
    /// The containers that are here, by name.
    pub containers: BTreeMap<String, Container>,
    /// Commands that RUN takes to do nothing, or to write these files.
    pub pretend: BTreeMap<String, Vec<String>>,
}

/// A registry in this tab.
#[derive(Debug)]
pub struct Registry {
    /// What it holds.
    pub store: MemoryStore,
    /// The last push to it or pull from it.
    pub last: Option<VoyageView>,
}

/// A container: an image, and what has been changed on it.
#[derive(Debug, Clone)]
pub struct Container {
    /// The image, as it was named.
    pub image: Reference,
    /// The image's config.
    pub config: ImageConfig,
    /// The image's layers, lowest first.
    pub layers: Vec<StoredLayer>,
    /// What the layers make.
    pub lower: Tree,
    /// What is there now.
    pub tree: Tree,
}

/// Where people can push to, besides Docker Hub.
const OWN_REGISTRY: &str = "localhost:5000";

/// The Dockerfile's path in the project.
pub const DOCKERFILE: &str = "Dockerfile";

impl Default for State {
    /// An empty project; a Docker Hub with some images, and an empty registry of one's own.
    fn default() -> Self {
        let registry = |store| Registry { store, last: None };
        Self {
            project: Tree::new(),
            store: MemoryStore::new(),
            cache: MemoryCache::default(),
            registries: BTreeMap::from([
                ("docker.io".to_owned(), registry(hub())),
                (OWN_REGISTRY.to_owned(), registry(MemoryStore::new())),
            ]),
            containers: BTreeMap::new(),
            pretend: BTreeMap::new(),
        }
    }
}

/// What Docker Hub has here: images that stand for real ones. They are made once.
fn hub() -> MemoryStore {
    static HUB: OnceLock<MemoryStore> = OnceLock::new();
    let hub = HUB.get_or_init(|| {
        let hub = MemoryStore::new();
        for image in fixtures::images() {
            // A store in memory refuses nothing.
            let _ = keep(&hub, &image);
        }
        hub
    });
    hub.copy()
}

/// Puts an image that stands for a real one into a registry's store.
fn keep(store: &MemoryStore, image: &FixtureImage) -> Option<()> {
    let committed = image.commit(store, &platform()).ok()?;
    let name: Reference = image.reference.parse().ok()?;
    store.tag(&shelved(&name), &committed.descriptor).ok()
}

/// Under which name a registry's store keeps what a reference names: a registry does not know how
/// it is called outside.
pub fn shelved(reference: &Reference) -> String {
    let path = reference.repository.path();
    match (&reference.tag_or_default(), &reference.digest) {
        (_, Some(digest)) => format!("{HOME}/{path}@{digest}"),
        (Some(tag), None) => format!("{HOME}/{path}:{tag}"),
        (None, None) => format!("{HOME}/{path}"),
    }
}

/// The platform of everything here.
pub fn platform() -> Platform {
    Platform::linux("amd64")
}

impl State {
    /// The same, to be changed without changing this one. What is large is shared.
    #[must_use]
    pub fn copy(&self) -> Self {
        let registry = |registry: &Registry| Registry {
            store: registry.store.copy(),
            last: registry.last.clone(),
        };
        let registries = self.registries.iter();
        Self {
            project: self.project.clone(),
            store: self.store.copy(),
            cache: self.cache.copy(),
            registries: registries.map(|(h, r)| (h.clone(), registry(r))).collect(),
            containers: self.containers.clone(),
            pretend: self.pretend.clone(),
        }
    }

    /// The local store as the flows want it.
    pub fn shared_store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    /// The text of a file of the project; `None` where there is no file, or no text in it.
    pub fn text(&self, path: &str) -> Option<String> {
        let path = RootedPath::parse(path).ok()?;
        let path = resolve(&self.project, &path).ok()?;
        let Kind::File(content) = &self.project.get(&path)?.kind else {
            return None;
        };
        String::from_utf8(content.read().ok()?).ok()
    }

    /// The ignore file that counts for `dockerfile`: its name and its text.
    pub fn ignore_file(&self, dockerfile: &str) -> Option<(String, String)> {
        let beside = format!("{dockerfile}.dockerignore");
        [beside, ".dockerignore".to_owned()]
            .into_iter()
            .find_map(|name| self.text(&name).map(|text| (name, text)))
    }

    /// The project as a build of `dockerfile` sees it.
    pub fn context(&self, dockerfile: &str, time: Timestamp) -> Context {
        let context = Context::of_tree(".", &self.project, time);
        match self.ignore_file(dockerfile) {
            Some((name, text)) => context.without(&ignore::parse(&text).0, &name),
            None => context,
        }
    }

    /// What counts as the ignore file's patterns.
    pub fn patterns(&self, dockerfile: &str) -> Option<Ignore> {
        self.ignore_file(dockerfile)
            .map(|(_, text)| ignore::parse(&text).0)
    }

    /// Takes away what no image, container or cached step needs. Returns how many bytes that were.
    pub fn collect(&mut self) -> u64 {
        let Ok(needed) = self.needed(true) else {
            return 0;
        };
        let mut freed = 0;
        for (digest, size) in self.store.blobs().unwrap_or_default() {
            if !needed.contains(&digest) && self.store.delete(&digest).is_ok() {
                freed += size;
            }
        }
        freed
    }

    /// How many bytes are stored here, and for what.
    pub fn usage(&self) -> UsageView {
        let images = self.needed(false).unwrap_or_default();
        let blobs = self.store.blobs().unwrap_or_default();
        let of = |needed: bool| {
            let blobs = blobs
                .iter()
                .filter(|(digest, _)| images.contains(digest) == needed);
            blobs.map(|(_, size)| size).sum()
        };
        let alone = names::all(&self.store).into_iter().map(|named| {
            let roots = [named.target].into_iter();
            let own = gc::reachable(&self.store, roots).unwrap_or_default();
            let size = |digest| self.store.size(digest).ok().flatten().unwrap_or(0);
            own.iter().map(size).sum::<u64>()
        });
        UsageView {
            stored: of(true),
            unshared: alone.sum(),
            cache: of(false),
        }
    }

    /// The blobs that images and containers need, and with `cache` those of cached steps.
    fn needed(&self, cache: bool) -> Result<BTreeSet<Digest>, StoreError> {
        let mut roots: Vec<Descriptor> = Vec::new();
        roots.extend(self.store.tags()?.into_iter().map(|(_, target)| target));
        let layers = self.containers.values().flat_map(|c| c.layers.iter());
        roots.extend(layers.map(|layer| layer.blob.clone()));
        if cache {
            let layers = self.cache.layers().into_iter();
            roots.extend(layers.map(|layer| layer.blob));
        }
        gc::reachable(&self.store, roots)
    }
}

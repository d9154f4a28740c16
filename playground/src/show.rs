//! From the state to what the page draws of it.

use std::collections::BTreeMap;

use coracle::digest::Digest;
use coracle::image::{self, Image};
use coracle::path::RootedPath;
use coracle::reference::Reference;
use coracle::spec::Descriptor;
use coracle::store::memory::MemoryStore;
use coracle::store::{BlobStore, TagStore};
use coracle::tree::{Kind, Node};

use crate::commands;
use crate::names::{self, Named};
use crate::preview::{Preview, Scratch};
use crate::state::{Registry, State};
use crate::view::{
    BuildView, ContainerView, FileView, HistoryView, ImageView, RegistryView, RepositoryView,
    UsageView,
};
use crate::wanted::Wanted;

/// A file's text is shown up to this size, in bytes.
pub(crate) const MOST_TEXT: u64 = 1 << 20;

/// The parts of a view that show the state.
pub(crate) struct Shown {
    pub(crate) files: Vec<FileView>,
    pub(crate) build: BuildView,
    pub(crate) images: Vec<ImageView>,
    pub(crate) containers: Vec<ContainerView>,
    pub(crate) registries: Vec<RegistryView>,
    pub(crate) usage: UsageView,
}

/// Shows a state, and what the Dockerfile would make of it.
pub(crate) fn state(
    state: &State,
    wanted: &Wanted,
    preview: &Preview,
    scratch: &mut Scratch,
) -> Shown {
    let images = names::all(&state.store);
    let users = users(&images);
    let mut build = preview.view.clone();
    build.image = preview.image.as_ref().map(|image| {
        let named = Named {
            target: image.descriptor.clone(),
            image: image.clone(),
            references: Vec::new(),
        };
        self::image(&named, &users, scratch)
    });
    let containers = state
        .containers
        .iter()
        .map(|(name, container)| ContainerView {
            name: name.clone(),
            image: container.image.familiar(),
            changes: commands::changes(container),
        });
    Shown {
        files: files(state, wanted),
        build,
        images: images
            .iter()
            .map(|named| image(named, &users, scratch))
            .collect(),
        containers: containers.collect(),
        registries: registries(state),
        usage: state.usage(),
    }
}

/// Which images have each layer.
type Users = BTreeMap<Digest, Vec<(Digest, String)>>;

fn users(images: &[Named]) -> Users {
    let mut users = Users::new();
    for named in images {
        for layer in &named.image.manifest.value.layers {
            let who = (named.target.digest.clone(), named.call());
            let list = users.entry(layer.digest.clone()).or_default();
            if !list.contains(&who) {
                list.push(who);
            }
        }
    }
    users
}

fn image(named: &Named, users: &Users, scratch: &mut Scratch) -> ImageView {
    let own = &named.target.digest;
    let others = |digest: &Digest| {
        let list = users.get(digest).map_or(&[][..], Vec::as_slice);
        list.iter()
            .filter(|(target, _)| target != own)
            .map(|(_, name)| name.clone())
    };
    let layers = named.image.layers();
    let views = scratch
        .stacks
        .views(&scratch.store, &layers)
        .unwrap_or_default();
    let mut next = views.into_iter();
    let history = in_order(&named.image)
        .into_iter()
        .map(|(created_by, layer)| HistoryView {
            created_by,
            shared_with: layer.iter().flat_map(|blob| others(&blob.digest)).collect(),
            layer: layer.and_then(|_| next.next()),
        });
    let history = history.collect();
    let mut sizes: BTreeMap<&Digest, u64> = BTreeMap::new();
    for layer in &layers {
        sizes.insert(&layer.blob.digest, layer.blob.size);
    }
    let unique = sizes
        .iter()
        .filter(|(digest, _)| others(digest).next().is_none());
    ImageView {
        references: named.references.iter().map(Reference::familiar).collect(),
        digest: own.to_string(),
        config: named.image.id().to_string(),
        size: sizes.values().sum(),
        unique: unique.map(|(_, size)| size).sum(),
        history,
    }
}

/// An image's history, the base first: what made each line, and its layer if it has one.
pub(crate) fn in_order(image: &Image) -> Vec<(String, Option<Descriptor>)> {
    let rows = image::history(image).into_iter().rev();
    rows.map(|row| {
        let by = row.history.created_by.unwrap_or_default();
        (by, row.layer.map(|layer| layer.blob))
    })
    .collect()
}

fn files(state: &State, wanted: &Wanted) -> Vec<FileView> {
    let context = state.context(&wanted.file, wanted.time());
    let hidden = |path: &RootedPath| {
        let line = |p: RootedPath| context.hidden.get(&p).copied();
        line(path.clone()).or_else(|| {
            let gone = context.tree.get(path).is_none();
            let above = path.ancestors().find_map(line);
            above.filter(|_| gone)
        })
    };
    let paths = state.project.iter().filter(|(path, _)| !path.is_root());
    paths
        .map(|(path, node)| FileView {
            path: path.to_text().into_owned(),
            text: text(node),
            size: size(node),
            kind: node.kind.word(),
            mode: format!("{:04o}", node.meta.mode),
            hidden_by: hidden(path).filter(|_| context.tree.get(path).is_none()),
        })
        .collect()
}

/// What a file holds, when it is text and not too large to be shown.
pub(crate) fn text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::File(content) if content.size() <= MOST_TEXT => {
            let text = String::from_utf8(content.read().ok()?).ok()?;
            (!text.contains('\0')).then_some(text)
        }
        _ => None,
    }
}

/// The size of a file; 0 for everything else.
pub(crate) fn size(node: &Node) -> u64 {
    match &node.kind {
        Kind::File(content) => content.size(),
        _ => 0,
    }
}

fn registries(state: &State) -> Vec<RegistryView> {
    let view = |(host, registry): (&String, &Registry)| {
        let blobs = registry.store.blobs().unwrap_or_default();
        RegistryView {
            host: host.clone(),
            repositories: repositories(&registry.store),
            blobs: blobs.len(),
            bytes: blobs.iter().map(|(_, size)| size).sum(),
            last: registry.last.clone(),
        }
    };
    state.registries.iter().map(view).collect()
}

fn repositories(store: &MemoryStore) -> Vec<RepositoryView> {
    let mut by_name: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, target) in store.tags().unwrap_or_default() {
        let Some((repository, tag)) = repository(&name) else {
            continue;
        };
        let tags = by_name.entry(repository).or_default();
        tags.insert(tag, target.digest.to_string());
    }
    let view = |(name, tags)| RepositoryView { name, tags };
    by_name.into_iter().map(view).collect()
}

/// Repository and tag of a name in a registry's store.
fn repository(name: &str) -> Option<(String, String)> {
    if name.parse::<Digest>().is_ok() {
        return None;
    }
    let reference: Reference = name.parse().ok()?;
    let tag = reference.tag.as_ref()?.to_string();
    Some((reference.repository.path().to_owned(), tag))
}

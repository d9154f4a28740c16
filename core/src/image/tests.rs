//! Images from commit to check, on a store in memory.

use std::sync::Arc;

use super::*;
use crate::layer::{Layer, Whiteout, diff};
use crate::path::RootedPath;
use crate::spec::{History, Index, Platform, media};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::tree::{Node, Tree, listing};

fn path(text: &str) -> RootedPath {
    RootedPath::parse(text).unwrap()
}

fn layer(files: &[(&str, &str)]) -> Layer {
    let mut tree = Tree::new();
    for (name, content) in files {
        let node = Node::file(0o644, content.as_bytes().to_vec());
        tree.insert(path(name), Arc::new(node));
    }
    diff(&Tree::new(), &tree)
}

fn by(instruction: &str) -> History {
    History {
        created_by: Some(instruction.to_owned()),
        ..History::default()
    }
}

/// An image of two layers with a line of metadata between them.
fn sample(store: &dyn Store) -> Image {
    let platform = Platform::linux("amd64");
    let mut draft = Draft {
        config: crate::spec::ImageConfig::scratch(&platform),
        layers: vec![],
    };
    let lower = store_layer(store, &layer(&[("etc/a", "1"), ("etc/b", "2")])).unwrap();
    draft.push(lower, by("ADD"));
    draft.note(by("ENV"));
    let mut upper = layer(&[("app", "v1")]);
    upper.hides.push(Whiteout::Path(path("etc/a")));
    draft.push(store_layer(store, &upper).unwrap(), by("COPY"));
    draft.commit(store).unwrap()
}

#[test]
fn a_committed_image_opens_flattens_and_tells_its_history() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let image = sample(store.as_ref());
    let again = Image::open(store.as_ref(), &image.descriptor, &Platform::linux("amd64")).unwrap();
    assert_eq!(again, image);
    let tree = flatten(&store, &image.layers()).unwrap();
    insta::assert_snapshot!(listing(&tree), @r"
    drwxr-xr-x 0:0        - /
    -rw-r--r-- 0:0        2 /app
    drwxr-xr-x 0:0        - /etc
    -rw-r--r-- 0:0        1 /etc/b
    ");
    let rows: Vec<_> = history(&image)
        .into_iter()
        .map(|row| (row.history.created_by.unwrap(), row.layer.is_some()))
        .collect();
    let expected = [("COPY", true), ("ENV", false), ("ADD", true)];
    assert_eq!(rows, expected.map(|(by, made)| (by.to_owned(), made)));
    let rows = files(&store, &image.layers()).unwrap();
    let app = rows.iter().find(|row| row.path == "/app").unwrap();
    assert_eq!((app.layer, app.size), (Some(1), 2));
    assert_eq!(app.sha256.as_deref(), Some(Digest::of(b"v1").hex()));
    let upper = layer_files(&store, &image.layers(), 1).unwrap().unwrap();
    assert_eq!(upper[0].kind, "whiteout");
    assert_eq!(upper[0].path, "/etc/a");
}

#[test]
fn version_two_is_version_one_and_a_layer() {
    let store = MemoryStore::new();
    let v1 = sample(&store);
    let mut draft = Draft::from_image(&v1);
    draft.push(
        store_layer(&store, &layer(&[("app", "v2")])).unwrap(),
        by("COPY"),
    );
    let v2 = draft.commit(&store).unwrap();
    assert_eq!(v2.layers()[..2], v1.layers()[..]);
    assert_ne!(v2.id(), v1.id());
}

#[test]
fn an_index_leads_to_the_platform_or_lists_what_there_is() {
    let store = MemoryStore::new();
    let image = sample(&store);
    let for_platform = |platform: Platform| Descriptor {
        platform: Some(platform),
        ..image.descriptor.clone()
    };
    let unknown = Platform {
        os: "unknown".into(),
        architecture: "unknown".into(),
        variant: None,
        os_version: None,
    };
    let index = Index::new(vec![
        for_platform(unknown),
        for_platform(Platform::linux("arm64")),
        for_platform(Platform::linux("amd64")),
    ]);
    let index = crate::spec::Document::write(index).unwrap();
    store.put(index.bytes()).unwrap();
    let target = index.descriptor(media::INDEX);
    let opened = Image::open(&store, &target, &Platform::linux("amd64")).unwrap();
    assert_eq!(opened.id(), image.id());
    let error = Image::open(&store, &target, &Platform::linux("riscv64")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no image for linux/riscv64, only for linux/amd64, linux/arm64"
    );
    let error = Image::open(&store, &image.descriptor, &Platform::linux("s390x")).unwrap_err();
    assert!(error.to_string().contains("only for linux/amd64"));
}

#[test]
fn checking_names_what_is_wrong() {
    let platform = Platform::linux("amd64");
    let store = MemoryStore::new();
    let image = sample(&store);
    assert_eq!(check(&store, &image.descriptor, &platform), []);

    // Another diff ID in the config, everything else as it was.
    let mut draft = Draft::from_image(&image);
    draft.layers[1].diff_id.0 = Digest::of(b"something else");
    let liar = draft.commit(&store).unwrap();
    let problems = check(&store, &liar.descriptor, &platform);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].part, "layer 1");
    assert!(problems[0].message.contains("does not match its digest"));

    // A layer that is gone.
    store.delete(&image.layers()[0].blob.digest).unwrap();
    let problems = check(&store, &image.descriptor, &platform);
    assert_eq!(problems[0].part, "layer 0");
    assert!(problems[0].message.contains("is not in the store"));
}

#[test]
fn a_packed_layer_is_unpacked_once_and_checked() {
    use std::io::Write as _;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let image = sample(store.as_ref());
    let mut layers = image.layers();
    let archive = store.read(&layers[0].blob.digest).unwrap();
    let mut encoder = crate::layer::compress::gzip_encoder(Vec::new());
    encoder.write_all(&archive).unwrap();
    let packed = encoder.finish().unwrap();
    let digest = store.put(&packed).unwrap();
    layers[0].blob = Descriptor::new(media::LAYER_GZIP, digest, packed.len() as u64);
    store.delete(&layers[0].diff_id.0).unwrap();
    let tree = flatten(&store, &layers).unwrap();
    let b = tree.get(&path("etc/b")).unwrap();
    assert!(matches!(&b.kind, crate::tree::Kind::File(c) if c.read().unwrap() == b"2"));
    assert!(store.size(&layers[0].diff_id.0).unwrap().is_some());
}

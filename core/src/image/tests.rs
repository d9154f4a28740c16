//! Images from commit to check, on a store in memory.

use std::sync::Arc;

use super::*;
use crate::layer::{Layer, Whiteout, diff};
use crate::path::RootedPath;
use crate::spec::{History, Index, Platform, media};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::tree::{Kind, Node, Tree, listing};

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
    let tree = flatten(&store, &image.layers(), Bounds::default()).unwrap();
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
    let rows = files(&store, &image.layers(), Bounds::default()).unwrap();
    let app = rows.iter().find(|row| row.path == "/app").unwrap();
    assert_eq!((app.layer, app.size), (Some(1), 2));
    assert_eq!(app.sha256.as_deref(), Some(Digest::of(b"v1").hex()));
    let upper = layer_files(&store, &image.layers(), 1, Bounds::default())
        .unwrap()
        .unwrap();
    assert_eq!(upper[0].kind, "whiteout");
    assert_eq!(upper[0].path, "/etc/a");
}

#[test]
fn a_layer_that_is_skimmed_is_the_same() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let stored = sample(store.as_ref()).layers().remove(0);
    let skimmed = skim_layer(&store, &stored, Bounds::default()).unwrap();
    assert_eq!(
        skimmed,
        gather_layer(&store, &stored, Bounds::default()).unwrap()
    );
    let Kind::File(content) = &skimmed.adds[2].1.kind else {
        panic!("{skimmed:?}");
    };
    assert_eq!(content.read().unwrap(), b"2");
    assert_eq!(content.digest().unwrap(), Digest::of(b"2"));
}

/// Who wants to know which files there are learns nothing of a blob whose bytes are damaged.
#[cfg(feature = "fs")]
#[test]
fn a_layer_that_is_skimmed_is_not_checked() {
    let directory = tempfile::tempdir().unwrap();
    let layout = crate::store::layout::Layout::open(directory.path()).unwrap();
    let stored = sample(&layout).layers().remove(0);
    let blob = layout.blob_path(&stored.blob.digest);
    let mut bytes = std::fs::read(&blob).unwrap();
    let last = bytes.iter().rposition(|b| *b == b'2').unwrap();
    bytes[last] = b'3';
    std::fs::write(&blob, bytes).unwrap();
    let store: Arc<dyn Store> = Arc::new(layout);
    assert!(gather_layer(&store, &stored, Bounds::default()).is_err());
    assert_eq!(
        skim_layer(&store, &stored, Bounds::default())
            .unwrap()
            .adds
            .len(),
        3
    );
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

/// Each kind of damage, told by the part that has it.
#[test]
fn checking_names_what_is_wrong() {
    // Makes the damage in a store with a sample; returns what to check then.
    type Damage = fn(&MemoryStore, Image) -> Descriptor;
    let amd64 = Platform::linux("amd64");
    let check = |damage: Damage, expected: &[(&str, &str)]| {
        let store = MemoryStore::new();
        let image = sample(&store);
        let target = damage(&store, image);
        let problems = check(&store, &target, &amd64);
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, (part, words)) in problems.iter().zip(expected) {
            assert_eq!(problem.part, *part, "{problems:?}");
            assert!(problem.message.contains(words), "{words}: {problems:?}");
        }
    };
    let wrong = "does not match its digest";
    let missing = "is not in the store";
    check(|_, image| image.descriptor, &[]);
    // Content that is not what its digest says, and is not there.
    check(
        |store, image| {
            spoiled(
                store,
                &image.layers()[1].blob.digest,
                image.descriptor.clone(),
            )
        },
        &[("layer 1", wrong)],
    );
    check(
        |store, image| spoiled(store, image.id(), image.descriptor.clone()),
        &[("image", wrong)],
    );
    check(
        |store, image| spoiled(store, &image.descriptor.digest, image.descriptor.clone()),
        &[("image", wrong)],
    );
    check(
        |store, image| {
            without(
                store,
                &image.layers()[0].blob.digest,
                image.descriptor.clone(),
            )
        },
        &[("layer 0", missing)],
    );
    check(
        |store, image| without(store, image.id(), image.descriptor.clone()),
        &[("image", missing)],
    );
    // Sizes.
    check(
        |_, mut image| {
            image.descriptor.size += 1;
            image.descriptor
        },
        &[("manifest", "bytes, not ")],
    );
    check(
        |store, image| {
            let mut manifest = image.manifest.value;
            manifest.config.size = 1;
            manifest.layers[1].size = 2;
            keep(store, manifest, media::MANIFEST)
        },
        &[("config", "bytes, not 1"), ("layer 1", "bytes, not 2")],
    );
    // Diff IDs, one that is wrong and one too few.
    check(
        |store, image| {
            let mut draft = Draft::from_image(&image);
            draft.layers[1].diff_id.0 = Digest::of(b"something else");
            draft.commit(store).unwrap().descriptor
        },
        &[("layer 1", "and its diff ID in the config is")],
    );
    check(
        |store, image| {
            let mut manifest = image.manifest.value;
            manifest.layers.pop();
            keep(store, manifest, media::MANIFEST)
        },
        &[("image", "it has 2 diff IDs and its manifest 1 layers")],
    );
    check(
        |store, image| {
            let mut draft = Draft::from_image(&image);
            draft.config.history.push(by("one layer too many"));
            draft.commit(store).unwrap().descriptor
        },
        &[("config", "its history tells of 3 layers, but it has 2")],
    );
    // Platforms: another one, the wrong one, and what is wrong with one that was not asked for.
    check(
        |store, image| {
            let mut draft = Draft::from_image(&image);
            draft.config.architecture = "s390x".into();
            draft.commit(store).unwrap().descriptor
        },
        &[("image", "only for linux/s390x")],
    );
    check(
        |store, image| {
            index(
                store,
                &[(image.descriptor, "amd64"), (other(store), "arm64")],
            )
        },
        &[],
    );
    check(
        |store, image| {
            index(
                store,
                &[
                    (image.descriptor.clone(), "amd64"),
                    (image.descriptor, "arm64"),
                ],
            )
        },
        &[(
            "linux/arm64: config",
            "it is for linux/amd64, its index says linux/arm64",
        )],
    );
    check(
        |store, image| {
            let other = other(store);
            let config = Image::open(store, &other, &Platform::linux("arm64")).unwrap();
            let target = index(store, &[(image.descriptor, "amd64"), (other, "mips")]);
            spoiled(store, &config.layers()[2].blob.digest, target)
        },
        &[
            ("linux/mips: layer 2", wrong),
            (
                "linux/mips: config",
                "it is for linux/arm64, its index says linux/mips",
            ),
        ],
    );
    check(
        |store, image| {
            let other = other(store);
            let opened = Image::open(store, &other, &Platform::linux("arm64")).unwrap();
            let target = index(store, &[(image.descriptor, "amd64"), (other, "arm64")]);
            without(store, &opened.layers()[2].blob.digest, target)
        },
        &[], // Of another platform, part may be elsewhere.
    );
    check(
        |store, image| {
            let mut target = index(store, &[(image.descriptor, "amd64")]);
            target.size = 7;
            target
        },
        &[("index", "bytes, not 7")],
    );
}

/// Other bytes under the same digest, as many as there were.
fn spoiled(store: &MemoryStore, digest: &Digest, target: Descriptor) -> Descriptor {
    let mut bytes = store.read(digest).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    store.replace(digest, bytes);
    target
}

fn without(store: &MemoryStore, digest: &Digest, target: Descriptor) -> Descriptor {
    store.delete(digest).unwrap();
    target
}

/// The sample for another platform, with one layer more.
fn other(store: &MemoryStore) -> Descriptor {
    let mut draft = Draft::from_image(&sample(store));
    draft.config.architecture = "arm64".into();
    draft.push(
        store_layer(store, &layer(&[("arm", "v8")])).unwrap(),
        by("COPY"),
    );
    draft.commit(store).unwrap().descriptor
}

fn index(store: &MemoryStore, entries: &[(Descriptor, &str)]) -> Descriptor {
    let entry = |(descriptor, architecture): &(Descriptor, &str)| Descriptor {
        platform: Some(Platform::linux(architecture)),
        ..descriptor.clone()
    };
    let entries = entries.iter().map(entry).collect();
    keep(store, Index::new(entries), media::INDEX)
}

fn keep(store: &MemoryStore, value: impl serde::Serialize, media_type: &str) -> Descriptor {
    let document = crate::spec::Document::write(value).unwrap();
    store.put(document.bytes()).unwrap();
    document.descriptor(media_type)
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
    let tree = flatten(&store, &layers, Bounds::default()).unwrap();
    let b = tree.get(&path("etc/b")).unwrap();
    assert!(matches!(&b.kind, crate::tree::Kind::File(c) if c.read().unwrap() == b"2"));
    assert!(store.size(&layers[0].diff_id.0).unwrap().is_some());
}

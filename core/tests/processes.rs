//! Several processes in one store, and processes that are killed at work.
//!
//! The processes are this very test binary, started again for the one test `a_child_at_work`.

#![allow(clippy::unwrap_used)] // a test may panic: that is how it fails

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use coracle::digest::{DiffId, Digest};
use coracle::layer::Bounds;
use coracle::reference::Reference;
use coracle::spec::{Descriptor, Document, ImageConfig, Manifest, Platform, media};
use coracle::store::archive::{Format, Save, load_path, save};
use coracle::store::gc;
use coracle::store::layout::Layout;
use coracle::store::memory::MemoryStore;
use coracle::store::{BlobStore, TagStore};

/// Says to the child what to do: `WORK ROOT ARCHIVE NAME`, separated by newlines.
const ORDER: &str = "CORACLE_TEST_CHILD";

const LAYERS: usize = 24;

/// Not a test by itself: what the children do until they are killed or done.
#[test]
fn a_child_at_work() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let order: Vec<&str> = order.lines().collect();
    let [work, root, archive, name] = order[..] else {
        panic!("an order has four parts: {order:?}");
    };
    let store = Layout::open(root).unwrap();
    match work {
        // Everything is written anew in each round, so that every moment is a dangerous one.
        "load and collect" => loop {
            load(&store, archive.as_ref());
            for (name, _) in store.tags().unwrap() {
                store.untag(&name).unwrap();
            }
            gc::collect(&store, &[]).unwrap();
        },
        "load and tag" => {
            for round in 0..6 {
                // From before the first blob until after the last tag, nothing may be collected.
                let _hold = store.hold().unwrap();
                load(&store, archive.as_ref());
                let own = format!("{name} {round}");
                let digest = store.put(own.as_bytes()).unwrap();
                let target = Descriptor::new("text/plain", digest, own.len() as u64);
                let name = format!("docker.io/library/{name}:{round}");
                store.tag(&name, &target).unwrap();
            }
        }
        "collect" => {
            for _ in 0..30 {
                gc::collect(&store, &[]).unwrap();
            }
        }
        other => panic!("no such work: {other}"),
    }
}

#[test]
fn a_killed_load_leaves_no_lie() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path());
    let root = directory.path().join("store");
    for kill in 0..20 {
        let mut child = child(["load and collect", path(&root), path(&archive), "-"]);
        // A round takes a few hundred milliseconds; the moments are spread over more than one.
        std::thread::sleep(Duration::from_millis(40 + kill * 37));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Layout::open(&root).unwrap();
        check_whole(&store);
        drop(store.hold().unwrap());
        assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    }
    let store = Layout::open(&root).unwrap();
    load(&store, &archive);
    check_whole(&store);
    assert_eq!(store.tags().unwrap().len(), 1);
    gc::collect(&store, &[]).unwrap().unwrap();
    // Layers, config, manifest, and nothing of what the killed ones left.
    assert_eq!(store.blobs().unwrap().len(), LAYERS + 2);
}

#[test]
fn processes_share_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path());
    let root = directory.path().join("store");
    let order = |work, name| child([work, path(&root), path(&archive), name]);
    let children = [
        order("load and tag", "one"),
        order("load and tag", "two"),
        order("load and tag", "three"),
        order("collect", "-"),
    ];
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let store = Layout::open(&root).unwrap();
    check_whole(&store);
    let names: BTreeSet<String> = store.tags().unwrap().into_iter().map(|t| t.0).collect();
    assert_eq!(names.len(), 3 * 6 + 1);
    assert!(names.contains("docker.io/library/three:5"));
}

fn child(order: [&str; 4]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_at_work"])
        .env(ORDER, order.join("\n"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// An archive of an image with many layers, so that a load takes many steps.
fn archive(directory: &Path) -> PathBuf {
    let store = MemoryStore::new();
    let mut config = ImageConfig::scratch(&Platform::linux("amd64"));
    let mut layers = Vec::new();
    for layer in 0..LAYERS {
        let content: Vec<u8> = (0..200_000_usize)
            .map(|i| (i * (layer + 7) % 251).to_le_bytes()[0])
            .collect();
        let digest = store.put(&content).unwrap();
        config.rootfs.diff_ids.push(DiffId(digest.clone()));
        layers.push(Descriptor::new(media::LAYER, digest, content.len() as u64));
    }
    let config = Document::write(config).unwrap();
    store.put(config.bytes()).unwrap();
    let manifest = Manifest::new(config.descriptor(media::CONFIG), layers);
    let manifest = Document::write(manifest).unwrap();
    store.put(manifest.bytes()).unwrap();
    let images = [Save {
        target: manifest.descriptor(media::MANIFEST),
        tags: vec!["python:3.12".parse::<Reference>().unwrap()],
    }];
    let path = directory.join("image.tar");
    let out = File::create(&path).unwrap();
    save(
        &store,
        &images,
        Format::Docker,
        &Platform::linux("amd64"),
        out,
    )
    .unwrap();
    path
}

fn load(store: &Layout, archive: &Path) {
    load_path(
        archive,
        store,
        &Platform::linux("amd64"),
        Bounds::default(),
        &mut |_| {},
    )
    .unwrap();
}

/// Every blob is what its digest says, and every tag leads to all of its image.
fn check_whole(store: &Layout) {
    for (digest, size) in store.blobs().unwrap() {
        let bytes = store.read(&digest).unwrap();
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (digest, size));
    }
    for (name, target) in store.tags().unwrap() {
        if media::is_manifest(&target.media_type) {
            let manifest = store.read(&target.digest).unwrap();
            let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
            for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
                let size = store.size(&blob.digest).unwrap();
                assert_eq!(size, Some(blob.size), "{name}: {}", blob.digest);
            }
        } else {
            assert!(store.size(&target.digest).unwrap().is_some(), "{name}");
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

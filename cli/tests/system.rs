//! The upkeep of the state directory: system df, system prune, fsck.

#![allow(clippy::unwrap_used)] // a test may fail

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use coracle::build::cache::{Cache as _, Entry};
use coracle::build::cache_directory::CacheDirectory;
use coracle::build::key::KeyParts;
use coracle::image::{Draft, Image, StoredLayer, store_layer};
use coracle::layer::diff;
use coracle::path::RootedPath;
use coracle::spec::{History, ImageConfig, Platform};
use coracle::store::layout::Layout;
use coracle::store::{BlobStore as _, TagStore as _};
use coracle::tree::{Node, Tree};
use serde_json::Value;
use tempfile::TempDir;

fn coracle(root: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coracle"))
        .args(line.split_whitespace())
        .env("COLUMNS", "80")
        .env("CORACLE_OFFLINE", "1")
        .env("CORACLE_ROOT", root)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What a command that must end with `code` prints.
#[track_caller]
fn stdout(root: &Path, line: &str, code: i32) -> String {
    let output = coracle(root, line);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(root: &Path, line: &str) -> Value {
    serde_json::from_str(&stdout(root, &format!("{line} --format json"), 0)).unwrap()
}

fn layer(store: &Layout, name: &str) -> StoredLayer {
    let mut tree = Tree::new();
    let path = RootedPath::parse(name).unwrap();
    tree.insert(path, Arc::new(Node::file(0o644, *b"content")));
    store_layer(store, &diff(&Tree::new(), &tree)).unwrap()
}

fn image(store: &Layout, layers: &[StoredLayer]) -> Image {
    let mut config = ImageConfig::scratch(&Platform::linux("amd64"));
    config.created = Some("2026-01-02T03:04:05Z".into());
    let mut draft = Draft {
        config,
        layers: Vec::new(),
    };
    for layer in layers {
        draft.push(layer.clone(), History::default());
    }
    draft.commit(store).unwrap()
}

/// Two images that share a layer, one that has lost its tag, two steps of a build cache, one of
/// which made a layer that no image has, and a blob that nobody needs.
fn scene() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let store = Layout::open(root.path().join("store")).unwrap();
    let (base, top, gone) = (layer(&store, "a"), layer(&store, "b"), layer(&store, "c"));
    let one = image(&store, std::slice::from_ref(&base));
    let two = image(&store, &[base.clone(), top]);
    let lost = image(&store, &[base.clone(), gone]);
    store
        .tag("docker.io/library/one:1", &one.descriptor)
        .unwrap();
    store
        .tag("docker.io/library/two:1", &two.descriptor)
        .unwrap();
    store
        .tag(lost.descriptor.digest.as_str(), &lost.descriptor)
        .unwrap();
    store.put(b"nobody's").unwrap();
    let cache = CacheDirectory::open(root.path().join("cache")).unwrap();
    for (name, layer) in [("shared", base), ("own", layer(&store, "own"))] {
        let parts = KeyParts {
            instruction: name.into(),
            ..KeyParts::default()
        };
        let finished = None;
        cache.put(&parts.key(), &Entry { layer, finished }).unwrap();
    }
    root
}

fn blobs(root: &Path) -> Vec<PathBuf> {
    let directory = root.join("store/blobs/sha256");
    fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect()
}

fn blob_bytes(root: &Path) -> u64 {
    blobs(root)
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum()
}

#[test]
fn what_is_used_adds_up_to_what_is_there() {
    let root = scene();
    let root = root.path();
    let table = stdout(root, "system df", 0);
    assert!(
        table.starts_with(
            "TYPE          TOTAL     ACTIVE    SIZE      RECLAIMABLE\nImages        3 "
        )
    );
    let all = json(root, "system df -v");
    let number = |value: &Value| value.as_u64().unwrap();
    let unique: u64 = all["Images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| number(&i["UniqueSize"]))
        .sum();
    let parts = [
        unique,
        number(&all["Shared"]),
        number(&all["Kept"]),
        number(&all["BuildCache"]["UniqueSize"]),
        number(&all["LooseBlobs"]["Size"]),
    ];
    assert_eq!(parts.iter().sum::<u64>(), blob_bytes(root), "{parts:?}");
    assert_eq!(
        all["LooseBlobs"],
        serde_json::json!({"Count": 1, "Size": 8})
    );
    assert_eq!(all["BuildCache"]["Steps"].as_array().unwrap().len(), 2);
    let rows = stdout(
        root,
        "system df --format {{.Type}}:{{.TotalCount}}:{{.Active}}",
        0,
    );
    assert_eq!(
        rows,
        "Images:3:0\nContainers:0:0\nBuild Cache:2:1\nSnapshots:0:0\nLoose Blobs:1:0\n"
    );
    let sections = stdout(root, "system df -v", 0);
    for part in [
        "UNIQUE SIZE",
        "Shared, each blob counted once",
        "Loose blobs: 8B",
        "CACHE ID",
        "SNAPSHOT",
    ] {
        assert!(sections.contains(part), "{sections}");
    }
}

#[test]
fn pruning_takes_what_nothing_needs() {
    let root = scene();
    let root = root.path();
    let before = blob_bytes(root);
    let pruned = json(root, "system prune -f");
    assert_eq!(pruned["ContainersDeleted"], serde_json::json!([]));
    assert_eq!(pruned["ImagesDeleted"].as_array().unwrap().len(), 1);
    assert_eq!(pruned["CachesDeleted"].as_array().unwrap().len(), 1);
    let freed = before - blob_bytes(root);
    assert!(pruned["SpaceReclaimed"].as_u64().unwrap() >= freed && freed > 0);
    // What is left is what the two images need, and their shared step.
    let left = json(root, "system df -v");
    assert_eq!(left["LooseBlobs"]["Count"], 0);
    assert_eq!(left["BuildCache"]["Steps"][0]["Shared"], true);
    assert_eq!(left["Images"].as_array().unwrap().len(), 2);
    let again = json(root, "system prune -f");
    assert_eq!(again["SpaceReclaimed"], 0);

    let said = stdout(root, "system prune -a -f", 0);
    for part in [
        "Deleted Images:\nuntagged: one:1\ndeleted: sha256:",
        "Total reclaimed space: ",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(blobs(root).is_empty() && !root.join("cache").exists());
    assert_eq!(stdout(root, "images -q", 0), "");
}

#[test]
fn nothing_is_pruned_without_a_yes_or_while_somebody_is_at_work() {
    let root = scene();
    let root = root.path();
    let before = blobs(root).len();
    let output = coracle(root, "system prune");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("Say --force to go ahead."), "{error}");
    let store = Layout::open(root.join("store")).unwrap();
    let hold = store.hold().unwrap();
    let output = coracle(root, "system prune -a -f");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the store is in use"), "{error}");
    drop(hold);
    assert_eq!(blobs(root).len(), before);
    assert_eq!(store.tags().unwrap().len(), 3);
}

#[test]
fn a_store_is_checked_and_repaired() {
    let root = scene();
    let root = root.path();
    assert!(stdout(root, "fsck", 0).starts_with("everything is as it should be: 3 tags, "));
    assert_eq!(stdout(root, "fsck --format json", 0), "");
    fs::write(root.join("store/tmp/1-1"), "left").unwrap();
    assert!(stdout(root, "fsck", 0).contains("no problems, 1 leftovers"));

    let layer = json(root, "inspect one:1");
    let digest = layer["Layers"][0]["Digest"].as_str().unwrap();
    let blob = format!("store/blobs/sha256/{}", &digest[7..]);
    let good = fs::read(root.join(&blob)).unwrap();
    fs::remove_file(root.join(&blob)).unwrap();
    fs::write(root.join(&blob), "damaged").unwrap();
    let found = stdout(root, "fsck --format json", 1);
    let found: Vec<Value> = found
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let kinds: Vec<_> = found.iter().map(|f| f["Kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["wrong-digest", "cache-blob", "temporary"]);
    assert_eq!(found[0]["Path"], blob);
    let images = found[0]["Images"].as_array().unwrap();
    assert_eq!((images.len(), &images[0]), (3, &"one:1".into()));
    assert_eq!(
        (&found[0]["MovedTo"], &found[0]["Leftover"]),
        (&Value::Null, &false.into())
    );
    assert_eq!(found[2]["Leftover"], true);

    let said = stdout(root, "fsck --repair", 0);
    assert!(
        said.contains("moved aside, into lost+found\neverything is as it should be"),
        "{said}"
    );
    assert_eq!(
        fs::read(root.join("lost+found/1").join(&blob)).unwrap(),
        b"damaged"
    );
    assert_eq!(stdout(root, "images -q", 0), "");
    assert!(stdout(root, "fsck", 0).starts_with("everything is as it should be: 0 tags"));
    // The blob is given back, and so are the tags: nothing was deleted.
    fs::write(root.join(&blob), good).unwrap();
    fs::copy(
        root.join("lost+found/1/store/index.json"),
        root.join("store/index.json"),
    )
    .unwrap();
    assert!(stdout(root, "fsck", 0).starts_with("everything is as it should be: 3 tags"));
}

#[test]
fn nothing_is_repaired_while_somebody_is_at_work() {
    let root = scene();
    let root = root.path();
    let store = Layout::open(root.join("store")).unwrap();
    let _hold = store.hold().unwrap();
    assert!(stdout(root, "fsck", 0).contains("Another process is at work"));
    let output = coracle(root, "fsck --repair");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("in use by another process") && error.contains("Try again when"),
        "{error}"
    );
}

#[test]
fn the_glossary_says_what_a_word_means() {
    let place = TempDir::new().unwrap();
    let root = place.path();
    let said = stdout(root, "glossary Layer tag", 0);
    let layer =
        "layer\n  A layer is what changed in a file system: what is hidden of the layers below,";
    assert!(said.starts_with(layer), "{said}");
    assert!(said.contains("\n\ntag\n  A tag is a name"), "{said}");
    let whiteout = json(root, "glossary whiteout");
    assert_eq!(whiteout["Word"], "whiteout");
    let wide = stdout(root, "glossary", 0);
    assert!(wide.lines().all(|line| line.len() <= 80), "{wide}");
    let unknown = coracle(root, "glossary lair");
    assert_eq!(unknown.status.code(), Some(1));
    let error = String::from_utf8(unknown.stderr).unwrap();
    assert!(error.contains("Did you mean layer?"), "{error}");
}

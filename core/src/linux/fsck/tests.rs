//! A whole state root, damaged in every way: each damage is named, and afterwards all is well.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::build::cache::{Cache as _, Entry};
use crate::build::cache_directory::CacheDirectory;
use crate::build::key::KeyParts;
use crate::digest::{ChainId, DiffId, Digest};
use crate::image::{Draft, Image, StoredLayer, store_layer};
use crate::layer::{compress, diff, tar};
use crate::linux::containers::Record;
use crate::linux::snapshot::RootFs;
use crate::path::RootedPath;
use crate::runtime::Network;
use crate::spec::{Descriptor, Document, History, ImageConfig, Index, Platform, RunConfig, media};
use crate::store::layout::Layout;
use crate::store::{BlobStore as _, TagStore as _};
use crate::tree::{Node, Tree};

#[test]
fn what_is_said_of_an_image_and_is_not_so_is_named_and_stays() {
    let scene = Scene::new();
    let store = Layout::open(scene.path("store")).unwrap();
    let mut config = scene.one.config.value.clone();
    config.history.push(History::default());
    let config = Document::write(config).unwrap();
    store.put(config.bytes()).unwrap();
    let mut manifest = scene.one.manifest.value.clone();
    manifest.config = config.descriptor(media::CONFIG);
    let manifest = Document::write(manifest).unwrap();
    store.put(manifest.bytes()).unwrap();
    let mut entry = manifest.descriptor(media::MANIFEST);
    entry.platform = Some(Platform::linux("s390x"));
    let index = Document::write(Index::new(vec![entry])).unwrap();
    store.put(index.bytes()).unwrap();
    let target = index.descriptor(media::INDEX);
    store.tag("docker.io/library/liar:1", &target).unwrap();

    let told = |report: &Report| {
        let findings = report.findings.iter();
        findings
            .map(|f| format!("{:?} {} {:?}", f.kind, f.message, f.images))
            .collect::<Vec<_>>()
    };
    let report = scene.check();
    assert_eq!(
        told(&report),
        [
            "Untrue it is for linux/amd64, but its index says linux/s390x [\"liar:1\"]",
            "Untrue its history tells of 2 layers, but it has 1 [\"liar:1\"]",
        ]
    );
    assert!(!report.is_sound());
    let repaired = repair(scene.place.path()).unwrap();
    assert_eq!(told(&repaired), told(&report), "nothing is there to repair");
    assert_eq!(repaired.repaired, []);
    let stays = store.resolve("docker.io/library/liar:1").unwrap();
    assert_eq!(stays.map(|t| t.digest), Some(target.digest));
    assert!(!scene.path("lost+found").exists());
}

/// A state root with everything in it.
struct Scene {
    place: tempfile::TempDir,
    /// `one` and `two` share the layer `base`; `two` has a packed one on it.
    one: Image,
    two: Image,
    /// An index of `one` and of an image for another platform that is not here.
    index: Descriptor,
    /// The key of a step that made the layer `cached`, which no image has.
    step: Digest,
    cached: Digest,
}

impl Scene {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let store = Layout::open(root.join("store")).unwrap();
        let base = store_layer(&store, &layer("base")).unwrap();
        let one = image(&store, "one", std::slice::from_ref(&base));
        let two = image(&store, "two", &[base, packed(&store, "two")]);
        let mut elsewhere = Descriptor::new(media::MANIFEST, Digest::of(b"elsewhere"), 9);
        elsewhere.platform = Some(Platform::linux("arm64"));
        let index = Index::new(vec![elsewhere, one.descriptor.clone()]);
        let index = Document::write(index).unwrap();
        store.put(index.bytes()).unwrap();
        let index = index.descriptor(media::INDEX);
        for (name, target) in [
            ("one:1", &one.descriptor),
            ("two:1", &two.descriptor),
            ("two:latest", &two.descriptor),
            ("many:1", &index),
        ] {
            let name = format!("docker.io/library/{name}");
            store.tag(&name, target).unwrap();
        }
        let untagged = image(&store, "untagged", &[]).descriptor;
        store.tag(untagged.digest.as_str(), &untagged).unwrap();
        let cached = packed(&store, "cached");
        let scene = Self {
            step: cache(root, &cached, &one.chain_ids()[0]),
            cached: cached.blob.digest,
            place,
            one,
            two,
            index,
        };
        for chain in scene.two.chain_ids() {
            let path = scene.path(&snapshot(&chain)).join("file");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "content").unwrap();
        }
        scene.write("snapshots/trusted/layers/.lock", "");
        scene.write("snapshots/trusted/overlay-works", "6.1");
        fs::create_dir_all(scene.path("containers")).unwrap();
        scene
    }

    fn path(&self, below: &str) -> PathBuf {
        self.place.path().join(below)
    }

    /// A container that was created, on these unpacked layers.
    fn container(&self, lower: &[PathBuf]) {
        let id = "c".repeat(64);
        let directory = self.path("containers").join(&id);
        fs::create_dir(&directory).unwrap();
        let record = Record {
            id,
            name: "kept".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            image: self.one.id().clone(),
            manifest: self.one.descriptor.clone(),
            image_name: "one:1".to_owned(),
            config: RunConfig::default(),
            hostname: "box".to_owned(),
            root: RootFs::Directory(directory.join("copy")),
            lower: lower.to_vec(),
            binds: Vec::new(),
            network: Network::None,
            read_only: false,
            init: false,
            tty: false,
            interactive: false,
            remove: false,
        };
        record.write(&directory).unwrap();
    }

    fn write(&self, below: &str, content: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Another name for the same content must not change with it.
        let _ = fs::remove_file(&path);
        fs::write(path, content).unwrap();
    }

    fn remove(&self, below: &str) {
        fs::remove_file(self.path(below)).unwrap();
    }

    fn check(&self) -> Report {
        check(self.place.path()).unwrap()
    }

    fn index_json(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.path("store/index.json")).unwrap()).unwrap()
    }

    /// Rewrites the entry of `index.json` that has this tag.
    fn change_entry(&self, tag: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let mut index = self.index_json();
        let entries = index["manifests"].as_array_mut().unwrap();
        let entry = entries.iter_mut().find(|entry| {
            let name = &entry["annotations"]["org.opencontainers.image.ref.name"];
            name.as_str().is_some_and(|name| name.ends_with(tag))
        });
        change(entry.unwrap());
        self.write("store/index.json", index.to_string());
    }
}

/// Where a blob is below the state root.
fn blob(digest: &Digest) -> String {
    files::place(digest).display().to_string()
}

fn layer(name: &str) -> crate::layer::Layer {
    let mut tree = Tree::new();
    let path = RootedPath::parse(name).unwrap();
    tree.insert(
        path,
        Arc::new(Node::file(0o644, name.repeat(100).into_bytes())),
    );
    diff(&Tree::new(), &tree)
}

/// A layer that is stored packed.
fn packed(store: &Layout, name: &str) -> StoredLayer {
    let mut archive = Vec::new();
    tar::write(&layer(name), &mut archive).unwrap();
    let mut encoder = compress::gzip_encoder(Vec::new());
    encoder.write_all(&archive).unwrap();
    let blob = encoder.finish().unwrap();
    let digest = store.put(&blob).unwrap();
    StoredLayer {
        blob: Descriptor::new(media::LAYER_GZIP, digest, blob.len() as u64),
        diff_id: DiffId(Digest::of(&archive)),
    }
}

fn image(store: &Layout, name: &str, layers: &[StoredLayer]) -> Image {
    let mut config = ImageConfig::scratch(&Platform::linux("amd64"));
    config.author = Some(name.to_owned());
    let mut draft = Draft {
        config,
        layers: Vec::new(),
    };
    for layer in layers {
        draft.push(layer.clone(), History::default());
    }
    draft.commit(store).unwrap()
}

fn cache(root: &Path, layer: &StoredLayer, parent: &ChainId) -> Digest {
    let cache = CacheDirectory::open(root.join("cache")).unwrap();
    let parts = KeyParts {
        parent: Some(parent.clone()),
        instruction: "RUN make".into(),
        ..KeyParts::default()
    };
    let entry = Entry {
        layer: layer.clone(),
        finished: None,
    };
    cache.put(&parts.key(), &entry).unwrap();
    cache.remember("Dockerfile 3", &parts).unwrap();
    parts.key().0
}

fn snapshot(chain: &ChainId) -> String {
    format!("snapshots/trusted/layers/{}", chain.0.hex())
}

/// Everything that is a file below `root`: content by path, hard links once a name.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            contents.insert(path, bytes);
        }
    }
    contents
}

/// Asserts that a repair loses nothing, and leaves a store in which everything is true.
#[track_caller]
fn assert_repairable(scene: &Scene) -> Report {
    let before = contents(scene.place.path());
    let report = repair(scene.place.path()).unwrap();
    assert_eq!(report.findings, [], "what is left after a repair");
    for finding in &report.repaired {
        if let Some(path) = &finding.moved_to {
            assert!(fs::symlink_metadata(scene.path(&path.to_string_lossy())).is_ok());
        }
    }
    let mut after: Vec<_> = contents(scene.place.path()).into_values().collect();
    after.sort();
    for (path, content) in before {
        assert!(
            after.binary_search(&content).is_ok(),
            "the content of {} is lost",
            path.display()
        );
    }
    // It is a store: what is in it is whole, and what was lost can be put there again.
    let store = Layout::open(scene.path("store")).unwrap();
    let platform = Platform::linux("amd64");
    for (name, target) in store.tags().unwrap() {
        let problems = crate::image::check(&store, &target, &platform);
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
    let again = Scene::new();
    for (digest, _) in Layout::open(again.path("store")).unwrap().blobs().unwrap() {
        let bytes = fs::read(again.path(&blob(&digest))).unwrap();
        store.put(&bytes).unwrap();
    }
    for (name, target) in Layout::open(again.path("store")).unwrap().tags().unwrap() {
        store.tag(&name, &target).unwrap();
    }
    assert!(check(scene.place.path()).unwrap().is_sound());
    report
}

#[test]
fn a_state_root_in_order_has_no_findings() {
    let scene = Scene::new();
    let report = scene.check();
    assert_eq!(report.findings, []);
    assert_eq!((report.tags, report.blobs, report.alone), (5, 10, true));
    assert_eq!(report, repair(scene.place.path()).unwrap());
    assert!(!scene.path("lost+found").exists());
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(check(&nothing.path().join("no")).unwrap().findings, []);
}

/// A damage, and what of it must be found: kind, a part of the path, a part of the message.
type Case = (
    &'static str,
    fn(&Scene),
    &'static [(Kind, &'static str, &'static str)],
);

const CASES: &[Case] = &[
    (
        "the marker says another version",
        |s| s.write("store/oci-layout", r#"{"imageLayoutVersion":"9"}"#),
        &[(Kind::Marker, "store/oci-layout", "not say version 1.0.0")],
    ),
    (
        "the marker is no JSON",
        |s| s.write("store/oci-layout", "{"),
        &[(Kind::Marker, "store/oci-layout", "cannot be understood")],
    ),
    (
        "the marker is gone",
        |s| s.remove("store/oci-layout"),
        &[(Kind::Marker, "store/oci-layout", "cannot be read")],
    ),
    (
        "the index is gone",
        |s| s.remove("store/index.json"),
        &[(Kind::Index, "store/index.json", "cannot be read")],
    ),
    (
        "the index is cut off",
        |s| {
            let bytes = fs::read(s.path("store/index.json")).unwrap();
            s.write("store/index.json", &bytes[..bytes.len() / 2]);
        },
        &[(Kind::Index, "store/index.json", "cannot be understood: EOF")],
    ),
    (
        "the index is empty",
        |s| s.write("store/index.json", ""),
        &[(Kind::Index, "store/index.json", "cannot be understood: EOF")],
    ),
    (
        "the index is something else",
        |s| s.write("store/index.json", "[]"),
        &[(Kind::Index, "store/index.json", "not an image index")],
    ),
    (
        "an entry of the index has no digest",
        |s| s.change_entry("one:1", |entry| entry["digest"] = "sha256:12".into()),
        &[(Kind::IndexEntry, "store/index.json", "sha256:12")],
    ),
    (
        "a tag's name is nobody's",
        |s| {
            s.change_entry("one:1", |entry| {
                entry["annotations"]["org.opencontainers.image.ref.name"] = "Not A Name".into();
            });
        },
        &[(Kind::TagName, "store/index.json", "Not A Name")],
    ),
    (
        "a tag's name is another digest",
        |s| {
            let other = s.two.descriptor.digest.to_string();
            s.change_entry("one:1", |entry| {
                entry["annotations"]["org.opencontainers.image.ref.name"] = other.into();
            });
        },
        &[(Kind::TagName, "store/index.json", "neither a reference")],
    ),
    (
        "two tags have one name",
        |s| {
            s.change_entry("one:1", |entry| {
                entry["annotations"]["org.opencontainers.image.ref.name"] =
                    "docker.io/library/two:1".into();
            });
        },
        &[(Kind::DuplicateTag, "store/index.json", "two:1")],
    ),
    (
        "a tag leads to nothing",
        |s| s.remove(&blob(&s.one.descriptor.digest)),
        &[
            (Kind::DanglingTag, "store/index.json", "one:1 leads to"),
            (
                Kind::MissingBlob,
                "store/blobs",
                "none of the images that it lists",
            ),
        ],
    ),
    (
        "a tag knows another size",
        |s| s.change_entry("one:1", |entry| entry["size"] = 7.into()),
        &[(
            Kind::WrongSize,
            "store/blobs/sha256",
            "what names it says 7",
        )],
    ),
    (
        "a tag's target is no manifest",
        |s| {
            let config = s.one.manifest.value.config.clone();
            s.change_entry("one:1", |entry| {
                entry["digest"] = config.digest.as_str().into();
                entry["size"] = config.size.into();
            });
        },
        &[(
            Kind::Document,
            "store/blobs/sha256",
            "manifest cannot be understood",
        )],
    ),
    (
        "a tag's target is of an unknown type",
        |s| s.change_entry("one:1", |entry| entry["mediaType"] = "text/plain".into()),
        &[(
            Kind::Document,
            "store/blobs/sha256",
            "one:1 leads to a text/plain, which is no image",
        )],
    ),
    (
        "a config is gone",
        |s| s.remove(&blob(s.two.id())),
        &[(
            Kind::MissingBlob,
            "store/blobs/sha256",
            "the config is not there",
        )],
    ),
    (
        "a layer that two images share is gone",
        |s| s.remove(&blob(&s.one.layers()[0].blob.digest)),
        &[(
            Kind::MissingBlob,
            "store/blobs/sha256",
            "the layer is not there",
        )],
    ),
    (
        "one bit of a layer is another",
        |s| {
            let path = blob(&s.one.layers()[0].blob.digest);
            let mut bytes = fs::read(s.path(&path)).unwrap();
            bytes[600] ^= 1;
            s.write(&path, bytes);
        },
        &[(
            Kind::WrongDigest,
            "store/blobs/sha256",
            "its content has the digest",
        )],
    ),
    (
        "a packed layer is cut off",
        |s| {
            let path = blob(&s.two.layers()[1].blob.digest);
            let bytes = fs::read(s.path(&path)).unwrap();
            s.write(&path, &bytes[..bytes.len() - 5]);
        },
        &[(
            Kind::WrongDigest,
            "store/blobs/sha256",
            "its content has the digest",
        )],
    ),
    (
        "a manifest is empty",
        |s| s.write(&blob(&s.two.descriptor.digest), ""),
        &[(
            Kind::WrongDigest,
            "store/blobs/sha256",
            "its content has the digest",
        )],
    ),
    (
        "an index of platforms is another",
        |s| s.write(&blob(&s.index.digest), "{}"),
        &[(
            Kind::WrongDigest,
            "store/blobs/sha256",
            "its content has the digest",
        )],
    ),
    (
        "a config that nobody changed promises another layer",
        |s| {
            let store = Layout::open(s.path("store")).unwrap();
            let mut layers = s.one.layers();
            layers[0].diff_id = DiffId(Digest::of(b"another"));
            let liar = image(&store, "liar", &layers);
            store
                .tag("docker.io/library/liar:1", &liar.descriptor)
                .unwrap();
        },
        &[(Kind::WrongDiffId, "store/blobs/sha256", "but a config says")],
    ),
    (
        "a manifest has more layers than its config",
        |s| {
            let store = Layout::open(s.path("store")).unwrap();
            let mut manifest = s.one.manifest.value.clone();
            manifest.layers.push(manifest.layers[0].clone());
            let manifest = Document::write(manifest).unwrap();
            store.put(manifest.bytes()).unwrap();
            let target = manifest.descriptor(media::MANIFEST);
            store.tag("docker.io/library/liar:1", &target).unwrap();
        },
        &[(Kind::Document, "store/blobs/sha256", "it has 2 layers")],
    ),
    (
        "something else is among the blobs",
        |s| {
            s.write("store/blobs/sha256/notes.txt", "mine");
            s.write("store/blobs/md5/x", "theirs");
            let digest = Digest::of(b"not there");
            symlink("/etc/hostname", s.path(&blob(&digest))).unwrap();
        },
        &[
            (Kind::Stray, "sha256/notes.txt", "name is no digest"),
            (Kind::Stray, "store/blobs/md5", "only sha256 and sha512"),
            (Kind::Stray, "store/blobs/sha256/", "not a regular file"),
        ],
    ),
    (
        "a directory has the name of a blob",
        |s| {
            let path = blob(&s.one.layers()[0].blob.digest);
            s.remove(&path);
            s.write(&format!("{path}/file"), "inside");
        },
        &[
            (Kind::Stray, "store/blobs/sha256/", "not a regular file"),
            (
                Kind::MissingBlob,
                "store/blobs/sha256/",
                "the layer is not there",
            ),
        ],
    ),
    (
        "a writer died",
        |s| s.write("store/tmp/123-4", "half a blo"),
        &[(Kind::Temporary, "store/tmp/123-4", "never finished")],
    ),
    (
        "a step of the cache is no JSON",
        |s| s.write(&format!("cache/steps/{}", s.step.hex()), "{\"lay"),
        &[(Kind::CacheEntry, "cache/steps/", "cannot be understood")],
    ),
    (
        "a place of the cache is no JSON",
        |s| s.write(&format!("cache/places/{}", Digest::of(b"x").hex()), "[]"),
        &[(Kind::CacheEntry, "cache/places/", "cannot be understood")],
    ),
    (
        "the digests of a context are damaged",
        |s| s.write(&format!("cache/contexts/{}", Digest::of(b"x").hex()), "x"),
        &[(Kind::CacheEntry, "cache/contexts/", "cannot be understood")],
    ),
    (
        "strangers are in the cache",
        |s| {
            s.write("cache/steps/README", "hello");
            s.write("cache/steps/1.99-1.tmp", "{");
        },
        &[
            (Kind::Stray, "cache/steps/README", "no step's key"),
            (Kind::Temporary, "cache/steps/1.99-1.tmp", "never finished"),
        ],
    ),
    (
        "the layer of a step is gone",
        |s| s.remove(&blob(&s.cached)),
        &[(Kind::CacheBlob, "cache/steps/", "is not there, or damaged")],
    ),
    (
        "the layer of a step is damaged",
        |s| s.write(&blob(&s.cached), "no longer a layer"),
        &[
            (
                Kind::WrongDigest,
                "store/blobs/",
                "its content has the digest",
            ),
            (Kind::CacheBlob, "cache/steps/", "is not there, or damaged"),
        ],
    ),
    (
        "a step's layer is another",
        |s| {
            let path = format!("cache/steps/{}", s.step.hex());
            let text = fs::read_to_string(s.path(&path)).unwrap();
            let mut entry: serde_json::Value = serde_json::from_str(&text).unwrap();
            entry["layer"]["diff_id"] = Digest::of(b"another").as_str().into();
            s.write(&path, entry.to_string());
        },
        &[(Kind::CacheBlob, "cache/steps/", "unpacks to something else")],
    ),
    (
        "snapshots that nobody knows",
        |s| {
            let chain = ChainId(Digest::of(b"nobody's"));
            s.write(&format!("{}/etc/passwd", snapshot(&chain)), "root");
            s.write("snapshots/trusted/layers/.tmp-1f/half", "unpacked");
            s.write("snapshots/trusted/copies/notes", "mine");
        },
        &[
            (
                Kind::UnknownSnapshot,
                "snapshots/trusted/layers/",
                "no image",
            ),
            (
                Kind::Temporary,
                "snapshots/trusted/layers/.tmp-1f",
                "never unpacked",
            ),
            (Kind::Stray, "snapshots/trusted/copies/notes", "no chain ID"),
        ],
    ),
    (
        "a container died",
        |s| s.write(&format!("containers/{}/upper/file", "0".repeat(64)), "left"),
        &[(Kind::DeadContainer, "containers/0000", "dead")],
    ),
    (
        "a container that does not run, with a layer that no image has any more",
        |s| {
            let lower = s.path("snapshots/trusted/layers/").join("e".repeat(64));
            fs::create_dir(&lower).unwrap();
            s.container(&[lower]);
        },
        &[],
    ),
    (
        "what a container stands on is gone",
        |s| s.container(&[s.path("snapshots/trusted/layers/").join("e".repeat(64))]),
        &[(
            Kind::Container,
            "containers/cccc",
            "stands on an unpacked layer",
        )],
    ),
    (
        "what is written down about a container is damaged",
        |s| {
            s.container(&[]);
            s.write(
                &format!("containers/{}/container.json", "c".repeat(64)),
                "{",
            );
        },
        &[(Kind::Container, "containers/cccc", "is damaged")],
    ),
];

#[test]
fn every_damage_is_named_and_can_be_repaired() {
    for (name, damage, expected) in CASES {
        let scene = Scene::new();
        damage(&scene);
        let report = scene.check();
        let found = &report.findings;
        for (kind, path, message) in *expected {
            let named = found.iter().any(|f| {
                let same = f.kind == *kind && f.message.contains(message);
                same && f.path.to_string_lossy().contains(path)
            });
            assert!(
                named,
                "{name}: {kind:?} {path} {message:?} is not among {found:#?}"
            );
        }
        assert_eq!(found.len(), expected.len(), "{name}: {found:#?}");
        let only_leftovers = expected.iter().all(|(kind, ..)| kind.is_leftover());
        assert_eq!(report.is_sound(), only_leftovers, "{name}");
        // Looking changes nothing.
        assert_eq!(scene.check(), report, "{name}");
        assert!(!scene.path("lost+found").exists(), "{name}");
        assert_repairable(&scene);
    }
}

#[test]
fn what_is_broken_says_whom_it_breaks() {
    let scene = Scene::new();
    scene.remove(&blob(&scene.one.layers()[0].blob.digest));
    let report = scene.check();
    assert_eq!(
        report.findings[0].images,
        ["many:1", "one:1", "two:1", "two:latest"]
    );
    let report = assert_repairable(&scene);
    // The images are gone from the store, but the layer that only one of them has is kept.
    let layer = blob(&scene.two.layers()[1].blob.digest);
    assert!(scene.path(&format!("lost+found/1/{layer}")).exists());
    let moved = report.repaired[0].moved_to.as_deref();
    assert_eq!(moved, Some(Path::new("lost+found/1/store/index.json")));
}

#[test]
fn an_index_that_is_lost_is_made_again_from_the_manifests() {
    let scene = Scene::new();
    scene.remove("store/index.json");
    assert!(!scene.check().is_sound());
    repair(scene.place.path()).unwrap();
    let store = Layout::open(scene.path("store")).unwrap();
    let digests: Vec<_> = store.tags().unwrap().into_iter().map(|tag| tag.0).collect();
    // `one` is below the index of platforms, and names are lost.
    assert_eq!(digests.len(), 3);
    assert!(digests.contains(&scene.index.digest.to_string()));
    assert!(digests.contains(&scene.two.descriptor.digest.to_string()));
}

#[test]
fn nothing_is_moved_under_the_feet_of_somebody_at_work() {
    let scene = Scene::new();
    let store = Layout::open(scene.path("store")).unwrap();
    let hold = store.hold().unwrap();
    scene.write("store/tmp/123-4", "a blob under wa");
    let report = scene.check();
    assert!(!report.alone && report.findings.is_empty(), "{report:?}");
    let error = repair(scene.place.path()).unwrap_err();
    assert!(
        error.to_string().contains("in use by another process"),
        "{error}"
    );
    drop(hold);
    assert_eq!(scene.check().findings.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Files removed, cut off, changed and swapped at random, several at once.
    #[test]
    fn whatever_happens_it_can_be_repaired(
        damages in prop::collection::vec((any::<prop::sample::Index>(), 0..5_u8, any::<u64>()), 1..6)
    ) {
        let scene = Scene::new();
        for (which, how, where_) in damages {
            let files: Vec<_> = contents(scene.place.path()).into_iter().collect();
            let (path, mut bytes) = files[which.index(files.len())].clone();
            if path.ends_with("lock") || path.ends_with(".lock") {
                continue;
            }
            let at = usize::try_from(where_ % (bytes.len() as u64 + 1)).unwrap();
            fs::remove_file(&path).unwrap();
            match how {
                0 => continue,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, b'!'),
                3 => bytes = files[at % files.len()].1.clone(),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << (where_ % 8);
                    }
                }
            }
            fs::write(&path, bytes).unwrap();
        }
        assert_repairable(&scene);
    }
}

//! Archives as the tools write them, and as nobody should.

use std::io::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::spec::media;
use crate::store::memory::MemoryStore;
use crate::store::{BlobStore, TagStore};

/// What an archive is made of.
enum Part {
    File(String, Vec<u8>),
    Link(String, String),
}

fn file(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Part {
    Part::File(name.into(), content.into())
}

fn document(name: &str, value: &Value) -> Part {
    file(name, value.to_string())
}

fn blob(content: &[u8]) -> Part {
    file(blob_path(&Digest::of(content)).to_text(), content)
}

fn archive(parts: &[Part]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for part in parts {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        match part {
            Part::File(name, content) => {
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, name, &**content).unwrap();
            }
            Part::Link(name, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, name, target).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

/// Two layers, their config, and what else archives are made of.
struct Image {
    layers: [Vec<u8>; 2],
    config: Vec<u8>,
}

fn image(name: &str) -> Image {
    let layers = ["lower", "upper"].map(|layer| format!("{layer} of {name}").into_bytes());
    let diff_ids = [Digest::of(&layers[0]), Digest::of(&layers[1])];
    // White space and unknown fields: the bytes have to be kept as they are.
    let config = format!(
        r#"{{ "os":"linux", "architecture":"amd64", "x":"{name}", "rootfs":{{"type":"layers","diff_ids":["{}","{}"]}} }}"#,
        diff_ids[0], diff_ids[1]
    );
    Image {
        layers,
        config: config.into_bytes(),
    }
}

impl Image {
    fn id(&self) -> Digest {
        Digest::of(&self.config)
    }

    fn config_name(&self) -> String {
        format!("{}.json", self.id().hex())
    }

    /// An OCI manifest, with the layers packed as they are given.
    fn manifest(&self, layers: &[&[u8]], media_type: &str) -> Vec<u8> {
        let pointer = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
        let layers: Vec<Value> = layers.iter().map(|l| pointer(media_type, l)).collect();
        json!({"schemaVersion": 2, "config": pointer(media::CONFIG, &self.config), "layers": layers})
            .to_string()
            .into_bytes()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = compress::gzip_encoder(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As Docker before version 25 writes it: a directory a layer, repeated layers as links.
fn legacy() -> (Image, Vec<Part>) {
    let image = image("legacy");
    let manifest = json!([{
        "Config": image.config_name(),
        "RepoTags": ["python:3.12", "localhost:5000/x/y:z"],
        "Layers": ["aa/layer.tar", "bb/layer.tar"],
    }]);
    let parts = vec![
        file("aa/VERSION", "1.0"),
        file("aa/json", "{}"),
        Part::Link("aa/layer.tar".into(), "../cc/layer.tar".into()),
        file("bb/layer.tar", image.layers[1].clone()),
        file("cc/layer.tar", image.layers[0].clone()),
        file(image.config_name(), image.config.clone()),
        document("manifest.json", &manifest),
        file("repositories", "{}"),
    ];
    (image, parts)
}

/// A layout whose index leads to another index: our platform, one that is not here, one that is
/// here in part, and an attestation. As BuildKit and containerd write it.
fn nested() -> (Image, Vec<Part>) {
    let image = image("nested");
    let layers = image.layers.each_ref().map(|l| gzip(l));
    let manifest = image.manifest(&[&layers[0], &layers[1]], media::LAYER_GZIP);
    let partial = image.manifest(&[b"not here"], media::LAYER);
    let attestation = image.manifest(&[b"a statement"], "application/vnd.in-toto+json");
    let entry = |bytes: &[u8], architecture: &str, os: &str| {
        json!({
            "mediaType": media::MANIFEST, "digest": Digest::of(bytes), "size": bytes.len(),
            "platform": {"architecture": architecture, "os": os},
        })
    };
    let inner = json!({"schemaVersion": 2, "manifests": [
        entry(b"not here at all", "s390x", "linux"),
        entry(&partial, "arm64", "linux"),
        entry(&manifest, "amd64", "linux"),
        entry(&attestation, "unknown", "unknown"),
    ]})
    .to_string();
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": media::INDEX, "digest": Digest::of(inner.as_bytes()), "size": inner.len(),
        "annotations": {
            "io.containerd.image.name": "docker.io/library/nested:1",
            "org.opencontainers.image.ref.name": "1",
        },
    }]});
    let parts = vec![
        document("index.json", &index),
        document("oci-layout", &json!({"imageLayoutVersion": "1.0.0"})),
        blob(inner.as_bytes()),
        blob(&manifest),
        blob(&partial),
        blob(&attestation),
        blob(b"a statement"),
        blob(&layers[0]),
        blob(&layers[1]),
        blob(&image.config),
    ];
    (image, parts)
}

fn amd64() -> Platform {
    Platform::linux("amd64")
}

fn load_into(store: &MemoryStore, bytes: &[u8]) -> Result<Vec<Loaded>, ArchiveError> {
    load(bytes, store, &amd64(), Bounds::default(), &mut |_| {})
}

fn tags(loaded: &Loaded) -> Vec<String> {
    loaded.tags.iter().map(Reference::familiar).collect()
}

#[test]
fn a_docker_archive_is_loaded_in_whatever_order_it_comes() {
    let (image, mut parts) = legacy();
    let mut targets = Vec::new();
    for _ in 0..2 {
        let store = MemoryStore::new();
        let loaded = load_into(&store, &archive(&parts)).unwrap();
        assert_eq!(loaded.len(), 1);
        assert_eq!(loaded[0].id, image.id());
        assert_eq!(tags(&loaded[0]), ["python:3.12", "localhost:5000/x/y:z"]);
        assert_eq!(store.read(&image.id()).unwrap(), image.config);
        let target = store.resolve("docker.io/library/python:3.12").unwrap();
        assert_eq!(target.as_ref(), Some(&loaded[0].target));
        // Config, manifest, two layers, and nothing of what was only for Docker 1.9.
        assert_eq!(store.blobs().unwrap().len(), 4);
        targets.push(target);
        parts.reverse();
    }
    assert_eq!(targets[0], targets[1]);
}

#[test]
fn packing_changes_nothing_but_the_media_type() {
    let (image, _) = legacy();
    let check = |pack: &dyn Fn(&[u8]) -> Vec<u8>, media_type: &str| {
        let store = MemoryStore::new();
        let manifest = json!([{
            "Config": "config.json", "RepoTags": null, "Layers": ["1.tar", "2.tar"],
        }]);
        let parts = [
            file("1.tar", pack(&image.layers[0])),
            file("2.tar", pack(&image.layers[1])),
            file("config.json", image.config.clone()),
            document("manifest.json", &manifest),
        ];
        let loaded = load_into(&store, &pack(&archive(&parts))).unwrap();
        assert_eq!(loaded[0].id, image.id());
        let manifest = store.read(&loaded[0].target.digest).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["layers"][0]["mediaType"], media_type);
        assert_eq!(
            manifest["layers"][1]["digest"],
            Digest::of(&pack(&image.layers[1])).as_str()
        );
        // Without a tag it is kept by its digest.
        assert!(loaded[0].tags.is_empty());
        let name = loaded[0].target.digest.as_str();
        assert_eq!(
            store.tags().unwrap(),
            [(name.to_owned(), loaded[0].target.clone())]
        );
    };
    check(&|bytes| bytes.to_vec(), media::LAYER);
    check(&gzip, media::LAYER_GZIP);
}

#[test]
fn an_index_in_an_index_keeps_every_platform_that_is_there() {
    let (image, parts) = nested();
    let store = MemoryStore::new();
    let loaded = load_into(&store, &archive(&parts)).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].id, image.id());
    assert_eq!(loaded[0].target.media_type, media::INDEX);
    assert_eq!(tags(&loaded[0]), ["nested:1"]);
    assert_eq!(store.blobs().unwrap().len(), parts.len() - 2);
    assert_eq!(gc::unreachable(&store, &[]).unwrap(), []);
    // The other platform has a manifest here, but not its layer.
    let arm64 = Platform::linux("arm64");
    let other = MemoryStore::new();
    let error = load(
        &*archive(&parts),
        &other,
        &arm64,
        Bounds::default(),
        &mut |_| {},
    )
    .unwrap_err();
    let missing = Digest::of(b"not here");
    assert!(error.to_string().contains(missing.as_str()), "{error}");
    assert_eq!(other.blobs().unwrap(), []);
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_left() {
    let check = |change: &dyn Fn(&mut Vec<Part>), expected: &[&str]| {
        for (_, mut parts) in [legacy(), nested()] {
            change(&mut parts);
            let store = MemoryStore::new();
            let kept = store.put(b"was here before").unwrap();
            let Err(error) = load_into(&store, &archive(&parts)) else {
                continue;
            };
            let shown = error.to_string();
            if expected.iter().all(|part| shown.contains(part)) {
                assert_eq!(store.tags().unwrap(), []);
                assert_eq!(store.blobs().unwrap(), [(kept, 15)]);
                return;
            }
        }
        panic!("no error says {expected:?}");
    };
    let replace = |name: &'static str, content: &'static str| {
        move |parts: &mut Vec<Part>| {
            for part in parts {
                if let Part::File(n, c) = part
                    && n.contains(name)
                {
                    *c = content.into();
                }
            }
        }
    };
    let (l, n) = (image("legacy"), image("nested"));
    let nested_layer = Digest::of(&gzip(&n.layers[0]));
    let layer_file = blob_path(&nested_layer).to_text().into_owned();
    let upper = DiffId(Digest::of(&l.layers[1]));
    check(&|parts| parts.clear(), &["no file in it"]);
    check(
        &|parts| *parts = vec![file("etc/passwd", "root")],
        &["neither index.json nor manifest.json"],
    );
    check(
        &replace("manifest.json", "["),
        &["manifest.json", "damaged", "EOF"],
    );
    check(&replace("manifest.json", "[]"), &["lists no image"]);
    check(&replace("manifest.json", "{}"), &["skopeo copy"]);
    check(
        &replace("index.json", "{}"),
        &["index.json", "schemaVersion"],
    );
    check(
        &replace("oci-layout", r#"{"imageLayoutVersion":"2"}"#),
        &["1.0.0"],
    );
    check(
        &replace("bb/layer.tar", "other"),
        &["unpacks to", upper.0.as_str()],
    );
    check(
        &|parts| parts.retain(|p| !matches!(p, Part::File(n, _) if n == "bb/layer.tar")),
        &["manifest.json names bb/layer.tar", "not in it"],
    );
    check(
        &|parts| parts.retain(|p| !matches!(p, Part::File(n, _) if *n == layer_file)),
        &[nested_layer.as_str(), "not in it"],
    );
    check(
        &|parts| {
            for part in parts {
                if let Part::File(n, c) = part
                    && *n == layer_file
                {
                    c[0] ^= 1;
                }
            }
        },
        &["content does not match its digest", nested_layer.as_str()],
    );
    check(
        &|parts| parts.push(Part::Link("cc/layer.tar".into(), "../aa/layer.tar".into())),
        &["aa/layer.tar", "links lead"],
    );
    check(
        &|parts| {
            for part in parts {
                if let Part::File(n, c) = part
                    && *n == l.config_name()
                {
                    c.push(b' ');
                }
            }
        },
        &["content does not match its digest", l.id().as_str()],
    );
    check(
        &replace("manifest.json", r#"[{"Config":"../../etc/passwd"}]"#),
        &[".."],
    );
    check(
        &replace(
            "manifest.json",
            r#"[{"Config":"a","RepoTags":["Python:3"]}]"#,
        ),
        &["wrong tag", "lower-case"],
    );
}

#[test]
fn a_cut_off_archive_is_refused_wherever_it_is_cut() {
    let (_, parts) = nested();
    let whole = archive(&parts);
    let packed = gzip(&whole);
    // The last file ends where its padding and the two empty blocks begin.
    let end = whole.iter().rposition(|b| *b != 0).unwrap() + 1;
    for cut in (0..end).step_by(97) {
        let store = MemoryStore::new();
        assert!(load_into(&store, &whole[..cut]).is_err(), "cut at {cut}");
        assert_eq!(store.blobs().unwrap(), [], "cut at {cut}");
    }
    for cut in [1, 7, 8, 9, packed.len() / 2] {
        let store = MemoryStore::new();
        let cut = packed.len() - cut;
        assert!(load_into(&store, &packed[..cut]).is_err(), "cut at {cut}");
    }
    assert!(load_into(&MemoryStore::new(), &packed).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever was done to an archive on its way, the store stays whole.
    #[test]
    fn changed_bytes_do_no_harm(
        docker: bool,
        packed: bool,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let (_, parts) = if docker { legacy() } else { nested() };
        let mut bytes = archive(&parts);
        if packed {
            bytes = gzip(&bytes);
        }
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let store = MemoryStore::new();
        match load_into(&store, &bytes) {
            Ok(images) => for image in images {
                prop_assert_eq!(Digest::of(&store.read(&image.id).unwrap()), image.id);
            },
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                prop_assert_eq!(store.blobs().unwrap(), []);
                prop_assert_eq!(store.tags().unwrap(), []);
            }
        }
    }
}

#[test]
fn a_failed_load_takes_nothing_away_from_others() {
    let (image, mut parts) = legacy();
    let store = MemoryStore::new();
    load_into(&store, &archive(&parts)).unwrap();
    let before = (store.tags().unwrap(), store.blobs().unwrap());
    parts[3] = file("bb/layer.tar", "other");
    load_into(&store, &archive(&parts)).unwrap_err();
    assert_eq!((store.tags().unwrap(), store.blobs().unwrap()), before);
    assert!(store.size(&image.id()).unwrap().is_some());
}

#[test]
fn what_is_saved_is_loaded_again_and_has_the_same_bytes() {
    let store = MemoryStore::new();
    let mut images = Vec::new();
    for (_, parts) in [legacy(), nested()] {
        for loaded in load_into(&store, &archive(&parts)).unwrap() {
            images.push(Save {
                target: loaded.target,
                tags: loaded.tags,
            });
        }
    }
    let write = |images: &[Save], format| {
        let mut out = Vec::new();
        save(&store, images, format, &amd64(), &mut out).unwrap();
        out
    };
    for format in [Format::Docker, Format::Oci] {
        let saved = write(&images, format);
        let again = MemoryStore::new();
        let mut loaded = load_into(&again, &saved).unwrap();
        loaded.sort_by_key(|l| l.target != images[0].target);
        for (loaded, image) in loaded.iter().zip(&images) {
            assert_eq!((&loaded.target, &loaded.tags), (&image.target, &image.tags));
        }
        assert_eq!(again.tags().unwrap(), store.tags().unwrap());
        assert_eq!(again.blobs().unwrap(), store.blobs().unwrap());
        images.reverse();
        assert!(
            write(&images, format) == saved,
            "the order makes no difference"
        );
        images.reverse();
    }
    // Without index.json it is what Docker before version 25 sees.
    let mut old = Vec::new();
    let saved = write(&images, Format::Docker);
    for entry in tar::Archive::new(&*saved).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        if name != "index.json" && entry.header().entry_type().is_file() {
            old.push(file(name, content));
        }
    }
    let again = MemoryStore::new();
    let loaded = load_into(&again, &archive(&old)).unwrap();
    assert_eq!(loaded.len(), 2);
    assert!(
        again
            .resolve("docker.io/library/nested:1")
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_damaged_store_is_found_out_when_saving() {
    let (image, parts) = legacy();
    let store = MemoryStore::new();
    let loaded = load_into(&store, &archive(&parts)).unwrap();
    store.delete(&image.id()).unwrap();
    let images = [Save {
        target: loaded[0].target.clone(),
        tags: Vec::new(),
    }];
    let error = save(&store, &images, Format::Oci, &amd64(), io::sink()).unwrap_err();
    let missing = matches!(&error, ArchiveError::Store(StoreError::Missing { digest }) if *digest == image.id());
    assert!(missing, "{error}");
}

#[cfg(feature = "fs")]
#[test]
fn a_layout_directory_is_loaded_like_its_archive() {
    let (image, parts) = nested();
    let directory = tempfile::tempdir().unwrap();
    for part in &parts {
        let Part::File(name, content) = part else {
            continue;
        };
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let (one, other) = (MemoryStore::new(), MemoryStore::new());
    let loaded = load_path(
        directory.path(),
        &one,
        &amd64(),
        Bounds::default(),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(loaded, load_into(&other, &archive(&parts)).unwrap());
    assert_eq!(one.blobs().unwrap(), other.blobs().unwrap());
    // A file that is not what its name says is refused.
    let store = MemoryStore::new();
    let path = directory.path().join(&*blob_path(&image.id()).to_text());
    std::fs::write(path, &image.config[1..]).unwrap();
    let error = load_path(
        directory.path(),
        &store,
        &amd64(),
        Bounds::default(),
        &mut |_| {},
    )
    .unwrap_err();
    assert!(error.to_string().contains(image.id().as_str()), "{error}");
    assert_eq!(store.blobs().unwrap(), []);
}

#[test]
fn each_layer_is_reported_once() {
    let (image, parts) = nested();
    let mut sizes = Vec::new();
    load(
        &*archive(&parts),
        &MemoryStore::new(),
        &amd64(),
        Bounds::default(),
        &mut |event| {
            if let Event::Layer {
                state: "loaded",
                size,
                ..
            } = event
            {
                sizes.push(size);
            }
        },
    )
    .unwrap();
    assert_eq!(sizes, image.layers.each_ref().map(|l| gzip(l).len() as u64));
}

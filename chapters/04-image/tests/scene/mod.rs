//! What the tests of this chapter share: a layout in a directory that is removed at the end.

#![allow(dead_code)] // each test uses a part of it
#![allow(clippy::unwrap_used)] // a test may fail

use ch04_image::{Config, Descriptor, History, Layout, Manifest, RootFs, Run, media};
use coracle::digest::Digest;
use tempfile::TempDir;

pub(crate) fn layout() -> (TempDir, Layout) {
    let place = TempDir::new().unwrap();
    let layout = Layout::open(&place.path().join("shelf")).unwrap();
    (place, layout)
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// An image, stored without the chapter's own `config` and `build`.
pub(crate) fn image(layout: &Layout, command: &str, layers: &[&str]) -> Descriptor {
    let put = |media_type: &str, bytes: &[u8]| layout.put(media_type, bytes).unwrap().0;
    let layers: Vec<Descriptor> = layers
        .iter()
        .map(|layer| put(media::LAYER, layer.as_bytes()))
        .collect();
    let config = config(command, &layers);
    let manifest = Manifest {
        schema_version: 2,
        media_type: media::MANIFEST.to_owned(),
        config: put(media::CONFIG, &serde_json::to_vec(&config).unwrap()),
        layers,
    };
    put(media::MANIFEST, &serde_json::to_vec(&manifest).unwrap())
}

fn config(command: &str, layers: &[Descriptor]) -> Config {
    let history = |layer: &Descriptor| History {
        created_by: layer.digest.short().to_owned(),
    };
    Config {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        config: Run {
            cmd: words(command),
        },
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids: layers.iter().map(|layer| layer.digest.clone()).collect(),
        },
        history: layers.iter().map(history).collect(),
    }
}

/// Puts names into `index.json` without the chapter's own `tag`.
pub(crate) fn name(place: &TempDir, names: &[(&str, &Descriptor)]) {
    let entries: Vec<_> = names.iter().map(|(name, to)| named(name, to)).collect();
    list(place, &entries);
}

/// The entry of `index.json` that gives a name to what a pointer leads to.
pub(crate) fn named(name: &str, pointer: &Descriptor) -> Descriptor {
    let mut entry = pointer.clone();
    let key = "org.opencontainers.image.ref.name".to_owned();
    entry.annotations.insert(key, name.to_owned());
    entry
}

/// Writes `index.json` as skopeo does, without a word on what it is itself.
pub(crate) fn list(place: &TempDir, entries: &[Descriptor]) {
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": entries });
    std::fs::write(place.path().join("shelf/index.json"), index.to_string()).unwrap();
}

pub(crate) fn digests(parts: &[Descriptor]) -> Vec<Digest> {
    parts.iter().map(|part| part.digest.clone()).collect()
}

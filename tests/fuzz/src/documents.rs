//! The documents of an image: what was read and written again reads the same, and whatever they
//! say, a container's specification is made of it or refused.

use std::fmt::Debug;

use coracle::image::{Image, history};
use coracle::runtime::options::RunOptions;
use coracle::runtime::spec::{Place, container_spec, to_json};
use coracle::spec::{Descriptor, Document, ImageConfig, Index, Manifest, Platform, media};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) fn run(bytes: &[u8]) {
    round_trip::<Descriptor>(bytes);
    round_trip::<Index>(bytes);
    round_trip::<Manifest>(bytes);
    if let Some(config) = round_trip::<ImageConfig>(bytes) {
        check_config(config);
    }
    if let Some(platform) = std::str::from_utf8(bytes).ok().and_then(Platform::parse) {
        assert_eq!(Platform::parse(&platform.to_string()), Some(platform));
    }
}

/// Keeps the bytes of a document, and writes one that means the same.
fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug + Clone>(
    bytes: &[u8],
) -> Option<Document<T>> {
    let document: Document<T> = Document::parse(bytes.to_vec()).ok()?;
    assert_eq!(document.bytes(), bytes);
    let written = Document::write(document.value.clone()).expect("what was read is written");
    let again: Document<T> =
        Document::parse(written.bytes().to_vec()).expect("what was written is read");
    assert_eq!(
        again.value, document.value,
        "what was written reads differently"
    );
    let twice = Document::write(again.value).expect("what was read is written");
    assert_eq!(
        twice.bytes(),
        written.bytes(),
        "the same value gives other bytes"
    );
    Some(document)
}

fn check_config(config: Document<ImageConfig>) {
    let place = Place {
        id: "0".repeat(64),
        bundle: "/bundle".to_owned(),
        architecture: "amd64".to_owned(),
    };
    let run = &config.value.config;
    if let Ok(spec) = container_spec(run, &RunOptions::default(), &place) {
        let json = to_json(&spec).expect("a specification is written");
        let again = to_json(&spec).expect("a specification is written");
        assert_eq!(json, again, "the same specification gives other bytes");
        let process = spec.process().as_ref().expect("there is a process");
        let cwd = process.cwd();
        assert!(cwd.is_absolute(), "{}", cwd.display());
        assert!(process.args().as_ref().is_some_and(|args| !args.is_empty()));
    }
    let layers = config.value.rootfs.diff_ids.iter();
    let layers = layers.map(|id| Descriptor::new(media::LAYER, id.0.clone(), 0));
    let manifest = Manifest::new(config.descriptor(media::CONFIG), layers.collect());
    let manifest = Document::write(manifest).expect("a manifest is written");
    let image = Image {
        descriptor: manifest.descriptor(media::MANIFEST),
        manifest,
        config,
    };
    let rows = history(&image);
    let layers = rows.iter().filter(|row| row.layer.is_some()).count();
    assert_eq!(layers, image.layers().len(), "each layer has one row");
}

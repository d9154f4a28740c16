//! The miniature and core read each other's layouts, and find the same garbage.

#![cfg(unix)] // core's store on disk is made for Unix
#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

mod scene;

use ch04_image::{Config, Manifest, build};
use coracle::image::{self, Draft, Image};
use coracle::layer::Layer;
use coracle::spec::{self, Document, Platform};
use coracle::store::layout::Layout as Core;
use coracle::store::{BlobStore as _, TagStore as _, gc};
use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use scene::{layout, words};
use tempfile::TempDir;

/// A layout with three images, of which one has no name any more.
fn scene() -> (TempDir, ch04_image::Layout, Core) {
    let (place, layout) = layout();
    for (number, tag) in [(1, "app:1"), (2, "app:2"), (3, "app:2")] {
        let layers = [
            (archive("base"), "base".to_owned()),
            (archive(&format!("app {number}")), format!("app {number}")),
        ];
        let (pointer, _) = build(&layout, &words("python app.py"), &layers).unwrap();
        layout.tag(tag, &pointer).unwrap();
    }
    let core = Core::open(place.path().join("shelf")).unwrap();
    (place, layout, core)
}

fn archive(content: &str) -> Vec<u8> {
    let place = TempDir::new().unwrap();
    std::fs::write(place.path().join("file"), content).unwrap();
    ch04_image::pack(place.path()).unwrap()
}

#[test]
fn core_finds_nothing_wrong() {
    let (_place, layout, core) = scene();
    for (name, pointer) in layout.tags().unwrap() {
        let target = core.resolve(&name).unwrap().unwrap();
        assert_eq!(target.digest, pointer.digest);
        let problems = image::check(&core, &target, &Platform::linux("amd64"));
        assert!(problems.is_empty(), "{problems:?}");
        let image = Image::open(&core, &target, &Platform::linux("amd64")).unwrap();
        let diff_ids = &image.config.value.rootfs.diff_ids;
        assert_eq!(diff_ids.len(), 2);
        // None is packed, so each layer's digest is its diff ID.
        for (layer, diff_id) in image.layers().iter().zip(diff_ids) {
            assert_eq!(layer.blob.digest, diff_id.0);
        }
    }
}

#[test]
fn both_find_the_same_garbage() {
    let (_place, layout, core) = scene();
    let theirs = gc::unreachable(&core, &[]).unwrap();
    let theirs: Vec<_> = theirs.into_iter().map(|(digest, _)| digest).collect();
    assert_eq!(theirs.len(), 3);
    assert_eq!(layout.garbage().unwrap(), theirs);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Any images that share layers, and names that were moved between them.
    #[test]
    fn both_find_the_same_garbage_in_any_layout(
        images in vec(vec(0..4u8, 0..4), 1..5),
        names in vec((0..3u8, any::<Index>()), 0..6),
        nameless in vec(any::<Index>(), 0..2),
    ) {
        let (place, layout) = layout();
        let build = |layers: &Vec<u8>| {
            let layer = |content: &u8| (vec![*content], format!("layer {content}"));
            let layers: Vec<_> = layers.iter().map(layer).collect();
            build(&layout, &[], &layers).unwrap().0
        };
        let images: Vec<_> = images.iter().map(build).collect();
        let nameless: Vec<_> = nameless.iter().map(|at| at.get(&images).clone()).collect();
        scene::list(&place, &nameless);
        for (name, at) in names {
            layout.tag(&format!("app:{name}"), at.get(&images)).unwrap();
        }
        let core = Core::open(place.path().join("shelf")).unwrap();
        let theirs = gc::unreachable(&core, &[]).unwrap();
        let theirs: Vec<_> = theirs.into_iter().map(|(digest, _)| digest).collect();
        prop_assert_eq!(layout.garbage().unwrap(), theirs);
    }
}

/// What core understands of a document, and writes again, says the same to the miniature.
#[test]
fn the_documents_lose_nothing_on_the_way_through_core() {
    let (_place, layout, _core) = scene();
    for (_, pointer) in layout.tags().unwrap() {
        let bytes = layout.read(&pointer).unwrap();
        let ours: Manifest = serde_json::from_slice(&bytes).unwrap();
        let theirs: spec::Manifest = serde_json::from_slice(&bytes).unwrap();
        assert!(theirs.extra.is_empty(), "{:?}", theirs.extra);
        let again = Document::write(theirs).unwrap();
        assert_eq!(ours, serde_json::from_slice(again.bytes()).unwrap());

        let bytes = layout.read(&ours.config).unwrap();
        let ours: Config = serde_json::from_slice(&bytes).unwrap();
        let theirs: spec::ImageConfig = serde_json::from_slice(&bytes).unwrap();
        assert!(theirs.extra.is_empty(), "{:?}", theirs.extra);
        let again = Document::write(theirs).unwrap();
        assert_eq!(ours, serde_json::from_slice(again.bytes()).unwrap());
    }
}

#[test]
fn what_core_builds_the_miniature_reads() {
    let (_place, layout, core) = scene();
    let mut draft = Draft {
        config: spec::ImageConfig::scratch(&Platform::linux("amd64")),
        layers: Vec::new(),
    };
    draft.config.config.cmd = words("run");
    let layer = image::store_layer(&core, &Layer::default()).unwrap();
    let history = spec::History {
        created_by: Some("nothing".to_owned()),
        ..spec::History::default()
    };
    draft.push(layer.clone(), history);
    let theirs = draft.commit(&core).unwrap();
    core.tag("theirs:1", &theirs.descriptor).unwrap();

    let parts = layout.walk(&layout.resolve("theirs:1").unwrap()).unwrap();
    let digests: Vec<_> = parts[1..].iter().map(|part| &part.digest).collect();
    assert_eq!(digests, [theirs.id(), &layer.blob.digest]);
    let config: Config = serde_json::from_slice(&layout.read(&parts[1]).unwrap()).unwrap();
    assert_eq!(config.config.cmd, words("run"));
    assert_eq!(config.rootfs.diff_ids, [layer.diff_id.0]);
}

#[test]
fn what_core_tags_the_miniature_reads() {
    let (_place, layout, core) = scene();
    let target = core.resolve("app:1").unwrap().unwrap();
    core.tag("app:live", &target).unwrap();
    let pointer = layout.resolve("app:live").unwrap();
    assert_eq!(pointer.digest, target.digest);
    assert_eq!(layout.walk(&pointer).unwrap().len(), 4);
}

/// The types of the specification's own library take nothing that its schemas refuse.
#[test]
fn the_documents_are_those_of_the_specification() {
    let (place, layout, core) = scene();
    let index = std::fs::read(place.path().join("shelf/index.json")).unwrap();
    let index: ImageIndex = serde_json::from_slice(&index).unwrap();
    assert_eq!(index.manifests().len(), 2);
    for (_, pointer) in layout.tags().unwrap() {
        let bytes = layout.read(&pointer).unwrap();
        let theirs: ImageManifest = serde_json::from_slice(&bytes).unwrap();
        let ours: Manifest = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(theirs.layers().len(), ours.layers.len());
        let bytes = core.read(&ours.config.digest).unwrap();
        let theirs: ImageConfiguration = serde_json::from_slice(&bytes).unwrap();
        let ours: Config = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(theirs.rootfs().diff_ids().len(), ours.rootfs.diff_ids.len());
        assert_eq!(
            theirs.config().as_ref().unwrap().cmd().as_ref(),
            Some(&ours.config.cmd)
        );
    }
}

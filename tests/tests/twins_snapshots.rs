//! Containers' roots made by overlayfs and by copying are what the layers make as values.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use coracle::digest::{DiffId, Digest};
use coracle::event::Event;
use coracle::image::{StoredLayer, chain_ids, flatten};
use coracle::layer::{self, Bounds, compress};
use coracle::linux::root::RootDir;
use coracle::linux::scan::scan_tree;
use coracle::linux::snapshot::{How, RootFs, Snapshots, changes};
use coracle::spec::{Descriptor, media};
use coracle::store::Store;
use coracle::store::memory::MemoryStore;
use coracle::tree::{Kind, Tree, listing};
use coracle_tests::inside::{self, Namespaces};
use coracle_tests::{Archive, Entry};

#[test]
fn containers_are_what_their_layers_make_as_root() {
    inside::again(Namespaces::OfRoot, "containers");
}

#[test]
fn containers_are_what_their_layers_make_with_one_id() {
    inside::again(Namespaces::OneId, "containers");
}

#[test]
fn snapshots_are_whole_or_not_there_as_root() {
    inside::again(Namespaces::OfRoot, "whole");
}

#[test]
fn snapshots_are_whole_or_not_there_with_one_id() {
    inside::again(Namespaces::OneId, "whole");
}

#[test]
fn overlayfs_is_tried_before_it_is_used_as_root() {
    inside::again(Namespaces::OfRoot, "probe");
}

#[test]
fn overlayfs_is_tried_before_it_is_used_with_one_id() {
    inside::again(Namespaces::OneId, "probe");
}

#[test]
#[ignore = "run by the other tests, in private namespaces"]
fn containers() {
    let (store, layers) = image();
    let expected = describe(&flatten(&store, &layers, Bounds::default()).unwrap());
    for way in ["overlay", "copy"] {
        let scene = Scene::new(way);
        let (lower, events) = scene.ensure(&layers, &store);
        let states: Vec<_> = events.iter().filter_map(state).collect();
        assert_eq!(states, ["unpacked"; 4], "{way}");
        let rootfs = scene.prepare(&lower);
        let merged = Mounted::new(&rootfs, &scene.path("merged"));
        assert_eq!(describe(&merged.tree()), expected, "{way}");

        std::fs::write(merged.0.join("etc/hosts"), "changed").unwrap();
        std::fs::remove_dir_all(merged.0.join("usr/share")).unwrap();
        std::fs::create_dir(merged.0.join("new")).unwrap();
        let after = but_for_root(&merged.tree());
        drop(merged);
        let layer = changes(&rootfs, &lower).unwrap();
        let mut told = flatten(&store, &layers, Bounds::default()).unwrap();
        layer::apply(&mut told, &layer).unwrap();
        assert_eq!(but_for_root(&told), after, "{way}");

        // What others' containers see has not changed, and nothing is unpacked twice.
        let (again, events) = scene.ensure(&layers, &store);
        assert_eq!(again, lower);
        assert_eq!(
            events.iter().filter_map(state).collect::<Vec<_>>(),
            ["exists"; 4]
        );
        let second = Mounted::new(&scene.prepare(&lower), &scene.path("second"));
        assert_eq!(describe(&second.tree()), expected, "{way}");
    }
}

#[test]
#[ignore = "run by the other tests, in private namespaces"]
fn whole() {
    let (store, layers) = image();
    for way in ["overlay", "copy"] {
        two_at_the_same_time(way, &store, &layers);
        what_is_wrong_leaves_nothing(way, &store, &layers);
        leftovers_are_swept(way, &store, &layers);
        removing_and_measuring(way, &store, &layers);
    }
    a_hundred_and_fifty_layers_fit(&store);
}

fn two_at_the_same_time(way: &str, store: &Arc<dyn Store>, layers: &[StoredLayer]) {
    let scene = Scene::new(way);
    let expected = describe(&flatten(store, layers, Bounds::default()).unwrap());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| scene.ensure(layers, store).0))
            .collect();
        let results: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{way}");
        let mounted = Mounted::new(&scene.prepare(&results[0]), &scene.path("merged"));
        assert_eq!(describe(&mounted.tree()), expected, "{way}");
    });
    assert_eq!(scene.unfinished(), 0, "{way}");
}

fn what_is_wrong_leaves_nothing(way: &str, store: &Arc<dyn Store>, layers: &[StoredLayer]) {
    let check = |spoil: &dyn Fn(&mut StoredLayer), words: &str| {
        let scene = Scene::new(way);
        let mut layers = layers.to_vec();
        spoil(&mut layers[1]);
        let error = scene
            .snapshots()
            .ensure(&layers, store.as_ref(), &mut |_| {})
            .unwrap_err();
        assert!(error.to_string().contains(words), "{way}: {error}");
        assert_eq!(scene.unfinished(), 0, "{way}: {words}");
        let wrong = chain_ids(&layers.iter().map(|l| l.diff_id.clone()).collect::<Vec<_>>());
        let usage = scene.snapshots().usage().unwrap();
        assert!(
            usage.iter().all(|(chain, _)| !wrong[1..].contains(chain)),
            "{way}: {words}"
        );
    };
    let nothing = Digest::of(b"nothing");
    check(&|layer| layer.diff_id = DiffId(nothing.clone()), "disagree");
    check(
        &|layer| layer.blob.digest = nothing.clone(),
        "is not in the store",
    );
    let cut = &Archive::of(&[Entry::file("f", "content")])[..515];
    let cut = store.put(cut).unwrap();
    check(
        &|layer| {
            layer.blob = Descriptor::new(media::LAYER, cut.clone(), 515);
            layer.diff_id = DiffId(cut.clone());
        },
        "cut off",
    );
}

fn leftovers_are_swept(way: &str, store: &Arc<dyn Store>, layers: &[StoredLayer]) {
    let scene = Scene::new(way);
    scene.ensure(layers, store);
    let left = scene.layers().join(".tmp-of-a-killed-process");
    std::fs::create_dir_all(left.join("d/e")).unwrap();
    // Somebody at work keeps the sweeper away, because the leftover may be theirs.
    let lock = std::fs::File::open(scene.layers().join(".lock")).unwrap();
    lock.lock_shared().unwrap();
    scene.snapshots();
    assert_eq!(scene.unfinished(), 1, "{way}");
    drop(lock);
    scene.snapshots();
    assert_eq!(scene.unfinished(), 0, "{way}");
}

fn removing_and_measuring(way: &str, store: &Arc<dyn Store>, layers: &[StoredLayer]) {
    let scene = Scene::new(way);
    scene.ensure(layers, store);
    let snapshots = scene.snapshots();
    let before = snapshots.usage().unwrap();
    assert!(
        !before.is_empty() && before.iter().all(|(_, bytes)| *bytes > 0),
        "{way}"
    );
    let (top, _) = before.last().unwrap().clone();
    snapshots.remove(std::slice::from_ref(&top)).unwrap();
    snapshots.remove(std::slice::from_ref(&top)).unwrap();
    let after = snapshots.usage().unwrap();
    assert_eq!(after.len(), before.len() - 1, "{way}");
    assert_eq!(scene.unfinished(), 0, "{way}");
}

fn a_hundred_and_fifty_layers_fit(store: &Arc<dyn Store>) {
    let scene = Scene::new("overlay");
    let layers: Vec<_> = (0..150)
        .map(|i| {
            stored(
                store,
                &[
                    Entry::file(&format!("f{i}"), "x"),
                    Entry::file("top", &i.to_string()),
                ],
                false,
            )
        })
        .collect();
    let (lower, _) = scene.ensure(&layers, store);
    let mounted = Mounted::new(&scene.prepare(&lower), &scene.path("merged"));
    assert_eq!(
        std::fs::read_to_string(mounted.0.join("top")).unwrap(),
        "149"
    );
    assert_eq!(mounted.tree().len(), 152);
}

#[test]
#[ignore = "run by the other tests, in private namespaces"]
fn probe() {
    let mounts = || std::fs::read_to_string("/proc/self/mounts").unwrap();
    let before = mounts();
    let root = inside::folder().join("state");
    let open = |root: &Path| Snapshots::open(root, &|_| None).unwrap();
    let userxattr = Namespaces::here() != Namespaces::OfRoot;
    assert_eq!(*open(&root).how(), How::Overlay { userxattr });
    assert_eq!(mounts(), before, "trying leaves no mount");

    // Overlayfs cannot have its upper directory on overlayfs, and says so.
    let scene = Scene::new("overlay");
    let mounted = Mounted::new(&scene.prepare(&[]), &scene.path("merged"));
    let snapshots = open(&mounted.0.join("state"));
    let How::Copy { why } = snapshots.how() else {
        panic!("{:?}", snapshots.how());
    };
    assert!(why.contains("overlayfs does not work in"), "{why}");
    let (store, layers) = image();
    let lower = snapshots
        .ensure(&layers, store.as_ref(), &mut |_| {})
        .unwrap();
    let container = mounted.0.join("container");
    std::fs::create_dir(&container).unwrap();
    let mut warnings = Vec::new();
    let on = &mut |event| warnings.push(event);
    let RootFs::Directory(rootfs) = snapshots.prepare(&lower, &container, false, on).unwrap()
    else {
        panic!("not a copy");
    };
    assert!(matches!(&warnings[..], [Event::Warning { message }] if message.contains("copying")));
    let tree = scan_tree(&Arc::new(RootDir::open(rootfs).unwrap())).unwrap();
    assert_eq!(
        describe(&tree),
        describe(&flatten(&store, &layers, Bounds::default()).unwrap())
    );
}

/// Four layers with what layers have: one of them packed, links, whiteouts, parents that the
/// archive does not mention.
fn image() -> (Arc<dyn Store>, Vec<StoredLayer>) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let base = [
        Entry::directory("./").mode(0o751),
        Entry::directory("etc"),
        Entry::file("etc/hosts", "localhost"),
        Entry::directory("usr/share"),
        Entry::file("usr/share/a", "a"),
        Entry::hard_link("usr/share/b", "usr/share/a"),
        Entry::symlink("share", "usr/share"),
        Entry::directory("tmp").mode(0o1777),
        Entry::file("old", "old"),
    ];
    let second = [
        Entry::file("tmp/implied", "x").mode(0o4755),
        Entry::file("share/through", "a link below"),
        Entry::file(".wh.old", ""),
    ];
    let third = [
        Entry::directory("usr/share"),
        Entry::file("usr/share/.wh..wh..opq", ""),
        Entry::file("usr/share/c", "c"),
    ];
    let fourth = [
        Entry::hard_link("etc/name", "etc/hosts"),
        Entry::directory("old"),
    ];
    let layers = vec![
        stored(&store, &base, false),
        stored(&store, &second, true),
        stored(&store, &third, true),
        stored(&store, &fourth, false),
    ];
    (store, layers)
}

fn stored(store: &Arc<dyn Store>, entries: &[Entry], packed: bool) -> StoredLayer {
    let archive = Archive::of(entries);
    let diff_id = DiffId(Digest::of(&archive));
    let (media_type, blob) = if packed {
        let mut encoder = compress::gzip_encoder(Vec::new());
        std::io::Write::write_all(&mut encoder, &archive).unwrap();
        (media::LAYER_GZIP, encoder.finish().unwrap())
    } else {
        (media::LAYER, archive)
    };
    let digest = store.put(&blob).unwrap();
    let blob = Descriptor::new(media_type, digest, blob.len() as u64);
    StoredLayer { blob, diff_id }
}

/// A state root of one's own.
struct Scene {
    folder: tempfile::TempDir,
    way: String,
}

impl Scene {
    fn new(way: &str) -> Self {
        Self {
            folder: tempfile::tempdir_in(inside::folder()).unwrap(),
            way: way.to_owned(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn snapshots(&self) -> Snapshots {
        let way = |name: &str| (name == "CORACLE_SNAPSHOTTER").then(|| self.way.clone());
        Snapshots::open(self.folder.path(), &way).unwrap()
    }

    fn ensure(&self, layers: &[StoredLayer], store: &Arc<dyn Store>) -> (Vec<PathBuf>, Vec<Event>) {
        let mut events = Vec::new();
        let on = &mut |event| events.push(event);
        let lower = self.snapshots().ensure(layers, store.as_ref(), on).unwrap();
        (lower, events)
    }

    /// A new container.
    fn prepare(&self, lower: &[PathBuf]) -> RootFs {
        let container = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        self.snapshots()
            .prepare(lower, &container, true, &mut |_| {})
            .unwrap()
    }

    /// The directory that holds the snapshots.
    fn layers(&self) -> PathBuf {
        let base = std::fs::read_dir(self.path("snapshots"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let name = if self.way == "copy" {
            "copies"
        } else {
            "layers"
        };
        base.path().join(name)
    }

    fn unfinished(&self) -> usize {
        let names = std::fs::read_dir(self.layers())
            .unwrap()
            .map(|e| e.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(".tmp"))
            .count()
    }
}

/// A mount that goes away even when a test fails.
struct Mounted(PathBuf);

impl Mounted {
    fn new(rootfs: &RootFs, at: &Path) -> Self {
        std::fs::create_dir(at).unwrap();
        rootfs.mount(at).unwrap();
        Self(at.to_owned())
    }

    fn tree(&self) -> Tree {
        scan_tree(&Arc::new(RootDir::open(&self.0).unwrap())).unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status().unwrap();
        assert!(unmounted.success() || std::thread::panicking());
    }
}

/// Everything about a tree as text, but for which files are hard links of each other: overlayfs
/// has none between layers.
fn describe(tree: &Tree) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (path, node) in tree.iter() {
        let what = match &node.kind {
            Kind::File(content) => String::from_utf8(content.read().unwrap()).unwrap(),
            Kind::Symlink(target) => String::from_utf8(target.clone()).unwrap(),
            _ => String::new(),
        };
        let _ = writeln!(text, "{path} {} {:?} {what}", node.kind.word(), node.meta);
    }
    assert!(!listing(tree).is_empty());
    text
}

/// The root's time says nothing, so nobody tells it.
fn but_for_root(tree: &Tree) -> String {
    let text = describe(tree);
    text.split_once('\n')
        .map(|(_, rest)| rest.to_owned())
        .unwrap()
}

fn state(event: &Event) -> Option<&'static str> {
    match event {
        Event::Layer { state, .. } => Some(state),
        _ => None,
    }
}

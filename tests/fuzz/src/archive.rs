//! Saved images: loading ends in images that are whole, or in an error and an empty store.
//!
//! A fuzzer cannot guess a digest. So an input that begins with `=== ` is a script: `=== NAME`
//! begins a file, `=== NAME -> TARGET` is a link, and in names and contents `$3` stands for the
//! hex digits of the digest of file 3, counted from 0, and `%3` for its size. Any other input is
//! an archive.

use std::sync::Arc;

use coracle::digest::Digest;
use coracle::event;
use coracle::image::{Image, check, files, flatten, history};
use coracle::layer::Bounds;
use coracle::spec::Platform;
use coracle::store::archive::{Format, Loaded, Save, load, save};
use coracle::store::memory::MemoryStore;
use coracle::store::{BlobStore, Store, TagStore};

use super::tarball::{mended, push};

pub(crate) fn run(bytes: &[u8]) {
    if let Some(script) = bytes.strip_prefix(b"=== ") {
        check_load(&archive(script));
    } else {
        check_load(bytes);
        check_load(&mended(bytes));
    }
}

fn check_load(archive: &[u8]) {
    let platform = Platform::linux("amd64");
    let store = MemoryStore::new();
    let loaded = load(
        archive,
        &store,
        &platform,
        Bounds::default(),
        &mut event::ignore,
    );
    let Ok(loaded) = loaded else {
        assert!(
            store.tags().expect("memory lists").is_empty(),
            "tagged in spite of {loaded:?}"
        );
        let blobs = store.blobs().expect("memory lists");
        assert!(blobs.is_empty(), "left behind {blobs:?}, {loaded:?}");
        return;
    };
    assert!(!loaded.is_empty(), "nothing was loaded and nobody said so");
    for (digest, size) in store.blobs().expect("memory lists") {
        let bytes = store.read(&digest).expect("a blob is what its digest says");
        assert_eq!(bytes.len() as u64, size);
    }
    let store: Arc<dyn Store> = Arc::new(store);
    for image in &loaded {
        check_image(&store, image, &platform);
    }
    for format in [Format::Docker, Format::Oci] {
        check_again(&*store, &loaded, format, &platform);
    }
}

/// The tags point to the image, and everything that shows an image shows this one.
fn check_image(store: &Arc<dyn Store>, loaded: &Loaded, platform: &Platform) {
    for tag in &loaded.tags {
        let target = store.resolve(&tag.canonical()).expect("memory resolves");
        assert!(target.is_some(), "{tag} was not tagged");
    }
    check(&**store, &loaded.target, platform);
    let Ok(image) = Image::open(&**store, &loaded.target, platform) else {
        return;
    };
    assert_eq!(*image.id(), loaded.id, "another image than was said");
    history(&image);
    let layers = image.layers();
    if let Ok(tree) = flatten(store, &layers, Bounds::default()) {
        let rows = files(store, &layers, Bounds::default()).expect("what is flattened is listed");
        assert_eq!(rows.len(), tree.len());
    }
}

/// Saved and loaded again, the images are the same. Of some images not everything is there, which
/// saving says.
fn check_again(store: &dyn Store, loaded: &[Loaded], format: Format, platform: &Platform) {
    let images: Vec<Save> = loaded
        .iter()
        .map(|image| Save {
            target: image.target.clone(),
            tags: image.tags.clone(),
        })
        .collect();
    let mut archive = Vec::new();
    if save(store, &images, format, platform, &mut archive).is_err() {
        return;
    }
    let again = MemoryStore::new();
    let again = load(
        archive.as_slice(),
        &again,
        platform,
        Bounds::default(),
        &mut event::ignore,
    );
    let again = again.expect("what was saved is loaded");
    let ids = |loaded: &[Loaded]| {
        let mut ids: Vec<Digest> = loaded.iter().map(|image| image.id.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    assert_eq!(ids(&again), ids(loaded), "other images come back");
}

/// The archive that a script tells of.
fn archive(script: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut known: Vec<(String, usize)> = Vec::new();
    for part in split(script, b"\n=== ") {
        let end = part.iter().position(|byte| *byte == b'\n');
        let (head, content) = match end {
            Some(end) => (&part[..end], &part[end + 1..]),
            None => (part, &b""[..]),
        };
        let content = filled(content, &known);
        known.push((Digest::of(&content).hex().to_owned(), content.len()));
        let head = filled(head, &known);
        let (name, target) = match split(&head, b" -> ")[..] {
            [name, target] => (name.to_vec(), Some(target.to_vec())),
            _ => (head.clone(), None),
        };
        match target {
            Some(target) => push(&mut archive, b'2', &name, &target, b""),
            None => push(&mut archive, b'0', &name, b"", &content),
        }
    }
    mended(&archive)
}

/// `text` with what stands for digests and sizes of known files.
fn filled(text: &[u8], known: &[(String, usize)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, more @ ..] = rest {
        rest = more;
        let number = more.first().filter(|_| matches!(byte, b'$' | b'%'));
        let number = number.and_then(|digit| char::from(*digit).to_digit(10));
        match number.and_then(|number| known.get(number as usize)) {
            Some((hex, size)) => {
                rest = &more[1..];
                let text = if *byte == b'$' {
                    hex.clone()
                } else {
                    size.to_string()
                };
                out.extend_from_slice(text.as_bytes());
            }
            None => out.push(*byte),
        }
    }
    out
}

/// The parts of `bytes` between the occurrences of `separator`.
fn split<'a>(mut bytes: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = bytes
        .windows(separator.len())
        .position(|part| part == separator)
    {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + separator.len()..];
    }
    parts.push(bytes);
    parts
}

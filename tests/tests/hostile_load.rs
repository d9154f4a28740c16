//! Saved images that attack: each is refused for what it is, and leaves nothing in the store.

#![allow(clippy::unwrap_used)]

use coracle::digest::Digest;
use coracle::event;
use coracle::layer::Bounds;
use coracle::spec::{Platform, media};
use coracle::store::archive::load;
use coracle::store::memory::MemoryStore;
use coracle::store::{BlobStore, TagStore};
use coracle_tests::{Archive, Entry};

#[test]
fn what_attacks_is_refused_and_leaves_nothing() {
    let layout = || Entry::file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let check = |name: &str, entries: &[Entry], words: &str| {
        let store = MemoryStore::new();
        let archive = Archive::of(entries);
        let platform = Platform::linux("amd64");
        let result = load(
            archive.as_slice(),
            &store,
            &platform,
            Bounds::default(),
            &mut event::ignore,
        );
        let error = result.expect_err(name).to_string();
        assert!(error.contains(words), "{name}: {error}");
        assert!(store.blobs().unwrap().is_empty(), "{name}: blobs are left");
        assert!(store.tags().unwrap().is_empty(), "{name}: tags are left");
    };
    let manifest = |text: &str| Entry::file("manifest.json", text);
    check(
        "CVE-2014-9358 (Docker): a path in the manifest that leads out",
        &[manifest(r#"[{"Config":"../../canary","Layers":[]}]"#)],
        "outside the root",
    );
    let index = |digest: &str| {
        let kind = media::MANIFEST;
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{kind}","digest":"{digest}","size":1}}]}}"#
        );
        Entry::file("index.json", &text)
    };
    check(
        "CVE-2024-3727 (containers/image): a digest that is a path",
        &[layout(), index("sha256:../../../canary")],
        "is not a digest",
    );
    check(
        "CVE-2023-25153 (containerd): a document that is too large for the memory",
        &[Entry {
            content: vec![b' '; (16 << 20) + 1],
            ..manifest("")
        }],
        "larger than 16 MiB",
    );
    check(
        "a document that is nested without end",
        &[manifest(&"[".repeat(1 << 20))],
        "recursion limit",
    );
    check(
        "a manifest that is a link to itself",
        &[
            Entry::symlink("manifest.json", "manifest.json"),
            Entry::file("a", "b"),
        ],
        "links lead from one to the next",
    );
    check(
        "more files than anybody saves",
        &vec![0; 100_001]
            .iter()
            .enumerate()
            .map(|(i, _)| Entry::symlink(&format!("{i}"), "x"))
            .collect::<Vec<_>>(),
        "more than 100000 files",
    );
    let (blobs, deepest) = nested(5);
    let mut entries = vec![layout(), deepest];
    entries.extend(blobs);
    check("indexes in indexes", &entries, "nested more than 4 deep");
}

/// Indexes in each other, `depth` of them below `index.json`, the innermost empty.
fn nested(depth: usize) -> (Vec<Entry>, Entry) {
    let mut blobs = Vec::new();
    let mut text = r#"{"schemaVersion":2,"manifests":[]}"#.to_owned();
    for _ in 0..depth {
        let digest = Digest::of(text.as_bytes());
        let name = format!("blobs/sha256/{}", digest.hex());
        blobs.push(Entry::file(&name, &text));
        let (kind, size) = (media::INDEX, text.len());
        text = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}]}}"#
        );
    }
    (blobs, Entry::file("index.json", &text))
}

/// A few bytes of xz may ask for a dictionary of 4 GiB.
#[test]
fn xz_that_asks_for_all_the_memory_is_refused() {
    // The stream's header, and a block's with the largest dictionary that LZMA2 knows: 40.
    let mut packed = vec![
        0xfd, b'7', b'z', b'X', b'Z', 0, 0, 0, 0xff, 0x12, 0xd9, 0x41,
    ];
    let mut block = vec![0x02, 0x00, 0x21, 0x01, 0x28, 0x00, 0x00, 0x00];
    let sum = crc32(&block);
    block.extend(sum.to_le_bytes());
    packed.extend(block);
    packed.extend([1, 0, 0, b'a', 0, 0, 0, 0]);
    let store = MemoryStore::new();
    let platform = Platform::linux("amd64");
    let error = load(
        packed.as_slice(),
        &store,
        &platform,
        Bounds::default(),
        &mut event::ignore,
    )
    .unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
}

/// The checksum that xz has behind its headers, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1));
        }
    }
    !sum
}

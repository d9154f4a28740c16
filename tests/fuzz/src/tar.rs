//! Layer archives: reading never fails but by an error, and what was read and written again reads
//! the same.

use std::io;

use coracle::layer::tar::{self, Entry};
use coracle::layer::{Bounds, Layer, gather, keep_inline};
use coracle::path::RootedPath;
use coracle::tree::{Kind, Meta};

use super::tarball::mended;

/// The archive as it is, and with the checksums that a fuzzer would never find.
pub(crate) fn run(bytes: &[u8]) {
    check(bytes);
    check(&mended(bytes));
}

fn check(archive: &[u8]) {
    check_entries(archive);
    let Ok(layer) = gather(archive, Bounds::default(), &mut keep_inline) else {
        return;
    };
    check_layer(&layer);
    let mut written = Vec::new();
    tar::write(&layer, &mut written).expect("what was read is written");
    let again = gather(written.as_slice(), Bounds::default(), &mut keep_inline)
        .expect("what was written is read");
    assert_eq!(again, layer, "what was written reads differently");
    let mut twice = Vec::new();
    tar::write(&again, &mut twice).expect("what was read is written");
    assert_eq!(twice, written, "the same layer gives other bytes");
}

/// Each entry is inside the root, and its content is where it says.
fn check_entries(archive: &[u8]) {
    let mut end = 0;
    let _ = tar::read(archive, &mut |entry, content| {
        match entry {
            Entry::Hide(whiteout) => check_path(whiteout.path()),
            Entry::Add {
                path,
                meta,
                kind,
                size,
                offset,
            } => {
                check_path(&path);
                check_meta(&meta);
                assert!(offset >= end, "content goes backwards");
                let start = usize::try_from(offset).expect("an offset inside the input");
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes)?;
                assert!(bytes.is_empty() || matches!(kind, Kind::File(_)));
                assert_eq!(bytes, archive[start..start + bytes.len()]);
                if (bytes.len() as u64) < size {
                    return Err(io::Error::other("cut off"));
                }
                end = offset + size;
            }
        }
        Ok(())
    });
}

/// What `Layer` promises: paths in order, each once, and no name that means a whiteout.
fn check_layer(layer: &Layer) {
    for pair in layer.adds.windows(2) {
        assert!(pair[0].0 < pair[1].0, "{:?} before {:?}", pair[0], pair[1]);
    }
    for (path, node) in &layer.adds {
        check_path(path);
        check_meta(&node.meta);
        assert!(!path.name().starts_with(b".wh."), "{path} is a whiteout");
        assert!(!path.is_root() || node.kind == Kind::Directory);
    }
    for pair in layer.hides.windows(2) {
        assert!(pair[0] < pair[1], "{:?} before {:?}", pair[0], pair[1]);
    }
    for hide in &layer.hides {
        check_path(hide.path());
    }
}

pub(crate) fn check_path(path: &RootedPath) {
    let clean =
        |name: &[u8]| !name.is_empty() && name != b"." && name != b".." && !name.contains(&0);
    assert!(path.components().all(clean), "{path:?}");
    assert_eq!(RootedPath::parse(path.as_bytes()).as_ref(), Ok(path));
}

fn check_meta(meta: &Meta) {
    assert!(meta.mode <= 0o7777, "mode {:o}", meta.mode);
    assert!(meta.mtime.nanos < 1_000_000_000, "{:?}", meta.mtime);
}

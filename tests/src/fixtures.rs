//! Where the tests' data is: small things in `tests/fixtures`, big ones in `target/fixtures`.

use std::path::{Path, PathBuf};

/// A file or folder of `tests/fixtures`.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// The notes' base image, `python:3.12`, as a docker archive; None, said as a skip, without it.
pub fn python() -> Option<PathBuf> {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fixtures/python-3.12.tar");
    if image.is_file() {
        return Some(image);
    }
    crate::skip(&crate::missing(
        "python:3.12 in target/fixtures",
        "tests/fixtures/python-base.sh tests/fixtures/notes/requirements.txt \
         target/fixtures/python-3.12.tar",
    ));
    None
}

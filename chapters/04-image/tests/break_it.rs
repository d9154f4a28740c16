//! Break it: who keeps only what the newest image needs takes the older one's layer away.

#![allow(clippy::unwrap_used)]

mod scene;

use scene::{digests, image, layout, name};

#[test]
fn keeping_the_newest_alone_breaks_the_rollback() {
    let (place, layout) = layout();
    let one = image(&layout, "run", &["base", "app 1"]);
    let two = image(&layout, "run", &["base", "app 2"]);
    name(&place, &[("app:1", &one), ("app:2", &two)]);

    // The real question finds nothing to remove.
    assert_eq!(layout.garbage().unwrap(), []);

    let newest = digests(&layout.walk(&two).unwrap());
    for digest in layout.blobs().unwrap() {
        if !newest.contains(&digest) {
            layout.remove(&digest).unwrap();
        }
    }
    assert!(layout.walk(&two).is_ok());
    let error = layout.walk(&one).unwrap_err().to_string();
    assert!(error.contains("is missing"), "{error}");
}

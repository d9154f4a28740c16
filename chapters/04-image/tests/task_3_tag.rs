//! Task 3: `tag` gives a name to an image; a name that is taken moves, and no blob is touched.
//!
//! Reread: A name that moves

#![allow(clippy::unwrap_used)] // a test may fail

mod scene;

use ch04_image::{Descriptor, Layout};
use lesson::{accepted, same};
use scene::{image, layout};

fn names(layout: &Layout) -> Vec<String> {
    let tags = layout.tags().unwrap();
    tags.iter()
        .map(|(name, entry)| format!("{name} {}", entry.digest.short()))
        .collect()
}

fn expected(tags: &[(&str, &Descriptor)]) -> Vec<String> {
    tags.iter()
        .map(|(name, entry)| format!("{name} {}", entry.digest.short()))
        .collect()
}

#[test]
fn a_new_name_is_there() {
    let (_place, layout) = layout();
    let one = image(&layout, "one", &["base"]);
    accepted("tagging", layout.tag("app:1", &one));
    same("the names", &names(&layout), &expected(&[("app:1", &one)]));
}

#[test]
fn other_names_stay() {
    let (place, layout) = layout();
    let (one, two) = (image(&layout, "one", &[]), image(&layout, "two", &[]));
    scene::name(&place, &[("app:1", &one)]);
    accepted("tagging", layout.tag("app:2", &two));
    same(
        "the names",
        &names(&layout),
        &expected(&[("app:1", &one), ("app:2", &two)]),
    );
}

#[test]
fn what_others_wrote_stays_too() {
    let (place, layout) = layout();
    let (one, two) = (image(&layout, "one", &[]), image(&layout, "two", &[]));
    // An entry with another word about it, and one without a name, as skopeo leaves them.
    let mut noted = one.clone();
    let note = ("org.example.note".to_owned(), "keep".to_owned());
    noted.annotations.extend([note]);
    scene::list(&place, &[scene::named("app:1", &noted), two.clone()]);
    let before = layout.tags().unwrap();
    accepted("tagging", layout.tag("app:2", &two));
    let mut after = accepted("listing", layout.tags());
    after.retain(|(name, _)| name != "app:2");
    same("the other entries", &after, &before);
}

#[test]
fn a_name_that_is_taken_moves_and_back() {
    let (place, layout) = layout();
    let (one, two) = (image(&layout, "one", &[]), image(&layout, "two", &[]));
    scene::name(&place, &[("live", &one)]);
    let blobs = layout.blobs().unwrap();
    accepted("moving it", layout.tag("live", &two));
    same("forth", &names(&layout), &expected(&[("live", &two)]));
    accepted("moving it back", layout.tag("live", &one));
    same("and back", &names(&layout), &expected(&[("live", &one)]));
    same("the blobs", &layout.blobs().unwrap(), &blobs);
}

#[test]
fn one_image_may_have_two_names() {
    let (_place, layout) = layout();
    let one = image(&layout, "one", &[]);
    accepted("tagging", layout.tag("app:1", &one));
    // What `resolve` returns has a name already, and gets another one.
    let resolved = accepted("resolving", layout.resolve("app:1"));
    accepted("tagging again", layout.tag("app:latest", &resolved));
    let both = expected(&[("app:1", &one), ("app:latest", &one)]);
    same("the names", &names(&layout), &both);
}

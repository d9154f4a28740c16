//! The name of a step.

use coracle::digest::Digest;

use crate::Step;

// ANCHOR: key
/// The name of a step on what lies below it, which is nothing for the first.
pub fn key(below: Option<&Digest>, step: &Step) -> Digest {
    // TASK 1: The digest of everything that the result depends on, so that no two are confused.
    let parts = serde_json::json!([below, step.text, step.settings, step.files]);
    Digest::of(parts.to_string().as_bytes())
    // TASK_END
}
// ANCHOR_END: key

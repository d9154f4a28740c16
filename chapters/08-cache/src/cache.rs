//! What is remembered from build to build.

use std::collections::BTreeMap;

use coracle::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::{Step, Why, key, why};

// ANCHOR: cache
/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cache {
    /// The result of each step that was ever done, by its key.
    pub results: BTreeMap<Digest, Digest>,
    /// The steps of the last build, and what lay below each.
    pub last: Vec<(Option<Digest>, Step)>,
}
// ANCHOR_END: cache

// ANCHOR: outcome
/// What became of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The step's text.
    pub text: String,
    /// Why it had to be done; nothing if it was in the cache.
    pub done: Option<Why>,
}

/// Does a step: its result stands for the layer that it would make.
fn result(below: Option<&Digest>, step: &Step) -> Digest {
    Digest::of(format!("the layer of {}", key(below, step)).as_bytes())
}
// ANCHOR_END: outcome

// ANCHOR: build
/// Goes through the steps, does those that the cache does not know, and tells what became of each.
pub fn build(steps: &[Step], cache: &mut Cache) -> Vec<Outcome> {
    // TASK 2: Look for each step by its key; do it if nobody has, and say why; remember.
    let last = std::mem::take(&mut cache.last);
    let mut below: Option<Digest> = None;
    let mut outcomes = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let key = key(below.as_ref(), step);
        let done = if cache.results.contains_key(&key) {
            None
        } else {
            cache
                .results
                .insert(key.clone(), result(below.as_ref(), step));
            Some(why(last.get(number), below.as_ref(), step))
        };
        cache.last.push((below, step.clone()));
        below = cache.results.get(&key).cloned();
        outcomes.push(Outcome {
            text: step.text.clone(),
            done,
        });
    }
    outcomes
    // TASK_END
}
// ANCHOR_END: build

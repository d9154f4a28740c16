//! Break it: a key without what lies below takes a step's result from another image.

#![allow(clippy::unwrap_used)] // a test may fail

mod yard;

use std::collections::BTreeMap;

use ch08_cache::{Cache, Step, build, steps};
use coracle::digest::Digest;
use coracle::tree::Tree;
use yard::step;

/// `build` with keys that know nothing of what lies below.
fn careless(steps: &[Step], results: &mut BTreeMap<Digest, String>, base: &str) -> Vec<String> {
    let mut told = Vec::new();
    for step in steps {
        let parts = format!("{} {:?} {:?}", step.text, step.settings, step.files);
        let result = results.entry(Digest::of(parts.as_bytes()));
        told.push(
            result
                .or_insert_with(|| format!("{} on {base}", step.text))
                .clone(),
        );
    }
    told
}

#[test]
fn without_what_lies_below_the_wrong_result_is_found() {
    let install = [step("RUN apt-get install python3", "", "")];
    let mut results = BTreeMap::new();
    careless(&install, &mut results, "debian:11");
    let told = careless(&install, &mut results, "debian:12");
    assert_eq!(told, ["RUN apt-get install python3 on debian:11"]);

    let on = |base: &str| {
        let text = format!("FROM {base}\nRUN apt-get install python3\n");
        steps(&text, &Tree::new()).unwrap()
    };
    let mut cache = Cache::default();
    build(&on("debian:11"), &mut cache);
    for (base, found) in [("debian:12", false), ("debian:11", true)] {
        let outcomes = build(&on(base), &mut cache);
        assert!(outcomes.iter().all(|each| each.done.is_none() == found));
    }
}

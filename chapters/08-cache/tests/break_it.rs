//! Break it: a key without what lies below takes a step's result from another image.

mod yard;

use std::collections::BTreeMap;

use ch08_cache::{Cache, Step, build};
use coracle::digest::Digest;
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

    let on = |base: &str| vec![step(&format!("COPY {base} /"), "", ""), install[0].clone()];
    let mut cache = Cache::default();
    build(&on("eleven"), &mut cache);
    let outcomes = build(&on("twelve"), &mut cache);
    assert!(outcomes.iter().all(|outcome| outcome.done.is_some()));
}

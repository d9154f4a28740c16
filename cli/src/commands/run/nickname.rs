//! Names for containers that were given none: a word for how it is, and one from the sea.

use std::collections::BTreeSet;

use crate::failure::Failure;

const HOW: [&str; 48] = [
    "able", "amber", "ample", "azure", "balmy", "bold", "brave", "bright", "brisk", "calm",
    "candid", "clear", "clever", "cosy", "crisp", "daring", "deft", "eager", "early", "fair",
    "fleet", "frank", "gentle", "glad", "golden", "hardy", "honest", "jolly", "keen", "kind",
    "light", "lively", "lucky", "mellow", "merry", "mild", "nimble", "patient", "plucky", "proud",
    "quiet", "rapid", "ready", "silver", "steady", "sunny", "swift", "trusty",
];

const WHAT: [&str; 48] = [
    "albatross",
    "anchor",
    "barge",
    "beacon",
    "bosun",
    "breaker",
    "breeze",
    "buoy",
    "canoe",
    "captain",
    "compass",
    "coral",
    "cormorant",
    "current",
    "cutter",
    "dinghy",
    "dolphin",
    "dory",
    "eider",
    "ferry",
    "galley",
    "gannet",
    "harbour",
    "helm",
    "heron",
    "island",
    "kayak",
    "keel",
    "ketch",
    "lagoon",
    "lantern",
    "mast",
    "osprey",
    "otter",
    "paddle",
    "pilot",
    "puffin",
    "rudder",
    "sailor",
    "schooner",
    "seal",
    "skiff",
    "sloop",
    "tern",
    "tide",
    "voyage",
    "wherry",
    "yawl",
];

/// A name that is not taken.
pub(super) fn pick(taken: &BTreeSet<&str>) -> Result<String, Failure> {
    let random = || getrandom::u32().map_err(|e| Failure::new(format!("choose a name: {e}")));
    let mut name = at(random()?);
    // With many containers, a number helps.
    while taken.contains(name.as_str()) {
        let digit = random()? % 1000;
        name = format!("{}{digit}", at(random()?));
    }
    Ok(name)
}

fn at(random: u32) -> String {
    let random = random as usize;
    let (how, what) = (
        HOW[random % HOW.len()],
        WHAT[random / HOW.len() % WHAT.len()],
    );
    format!("{how}_{what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::container_name;

    #[test]
    fn each_pair_is_a_name_and_none_comes_twice() {
        let all: BTreeSet<_> = (0..48 * 48).map(at).collect();
        assert_eq!(all.len(), 48 * 48);
        assert!(all.iter().all(|name| container_name(name).is_ok()));
        let taken: BTreeSet<&str> = all.iter().map(String::as_str).collect();
        let name = pick(&taken).unwrap();
        assert!(!taken.contains(name.as_str()), "{name}");
    }
}

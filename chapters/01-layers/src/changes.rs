//! What changed between two states of a directory.

use std::collections::BTreeMap;

use crate::Entry;

// ANCHOR: changes
/// The entries of `new` that `old` does not have, or has otherwise: the layer between the two.
///
/// What `old` has and `new` lacks is not told: a layer of this chapter only adds.
pub fn changes(old: &[Entry], new: &[Entry]) -> Vec<Entry> {
    // TASK 2: Keep the entries of `new` that `old` does not hold exactly so.
    let before: BTreeMap<&str, &Entry> = old
        .iter()
        .map(|entry| (entry.name.as_str(), entry))
        .collect();
    let differs = |entry: &&Entry| before.get(entry.name.as_str()) != Some(entry);
    new.iter().filter(differs).cloned().collect()
    // TASK_END
}
// ANCHOR_END: changes

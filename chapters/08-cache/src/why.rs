//! Why a step had to be done.

use coracle::digest::Digest;

use crate::Step;

// ANCHOR: reasons
/// Why a step was not in the cache, by what the last build had in its place.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// The last build had no such step.
    FirstTime,
    /// Its text is another one.
    Text(String),
    /// A setting is another one.
    Setting(String),
    /// These files are others: new, changed, or gone.
    Files(Vec<String>),
    /// What lies below it is another.
    Below,
    /// Nothing changed, and yet it is not there any more.
    Lost,
}
// ANCHOR_END: reasons

// ANCHOR: why
/// Why a step is not known. `last` is the step in the same place of the last build, and what lay
/// below it.
pub fn why(last: Option<&(Option<Digest>, Step)>, below: Option<&Digest>, step: &Step) -> Why {
    // TASK 3: Compare with the last build, and name the first thing that differs, in this order.
    let Some((below_then, then)) = last else {
        return Why::FirstTime;
    };
    if then.text != step.text {
        return Why::Text(then.text.clone());
    }
    let names = then.settings.keys().chain(step.settings.keys());
    let mut other = names.filter(|name| then.settings.get(*name) != step.settings.get(*name));
    if let Some(name) = other.next() {
        return Why::Setting(name.clone());
    }
    let paths = then.files.keys().chain(step.files.keys());
    let other = paths.filter(|path| then.files.get(*path) != step.files.get(*path));
    let mut files: Vec<String> = other.cloned().collect();
    files.sort();
    files.dedup();
    if !files.is_empty() {
        return Why::Files(files);
    }
    if below_then.as_ref() != below {
        return Why::Below;
    }
    Why::Lost
    // TASK_END
}
// ANCHOR_END: why

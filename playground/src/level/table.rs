//! The levels, in the order in which they are played.

/// Name and text of each level.
pub(super) const LEVELS: &[(&str, &str)] = &[];

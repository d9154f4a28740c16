//! One file a command: its options as `Options`, and `run`, which does it.

pub(crate) mod completion;
pub(crate) mod version;

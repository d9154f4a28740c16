//! Running: from an image's config and a person's options to an OCI runtime specification.

#[cfg(feature = "fs")]
pub mod bundle;
pub mod capabilities;
pub mod files;
pub mod options;
pub mod seccomp;
pub mod spec;
pub mod status;

pub use options::{Bind, Network, OptionError, RunOptions, SeccompOption, Tmpfs, Ulimit};
pub use spec::{Place, SpecError, container_spec, effective};
pub use status::Status;

//! The Linux kernel: unpacking, snapshots, namespaces, confinement, processes.

pub mod snapshot;
pub mod sys;

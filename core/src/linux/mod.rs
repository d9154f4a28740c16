//! The Linux kernel: unpacking, snapshots, namespaces, confinement, processes.

pub mod base;
pub mod snapshot;
pub mod sys;

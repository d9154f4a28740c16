//! The Linux kernel: unpacking, snapshots, namespaces, confinement, processes.

pub mod base;
pub mod containers;
pub mod doctor;
mod lower;
pub mod meta;
pub mod root;
pub mod scan;
pub mod snapshot;
pub mod sys;
pub mod unpack;

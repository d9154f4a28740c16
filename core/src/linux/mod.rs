//! The Linux kernel: unpacking, snapshots, namespaces, confinement, processes.

pub mod sys;

// Disks: layers become directories, and directories layers.
pub mod archive;
pub mod base;
pub mod fsck;
mod lower;
pub mod meta;
mod owners;
mod redirects;
pub mod root;
pub mod scan;
pub mod snapshot;
pub mod unpack;

// Processes: a directory and a specification become a container.
mod agent;
pub mod cache_mounts;
pub mod containers;
pub mod executor;
pub mod runtime;
mod step_mounts;
pub mod stop;
pub mod userns;

mod control;
mod explain;
mod signals;
mod stage;
mod terminal;

mod enter;
mod executable;
mod mountpoints;
mod network;

mod capabilities;
mod cgroups;
mod devices;
mod exec;
mod init;
mod mounts;
mod reaper;
mod seccomp;
mod views;

// What this machine allows.
pub mod doctor;

pub use stage::dispatch;

//! Snapshots: layers unpacked on disk, each once, and the root file systems made of them.

mod rootfs;

pub use rootfs::RootFs;

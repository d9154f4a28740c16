//! Everything Coracle knows: images, layers, Dockerfiles, builds and containers.
//!
//! Arrows only point down. A module may use what stands below it, never what stands above.
//!
//! ```text
//!  4  the kernel     linux/                                 namespaces, mounts, overlay, unpack   (Linux only)
//!  3  the voyages    registry/   build/   runtime/          pull · push · build · run
//!  2  the hold       store/   image/                        blobs, tags, manifests
//!  1  the cargo      tree/   layer/   dockerfile/   accounts  values, no I/O
//!  0  the words      digest   path   reference   spec   diagnostic   event   proxy   human   table
//! ```
//!
//! Rows 0 to 3 do not know that files, sockets, clocks or processes exist, except in the few
//! places that the feature `fs` opens. With no features the crate compiles to WebAssembly.
//! `core/tests/architecture.rs` holds the table of who may name whom and fails on an upward `use`.

// ── 0 the words ─────────────────────────────────────────────────────────────────────────────
pub mod diagnostic;
pub mod digest;
pub mod event;
pub mod human;
pub mod path;
pub mod proxy;
pub mod reference;
pub mod spec;
pub mod table;

// ── 1 the cargo ─────────────────────────────────────────────────────────────────────────────
pub mod accounts;
#[cfg_attr(feature = "fs", path = "codec_native.rs")]
mod codec;
pub mod dockerfile;
pub mod layer;
pub mod tree;

// ── 2 the hold ──────────────────────────────────────────────────────────────────────────────
pub mod image;
pub mod store;

// ── 3 the voyages ───────────────────────────────────────────────────────────────────────────
pub mod build;
pub mod registry;
pub mod runtime;

// ── 4 the kernel ────────────────────────────────────────────────────────────────────────────
#[cfg(all(target_os = "linux", feature = "linux"))]
pub mod linux;

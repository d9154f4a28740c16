//! The fuzz targets: whatever bytes come in, the library keeps its promises.
//!
//! A target is a function from bytes to nothing. It panics when a promise is broken, so a fuzzer
//! finds the bytes that break one. The files of `targets/` put each function on libFuzzer; the test
//! `fuzz_regressions` includes this file and gives every kept input to the functions again, with
//! the ordinary compiler.
//!
//! Time and memory are promises as well: libFuzzer ends a run whose input takes longer than
//! [`SECONDS`] or whose process needs more than [`MEGABYTES`].

mod archive;
mod compress;
mod dockerfile;
mod documents;
mod expand;
mod glob;
mod ignore;
mod lint;
mod plan;
mod reference;
mod tar;
mod tarball;
mod whiteouts;

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The word that selects it.
    pub name: &'static str,
    /// Takes any bytes, and panics when a promise is broken.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("archive", archive::run),
    target("compress", compress::run),
    target("dockerfile", dockerfile::run),
    target("documents", documents::run),
    target("expand", expand::run),
    target("glob", glob::run),
    target("ignore", ignore::run),
    target("lint", lint::run),
    target("plan", plan::run),
    target("reference", reference::run),
    target("tar", tar::run),
    target("whiteouts", whiteouts::run),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Gives `bytes` to the target called `name`.
///
/// # Panics
///
/// When a promise is broken, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name is in the table").run)(bytes);
}

//! What steps take from elsewhere, read while the steps before them still run.
//!
//! Within a stage each step stands on the one before, so they run in order. What is at an address
//! or in an image does not depend on any step: it is read ahead, by threads of its own.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Performer;
use super::shared::Shared;
use crate::build::BuildError;
use crate::build::key::CacheKey;
use crate::build::plan::{Address, CopyFrom, Mounted, Operation, Plan};
use crate::digest::Digest;
use crate::image::Image;
use crate::tree::Tree;

/// Something to be read.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// What is at an address.
    Address(&'a Address),
    /// The files of an image.
    Image(&'a Image),
}

impl Source<'_> {
    /// What makes it the same as another one.
    fn name(&self) -> String {
        match self {
            Self::Address(address) => {
                let checksum = address.checksum.as_ref().map(Digest::as_str);
                format!("{} {}", address.url, checksum.unwrap_or_default())
            }
            Self::Image(image) => image.descriptor.digest.to_string(),
        }
    }

    /// What whoever reads it claims, so that it is read once.
    pub(super) fn claim(&self) -> CacheKey {
        CacheKey(Digest::of(format!("read {}", self.name()).as_bytes()))
    }
}

/// What the steps of a plan take from elsewhere, each once, in the order in which they need it.
pub(super) fn sources(plan: &Plan) -> Vec<Source<'_>> {
    let mut found = Vec::new();
    for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
        match &step.operation {
            Operation::Copy(copy) => {
                found.extend(image_of(&copy.from));
                found.extend(copy.addresses.iter().map(Source::Address));
            }
            Operation::Run(run) => {
                let mounts = run.mounts.iter().filter_map(|mount| match &mount.what {
                    Mounted::Bind { from, .. }
                    | Mounted::Cache {
                        from: Some((from, _)),
                        ..
                    } => image_of(from),
                    _ => None,
                });
                found.extend(mounts);
            }
            Operation::Metadata | Operation::Workdir(_) => {}
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|source| seen.insert(source.name()));
    found
}

fn image_of(from: &CopyFrom) -> Option<Source<'_>> {
    match from {
        CopyFrom::Image(image) => Some(Source::Image(image)),
        _ => None,
    }
}

/// Reads sources, one after the other, until none is left or the build has failed.
pub(super) fn read(shared: &Shared<'_>, sources: &[Source<'_>], next: &AtomicUsize) {
    let performer = shared.performer();
    while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
        if shared.has_failed() {
            return;
        }
        match source {
            Source::Address(address) => performer.content_ahead(address),
            // What cannot be read is no failure here: the step tries again, and tells why.
            Source::Image(image) => drop(performer.tree_of(image)),
        }
    }
}

impl Performer<'_, '_> {
    /// The files of an image, read once however many steps want them.
    pub(super) fn tree_of(&self, image: &Image) -> Result<Tree, BuildError> {
        let _claim = self.shared.claim(&Source::Image(image).claim());
        self.tree(&image.layers())
    }
}

/// Writes on until the build has failed: then nobody waits for the rest.
pub(super) struct WhileBuilding<'s, 'a, W> {
    pub(super) out: W,
    pub(super) shared: &'s Shared<'a>,
}

impl<W: Write> Write for WhileBuilding<'_, '_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shared.has_failed() {
            return Err(io::Error::other("the build has ended"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

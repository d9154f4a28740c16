//! Builds: a plan, a key for every step, a cache that says why, and an executor for RUN.
//!
//! ```text
//! Dockerfile ─ parse ─▶ plan ─▶ for each step: key ─▶ in the cache? ─ yes ─▶ the layer is there
//!                                                          └── no, because … ─▶ copy or run
//! ```

pub mod cache;
#[cfg(feature = "fs")]
pub mod cache_directory;
pub mod carry;
#[cfg(feature = "fs")]
pub mod carry_directory;
pub mod context;
pub mod copy;
pub mod executor;
pub mod key;
#[cfg(all(unix, feature = "fs"))]
pub mod load;
pub mod mode;
#[cfg(feature = "net")]
pub mod net;
mod perform;
pub mod plan;
pub mod select;
pub mod sim;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::event::Event;
use crate::image::{Image, ImageError};
use crate::layer::Bounds;
use crate::store::{Store, StoreError};
use cache::Cache;
use context::Context;
use executor::{Executor, ExecutorError};
use key::CacheKey;
use plan::Plan;

/// What a build needs of its surroundings.
pub struct Host<'a> {
    /// Where images are.
    pub store: Arc<dyn Store>,
    /// What earlier builds made.
    pub cache: &'a dyn Cache,
    /// Who runs processes.
    pub executor: &'a dyn Executor,
    /// The files that COPY and ADD may take.
    pub context: &'a Context,
    /// The secrets that RUN may be given, by ID.
    pub secrets: &'a BTreeMap<String, Vec<u8>>,
    /// The sockets of the SSH agents that RUN may talk to, by ID.
    pub agents: &'a BTreeMap<String, String>,
    /// Who fetches what ADD names by an address; nobody where there is no network.
    pub fetch: Option<&'a Fetch<'a>>,
}

/// Writes what is at an address, or says in a sentence why it cannot.
pub type Fetch<'a> = dyn Fn(&str, &mut dyn Write) -> Result<(), String> + Sync + 'a;

impl std::fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("context", &self.context.name)
            .finish_non_exhaustive()
    }
}

/// How a plan is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildOptions {
    /// Run every step, whatever the cache has.
    pub no_cache: bool,
    /// The stages whose steps run whatever the cache has, by name in small letters.
    pub no_cache_stages: BTreeSet<String>,
    /// What the result of every RUN depends on besides, by the option that says so.
    pub surroundings: BTreeMap<String, String>,
    /// The time of everything that is made, in seconds since 1970. Without it, what a RUN makes
    /// bears the time at which it ran, and a build without RUN bears its base image's time.
    pub source_date_epoch: Option<i64>,
    /// How many stages are built at the same time, and how many sources are read ahead; with 0 or
    /// 1, one after the other, without any thread. The result is the same.
    pub jobs: usize,
    /// Whether the image says which steps made its layers, so that others can use it as a cache.
    pub inline_cache: bool,
    /// Which Dockerfile this is, so that the last build of the same one can be compared with.
    pub place: String,
    /// What an archive that ADD unpacks may unpack to.
    pub bounds: Bounds,
}

/// What a build made.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The image. Nothing names it yet.
    pub image: Image,
    /// What happened to each step that makes a layer, in order.
    pub steps: Vec<StepReport>,
}

/// What happened to one step that makes a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepReport {
    /// The stage's name.
    pub stage: String,
    /// The instruction as written.
    pub instruction: String,
    /// Its key.
    pub key: CacheKey,
    /// Whether it was in the cache.
    pub cached: bool,
    /// Why it was not.
    pub why: Vec<key::Miss>,
    /// The layer's blob.
    pub layer: Digest,
    /// When a process of it ended, RFC 3339.
    #[serde(skip)]
    pub finished: Option<String>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Something that the Dockerfile says cannot be done here.
    #[error("{}", .0.message)]
    Source(Box<Diagnostic>),
    /// A RUN failed.
    #[error("{source}")]
    Run {
        /// The step's number in the build, from 1.
        step: usize,
        /// The instruction, in the Dockerfile.
        span: crate::diagnostic::Span,
        /// What happened.
        source: ExecutorError,
    },
    /// A stage was given up, because another one had failed. It is never what a build reports.
    #[error("stopped, because another step failed")]
    Stopped,
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A blob cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Carries out `plan`, step by step, and commits the image of its last stage.
///
/// Stages are built at the same time, as far as they do not need each other; of two steps that
/// are the same, the second waits for the first and takes its result. So what is made depends on
/// the plan alone, and only the order of the events is another one each time. When a step fails,
/// the others are ended, and the first failure is what is reported.
pub fn build(
    plan: &Plan,
    host: &Host<'_>,
    options: &BuildOptions,
    on: &mut (dyn FnMut(Event) + Send),
) -> Result<Built, BuildError> {
    perform::perform(plan, host, options, on)
}

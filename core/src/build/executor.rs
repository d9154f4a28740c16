//! The one seam of RUN: somebody who can run a process on a stack of layers.

use std::sync::Arc;

use crate::event::Event;
use crate::image::StoredLayer;
use crate::store::{Store, StoreError};

/// Runs commands. COPY, ENV and WORKDIR never reach it.
pub trait Executor {
    /// Runs `step` on the file system that `base`, lowest first, makes, and stores what changed.
    ///
    /// Output is reported as [`Event::StepOutput`].
    fn run(
        &self,
        store: &Arc<dyn Store>,
        base: &[StoredLayer],
        step: &RunStep,
        on: &mut dyn FnMut(Event),
    ) -> Result<Ran, ExecutorError>;
}

/// What to run, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStep {
    /// The step's number in the build, from 1; its output is reported under it.
    pub number: usize,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The environment, `NAME=value`.
    pub env: Vec<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`; empty means root.
    pub user: String,
    /// Where it starts; an absolute path, which is made when it is not there.
    pub working_dir: String,
    /// Which network it has.
    pub network: RunNetwork,
    /// A file that the step needs at `/dev/pipes/…`, which is not part of the layer: the script
    /// of a heredoc that begins with `#!`.
    pub script: Option<Script>,
    /// Times of files are set back to this many seconds since 1970 when they are later.
    pub source_date_epoch: Option<i64>,
}

/// A program that stands in the Dockerfile itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its absolute path in the container while the step runs.
    pub path: String,
    /// Its text.
    pub content: String,
}

/// The network of a RUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunNetwork {
    /// The host's own.
    Host,
    /// Only loopback.
    None,
}

/// What a run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The changes, stored.
    pub layer: StoredLayer,
    /// When it ended, RFC 3339; `None` where there is no clock.
    pub finished: Option<String>,
}

/// Why a RUN made no layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// The command ended with another code than 0; 128 + n for signal n.
    #[error("process {command:?} did not complete successfully: exit code: {code}")]
    Failed {
        /// What was run, as one line.
        command: String,
        /// Its exit code.
        code: i32,
    },
    /// The container could not be made.
    #[error("{0}")]
    Container(String),
    /// A blob could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

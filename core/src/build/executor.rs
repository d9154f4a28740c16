//! The one seam of RUN: somebody who can run a process on a stack of layers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sim::Unsupported;
use crate::event::Event;
use crate::image::StoredLayer;
use crate::layer::Layer;
use crate::store::{Store, StoreError};
use crate::tree::{Node, Timestamp, Tree};

/// Runs commands. COPY, ENV and WORKDIR never reach it.
///
/// Steps that do not need each other run at the same time.
pub trait Executor: Sync {
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

    /// Ends what runs, and lets nothing more begin: the build has failed.
    fn stop(&self) {}

    /// Whether somebody has asked for the end of the build; asked before every step.
    fn check(&self) -> Result<(), ExecutorError> {
        Ok(())
    }
}

/// What to run, and as whom.
#[derive(Debug, Clone, PartialEq)]
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
    /// It has every capability, and no system call is filtered.
    pub insecure: bool,
    /// What is mounted while the step runs. None of it is part of the layer.
    pub mounts: Vec<RunMount>,
    /// Times of files are set back to this many seconds since 1970 when they are later.
    pub source_date_epoch: Option<i64>,
}

/// Something that a step sees while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum RunMount {
    /// A file that the builder has: a script of a heredoc, a secret.
    File {
        /// Its absolute path in the container.
        target: String,
        /// What it holds.
        content: Vec<u8>,
        /// Its permission bits.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// Files of the context, a stage or an image. What is written there is thrown away.
    Files {
        /// The absolute path in the container.
        target: String,
        /// What is mounted stands at `content` in this tree: a directory or a file.
        tree: Tree,
        /// Whether the process may write.
        read_only: bool,
    },
    /// A directory that outlives the build.
    Cache {
        /// The absolute path in the container.
        target: String,
        /// Which cache, and how it is used.
        cache: CacheMount,
        /// What it holds when it is made: the directory at `content` in this tree.
        seed: Option<Tree>,
    },
    /// A socket of an SSH agent.
    Agent {
        /// The absolute path in the container.
        target: String,
        /// The agent's socket, outside.
        socket: String,
        /// The socket's permission bits.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// Memory.
    Tmpfs {
        /// The absolute path in the container.
        target: String,
        /// The most it holds, in bytes; `None` is the kernel's limit.
        size: Option<u64>,
    },
}

/// A directory that outlives the build: a package manager's downloads, a compiler's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMount {
    /// Which one. Two mounts with one ID share a directory.
    pub id: String,
    /// How steps that run at the same time use it.
    pub sharing: CacheSharing,
    /// Whether the process may write.
    pub read_only: bool,
    /// The permission bits of the directory when it is made.
    pub mode: u32,
    /// Its owner when it is made.
    pub uid: u32,
    /// Its group when it is made.
    pub gid: u32,
}

/// How steps that run at the same time use one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheSharing {
    /// All at once.
    Shared,
    /// Each its own: whoever finds it in use gets another.
    Private,
    /// One after the other.
    Locked,
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
    /// Somebody asked for the end of the build while the command ran.
    #[error("interrupted by {name}")]
    Interrupted {
        /// The signal's number.
        signal: i32,
        /// Its name, such as `SIGINT`.
        name: &'static str,
    },
    /// It was ended, or did not begin, because the build had failed elsewhere.
    #[error("stopped, because another step failed")]
    Stopped,
    /// The container could not be made.
    #[error("{0}")]
    Container(String),
    /// It is simulated, and the simulation does not go so far.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A blob could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets times later than the given second back to it. Hard links stay hard links.
pub(crate) fn set_back(layer: &mut Layer, seconds: i64) {
    let latest = Timestamp { seconds, nanos: 0 };
    // The old nodes are kept until the end, so that no new one gets the address of an old one.
    let old: Vec<Arc<Node>> = layer
        .adds
        .iter()
        .map(|(_, node)| Arc::clone(node))
        .collect();
    let mut changed: BTreeMap<*const Node, Arc<Node>> = BTreeMap::new();
    for ((_, node), old) in layer.adds.iter_mut().zip(&old) {
        if old.meta.mtime > latest {
            let earlier = changed.entry(Arc::as_ptr(old)).or_insert_with(|| {
                let mut node = Node::clone(old);
                node.meta.mtime = latest;
                Arc::new(node)
            });
            *node = Arc::clone(earlier);
        }
    }
}

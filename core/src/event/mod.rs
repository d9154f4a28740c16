//! What every flow reports as it goes: one stream for progress, `--explain` and the playground.

pub mod plain;

use serde::Serialize;

use crate::digest::Digest;

/// One thing that happened, or is about to.
///
/// A flow takes `on: &mut dyn FnMut(Event)` and calls it; it never prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A build step begins.
    StepStarted {
        /// Its number, from 1.
        step: usize,
        /// How many steps the build has.
        of: usize,
        /// What the step does, such as `[2/4] COPY . .`.
        name: String,
    },
    /// A build step was found in the cache.
    StepCached {
        /// Its number, from 1.
        step: usize,
        /// The step's key.
        key: Digest,
    },
    /// A build step was not in the cache.
    StepMissed {
        /// Its number, from 1.
        step: usize,
        /// Why, as sentences.
        why: Vec<String>,
    },
    /// What a build step's process wrote.
    StepOutput {
        /// The step's number, from 1.
        step: usize,
        /// 1 is standard output, 2 is standard error.
        stream: u8,
        /// The bytes, usually whole lines, as text.
        text: String,
    },
    /// A build step ended.
    StepFinished {
        /// Its number, from 1.
        step: usize,
        /// The layer it added, if it is not metadata only: digest and size in bytes.
        layer: Option<(Digest, u64)>,
    },
    /// A container's first process exists. Its command comes next.
    Started {
        /// The process's number, as the host sees it.
        pid: u32,
    },
    /// What a container's command wrote, where its output is captured.
    Output {
        /// 1 is standard output, 2 is standard error.
        stream: u8,
        /// What it wrote, as it came: perhaps a part of a line, perhaps many lines.
        text: String,
    },
    /// Something the kernel was asked for, why, and where it is taught.
    Explain(Explanation),
    /// Something a person should know although the flow goes on.
    Warning {
        /// One sentence with its remedy.
        message: String,
    },
    /// A layer was unpacked, or found unpacked already.
    Layer {
        /// The layer's digest.
        digest: Digest,
        /// What happened: `exists`, `unpacked`, `loaded`.
        state: &'static str,
        /// Its size as a blob, in bytes.
        size: u64,
    },
    /// A blob is on its way between a registry and this machine, or need not be.
    Transfer {
        /// The blob's digest.
        digest: Digest,
        /// Its size, in bytes.
        size: u64,
        /// What happened.
        state: Transfer,
    },
}

/// How far a blob is on its way between a registry and this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Transfer {
    /// It will be moved.
    Waiting,
    /// It is already where it should be.
    Present,
    /// So many bytes of it have arrived here.
    Receiving {
        /// Bytes.
        received: u64,
    },
    /// It has arrived here, and is what it should be.
    Received,
    /// So many bytes of it have left.
    Sending {
        /// Bytes.
        sent: u64,
    },
    /// It has arrived there.
    Sent,
    /// It need not be sent: another repository there has it.
    Mounted {
        /// The repository.
        from: String,
    },
}

/// One request to the kernel, told: what `--explain` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Explanation {
    /// What was asked, as strace would print it: `mount("proc", "/proc", "proc")`.
    pub call: String,
    /// Why, in one sentence.
    pub why: String,
    /// The chapter that teaches it, such as `11-rootfs`.
    pub chapter: String,
}

/// The observer for flows that nobody watches.
pub fn ignore(_: Event) {}

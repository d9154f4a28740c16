//! What the page draws: plain values, made anew by every call.
//!
//! All of it is computed here; the page only draws. Positions in texts are counted in UTF-16 code
//! units, which is how browsers count; lines are counted from 1.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything that is seen at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// The project: the files that a build may take, the Dockerfile among them.
    pub files: Vec<FileView>,
    /// What a build of the Dockerfile would do now.
    pub build: BuildView,
    /// The images that are here, by reference.
    pub images: Vec<ImageView>,
    /// The containers that are here.
    pub containers: Vec<ContainerView>,
    /// The registries that there are, Docker Hub first.
    pub registries: Vec<RegistryView>,
    /// How many bytes are stored here, and how many it would be if nothing were shared.
    pub usage: UsageView,
    /// Commands that RUN takes to do nothing, or to write these files.
    pub pretend: BTreeMap<String, Vec<String>>,
    /// What has been done, oldest first: those that are undone, too.
    pub timeline: Vec<ActView>,
    /// How many acts of the timeline are in force.
    pub position: usize,
    /// What the last act printed, in pieces.
    pub output: Vec<OutputView>,
    /// How the last act ended, as a process does: 0 is well.
    pub code: i32,
    /// One sentence about what has just happened, for those who do not see the page.
    pub status: String,
    /// The level that is played, if one is.
    pub level: Option<LevelView>,
}

/// A file of the project.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileView {
    /// Its path, from the project's root.
    pub path: String,
    /// What is in it; `None` when it is not text, is large, or is a directory or link.
    pub text: Option<String>,
    /// Its size, in bytes.
    pub size: u64,
    /// `file`, `dir` or `symlink`.
    pub kind: &'static str,
    /// Its permission bits, in octal: `0644`.
    pub mode: String,
    /// The line of the ignore file that keeps it out of the build context.
    pub hidden_by: Option<usize>,
}

/// What a build of the Dockerfile would do now.
///
/// Nothing of it is kept: only `coracle build` puts results into the cache and names an image.
/// So hit and miss are told against the last real build, while somebody types.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct BuildView {
    /// What is wrong with the Dockerfile or worth knowing, in its order.
    pub diagnostics: Vec<DiagnosticView>,
    /// Every step that the target needs, stage by stage, in order. After an error, those before.
    pub steps: Vec<StepView>,
    /// The image that would be made; `None` after an error.
    pub image: Option<ImageView>,
    /// Why there is no image, as one sentence.
    pub error: Option<String>,
    /// Steps that are in the cache.
    pub cached: usize,
    /// Steps that would have to be made.
    pub missed: usize,
}

/// Something that is wrong with a text or worth knowing about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiagnosticView {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// The rule's name.
    pub rule: String,
    /// What is wrong, one sentence.
    pub message: String,
    /// Further sentences: why, and what to do.
    pub notes: Vec<String>,
    /// Where it begins.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// The line on which it begins.
    pub line: usize,
    /// How it can be mended.
    pub fix: Option<FixView>,
}

/// How something can be mended with one click.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FixView {
    /// What the click does, one sentence.
    pub title: String,
    /// What is replaced, from the text's end to its start.
    pub edits: Vec<EditView>,
}

/// A piece of text and what takes its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EditView {
    /// Where it begins.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// What takes its place.
    pub text: String,
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepView {
    /// The name of its stage; `stage-0` and so on where it has none.
    pub stage: String,
    /// Where the instruction begins in the Dockerfile.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// Its line.
    pub line: usize,
    /// The instruction as one line.
    pub text: String,
    /// `base` (FROM), `layer` or `metadata`.
    pub makes: &'static str,
    /// `cached`, `missed`, `failed`, `unreached`; for metadata and scratch `none`.
    pub state: &'static str,
    /// Why it was not in the cache, or why it failed: sentences without a full stop.
    pub why: Vec<String>,
    /// What the step printed.
    pub output: Vec<OutputView>,
    /// The layer that it made.
    pub layer: Option<LayerView>,
    /// The command that the simulated shell does not run, when that is why it failed: what
    /// `pretend NAME [PATH…]` would help.
    pub unsupported: Option<String>,
}

/// Something that was printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputView {
    /// 1 is standard output, 2 is standard error.
    pub stream: u8,
    /// The text, usually whole lines.
    pub text: String,
}

/// A layer in its place in an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerView {
    /// The digest of the blob as it is shipped.
    pub digest: String,
    /// The digest of the archive inside.
    pub diff_id: String,
    /// The digest of this layer and all below it.
    pub chain_id: String,
    /// The blob's size, in bytes.
    pub size: u64,
    /// How many paths it adds.
    pub added: usize,
    /// How many paths of the layers below it changes.
    pub modified: usize,
    /// How many paths of the layers below it hides.
    pub deleted: usize,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageView {
    /// How people call it, each in full: `app:v1`.
    pub references: Vec<String>,
    /// The digest of its manifest.
    pub digest: String,
    /// The digest of its config: its ID.
    pub config: String,
    /// The sum of its layers, in bytes.
    pub size: u64,
    /// How much of that no other image has.
    pub unique: u64,
    /// Its history, the base first: every instruction, with a layer or without.
    pub history: Vec<HistoryView>,
}

/// A line of an image's history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryView {
    /// What made it.
    pub created_by: String,
    /// The layer, unless it only changed the config.
    pub layer: Option<LayerView>,
    /// Which other images have this layer, by reference.
    pub shared_with: Vec<String>,
}

/// A container: an image, and what has been changed on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// The image that it was made from.
    pub image: String,
    /// What changed in it, as `coracle diff` prints: `A /etc/x`, `C /etc`, `D /bin/y`.
    pub changes: Vec<String>,
}

/// A registry in this tab.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegistryView {
    /// Its host: `docker.io`, `localhost:5000`.
    pub host: String,
    /// Its repositories, by name.
    pub repositories: Vec<RepositoryView>,
    /// How many blobs it has.
    pub blobs: usize,
    /// How many bytes they are.
    pub bytes: u64,
    /// What the last push to it or pull from it moved, blob by blob.
    pub last: Option<VoyageView>,
}

/// A repository of a registry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepositoryView {
    /// Its name, without the host.
    pub name: String,
    /// Its tags, and the digest that each names.
    pub tags: BTreeMap<String, String>,
}

/// A push or a pull.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct VoyageView {
    /// The command: `push app:v2`.
    pub title: String,
    /// What happened to each blob.
    pub blobs: Vec<BlobView>,
    /// How many bytes went from here to the registry, in bodies.
    pub sent: u64,
    /// How many came from there.
    pub received: u64,
    /// Every request, in order.
    pub exchanges: Vec<ExchangeView>,
}

/// What happened to a blob on a voyage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlobView {
    /// Its digest.
    pub digest: String,
    /// Its size, in bytes.
    pub size: u64,
    /// `exists`, `mounted`, `sent` or `received`.
    pub state: &'static str,
    /// The repository that it was mounted from.
    pub from: Option<String>,
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExchangeView {
    /// `GET`, `HEAD`, `POST`, `PATCH`, `PUT`, `DELETE`.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The answer's number.
    pub status: u16,
    /// The request's body, in bytes.
    pub sent: u64,
    /// The answer's body, in bytes.
    pub received: u64,
    /// What the request is for, one sentence.
    pub why: String,
}

/// What is stored here.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct UsageView {
    /// Bytes of all blobs that images here need, each once.
    pub stored: u64,
    /// Bytes if every image had blobs of its own.
    pub unshared: u64,
    /// Bytes of blobs that only the build cache needs.
    pub cache: u64,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActView {
    /// What was typed: a command of the shell. Writing a file in the editor is one, too.
    pub text: String,
    /// The same in a few words, for the timeline.
    pub title: String,
    /// How it ended; `None` while it is undone.
    pub code: Option<i32>,
}

/// A level, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelView {
    /// Its name in addresses: `layers-1`.
    pub id: String,
    /// The set that it belongs to: `Layers`, `Cache` …
    pub set: String,
    /// Its number in the set, from 1.
    pub number: usize,
    /// Its title.
    pub title: String,
    /// What is wanted and why, in paragraphs; `code` in backticks.
    pub story: Vec<String>,
    /// What must hold.
    pub asserts: Vec<AssertView>,
    /// Whether all of them hold.
    pub solved: bool,
    /// How many acts have been done.
    pub acts: usize,
    /// How many are enough.
    pub par: usize,
    /// Hints, from a nudge to nearly all.
    pub hints: Vec<String>,
    /// A solution, as a log.
    pub solution: String,
    /// The chapter of the book that teaches it: its page.
    pub chapter: String,
    /// The next level, if there is one.
    pub next: Option<String>,
}

/// Something that must hold for a level to be solved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssertView {
    /// Its name in the level's file.
    pub name: String,
    /// What must hold, one sentence.
    pub text: String,
    /// Whether it does.
    pub holds: bool,
    /// What is the case instead: path, layer, digest.
    pub evidence: String,
}

/// A level in the list of all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelEntry {
    /// Its name in addresses.
    pub id: String,
    /// The set that it belongs to.
    pub set: String,
    /// Its title.
    pub title: String,
    /// What it teaches, one sentence.
    pub teaches: String,
}

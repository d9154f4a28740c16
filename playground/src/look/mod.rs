//! Looking closer: what a tab of the inspector shows, computed only when somebody looks.

mod files;
mod grid;
mod life;
mod stacks;
mod texts;

pub use grid::KINDS;
use serde::{Deserialize, Serialize};

use crate::level;
use crate::session::Session;

/// What somebody wants to see.
///
/// `of` names a stack of layers: `build` is what the Dockerfile would make now, `step N` is the
/// build after its N-th step (from 0), `container NAME` is a container; anything else is a
/// reference or digest of an image that is here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "look", rename_all = "kebab-case")]
pub enum Look {
    /// The files of a stack, or of one of its layers.
    Files {
        /// Which stack.
        of: String,
        /// Only this layer, from 0; all that is seen at the top if absent.
        #[serde(default)]
        layer: Option<usize>,
        /// Only paths that contain this.
        #[serde(default)]
        filter: String,
        /// The first row that is wanted.
        #[serde(default)]
        start: usize,
        /// How many rows are wanted.
        #[serde(default = "many")]
        count: usize,
    },
    /// One file's life over the layers.
    File {
        /// Which stack.
        of: String,
        /// Its path.
        path: String,
    },
    /// Lower layers, upper and merged, side by side. The last layer is the upper one.
    Overlay {
        /// Which stack.
        of: String,
        /// Only paths that contain this.
        #[serde(default)]
        filter: String,
        /// Whether paths that only the lowest layer has are shown, too.
        #[serde(default)]
        all: bool,
    },
    /// Every digest of an image and what it is the digest of.
    Digests {
        /// Which stack.
        of: String,
    },
    /// A document of an image: `manifest` or `config`.
    Json {
        /// Which stack.
        of: String,
        /// Which document.
        document: String,
    },
    /// The headers of a layer's archive, as they stand in the tar.
    Tar {
        /// Which stack.
        of: String,
        /// Which layer, from 0.
        layer: usize,
    },
    /// Every file of the project: whether the build sees it, why not, and which steps take it.
    Context,
    /// The Dockerfile line by line: what each makes and what its cache key depends on.
    Explain,
    /// The levels that there are.
    Levels,
    /// The table of an element in the book.
    Grid {
        /// Which: one of [`KINDS`].
        kind: String,
        /// Of which stack; for `registry`, which host.
        of: String,
        /// For `diff`, which layer.
        #[serde(default)]
        layer: usize,
    },
}

fn many() -> usize {
    500
}

/// Looks.
pub fn look(session: &mut Session, wanted: &Look) -> Seen {
    let seen = match wanted {
        Look::Files {
            of,
            layer,
            filter,
            start,
            count,
        } => files::files(
            session,
            of,
            *layer,
            filter,
            *start..start.saturating_add(*count),
        ),
        Look::File { of, path } => life::life(session, of, path),
        Look::Overlay { of, filter, all } => files::overlay(session, of, filter, *all),
        Look::Digests { of } => texts::digests(session, of),
        Look::Json { of, document } => texts::json(session, of, document),
        Look::Tar { of, layer } => texts::tar(session, of, *layer),
        Look::Context => Ok(texts::context(session)),
        Look::Explain => Ok(texts::explain(session)),
        Look::Grid { kind, of, layer } => grid::grid(session, kind, of, *layer),
        Look::Levels => Ok(Seen::Levels {
            levels: level::list(),
        }),
    };
    seen.unwrap_or_else(|why| Seen::Nothing { why })
}

/// What is seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "seen", rename_all = "kebab-case")]
pub enum Seen {
    /// Of [`Look::Files`].
    Files {
        /// How many rows there are.
        total: usize,
        /// How many match the filter.
        matched: usize,
        /// Those that were asked for.
        rows: Vec<FileRow>,
    },
    /// Of [`Look::File`].
    File {
        /// Its path.
        path: String,
        /// What each layer that has a say says, lowest first.
        life: Vec<LifeRow>,
    },
    /// Of [`Look::Overlay`].
    Overlay {
        /// The layers, lowest first: what made each.
        layers: Vec<String>,
        /// How many rows match; at most 2,000 are given.
        matched: usize,
        /// One row a path.
        rows: Vec<OverlayRow>,
    },
    /// Of [`Look::Digests`].
    Digests {
        /// In the order in which one follows from another.
        rows: Vec<DigestRow>,
    },
    /// Of [`Look::Json`].
    Json {
        /// The digest of the bytes.
        digest: String,
        /// How many bytes there are.
        size: u64,
        /// The document, indented for reading; its digest is of the bytes without that.
        text: String,
    },
    /// Of [`Look::Tar`].
    Tar {
        /// In the archive's order.
        rows: Vec<TarRow>,
    },
    /// Of [`Look::Context`].
    Context {
        /// One row a file.
        rows: Vec<ContextRow>,
    },
    /// Of [`Look::Explain`].
    Explain {
        /// One row an instruction.
        rows: Vec<ExplainRow>,
    },
    /// Of [`Look::Levels`].
    Levels {
        /// In the order in which they are played.
        levels: Vec<crate::view::LevelEntry>,
    },
    /// Of [`Look::Grid`].
    Grid {
        /// The heads of the columns.
        head: Vec<String>,
        /// The rows.
        rows: Vec<Vec<Cell>>,
    },
    /// It cannot be shown.
    Nothing {
        /// Why, one sentence.
        why: String,
    },
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// What stands in it.
    pub text: String,
    /// How it looks: `code`, `number`, `new`, `changed`, `gone`, `none`, or plain.
    pub tone: &'static str,
}

/// A path of a layer or a stack.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileRow {
    /// Its path, without a leading slash; directories end with one.
    pub path: String,
    /// `dir`, `file`, `symlink`, `char`, `block`, `fifo`, `hardlink`, `whiteout` or `opaque`.
    pub kind: &'static str,
    /// In a layer: `A` added, `M` modified, `D` deleted, `W` a whiteout that hides nothing.
    /// In a stack: empty.
    pub change: &'static str,
    /// What is other than below: `content`, `mode`, `owner`, `time`, `kind`, `target`.
    pub what: Vec<&'static str>,
    /// As ls prints it: `rwxr-xr-x`.
    pub mode: String,
    /// User and group: `0:0`.
    pub owner: String,
    /// Its size, in bytes.
    pub size: u64,
    /// Where a link leads.
    pub target: Option<String>,
    /// In a stack: the layer that it comes from, from 0.
    pub layer: Option<usize>,
}

/// What a layer says about a path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LifeRow {
    /// Which layer, from 0.
    pub layer: usize,
    /// What made the layer.
    pub created_by: String,
    /// `A`, `M` or `D`.
    pub change: &'static str,
    /// What is other than before.
    pub what: Vec<&'static str>,
    /// As ls prints it.
    pub mode: String,
    /// User and group.
    pub owner: String,
    /// Its size, in bytes.
    pub size: u64,
    /// The digest of what is in it.
    pub digest: Option<String>,
    /// What is in it, when it is text and short.
    pub text: Option<String>,
    /// How the text differs from before, line by line.
    pub diff: Vec<DiffLine>,
}

/// A line of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffLine {
    /// ` ` in both, `-` only before, `+` only after.
    pub sign: char,
    /// The line.
    pub text: String,
}

/// A path, layer by layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverlayRow {
    /// The path.
    pub path: String,
    /// What each layer says, lowest first: empty for nothing, else a kind as in [`FileRow`].
    pub cells: Vec<&'static str>,
    /// What is seen at the top; empty for nothing.
    pub merged: &'static str,
    /// Which layer it is seen from.
    pub from: Option<usize>,
    /// Whether the upper layer holds a copy of a file that a lower one has, too.
    pub copied_up: bool,
}

/// A digest and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DigestRow {
    /// What it is of: `diff ID 2`, `chain ID 2`, `layer 2`, `config`, `manifest`.
    pub name: String,
    /// The digest.
    pub digest: String,
    /// How it is made, as a formula: `sha256(chain ID 1 + " " + diff ID 2)`.
    pub formula: String,
    /// The very text that is digested, where it is short.
    pub input: Option<String>,
    /// How many bytes are digested.
    pub size: u64,
}

/// A header of an archive.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TarRow {
    /// The name as it stands there.
    pub name: String,
    /// The kind of entry.
    pub kind: &'static str,
    /// Permission bits, in octal.
    pub mode: String,
    /// User and group.
    pub owner: String,
    /// The size of what follows it.
    pub size: u64,
    /// The time, in seconds since 1970.
    pub mtime: u64,
    /// Where a link leads.
    pub target: Option<String>,
    /// What the name means, where it is special: a whiteout, an opaque directory.
    pub note: String,
}

/// A file of the project as the build sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContextRow {
    /// Its path.
    pub path: String,
    /// Whether the build sees it.
    pub seen: bool,
    /// Why or why not, one sentence.
    pub why: String,
    /// The lines of the Dockerfile that take it.
    pub taken_by: Vec<usize>,
}

/// A line of the Dockerfile, explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainRow {
    /// The line.
    pub line: usize,
    /// The instruction.
    pub text: String,
    /// What it makes.
    pub makes: String,
    /// What its key depends on.
    pub depends_on: Vec<String>,
    /// Which stages use it.
    pub used_by: Vec<String>,
}

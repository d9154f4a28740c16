//! A table for one of the elements in the book's pages. The book writes it when it is built, and
//! the element draws it when it lives: both are this one.

use super::files::overlay;
use super::{Cell, FileRow, Seen, files, texts};
use crate::session::Session;
use crate::view::{HistoryView, LayerView};
use coracle::human::size;

/// The kinds of table: the element `coracle-KIND` shows each.
pub const KINDS: [&str; 6] = ["layers", "diff", "overlay", "cache", "digest", "registry"];

/// A table under way.
struct Grid {
    head: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// The table of one kind, of a stack and, for `diff`, of one of its layers.
pub(super) fn grid(
    session: &mut Session,
    kind: &str,
    of: &str,
    layer: usize,
) -> Result<Seen, String> {
    let grid = match kind {
        "layers" => layers(session, of)?,
        "diff" => diff(session, of, layer)?,
        "overlay" => side_by_side(session, of)?,
        "cache" => cache(session),
        "digest" => digests(session, of)?,
        "registry" => voyage(session, of)?,
        other => {
            return Err(format!(
                "there is no table {other:?}; there are {}",
                KINDS.join(", ")
            ));
        }
    };
    let Grid { head, rows } = grid;
    Ok(Seen::Grid { head, rows })
}

fn cell(text: impl Into<String>, tone: &'static str) -> Cell {
    Cell {
        text: text.into(),
        tone,
    }
}

fn plain(text: impl Into<String>) -> Cell {
    cell(text, "")
}

fn heads(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `A1 M2 D3`, without what is none.
fn changes(layer: &LayerView) -> String {
    let part = |sign, number: usize| (number > 0).then(|| format!("{sign}{number}"));
    let parts = [
        part("A", layer.added),
        part("M", layer.modified),
        part("D", layer.deleted),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(" ")
    }
}

/// The layers of an image, the topmost first, and who shares them.
fn layers(session: &mut Session, of: &str) -> Result<Grid, String> {
    let view = session.view();
    let image = if of == "build" {
        view.build.image.ok_or("the Dockerfile makes no image")?
    } else {
        let named = |image: &crate::view::ImageView| image.references.iter().any(|r| r == of);
        let found = view.images.into_iter().find(named);
        found.ok_or_else(|| format!("there is no image {of}"))?
    };
    let row = |line: &HistoryView| {
        let by = cell(line.created_by.clone(), "code");
        match &line.layer {
            None => vec![by, plain("config only"), plain(""), plain("")],
            Some(layer) => vec![
                by,
                plain(changes(layer)),
                cell(size(layer.size, 3), "number"),
                plain(line.shared_with.join(", ")),
            ],
        }
    };
    Ok(Grid {
        head: heads(&["made by", "changes", "size", "shared with"]),
        rows: image.history.iter().rev().map(row).collect(),
    })
}

/// What one layer says.
fn diff(session: &mut Session, of: &str, layer: usize) -> Result<Grid, String> {
    let seen = files::files(session, of, Some(layer), "", 0..usize::MAX)?;
    let Seen::Files { rows, .. } = seen else {
        return Err("no files".to_owned());
    };
    let word = |change: &str| match change {
        "A" => "added",
        "M" => "modified",
        "D" => "deleted",
        _ => "hides nothing",
    };
    let row = |row: FileRow| {
        let kind = match row.kind {
            "whiteout" | "opaque" => row.kind,
            _ => "",
        };
        vec![
            cell(
                format!("{} {}", row.change, word(row.change)),
                tone(row.change),
            ),
            cell(row.path, "code"),
            plain(if kind.is_empty() {
                row.what.join(", ")
            } else {
                kind.to_owned()
            }),
            cell(
                if row.kind == "file" {
                    size(row.size, 3)
                } else {
                    String::new()
                },
                "number",
            ),
        ]
    };
    Ok(Grid {
        head: heads(&["change", "path", "what", "size"]),
        rows: rows.into_iter().map(row).collect(),
    })
}

fn tone(change: &str) -> &'static str {
    match change {
        "A" => "new",
        "M" => "changed",
        _ => "gone",
    }
}

/// What each layer says of each path, and what is seen.
fn side_by_side(session: &mut Session, of: &str) -> Result<Grid, String> {
    let Seen::Overlay { layers, rows, .. } = overlay(session, of, "", false)? else {
        return Err("no layers".to_owned());
    };
    let top = layers.len().saturating_sub(1);
    let name = |i: usize| match i {
        i if i == top && i > 0 => "upper".to_owned(),
        i => format!("lower {i}"),
    };
    let mut head = heads(&["path"]);
    head.extend((0..layers.len()).map(name));
    head.push("merged".to_owned());
    let rows = rows.into_iter().map(|row| {
        let mut cells = vec![cell(row.path, "code")];
        let tone = |kind: &str, i: usize| match kind {
            "whiteout" | "opaque" => "gone",
            _ if row.from == Some(i) => "new",
            _ => "",
        };
        cells.extend(
            row.cells
                .iter()
                .enumerate()
                .map(|(i, kind)| cell(*kind, tone(kind, i))),
        );
        let merged = match (row.merged, row.copied_up) {
            ("", _) => "not seen".to_owned(),
            (kind, true) => format!("{kind}, copied up"),
            (kind, false) => kind.to_owned(),
        };
        cells.push(plain(merged));
        cells
    });
    Ok(Grid {
        head,
        rows: rows.collect(),
    })
}

/// The steps of the Dockerfile: hit or miss, and why.
fn cache(session: &Session) -> Grid {
    let row = |step: &crate::view::StepView| {
        let state = match step.state {
            "cached" => cell("cached", "none"),
            "missed" => cell("made", "changed"),
            "failed" => cell("failed", "gone"),
            "unreached" => plain("not reached"),
            _ => plain(""),
        };
        vec![
            cell(step.text.clone(), "code"),
            state,
            plain(step.why.join("; ")),
        ]
    };
    Grid {
        head: heads(&["step", "cache", "why"]),
        rows: session.preview.view.steps.iter().map(row).collect(),
    }
}

/// Digests and what they are of.
fn digests(session: &mut Session, of: &str) -> Result<Grid, String> {
    let Seen::Digests { rows } = texts::digests(session, of)? else {
        return Err("no digests".to_owned());
    };
    let rows = rows.into_iter().map(|row| {
        let short = row.digest.get(7..19).unwrap_or(&row.digest).to_owned();
        vec![plain(row.name), cell(short, "code"), plain(row.formula)]
    });
    Ok(Grid {
        head: heads(&["of", "digest", "how it is made"]),
        rows: rows.collect(),
    })
}

/// What the last push to a registry, or pull from it, moved.
fn voyage(session: &Session, host: &str) -> Result<Grid, String> {
    let registry = session.state().registries.get(host);
    let registry = registry.ok_or_else(|| format!("there is no registry {host}"))?;
    let voyage = registry.last.clone().unwrap_or_default();
    let row = |blob: &crate::view::BlobView| {
        let from = blob
            .from
            .as_ref()
            .map(|from| format!("mounted from {from}"));
        let (words, tone) = match blob.state {
            "exists" => ("already exists".to_owned(), "none"),
            "mounted" => (from.unwrap_or_default(), "none"),
            state => (state.to_owned(), "new"),
        };
        let short = blob.digest.get(7..19).unwrap_or(&blob.digest).to_owned();
        vec![
            cell(short, "code"),
            cell(size(blob.size, 3), "number"),
            cell(words, tone),
        ]
    };
    Ok(Grid {
        head: heads(&["blob", "size", "what happens to it"]),
        rows: voyage.blobs.iter().map(row).collect(),
    })
}

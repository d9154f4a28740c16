//! The files of a layer, of a stack, and of all layers side by side.

use std::collections::BTreeMap;
use std::ops::Range;

use coracle::layer::{Layer, Whiteout};
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Tree};

use super::stacks::{self, Stack};
use super::{FileRow, OverlayRow, Seen};
use crate::session::Session;
use crate::show;
use crate::stack::differences;

/// The rows of a layer or of what is seen at the top.
pub(super) fn files(
    session: &mut Session,
    of: &str,
    layer: Option<usize>,
    filter: &str,
    wanted: Range<usize>,
) -> Result<Seen, String> {
    let stack = stacks::find(session, of)?;
    let (total, rows) = match layer {
        Some(number) => {
            let rows = layer_rows(session, &stack, number)?;
            let total = rows.len();
            let matches = |row: &FileRow| row.path.contains(filter);
            (total, rows.into_iter().filter(matches).collect())
        }
        None => merged_rows(session, &stack, filter)?,
    };
    let matched = rows.len();
    let end = wanted.end.min(matched);
    Ok(Seen::Files {
        total,
        matched,
        rows: rows.into_iter().take(end).skip(wanted.start).collect(),
    })
}

fn layer_rows(session: &mut Session, stack: &Stack, number: usize) -> Result<Vec<FileRow>, String> {
    let layer = stack.layer(session, number)?;
    let below = stack.tree(session, number)?;
    let mut rows: Vec<(RootedPath, FileRow)> = Vec::new();
    for hide in &layer.hides {
        rows.push((hide.path().clone(), hidden(hide, &below)));
    }
    for (path, node) in &layer.adds {
        let old = below.get(path);
        let (change, what) = match old {
            None => ("A", Vec::new()),
            Some(old) => ("M", differences(old, node)),
        };
        let shown = FileRow {
            change,
            what,
            ..row(path, node)
        };
        rows.push((path.clone(), shown));
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// A whiteout: `D` where it hides something, `W` where there is nothing to hide.
fn hidden(hide: &Whiteout, below: &Tree) -> FileRow {
    let path = hide.path();
    let (kind, hides) = match hide {
        Whiteout::Path(path) => ("whiteout", below.get(path).is_some()),
        Whiteout::Below(path) => ("opaque", below.below(path).next().is_some()),
    };
    let size = match below.get(path) {
        Some(node) => show::size(node),
        None => 0,
    };
    FileRow {
        path: path.to_text().into_owned(),
        kind,
        change: if hides { "D" } else { "W" },
        what: Vec::new(),
        mode: String::new(),
        owner: String::new(),
        size,
        target: None,
        layer: None,
    }
}

/// How many paths are seen, and the rows of those that contain `filter`.
fn merged_rows(
    session: &mut Session,
    stack: &Stack,
    filter: &str,
) -> Result<(usize, Vec<FileRow>), String> {
    let tree = stack.tree(session, stack.len())?;
    let entries = tree.iter().filter(|(path, _)| !path.is_root());
    let entries = entries.filter(|(path, node)| {
        let text = path.to_text();
        let directory = node.kind == Kind::Directory;
        text.contains(filter) || (directory && format!("{text}/").ends_with(filter))
    });
    let mut rows: Vec<(&RootedPath, FileRow)> = entries
        .map(|(path, node)| (path, row(path, node)))
        .collect();
    // The topmost layer that says something of a path is the one that it comes from. Both lists
    // are in order, so one walk through each is enough.
    for number in 0..stack.len() {
        let layer = stack.layer(session, number)?;
        let mut adds = layer.adds.iter().map(|(path, _)| path).peekable();
        for (path, row) in &mut rows {
            while adds.peek().is_some_and(|add| *add < *path) {
                adds.next();
            }
            if adds.peek() == Some(path) {
                row.layer = Some(number);
            }
        }
    }
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    Ok((tree.len() - 1, rows))
}

fn row(path: &RootedPath, node: &Node) -> FileRow {
    let text = path.to_text();
    let is_directory = node.kind == Kind::Directory;
    FileRow {
        path: if is_directory {
            format!("{text}/")
        } else {
            text.into_owned()
        },
        kind: node.kind.word(),
        change: "",
        what: Vec::new(),
        mode: permissions(node.meta.mode),
        owner: format!("{}:{}", node.meta.uid, node.meta.gid),
        size: show::size(node),
        target: match &node.kind {
            Kind::Symlink(target) => Some(String::from_utf8_lossy(target).into_owned()),
            Kind::HardLink(path) => Some(format!("/{}", path.to_text())),
            _ => None,
        },
        layer: None,
    }
}

/// Permission bits as ls prints them.
pub(super) fn permissions(mode: u32) -> String {
    let special = [(0o4000, 6, 's'), (0o2000, 3, 's'), (0o1000, 0, 't')];
    let mut text = String::new();
    for (bit, shift, letter) in special {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & bit != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// So many rows of an overlay are given.
const MOST_ROWS: usize = 2000;

/// What each layer says of each path, side by side with what is seen.
pub(super) fn overlay(
    session: &mut Session,
    of: &str,
    filter: &str,
    all: bool,
) -> Result<Seen, String> {
    let stack = stacks::find(session, of)?;
    let count = stack.len();
    let mut cells: BTreeMap<RootedPath, Vec<&'static str>> = BTreeMap::new();
    for number in 0..count {
        let layer = stack.layer(session, number)?;
        say(&layer, number, count, &mut cells);
    }
    let tree = stack.tree(session, count)?;
    let top = count.saturating_sub(1);
    let rows = cells.into_iter().filter(|(path, cells)| {
        let interesting = all || cells[1.min(top)..].iter().any(|cell| !cell.is_empty());
        interesting && !path.is_root() && path.to_text().contains(filter)
    });
    let rows: Vec<_> = rows
        .map(|(path, cells)| {
            let merged = tree.get(&path).map_or("", |node| node.kind.word());
            let says = |cell: &&str| !matches!(*cell, "" | "whiteout" | "opaque");
            let from = cells.iter().rposition(says).filter(|_| !merged.is_empty());
            let copied_up = top > 0 && cells[top] == "file" && cells[..top].contains(&"file");
            OverlayRow {
                path: path.to_text().into_owned(),
                merged,
                from,
                copied_up,
                cells,
            }
        })
        .collect();
    Ok(Seen::Overlay {
        layers: stack.made_by.clone(),
        matched: rows.len(),
        rows: rows.into_iter().take(MOST_ROWS).collect(),
    })
}

fn say(
    layer: &Layer,
    number: usize,
    count: usize,
    cells: &mut BTreeMap<RootedPath, Vec<&'static str>>,
) {
    let mut set = |path: &RootedPath, word| {
        let row = cells.entry(path.clone()).or_insert_with(|| vec![""; count]);
        row[number] = word;
    };
    for hide in &layer.hides {
        let word = match hide {
            Whiteout::Path(_) => "whiteout",
            Whiteout::Below(_) => "opaque",
        };
        set(hide.path(), word);
    }
    for (path, node) in &layer.adds {
        set(path, node.kind.word());
    }
}

//! What is seen of a stack.

use crate::{Layer, Meaning, Node, Result, Seen, View, Whiteout, classify, entries, parents};

// ANCHOR: is_below
/// Whether a path lies below a directory; the root is the empty text.
pub fn is_below(path: &str, directory: &str) -> bool {
    // TASK 2: `etc/hosts` is below `etc`; `etc` and `etcetera` are not. All but the root is below it.
    match path.strip_prefix(directory) {
        Some(rest) if directory.is_empty() => !rest.is_empty(),
        Some(rest) => rest.starts_with('/'),
        None => false,
    }
    // TASK_END
}
// ANCHOR_END: is_below

// ANCHOR: hide
/// Takes away what a whiteout hides.
pub fn hide(view: &mut View, whiteout: &Whiteout) {
    // TASK 2: Keep the paths that the whiteout does not hide.
    view.retain(|path, _| match whiteout {
        Whiteout::Path(hidden) => path != hidden && !is_below(path, hidden),
        Whiteout::Below(directory) => !is_below(path, directory),
    });
    // TASK_END
}
// ANCHOR_END: hide

// ANCHOR: add
/// Puts something at a path, with the directories that it needs.
pub fn add(view: &mut View, path: &str, seen: Seen) {
    // TASK 3: Make every parent a directory; hide what a file covers; then put it there.
    for parent in parents(path) {
        if !is_directory(view, parent) {
            let directory = Seen {
                node: Node::Directory,
                layer: seen.layer,
            };
            view.insert(parent.to_owned(), directory);
        }
    }
    if seen.node != Node::Directory && is_directory(view, path) {
        hide(view, &Whiteout::Below(path.to_owned()));
    }
    view.insert(path.to_owned(), seen);
    // TASK_END
}
// ANCHOR_END: add

/// Whether a directory is seen at a path.
pub fn is_directory(view: &View, path: &str) -> bool {
    view.get(path)
        .is_some_and(|seen| seen.node == Node::Directory)
}

// ANCHOR: stack
/// What is seen of a stack, the lowest layer first.
pub fn view(layers: &[Layer]) -> View {
    // TASK 4: Lay one layer after the other on an empty view: first it hides, then it adds.
    let mut view = View::new();
    for (number, layer) in layers.iter().enumerate() {
        for whiteout in &layer.hides {
            hide(&mut view, whiteout);
        }
        for (path, node) in &layer.adds {
            let node = node.clone();
            add(
                &mut view,
                path,
                Seen {
                    node,
                    layer: number,
                },
            );
        }
    }
    view
    // TASK_END
}
// ANCHOR_END: stack

// ANCHOR: naive
/// Lays an archive on a view as a first draft would: entry by entry, as they come.
pub fn in_archive_order(view: &mut View, archive: &[u8], layer: usize) -> Result<()> {
    for entry in entries(archive)? {
        match classify(&entry.name)? {
            Meaning::Hide(whiteout) => hide(view, &whiteout),
            Meaning::Add(path) if !path.is_empty() => {
                let node = entry.node;
                add(view, &path, Seen { node, layer });
            }
            _ => {}
        }
    }
    Ok(())
}
// ANCHOR_END: naive

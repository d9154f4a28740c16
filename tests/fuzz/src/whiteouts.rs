//! Stacks of layers: applying hides first and adds then, whatever the order in the archive; it
//! never leaves the root; and it does what the slow definition does.
//!
//! Each three bytes of an input are an entry: where, what, and where a link leads. So few names
//! are in use that paths collide all the time.

use coracle::layer::{ApplyError, Bounds, Layer, Whiteout, apply, diff, gather, keep_inline, tar};
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Tree};

use super::tar::check_path;
use super::tarball::{mended, push};

/// More entries only repeat what fewer show.
const MOST_ENTRIES: usize = 64;

pub(crate) fn run(bytes: &[u8]) {
    let mut tree = Tree::new();
    let mut slow = Slow::default();
    for entries in archives(bytes) {
        let Some(layer) = layer(&entries) else {
            return;
        };
        let before = tree.clone();
        let result = apply(&mut tree, &layer);
        check_two_steps(&before, &layer, &result, &tree);
        check_tree(&tree);
        check_archive(&layer);
        if result.is_err() {
            return;
        }
        if slow.apply(&layer) {
            assert_eq!(
                slow.text(),
                Slow::of(&tree).text(),
                "on {before:?}\n{layer:?}"
            );
        }
        let difference = diff(&before, &tree);
        let mut again = before.clone();
        apply(&mut again, &difference).expect("a difference applies to what it was taken from");
        assert_eq!(again, tree, "apply(diff(a, b), a) is not b");
        assert!(diff(&tree, &tree).is_empty());
        slow = Slow::of(&tree);
    }
}

/// One entry of an archive.
struct Entry {
    kind: u8,
    name: Vec<u8>,
    target: Vec<u8>,
    content: Vec<u8>,
    is_whiteout: bool,
}

/// The archives that `bytes` tell of. An entry of kind 8 begins the next one.
fn archives(bytes: &[u8]) -> Vec<Vec<Entry>> {
    let mut archives = vec![Vec::new()];
    for bytes in bytes.chunks_exact(3).take(MOST_ENTRIES) {
        let at = path(bytes[0]);
        let name = at.as_bytes().to_vec();
        let hide = |name: &[u8]| {
            at.parent()
                .unwrap_or_default()
                .child(name)
                .as_bytes()
                .to_vec()
        };
        let (kind, name, target) = match bytes[1] % 9 {
            2 | 3 => (b'5', name, Vec::new()),
            4 => (b'2', name, link(bytes[2])),
            5 => (b'1', name, path(bytes[2]).as_bytes().to_vec()),
            6 if !at.is_root() => (b'0', hide(&[b".wh.", at.name()].concat()), Vec::new()),
            7 => (
                b'0',
                at.child(b".wh..wh..opq").as_bytes().to_vec(),
                Vec::new(),
            ),
            8 => {
                archives.push(Vec::new());
                continue;
            }
            _ => (b'0', name, Vec::new()),
        };
        if at.is_root() && !matches!(bytes[1] % 9, 2 | 3 | 7) {
            continue;
        }
        let entry = Entry {
            kind,
            name,
            target,
            content: if kind == b'0' {
                vec![bytes[2]]
            } else {
                Vec::new()
            },
            is_whiteout: matches!(bytes[1] % 9, 6 | 7),
        };
        if let Some(archive) = archives.last_mut() {
            archive.push(entry);
        }
    }
    archives
}

/// What an archive with these entries says; `None` when its links go round.
fn read<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<Layer> {
    let mut archive = Vec::new();
    for entry in entries {
        push(
            &mut archive,
            entry.kind,
            &entry.name,
            &entry.target,
            &entry.content,
        );
    }
    gather(
        mended(&archive).as_slice(),
        Bounds::default(),
        &mut keep_inline,
    )
    .ok()
}

/// The layer of an archive. It is the same wherever in the archive the whiteouts stand.
fn layer(entries: &[Entry]) -> Option<Layer> {
    let layer = read(entries.iter());
    let adds = || entries.iter().filter(|entry| !entry.is_whiteout);
    let hides = || entries.iter().filter(|entry| entry.is_whiteout);
    assert_eq!(read(hides().chain(adds())), layer, "whiteouts first");
    assert_eq!(read(adds().chain(hides().rev())), layer, "whiteouts last");
    layer
}

/// Up to three of the names `a`, `b` and `c`.
fn path(byte: u8) -> RootedPath {
    let names = [byte & 3, byte >> 2 & 3, byte >> 4 & 3];
    let names = names.into_iter().take_while(|name| *name != 0);
    names.fold(RootedPath::root(), |path, name| path.child(&[b'`' + name]))
}

/// A link's target: relative, absolute, or upwards and out.
fn link(byte: u8) -> Vec<u8> {
    let start = ["", "/", "../", "../../../../"][usize::from(byte >> 6)];
    [start.as_bytes(), path(byte).as_bytes()].concat()
}

/// Hides alone and then adds alone give what both together give.
fn check_two_steps(before: &Tree, layer: &Layer, result: &Result<(), ApplyError>, after: &Tree) {
    let (mut hides, mut adds) = (layer.clone(), layer.clone());
    hides.adds.clear();
    adds.hides.clear();
    let mut tree = before.clone();
    let apart = apply(&mut tree, &hides).and_then(|()| apply(&mut tree, &adds));
    assert_eq!(apart, *result, "{layer:?}");
    assert!(
        result.is_err() || tree == *after,
        "in two steps: {tree:?}\nin one: {after:?}"
    );
}

/// What `Tree` promises, and that it is a file system: parents are directories, links are joined.
fn check_tree(tree: &Tree) {
    assert!(tree.is_directory(&RootedPath::root()));
    for (path, node) in tree.iter() {
        check_path(path);
        assert!(
            !matches!(node.kind, Kind::HardLink(_)),
            "{path} is left a link"
        );
        if let Some(parent) = path.parent() {
            assert!(
                tree.is_directory(&parent),
                "{parent} is no directory: {tree:?}"
            );
        }
    }
}

/// Written as an archive, a layer reads the same.
fn check_archive(layer: &Layer) {
    let mut archive = Vec::new();
    tar::write(layer, &mut archive).expect("a layer is written");
    let read = gather(archive.as_slice(), Bounds::default(), &mut keep_inline)
        .expect("what was written is read");
    assert_eq!(read, *layer, "what was written reads differently");
}

/// A file system without links as a list of paths: the definition, as slowly as it can be written.
#[derive(Debug, Default)]
struct Slow {
    entries: Vec<(String, String)>,
    has_links: bool,
}

impl Slow {
    fn of(tree: &Tree) -> Self {
        let text = |path: &RootedPath| format!("/{}", path.to_text());
        let entries = tree.iter().filter(|(path, _)| !path.is_root());
        Self {
            entries: entries
                .map(|(path, node)| (text(path), word(node)))
                .collect(),
            has_links: tree
                .iter()
                .any(|(_, node)| matches!(node.kind, Kind::Symlink(_))),
        }
    }

    /// Applies a layer; `false` when there are links, which this does not know.
    fn apply(&mut self, layer: &Layer) -> bool {
        let is_link = |node: &Node| matches!(node.kind, Kind::Symlink(_) | Kind::HardLink(_));
        if self.has_links || layer.adds.iter().any(|(_, node)| is_link(node)) {
            return false;
        }
        for hide in &layer.hides {
            let at = hide.path().to_text().into_owned();
            let below = if at.is_empty() {
                "/".to_owned()
            } else {
                format!("/{at}/")
            };
            let itself = matches!(hide, Whiteout::Path(_));
            let at = format!("/{at}");
            self.entries
                .retain(|(path, _)| !(path.starts_with(&below) || itself && *path == at));
        }
        for (path, node) in &layer.adds {
            self.add(&path.to_text(), node);
        }
        true
    }

    fn add(&mut self, path: &str, node: &Node) {
        if path.is_empty() {
            return;
        }
        let names: Vec<&str> = path.split('/').collect();
        for length in 1..names.len() {
            let parent = format!("/{}", names[..length].join("/"));
            self.put(&parent, None);
        }
        self.put(&format!("/{path}"), Some(node));
    }

    /// Puts a node at `path`, or a directory where none is.
    fn put(&mut self, path: &str, node: Option<&Node>) {
        let is_directory = |word: &str| word.starts_with("dir");
        let old = self.entries.iter().position(|(there, _)| there == path);
        if node.is_none() && old.is_some_and(|i| is_directory(&self.entries[i].1)) {
            return;
        }
        let new = word(node.unwrap_or(&Node::directory(0o755)));
        if !is_directory(&new) || old.is_some_and(|i| !is_directory(&self.entries[i].1)) {
            let below = format!("{path}/");
            self.entries.retain(|(there, _)| !there.starts_with(&below));
        }
        self.entries.retain(|(there, _)| there != path);
        self.entries.push((path.to_owned(), new));
    }

    fn text(&self) -> String {
        let mut lines: Vec<_> = self
            .entries
            .iter()
            .map(|(p, w)| format!("{p} {w}"))
            .collect();
        lines.sort();
        lines.join("\n")
    }
}

fn word(node: &Node) -> String {
    match &node.kind {
        Kind::File(content) => {
            let bytes = content.read().expect("the content is in memory");
            format!("file {:o} {bytes:?}", node.meta.mode)
        }
        kind => format!("{} {:o}", kind.word(), node.meta.mode),
    }
}

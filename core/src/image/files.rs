//! What files an image has: the rows of `image ls-files`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::{ImageError, StoredLayer, gather_layer};
use crate::layer::{Bounds, Layer, Whiteout, apply};
use crate::path::RootedPath;
use crate::store::{Store, StoreError};
use crate::tree::{Kind, Node, Tree};

/// One entry of an image or a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileRow {
    /// The path with a leading slash; what is not UTF-8 is replaced.
    pub path: String,
    /// The bytes of the path in hexadecimal, with the slash, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// `dir`, `file`, `symlink`, `char`, `block`, `fifo`; in a layer also `hardlink` (to a file
    /// of a lower layer), `whiteout` and `opaque`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The permission bits as four octal digits, such as `0755`.
    pub mode: String,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// A file's size in bytes; 0 for everything else.
    pub size: u64,
    /// The hex digits of a file's SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where a symbolic link leads, or the first path of a hard-linked file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The bytes of the target in hexadecimal, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_hex: Option<String>,
    /// Seconds since 1970, with nanoseconds as decimals where there are any.
    pub mtime: String,
    /// Extended attributes, values in hexadecimal.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// A device's major number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<u32>,
    /// A device's minor number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<u32>,
    /// Which layer it comes from, counted from 0, the lowest; `None` for a directory that no
    /// layer names, and for the entries of a layer that is in no stack.
    pub layer: Option<usize>,
}

/// Everything in the tree that `layers` make, in path order, as long as each is within `bounds`.
pub fn files(
    store: &Arc<dyn Store>,
    layers: &[StoredLayer],
    bounds: Bounds,
) -> Result<Vec<FileRow>, ImageError> {
    let mut tree = Tree::new();
    let mut origins: BTreeMap<*const Node, usize> = BTreeMap::new();
    for (number, stored) in layers.iter().enumerate() {
        let layer = gather_layer(store, stored, bounds)?;
        for (_, node) in &layer.adds {
            origins.insert(Arc::as_ptr(node), number);
        }
        apply(&mut tree, &layer).map_err(|source| ImageError::Apply {
            digest: stored.blob.digest.clone(),
            source,
        })?;
        // A node that went may leave its address to a later one.
        let alive: std::collections::BTreeSet<_> =
            tree.iter().map(|(_, node)| Arc::as_ptr(node)).collect();
        origins.retain(|node, _| alive.contains(node));
    }
    let mut links = BTreeMap::new();
    tree.iter()
        .map(|(path, node)| {
            row(
                path,
                node,
                origins.get(&Arc::as_ptr(node)).copied(),
                &mut links,
            )
        })
        .collect()
}

/// Everything that layer `number` of `layers` itself says, hides first, then adds in path order.
pub fn layer_files(
    store: &Arc<dyn Store>,
    layers: &[StoredLayer],
    number: usize,
    bounds: Bounds,
) -> Result<Option<Vec<FileRow>>, ImageError> {
    let Some(stored) = layers.get(number) else {
        return Ok(None);
    };
    let layer = gather_layer(store, stored, bounds)?;
    layer_rows(&layer, Some(number)).map(Some)
}

/// Everything that a layer says, hides first, then adds in path order. `number` is its place in
/// a stack, if it has one.
pub fn layer_rows(layer: &Layer, number: Option<usize>) -> Result<Vec<FileRow>, ImageError> {
    let mut links = BTreeMap::new();
    let hides = layer.hides.iter().map(|hide| Ok(hidden(hide, number)));
    let adds = layer
        .adds
        .iter()
        .map(|(path, node)| row(path, node, number, &mut links));
    hides.chain(adds).collect()
}

fn row<'a>(
    path: &'a RootedPath,
    node: &Arc<Node>,
    layer: Option<usize>,
    links: &mut BTreeMap<*const Node, &'a RootedPath>,
) -> Result<FileRow, ImageError> {
    let meta = &node.meta;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut row = FileRow {
        path: path.to_string(),
        path_hex: odd_path(path),
        kind: node.kind.word(),
        mode: format!("{:04o}", meta.mode),
        uid: meta.uid,
        gid: meta.gid,
        size: 0,
        sha256: None,
        target: None,
        target_hex: None,
        mtime: mtime(node),
        xattrs: meta
            .xattrs
            .iter()
            .map(|(name, value)| (text(name), hex(value)))
            .collect(),
        major: None,
        minor: None,
        layer,
    };
    match &node.kind {
        Kind::File(content) => {
            row.size = content.size();
            let digest = content
                .digest()
                .map_err(|e| StoreError::io(format!("read {path}"), e))?;
            row.sha256 = Some(digest.hex().to_owned());
            let first = *links.entry(Arc::as_ptr(node)).or_insert(path);
            if first != path {
                row.target = Some(first.to_string());
                row.target_hex = odd_path(first);
            }
        }
        Kind::Symlink(target) => {
            row.target = Some(text(target));
            row.target_hex = odd(target);
        }
        Kind::HardLink(target) => {
            row.target = Some(target.to_string());
            row.target_hex = odd_path(target);
        }
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            row.major = Some(*major);
            row.minor = Some(*minor);
        }
        Kind::Directory | Kind::Fifo => {}
    }
    Ok(row)
}

fn hidden(hide: &Whiteout, layer: Option<usize>) -> FileRow {
    FileRow {
        path: hide.path().to_string(),
        path_hex: odd_path(hide.path()),
        kind: match hide {
            Whiteout::Path(_) => "whiteout",
            Whiteout::Below(_) => "opaque",
        },
        mode: "0000".to_owned(),
        uid: 0,
        gid: 0,
        size: 0,
        sha256: None,
        target: None,
        target_hex: None,
        mtime: "0".to_owned(),
        xattrs: BTreeMap::new(),
        major: None,
        minor: None,
        layer,
    }
}

/// Bytes that text cannot show.
fn odd(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| hex(bytes))
}

fn odd_path(path: &RootedPath) -> Option<String> {
    odd(path.as_bytes()).map(|hex| format!("2f{hex}"))
}

fn mtime(node: &Node) -> String {
    node.meta.mtime.to_string()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}

//! From an archive's entries, in any order, to a layer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use super::tar::{self, Entry, TarError};
use super::{Bounds, Layer, Whiteout, links};
use crate::path::RootedPath;
use crate::tree::{Content, Kind, Node, Tree, resolve};

/// Reads a whole archive as a layer.
///
/// `keep` decides where the bytes of each file live: here, or at that place of the archive.
///
/// Entries take effect in the archive's order, so of two entries with one path the last counts,
/// and a file may become a directory and back. A parent that the same archive made a symbolic
/// link is followed, inside the root, as an extracting program would.
///
/// More entries than `bounds` allows are refused: each of them needs memory.
pub fn gather(
    archive: impl Read,
    bounds: Bounds,
    keep: &mut dyn FnMut(Span, &mut dyn Read) -> io::Result<Content>,
) -> Result<Layer, TarError> {
    let mut gathered = Gathered::default();
    let mut entries = 0;
    tar::read(archive, &mut |entry, reader| {
        entries += 1;
        bounds.check_entries(entries)?;
        match entry {
            Entry::Hide(whiteout) => {
                gathered.hides.insert(whiteout);
            }
            Entry::Add {
                path,
                meta,
                kind,
                size,
                offset,
            } => {
                let kind = match kind {
                    Kind::File(_) => Kind::File(keep(Span { offset, size }, reader)?),
                    kind => kind,
                };
                gathered.add(&path, Node { meta, kind })?;
            }
        }
        Ok(())
    })?;
    gathered.finish()
}

/// Where in an archive a file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte's offset in the archive.
    pub offset: u64,
    /// How many bytes there are.
    pub size: u64,
}

/// The bytes themselves: keeps every file in memory.
pub fn keep_inline(_: Span, reader: &mut dyn Read) -> io::Result<Content> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(Content::Inline(bytes.into()))
}

#[derive(Default)]
struct Gathered {
    hides: BTreeSet<Whiteout>,
    /// What the archive has made so far, with every parent there must be.
    tree: Tree,
    /// The paths that the archive itself named.
    named: BTreeSet<RootedPath>,
}

impl Gathered {
    fn add(&mut self, path: &RootedPath, node: Node) -> io::Result<()> {
        let place = match path.parent() {
            Some(parent) => resolve(&self.tree, &parent)
                .map_err(io::Error::other)?
                .child(path.name()),
            None => RootedPath::root(),
        };
        // A link is to the file that has the name now, whatever gets the name later.
        let node = match &node.kind {
            Kind::HardLink(target) => self
                .linkable(target)
                // A directory for the link takes the place of a file that stands in its way.
                .filter(|(there, _)| *there == place || !place.is_within(there))
                .map(|(_, node)| node)
                // A link back to here stays what it is until all is known.
                .filter(|node| node.kind != Kind::HardLink(place.clone())),
            _ => None,
        }
        .unwrap_or_else(|| Arc::new(node));
        if node.kind != Kind::Directory {
            // What was below the place goes with it, and its names are free again.
            let gone: Vec<_> = self
                .tree
                .below(&place)
                .map(|(path, _)| path.clone())
                .collect();
            for path in gone {
                self.named.remove(&path);
            }
        }
        self.tree.insert(place.clone(), node);
        self.named.insert(place);
        Ok(())
    }

    /// The file that the archive has put at `target` so far, and where that is without links. A
    /// directory is none.
    fn linkable(&self, target: &RootedPath) -> Option<(RootedPath, Arc<Node>)> {
        let parent = resolve(&self.tree, &target.parent()?).ok()?;
        let place = parent.child(target.name());
        let node = self.tree.get(&place)?;
        (node.kind != Kind::Directory).then(|| (place, Arc::clone(node)))
    }

    /// Joins hard links to their targets in this archive; the others reach into layers below.
    fn finish(&self) -> Result<Layer, TarError> {
        let mut layer = Layer {
            hides: self.hides.iter().cloned().collect(),
            adds: Vec::new(),
        };
        let ends = links::ends(&self.links())?;
        for path in &self.named {
            let end = ends.get(path).unwrap_or(path);
            if self.tree.get(path).is_none() {
                continue; // A later entry replaced what was above it.
            }
            if let Some(node) = self.tree.get(end) {
                layer.adds.push((path.clone(), Arc::clone(node)));
            }
        }
        Ok(layer)
    }

    /// The links whose targets are in this archive: from place to place.
    fn links(&self) -> BTreeMap<RootedPath, RootedPath> {
        let place_of = |path: &RootedPath| match &self.tree.get(path)?.kind {
            Kind::HardLink(target) => self.linkable(target).map(|(place, _)| place),
            _ => None,
        };
        let named = self.named.iter();
        named
            .filter_map(|path| Some((path.clone(), place_of(path)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::tar::write;
    use crate::tree::Meta;

    /// Builds an archive entry by entry, in exactly this order.
    fn archive(entries: &[(&str, char, &str)]) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = ::tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_entry_type(::tar::EntryType::new(*kind as u8));
            let data = if *kind == '0' {
                content.as_bytes()
            } else {
                b""
            };
            if *kind == '1' || *kind == '2' {
                header.set_link_name_literal(content).unwrap();
            }
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gathered(entries: &[(&str, char, &str)]) -> Result<String, TarError> {
        let layer = gather(
            archive(entries).as_slice(),
            Bounds::default(),
            &mut keep_inline,
        )?;
        let hides = layer.hides.iter().map(|h| format!("{h:?}"));
        let adds = layer.adds.iter().map(|(path, node)| {
            let what = match &node.kind {
                Kind::File(content) => String::from_utf8(content.read().unwrap()).unwrap(),
                Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
                Kind::HardLink(target) => format!("link {target}"),
                other => other.word().to_owned(),
            };
            format!("{path} {what}")
        });
        Ok(hides.chain(adds).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn entries_become_two_lists() {
        let check = |entries: &[(&str, char, &str)], expected: &str| {
            assert_eq!(gathered(entries).unwrap(), expected);
        };
        check(&[], "");
        check(&[("./", '5', ""), ("a", '0', "1")], "/ dir; /a 1");
        check(&[("a", '0', "1"), ("a", '0', "2")], "/a 2");
        check(&[("d/f", '0', "1"), ("d", '0', "2")], "/d 2");
        check(
            &[("d", '0', "1"), ("d/", '5', ""), ("d/f", '0', "2")],
            "/d dir; /d/f 2",
        );
        check(&[("b", '1', "a"), ("a", '0', "1")], "/a 1; /b 1");
        check(&[("b", '1', "lower")], "/b link /lower");
        check(
            &[
                ("l", '2', "/f"),
                ("l", '2', "f"),
                ("f", '0', "1"),
                ("f/b", '1', "f"),
            ],
            "/f dir; /f/b link /f; /l -> f",
        );
        check(
            &[("l", '2', "d"), ("d/", '5', ""), ("l/f", '0', "1")],
            "/d dir; /d/f 1; /l -> d",
        );
        check(
            &[("l", '2', "/../../d"), ("l/f", '0', "1")],
            "/d/f 1; /l -> /../../d",
        );
        check(&[(".wh.a", '0', ""), ("a", '0', "1")], "Path(\"/a\"); /a 1");
        check(&[("a", '0', "1"), (".wh.a", '0', "")], "Path(\"/a\"); /a 1");
        check(
            &[("d/f", '0', "1"), ("d/.wh..wh..opq", '0', "")],
            "Below(\"/d\"); /d/f 1",
        );
        check(&[(".wh..wh.plnk", '5', "")], "");
        check(&[("g", 'g', ""), ("a", '0', "1")], "/a 1");
    }

    #[test]
    fn what_a_layer_must_not_hold_is_refused_by_name() {
        let check = |name: &str, kind, content: &str, part: &str| {
            let error = gathered(&[(name, kind, content)]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(error.contains(name), "{error}");
        };
        check("../a", '0', "", "outside the root");
        check("a/../../b", '0', "", "outside the root");
        check(".wh.", '0', "", "without a name");
        check(".wh...", '0', "", "aims outside");
        check("d/.wh..", '0', "", "aims outside");
        check("a", '1', "../x", "hard link whose target");
        check("./", '2', "x", "replace the root");
    }

    #[test]
    fn links_that_go_round_are_refused_in_whatever_order_they_come() {
        let ring = [("a", '1', "b"), ("b", '1', "c"), ("c", '1', "a")];
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let entries = order.map(|i| ring[i]);
            for entries in [&entries[..], &[("a", '1', "b"), ("b", '1', "a")]] {
                let error = gathered(entries).unwrap_err().to_string();
                assert!(error.contains("leads back to it"), "{error}");
            }
        }
        let itself = [("a", '1', "b"), ("b", '1', "b")];
        assert_eq!(gathered(&itself).unwrap(), "/a link /b; /b link /b");
        // Nor does writing make a ring of it.
        let read = |bytes: &[u8]| gather(bytes, Bounds::default(), &mut keep_inline);
        let layer = read(&archive(&itself)).unwrap();
        let mut written = Vec::new();
        write(&layer, &mut written).unwrap();
        assert_eq!(read(&written).unwrap(), layer);
    }

    #[test]
    fn written_layers_read_back_and_are_the_same_bytes_again() {
        let file = Arc::new(Node::file(0o4755, *b"hello"));
        let mut odd = Node::file(0o644, vec![7; 1025]);
        odd.meta = Meta {
            mode: 0o644,
            uid: 4_000_000_000,
            gid: 2_097_152,
            mtime: crate::tree::Timestamp {
                seconds: -5,
                nanos: 250_000_000,
            },
            xattrs: [
                (b"security.capability".to_vec(), b"\x01\n=\0".to_vec()),
                (b"user.latin-\xf6".to_vec(), b"".to_vec()),
            ]
            .into(),
        };
        let path = |text: &str| RootedPath::parse(text).unwrap();
        let long = format!("{}/{}", "d".repeat(150), "f".repeat(255));
        let mut adds = vec![
            (RootedPath::root(), Arc::new(Node::directory(0o755))),
            (path("a"), Arc::clone(&file)),
            (path("b"), file),
            (path(&long), Arc::new(odd)),
            (path("link"), Arc::new(Node::symlink("x".repeat(300)))),
            (
                RootedPath::parse(b"\xff\xfe").unwrap(),
                Arc::new(Node::directory(0o1777)),
            ),
        ];
        for (name, kind) in [
            ("dev", Kind::CharDevice(5, 1)),
            ("blk", Kind::BlockDevice(8, 0)),
            ("pipe", Kind::Fifo),
            ("low", Kind::HardLink(path("lower/file"))),
        ] {
            let meta = Meta::new(0o600);
            adds.push((path(name), Arc::new(Node { meta, kind })));
        }
        adds.sort_by(|a, b| a.0.cmp(&b.0));
        let layer = Layer {
            hides: vec![Whiteout::Path(path("gone")), Whiteout::Below(path("d"))],
            adds,
        };
        let mut bytes = Vec::new();
        write(&layer, &mut bytes).unwrap();
        let again = gather(bytes.as_slice(), Bounds::default(), &mut keep_inline).unwrap();
        assert_eq!(again.adds, layer.adds);
        assert_eq!(again.hides, layer.hides);
        let shared = |l: &Layer| Arc::ptr_eq(&l.adds[1].1, &l.adds[2].1);
        assert!(shared(&again), "hard links survive");
        let mut bytes_again = Vec::new();
        write(&again, &mut bytes_again).unwrap();
        assert_eq!(bytes, bytes_again);
    }

    #[test]
    fn more_entries_than_allowed_are_refused() {
        let three = archive(&[("a", '0', "1"), ("a", '0', "2"), (".wh.b", '0', "")]);
        let read = |entries| {
            let bounds = Bounds {
                entries,
                ..Bounds::default()
            };
            gather(three.as_slice(), bounds, &mut keep_inline)
        };
        assert!(read(3).is_ok());
        let error = read(2).unwrap_err().to_string();
        assert!(error.contains("more than 2 entries"), "{error}");
        assert!(error.contains("--max-entries"), "{error}");
    }

    #[test]
    fn numbers_that_were_left_out_are_zero() {
        let mut bytes = archive(&[("d/", '5', ""), ("l", '2', "d")]);
        for header in [0, 512] {
            // Mode, owner, group and size; old programs wrote none for what has no content.
            bytes[header + 100..header + 136].fill(0);
            bytes[header + 148..header + 156].fill(b' ');
            let sum: u32 = bytes[header..header + 512]
                .iter()
                .map(|b| u32::from(*b))
                .sum();
            bytes[header + 148..header + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let layer = gather(bytes.as_slice(), Bounds::default(), &mut keep_inline).unwrap();
        assert_eq!(layer.adds.len(), 2);
        for (_, node) in &layer.adds {
            assert_eq!((node.meta.mode, node.meta.uid, node.meta.gid), (0, 0, 0));
        }
        // GNU tar's label of a volume has no size either, and is no file.
        let error = gathered(&[("label", 'V', "")]).unwrap_err().to_string();
        assert!(error.contains("\"label\" is of type 'V'"), "{error}");
    }

    #[test]
    fn damaged_archives_are_refused_and_a_missing_end_is_not() {
        let whole = archive(&[("a", '0', "hello"), ("b", '0', "world")]);
        let read =
            |bytes: &[u8]| gather(bytes, Bounds::default(), &mut keep_inline).map(|l| l.adds.len());
        assert_eq!(read(&whole).unwrap(), 2);
        assert_eq!(read(&whole[..2048]).unwrap(), 2, "without end marker");
        assert_eq!(read(&whole[..1536 + 5]).unwrap(), 2, "without padding");
        assert_eq!(read(&[]).unwrap(), 0);
        let cut = read(&whole[..514]).unwrap_err().to_string();
        assert!(cut.contains("cut off"), "{cut}");
        let mut flipped = whole.clone();
        flipped[0] ^= 1;
        let error = read(&flipped).unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
        assert!(read(b"this is not a tar file").is_err());
    }
}

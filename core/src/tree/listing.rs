//! A tree as text: one line an entry, the same for the same tree.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::{Kind, Node, Tree};
use crate::path::RootedPath;

/// One line an entry: kind and mode, owner, size or numbers, path, and where a link leads.
///
/// Hard links name the first path of their file. Content is not shown, only its size.
pub fn listing(tree: &Tree) -> String {
    let mut first_paths: BTreeMap<*const Node, &RootedPath> = BTreeMap::new();
    let mut out = String::new();
    for (path, node) in tree.iter() {
        let meta = &node.meta;
        let _ = write!(
            out,
            "{}{} {}:{} ",
            letter(&node.kind),
            permissions(meta.mode),
            meta.uid,
            meta.gid
        );
        match &node.kind {
            Kind::File(content) => {
                let _ = write!(out, "{:>8} {path}", content.size());
                let first = *first_paths.entry(Arc::as_ptr(node)).or_insert(path);
                if first != path {
                    let _ = write!(out, " link to {first}");
                }
            }
            Kind::Symlink(target) => {
                let target = String::from_utf8_lossy(target);
                let _ = write!(out, "{:>8} {path} -> {target}", "-");
            }
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                let _ = write!(out, "{:>8} {path}", format!("{major}:{minor}"));
            }
            Kind::HardLink(target) => {
                let _ = write!(out, "{:>8} {path} link to {target} below", "-");
            }
            Kind::Directory | Kind::Fifo => {
                let _ = write!(out, "{:>8} {path}", "-");
            }
        }
        out.push('\n');
    }
    out
}

fn letter(kind: &Kind) -> char {
    match kind {
        Kind::Directory => 'd',
        Kind::File(_) => '-',
        Kind::Symlink(_) => 'l',
        Kind::CharDevice(..) => 'c',
        Kind::BlockDevice(..) => 'b',
        Kind::Fifo => 'p',
        Kind::HardLink(_) => 'h',
    }
}

/// `rwxr-xr-x`, with `s` and `t` for set-ID and sticky as `ls` prints them.
fn permissions(mode: u32) -> String {
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    let mut text = String::with_capacity(9);
    for (group, (special_bit, with_x, without_x)) in special.into_iter().enumerate() {
        let bits = mode >> (6 - 3 * group);
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, mode & special_bit != 0) {
            (true, false) => 'x',
            (false, false) => '-',
            (true, true) => with_x,
            (false, true) => without_x,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_line() {
        let mut tree = Tree::new();
        let mut put = |path: &str, node: Arc<Node>| {
            tree.insert(RootedPath::parse(path).unwrap(), node);
        };
        let file = Arc::new(Node::file(0o4755, *b"hello"));
        put("bin/a", Arc::clone(&file));
        put("bin/b", file);
        put("link", Arc::new(Node::symlink("bin/a")));
        put("tmp", Arc::new(Node::directory(0o1777)));
        insta::assert_snapshot!(listing(&tree), @r"
        drwxr-xr-x 0:0        - /
        drwxr-xr-x 0:0        - /bin
        -rwsr-xr-x 0:0        5 /bin/a
        -rwsr-xr-x 0:0        5 /bin/b link to /bin/a
        lrwxrwxrwx 0:0        - /link -> bin/a
        drwxrwxrwt 0:0        - /tmp
        ");
    }
}

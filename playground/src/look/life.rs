//! One file's life over the layers, with what changed in its text.

use coracle::layer::{Layer, Whiteout};
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node};

use super::files::permissions;
use super::{DiffLine, LifeRow, Seen, stacks};
use crate::session::Session;
use crate::show;
use crate::stack::differences;

/// What each layer that has a say says about a path.
pub(super) fn life(session: &mut Session, of: &str, path: &str) -> Result<Seen, String> {
    let stack = stacks::find(session, of)?;
    let path = RootedPath::root().resolve(path);
    let mut life = Vec::new();
    for number in 0..stack.len() {
        let layer = stack.layer(session, number)?;
        let below = stack.tree(session, number)?;
        let old = below.get(&path).cloned();
        let added = layer
            .adds
            .iter()
            .find(|(p, _)| *p == path)
            .map(|(_, node)| node);
        let change = match (added, &old) {
            (Some(_), None) => "A",
            (Some(_), Some(_)) => "M",
            (None, Some(_)) if hides(&layer, &path) => "D",
            _ => continue,
        };
        let by = stack.made_by.get(number).cloned().unwrap_or_default();
        life.push(row(
            number,
            by,
            change,
            old.as_deref(),
            added.map(AsRef::as_ref),
        ));
    }
    if life.is_empty() {
        return Err(format!("no layer has /{}", path.to_text()));
    }
    Ok(Seen::File {
        path: path.to_text().into_owned(),
        life,
    })
}

fn hides(layer: &Layer, path: &RootedPath) -> bool {
    layer.hides.iter().any(|hide| match hide {
        Whiteout::Path(hidden) => path == hidden || path.is_within(hidden),
        Whiteout::Below(directory) => path != directory && path.is_within(directory),
    })
}

fn row(
    layer: usize,
    created_by: String,
    change: &'static str,
    old: Option<&Node>,
    new: Option<&Node>,
) -> LifeRow {
    let before = old.and_then(show::text);
    let after = new.and_then(show::text);
    let what = match (old, new) {
        (Some(old), Some(new)) => differences(old, new),
        _ => Vec::new(),
    };
    LifeRow {
        layer,
        created_by,
        change,
        diff: match (&before, &after) {
            (Some(before), Some(after)) if before != after => compare(before, after),
            _ => Vec::new(),
        },
        what,
        mode: new.map_or_else(String::new, |node| permissions(node.meta.mode)),
        owner: new.map_or_else(String::new, |node| {
            format!("{}:{}", node.meta.uid, node.meta.gid)
        }),
        size: new.map_or(0, show::size),
        digest: new.and_then(|node| match &node.kind {
            Kind::File(content) => content.digest().ok().map(|digest| digest.to_string()),
            _ => None,
        }),
        text: after,
    }
}

/// Texts are compared up to so many lines each; of longer ones only ends that differ are.
const MOST_LINES: usize = 1000;

/// How one text becomes another, line by line: what both have in the same order stays.
fn compare(before: &str, after: &str) -> Vec<DiffLine> {
    let (a, b): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (&a[start..], &b[start..]);
    let end = rest_a
        .iter()
        .rev()
        .zip(rest_b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (mid_a, mid_b) = (&rest_a[..rest_a.len() - end], &rest_b[..rest_b.len() - end]);
    let line = |sign, text: &&str| DiffLine {
        sign,
        text: (*text).to_owned(),
    };
    let mut lines: Vec<DiffLine> = a[..start].iter().map(|text| line(' ', text)).collect();
    if mid_a.len().max(mid_b.len()) > MOST_LINES {
        lines.extend(mid_a.iter().map(|text| line('-', text)));
        lines.extend(mid_b.iter().map(|text| line('+', text)));
    } else {
        middle(mid_a, mid_b, &mut lines);
    }
    lines.extend(
        rest_a[rest_a.len() - end..]
            .iter()
            .map(|text| line(' ', text)),
    );
    lines
}

/// By the longest list of lines that both have in the same order.
fn middle(a: &[&str], b: &[&str], lines: &mut Vec<DiffLine>) {
    let width = b.len() + 1;
    // How long that list is from line i of one and line j of the other on.
    let mut longest = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut push = |sign, text: &str| {
        lines.push(DiffLine {
            sign,
            text: text.to_owned(),
        });
    };
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            push(' ', a[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || (i < a.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            push('-', a[i]);
            i += 1;
        } else {
            push('+', b[j]);
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_line_by_line() {
        let check = |before: &str, after: &str, expected: &str| {
            let lines = compare(before, after);
            let text: Vec<_> = lines
                .iter()
                .map(|l| format!("{}{}", l.sign, l.text))
                .collect();
            assert_eq!(text.join("|"), expected);
        };
        check("a\nb\nc\n", "a\nx\nc\n", " a|-b|+x| c");
        check("a\n", "a\nb\n", " a|+b");
        check("a\nb\n", "b\n", "-a| b");
        check("", "a\n", "+a");
        check("a\nb\nc\nd\n", "b\nx\nd\ne\n", "-a| b|-c|+x| d|+e");
    }
}

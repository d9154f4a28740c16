//! Where hard links lead that came before their targets.

use std::collections::{BTreeMap, BTreeSet};

use super::tar::TarError;
use crate::path::RootedPath;

/// The last place that each of `links`, from place to target, leads to: one that is no link.
///
/// A link that leads to itself is a place of the layers below. Links that go round in a ring are
/// refused: no file is at their end, and what a program makes of them that reads entry by entry
/// depends on the order.
///
/// Each link is followed once, so a chain of a million of them takes no longer than as many pairs.
pub(crate) fn ends(
    links: &BTreeMap<RootedPath, RootedPath>,
) -> Result<BTreeMap<RootedPath, RootedPath>, TarError> {
    let mut ends: BTreeMap<RootedPath, RootedPath> = BTreeMap::new();
    for mut at in links.keys() {
        let mut way = BTreeSet::new();
        let end = loop {
            if let Some(end) = ends.get(at) {
                break end.clone();
            }
            let Some(next) = links.get(at).filter(|next| *next != at) else {
                break at.clone();
            };
            if !way.insert(at) {
                return Err(TarError::Entry {
                    entry: at.to_text().into_owned(),
                    reason: format!(
                        "is a hard link to {next}, which leads back to it; no file is at the end"
                    ),
                });
            }
            at = next;
        };
        ends.extend(way.into_iter().map(|place| (place.clone(), end.clone())));
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootedPath {
        RootedPath::parse(text).unwrap()
    }

    fn found(links: &[(&str, &str)]) -> Result<String, TarError> {
        let links = links.iter().map(|(a, b)| (path(a), path(b))).collect();
        let ends = ends(&links)?;
        let ends: Vec<_> = ends.iter().map(|(a, b)| format!("{a} {b}")).collect();
        Ok(ends.join(", "))
    }

    #[test]
    fn chains_have_an_end_and_rings_have_none() {
        let check = |links: &[(&str, &str)], expected: &str| {
            assert_eq!(found(links).unwrap(), expected);
        };
        check(&[], "");
        check(&[("a", "x")], "/a /x");
        check(&[("a", "a"), ("b", "a")], "/b /a");
        check(&[("a", "c"), ("b", "a"), ("c", "x")], "/a /x, /b /x, /c /x");
        for ring in [
            &[("a", "b"), ("b", "a")][..],
            &[("a", "b"), ("b", "c"), ("c", "b")],
        ] {
            let error = found(ring).unwrap_err().to_string();
            assert!(error.contains("which leads back to it"), "{error}");
        }
    }

    #[test]
    fn a_long_chain_is_followed_once() {
        let name = |number: u32| path(&format!("{number:06}"));
        let links = (0..100_000).map(|n| (name(n), name(n + 1))).collect();
        let ends = ends(&links).unwrap();
        assert_eq!(ends.len(), 100_000);
        assert!(ends.values().all(|end| *end == name(100_000)));
    }
}

//! What the page of decisions says is held is held: each case, folder and test that it names is
//! there.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::fs::read_to_string;

use coracle_tests::fixtures;

#[test]
fn every_decision_names_what_holds_it() {
    let page = read_to_string(fixtures::path("../../book/src/decisions.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<_> = rows
        .filter(|row| !row.starts_with("| question") && !row.starts_with("| ---"))
        .collect();
    assert!(rows.len() >= 40, "only {} decisions", rows.len());
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{row}");
        for held in cells[4].split("; ") {
            let words = held.strip_prefix('`').unwrap_or_else(|| panic!("{row}"));
            let (place, rest) = words.split_once('`').unwrap();
            assert!(
                is_there(place, rest.trim_start_matches(": ")),
                "{held} is not there"
            );
        }
    }
}

/// Whether a file or folder is there, and in a file the case or test of this name.
fn is_there(place: &str, name: &str) -> bool {
    let read = |path: String| read_to_string(fixtures::path(&path)).unwrap_or_default();
    match place.rsplit_once('.') {
        Some((_, "cases")) => {
            let cases = read(format!("../golden/builds/{place}"));
            cases.contains(&format!("=== {name}\n"))
        }
        Some((_, "rs")) => {
            let tests = read(format!("../tests/{place}"));
            tests.contains(&format!("\nfn {name}("))
        }
        _ => name.is_empty() && fixtures::path(&format!("../golden/{place}")).exists(),
    }
}

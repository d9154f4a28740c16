//! What a page says of the project's own files is true: the file is there, and so is the name that
//! the page says is in it.

use std::path::Path;

/// How the paths of the project begin.
const OURS: [&str; 8] = [
    "core/",
    "cli/",
    "chapters/",
    "book/",
    "tests/",
    "xtask/",
    "playground/",
    ".ci/",
];

/// What is wrong with the paths of a line of a page, each of them seen from the project, or from the
/// folder of the chapter that the page is of.
pub(crate) fn problems(project: &Path, page: &str, line: &str) -> Vec<String> {
    let chapter = project.join("chapters").join(page.trim_end_matches(".md"));
    // Between backticks is code: every second part.
    let parts: Vec<&str> = line.split('`').collect();
    let mut problems = Vec::new();
    for at in (1..parts.len()).step_by(2) {
        let path = parts[at];
        if !OURS.iter().any(|top| path.starts_with(top)) || path.contains(['*', ' ']) {
            continue;
        }
        let mut files = [&chapter, project]
            .map(|folder| folder.join(path))
            .into_iter();
        let Some(file) = files.find(|file| file.exists()) else {
            problems.push(format!("there is no {path}"));
            continue;
        };
        // "`name` in `path`"
        let Some(name) = parts
            .get(at.wrapping_sub(2))
            .filter(|_| parts[at - 1] == " in ")
        else {
            continue;
        };
        let said = std::fs::read_to_string(&file).is_ok_and(|text| text.contains(name));
        if !said {
            problems.push(format!("there is no {name} in {path}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_a_name_in_it_are_looked_for() {
        let project = crate::project();
        let check = |line: &str, expected: &[&str]| {
            assert_eq!(problems(&project, "01-layers.md", line), expected, "{line}");
        };
        check(
            "`problems` in `xtask/site/src/places.rs`, `tests/*.rs`",
            &[],
        );
        check("`tests/break_it.rs`", &[]);
        check("`applyNaive` in `pkg/archive/tar.go`", &[]);
        check(
            "See `core/src/nowhere.rs`.",
            &["there is no core/src/nowhere.rs"],
        );
        let name = ["not", "written"].concat();
        check(
            &format!("`{name}` in `xtask/site/src/places.rs`"),
            &[&format!("there is no {name} in xtask/site/src/places.rs")],
        );
    }
}

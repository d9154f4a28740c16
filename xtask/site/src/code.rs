//! `{{#code FILE:ANCHOR}}`: lines of a file that is compiled and tested.

use std::path::Path;

use crate::{Result, html, read};

/// What fits a page: more lines than this need to be two snippets.
const LONGEST: usize = 25;

/// Lines between two marks of a file.
#[derive(Debug, PartialEq)]
struct Snippet {
    lines: Vec<String>,
    /// The task whose solution is among them.
    task: Option<usize>,
}

/// What stands in the page for `FILE:ANCHOR`, folded when `solution` follows.
pub(crate) fn expand(project: &Path, arguments: &str) -> Result<String> {
    let mut words = arguments.split_whitespace();
    let place = words.next().unwrap_or_default();
    let folded = match (words.next(), words.next()) {
        (None, None) => false,
        (Some("solution"), None) => true,
        _ => return Err(format!("only `solution` can follow {place}")),
    };
    let (file, anchor) = place
        .rsplit_once(':')
        .ok_or_else(|| format!("{place:?} is not FILE:ANCHOR"))?;
    let snippet = cut(file, &read(project, file)?, anchor)?;
    let count = snippet.lines.len();
    match snippet.task {
        Some(task) if !folded => {
            return Err(format!(
                "{place} gives the solution of task {task} away; write `solution` behind it"
            ));
        }
        None if folded => return Err(format!("{place} has no task to solve")),
        None if count > LONGEST => {
            return Err(format!("{place} has {count} lines, {LONGEST} are the most"));
        }
        _ => {}
    }
    let block = format!("```rust\n{}\n```", snippet.lines.join("\n"));
    let name = html::escape(file);
    Ok(match snippet.task {
        None => format!("<p class=\"file\">{name}</p>\n\n{block}"),
        Some(task) => format!(
            "<details class=\"solution\"><summary>A solution of task {task}, from \
             <code>{name}</code></summary>\n\n{block}\n\n</details>"
        ),
    })
}

/// What stands in the page for a whole file that a session uses.
pub(crate) fn expand_file(project: &Path, file: &str) -> Result<String> {
    let text = read(project, file)?;
    let count = text.lines().count();
    if count > LONGEST {
        return Err(format!("{file} has {count} lines, {LONGEST} are the most"));
    }
    let name = Path::new(file).file_name().unwrap_or_default();
    let language = if name == "Dockerfile" {
        "dockerfile"
    } else {
        "text"
    };
    Ok(format!("```{language}\n{}\n```", text.trim_end()))
}

/// The lines between `ANCHOR: name` and `ANCHOR_END: name`, as far to the left as they go,
/// without the marks among them.
fn cut(file: &str, text: &str, anchor: &str) -> Result<Snippet> {
    let mut lines: Option<Vec<&str>> = None;
    let mut task = None;
    for line in text.lines() {
        let mark = line.trim_start().trim_start_matches(['/', '#']).trim();
        if mark.strip_prefix("ANCHOR: ") == Some(anchor) {
            lines = Some(Vec::new());
        } else if mark.strip_prefix("ANCHOR_END: ") == Some(anchor) {
            let lines = lines.unwrap_or_default();
            return Ok(Snippet {
                lines: dedent(&lines),
                task,
            });
        } else if let Some(lines) = &mut lines {
            if let Some(rest) = mark.strip_prefix("TASK ") {
                task = rest
                    .split(':')
                    .next()
                    .and_then(|number| number.parse().ok());
            } else if !is_mark(line.trim_start(), mark) {
                lines.push(line);
            }
        }
    }
    Err(match lines {
        None => format!("{file} has no line `// ANCHOR: {anchor}`"),
        Some(_) => format!("{file} has no line `// ANCHOR_END: {anchor}`"),
    })
}

/// Whether a line is for the machinery of the course and not for readers.
fn is_mark(line: &str, mark: &str) -> bool {
    line.starts_with("//~")
        || mark == "TASK_END"
        || mark.starts_with("ANCHOR: ")
        || mark.starts_with("ANCHOR_END: ")
}

fn dedent(lines: &[&str]) -> Vec<String> {
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = filled
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let cut = |line: &&str| line.get(indent..).unwrap_or("").to_owned();
    lines.iter().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
fn outer() {
    // ANCHOR: all
    first();
    // ANCHOR: inner
    if second() {
        third();
    }
    // ANCHOR_END: inner
    // TASK 2: Do it.
    //~ nothing();
    fourth();
    // TASK_END
    // ANCHOR_END: all
}
";

    #[test]
    fn marks_are_cut_out() {
        let inner = cut("f", FILE, "inner").unwrap();
        assert_eq!(inner.lines, ["if second() {", "    third();", "}"]);
        assert_eq!(inner.task, None);
        let all = cut("f", FILE, "all").unwrap();
        assert_eq!(
            all.lines,
            [
                "first();",
                "if second() {",
                "    third();",
                "}",
                "fourth();"
            ]
        );
        assert_eq!(all.task, Some(2));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("f.rs"), FILE.replace("_END: inner", "")).unwrap();
        let error = |arguments: &str| expand(place.path(), arguments).unwrap_err();
        assert_eq!(error("f.rs:none"), "f.rs has no line `// ANCHOR: none`");
        assert_eq!(
            error("f.rs:inner"),
            "f.rs has no line `// ANCHOR_END: inner`"
        );
        assert!(error("g.rs:all").starts_with("read g.rs: "));
        assert!(error("f.rs:all").contains("gives the solution of task 2 away"));
        assert_eq!(error("f.rs"), "\"f.rs\" is not FILE:ANCHOR");
        assert!(expand(place.path(), "f.rs:all solution").is_ok());
    }
}

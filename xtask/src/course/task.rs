//! The tasks of a chapter: each is a file of tests whose first lines say what is asked.

use super::Result;
use super::chapters::Chapter;

/// One task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    /// Its number on the page.
    pub(crate) number: usize,
    /// Its file of tests, without the ending: `task_2_changes`.
    pub(crate) test: String,
    /// What is asked, in a sentence or two.
    pub(crate) asked: String,
    /// The heading of the page to reread.
    pub(crate) reread: String,
}

/// The tasks of a chapter, in their order.
pub(crate) fn of(chapter: &Chapter) -> Result<Vec<Task>> {
    let folder = chapter.folder.join("tests");
    let items = std::fs::read_dir(&folder)
        .map_err(|error| format!("read {}: {error}", folder.display()))?;
    let mut tasks = Vec::new();
    for path in items.flatten().map(|item| item.path()) {
        let test = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if test.starts_with("task_") {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("read {}: {error}", path.display()))?;
            tasks.push(read(test, &text)?);
        }
    }
    tasks.sort_by_key(|task| task.number);
    Ok(tasks)
}

/// Understands the first lines of a task's file.
fn read(test: &str, text: &str) -> Result<Task> {
    let wrong = |what: &str| format!("{test}.rs: {what}");
    let lines: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .collect();
    let head = lines
        .iter()
        .take_while(|line| !line.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(" ");
    let (number, asked) = head
        .strip_prefix("Task ")
        .and_then(|rest| rest.split_once(": "))
        .ok_or_else(|| wrong("begins with `//! Task 2: what is asked`"))?;
    let reread = lines.iter().find_map(|line| line.strip_prefix("Reread: "));
    let reread = reread.ok_or_else(|| wrong("needs a line `//! Reread: HEADING`"))?;
    let number = number
        .parse()
        .map_err(|_| wrong("its task's number is no number"))?;
    if !test.starts_with(&format!("task_{number}_")) {
        return Err(wrong("its name and its first line have different numbers"));
    }
    Ok(Task {
        number,
        test: test.to_owned(),
        asked: asked.to_owned(),
        reread: reread.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_say_what_is_asked() {
        let text =
            "//! Task 2: Keep what\n//! differs.\n//!\n//! Reread: Only what changed\n\nuse x;\n";
        let task = read("task_2_changes", text).unwrap();
        assert_eq!(task.number, 2);
        assert_eq!(task.asked, "Keep what differs.");
        assert_eq!(task.reread, "Only what changed");
    }

    #[test]
    fn a_file_that_does_not_say_it_is_refused() {
        let check = |test: &str, text: &str, expected: &str| {
            let error = read(test, text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("task_1_a", "use x;\n", "`//! Task 2: what is asked`");
        check("task_1_a", "//! Task 1: Do.\n", "Reread");
        check(
            "task_1_a",
            "//! Task 2: Do.\n//!\n//! Reread: A\n",
            "different numbers",
        );
    }
}

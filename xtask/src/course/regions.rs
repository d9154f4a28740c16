//! Exercise, starter and solution from one file, by marked regions.
//!
//! ```text
//!   // TASK 2: Keep what differs.        stays, so that the reader finds the place
//!   //~ let before = …;                  what the starter begins with, if anything
//!   solution                             goes; todo!("Task 2: …") comes
//!   // TASK_END                          stays
//!   // ANCHOR: changes                   a mark of the book's; goes
//! ```

use super::Result;

/// A marked region of a chapter's file.
#[derive(Debug, PartialEq)]
pub(crate) struct Region {
    /// The task's number.
    pub(crate) task: usize,
    /// Its lines, the two marks included, counted from 1.
    pub(crate) lines: std::ops::RangeInclusive<usize>,
}

/// The regions of a file, in its order.
pub(crate) fn regions(file: &str, text: &str) -> Result<Vec<Region>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = line.trim_start();
        if line.starts_with("// TASK_END") {
            let (task, start) = open
                .take()
                .ok_or_else(|| format!("{file}:{number}: TASK_END without a TASK before it"))?;
            let lines = start..=number;
            found.push(Region { task, lines });
        } else if let Some(rest) = line.strip_prefix("// TASK ") {
            let task = rest
                .split(':')
                .next()
                .and_then(|digits| digits.parse().ok());
            let task = task.ok_or_else(|| {
                format!("{file}:{number}: a mark is written `// TASK 2: what to do`")
            })?;
            if open.replace((task, number)).is_some() {
                return Err(format!("{file}:{number}: a TASK within a TASK"));
            }
        }
    }
    match open {
        None => Ok(found),
        Some((task, start)) => Err(format!("{file}:{start}: task {task} has no TASK_END")),
    }
}

/// The file with which the reader begins.
pub(crate) fn starter(file: &str, text: &str) -> Result<String> {
    let regions = regions(file, text)?;
    let within = |number: usize| regions.iter().find(|region| region.lines.contains(&number));
    let mut out = String::new();
    let mut given = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let Some(region) = within(number) else {
            if !is_anchor(line) {
                push(&mut out, line);
            }
            continue;
        };
        let indent = &line[..line.len() - line.trim_start().len()];
        if number == *region.lines.start() {
            given = false;
            push(&mut out, line);
        } else if let Some(code) = line.trim_start().strip_prefix("//~") {
            given = true;
            let code = code.strip_prefix(' ').unwrap_or(code);
            push(&mut out, format!("{indent}{code}").trim_end());
        } else if number == *region.lines.end() {
            if !given {
                push(
                    &mut out,
                    &format!("{indent}todo!(\"Task {}\")", region.task),
                );
            }
            push(&mut out, line);
        }
    }
    Ok(out)
}

/// The chapter's file as a reader would have written it: without marks.
pub(crate) fn solution(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let start = line.trim_start();
        if !is_anchor(line) && !start.starts_with("//~") {
            push(&mut out, line);
        }
    }
    out
}

fn is_anchor(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("// ANCHOR: ") || line.starts_with("// ANCHOR_END: ")
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str = "\
// ANCHOR: f
fn f() -> u8 {
    // TASK 1: Say one.
    1
    // TASK_END
}
// ANCHOR_END: f
fn g() {
    // TASK 2: Begin with what stands here.
    //~ let two = 2;
    //~
    //~ todo!(\"Task 2: the rest\")
    h(2);
    // TASK_END
}
";

    #[test]
    fn the_starter_has_gaps_and_what_is_given() {
        let expected = "\
fn f() -> u8 {
    // TASK 1: Say one.
    todo!(\"Task 1\")
    // TASK_END
}
fn g() {
    // TASK 2: Begin with what stands here.
    let two = 2;

    todo!(\"Task 2: the rest\")
    // TASK_END
}
";
        assert_eq!(starter("lib.rs", CHAPTER).unwrap(), expected);
    }

    #[test]
    fn the_solution_has_neither_anchors_nor_what_the_starter_is_given() {
        let expected = "\
fn f() -> u8 {
    // TASK 1: Say one.
    1
    // TASK_END
}
fn g() {
    // TASK 2: Begin with what stands here.
    h(2);
    // TASK_END
}
";
        assert_eq!(solution(CHAPTER), expected);
    }

    #[test]
    fn marks_that_do_not_match_are_named() {
        let check = |text: &str, expected: &str| {
            let error = regions("lib.rs", text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("// TASK_END\n", "lib.rs:1: TASK_END without");
        check("// TASK 1: a\n// TASK 2: b\n", "lib.rs:2: a TASK within");
        check("\n// TASK 1: a\n", "lib.rs:2: task 1 has no TASK_END");
        check("// TASK one\n", "`// TASK 2: what to do`");
    }
}

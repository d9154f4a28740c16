//! What a task's tests said, from the lines that they printed.

/// What came of a task's tests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// All of them passed.
    Done,
    /// The code is a gap still.
    Gap,
    /// Some failed: their names, and what they said.
    Wrong(Vec<(String, String)>),
    /// They could not run here, for this reason.
    Skipped(String),
    /// They did not come to an end, or ended without a word.
    Broken(String),
}

/// Reads the output of a test program that was asked for `--show-output`.
pub(crate) fn of_lines(lines: &[String], success: bool) -> Outcome {
    let sessions = sessions(lines);
    let cases = if sessions.is_empty() {
        failed(lines)
    } else {
        sessions
    };
    if success {
        let skip = lines.iter().find_map(|line| line.strip_prefix("SKIP "));
        return match skip.and_then(|skip| skip.split_once(": ")) {
            Some((_, reason)) => Outcome::Skipped(reason.to_owned()),
            None => Outcome::Done,
        };
    }
    if cases.is_empty() {
        let last = lines.iter().rev().find(|line| !line.is_empty());
        let last = last.map_or("nothing", String::as_str);
        return Outcome::Broken(format!(
            "the tests ended abruptly; the last that they said: {last}"
        ));
    }
    let gaps = cases
        .iter()
        .filter(|(_, said)| said.starts_with("not yet implemented"));
    if gaps.count() == cases.len() {
        return Outcome::Gap;
    }
    Outcome::Wrong(cases)
}

/// The commands of sessions that print something else: where each stands, and both outputs.
fn sessions(lines: &[String]) -> Vec<(String, String)> {
    let mut cases: Vec<(String, Vec<&str>)> = Vec::new();
    let mut speaking = false;
    for line in lines {
        if let Some(rest) = line.strip_prefix("Testing ") {
            speaking = rest.contains(" ... failed ");
            let place = rest.split(" ... ").next().unwrap_or(rest);
            if speaking {
                cases.push((place.to_owned(), Vec::new()));
            }
        } else if line.starts_with("Update snapshots") {
            speaking = false;
        } else if speaking && let Some((_, said)) = cases.last_mut() {
            said.push(line);
        }
    }
    let whole = |said: Vec<&str>| said.join("\n").trim_end().to_owned();
    let cases = cases.into_iter();
    cases.map(|(place, said)| (place, whole(said))).collect()
}

/// The failed tests and what each said: the text of its panic.
fn failed(lines: &[String]) -> Vec<(String, String)> {
    let mut cases = Vec::new();
    let mut lines = lines.iter().map(String::as_str).peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|l| l.strip_suffix(" stdout ----"))
        else {
            continue;
        };
        let mut said = Vec::new();
        let mut speaking = false;
        while let Some(line) =
            lines.next_if(|line| !line.starts_with("---- ") && *line != "failures:")
        {
            if line.starts_with("thread '") && line.contains(" panicked at ") {
                speaking = true;
                said.clear();
            } else if line.starts_with("note: ") || line.starts_with("stack backtrace:") {
                speaking = false;
            } else if speaking {
                said.push(line);
            }
        }
        // What passed is shown, too, and has not panicked.
        if !said.is_empty() {
            let said = said.join("\n").trim_end().to_owned();
            cases.push((name.replace('_', " "), said));
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_session_that_prints_something_else_is_shown() {
        let text = "\
running 1 test
thread 'the_book_tells_the_truth' (1) panicked at runner.rs:123:17:
1 of 1 tests failed
Testing tests/sessions/flip.trycmd:4 ... failed 1ms 175us
Exit: success
stdout (expected):
13 bytes

stdout (actual):
12 bytes

Testing tests/sessions/flip.trycmd:8 ... ignored
Update snapshots with `TRYCMD=overwrite`
";
        let said = "Exit: success\nstdout (expected):\n13 bytes\n\nstdout (actual):\n12 bytes";
        let place = "tests/sessions/flip.trycmd:4".to_owned();
        let expected = Outcome::Wrong(vec![(place, said.to_owned())]);
        assert_eq!(of_lines(&lines(text), false), expected);
    }

    const FAILED: &str = "\
running 3 tests
test a_ring_ends ... FAILED
test gone ... ok

failures:

---- a_ring_ends stdout ----

thread 'a_ring_ends' (12) panicked at tests/task_4.rs:9:5:
unpack a -> b
expected  an error
seen      Ok(())

note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    a_ring_ends

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out
";

    #[test]
    fn what_a_failed_test_said_is_kept_without_the_harness() {
        let said = "unpack a -> b\nexpected  an error\nseen      Ok(())".to_owned();
        let expected = Outcome::Wrong(vec![("a ring ends".to_owned(), said)]);
        assert_eq!(of_lines(&lines(FAILED), false), expected);
    }

    #[test]
    fn a_gap_is_told_from_a_mistake() {
        let gap = "---- a stdout ----\n\nthread 'a' panicked at src/lib.rs:1:1:\nnot yet implemented: Task 1\nnote: run\n";
        assert_eq!(of_lines(&lines(gap), false), Outcome::Gap);
        let mixed = format!("{gap}{FAILED}");
        assert!(
            matches!(of_lines(&lines(&mixed), false), Outcome::Wrong(cases) if cases.len() == 2)
        );
    }

    #[test]
    fn other_ends() {
        let passed = lines("test a ... ok\n");
        assert_eq!(of_lines(&passed, true), Outcome::Done);
        let skipped = lines("---- a stdout ----\nSKIP a: needs Linux\n");
        assert_eq!(
            of_lines(&skipped, true),
            Outcome::Skipped("needs Linux".into())
        );
        let overflow = lines("thread 'a' has overflowed its stack\n");
        assert!(
            matches!(of_lines(&overflow, false), Outcome::Broken(said) if said.contains("overflowed"))
        );
    }
}

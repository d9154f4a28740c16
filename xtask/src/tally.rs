//! Counting what a suite's tests did, from the lines that they print.

/// The counts of one suite, or of all.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and passed.
    pub(crate) passed: usize,
    /// Tests that ran and failed; a suite that could not run at all counts as one.
    pub(crate) failed: usize,
    /// Tests that did not run.
    pub(crate) skipped: Vec<Skip>,
    /// What is worth a line in the run's log although nothing is wrong, such as sizes.
    pub(crate) notes: Vec<String>,
}

/// A test that did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    /// The test's name; `*` is the whole suite.
    pub(crate) test: String,
    /// Why it did not run, in words.
    pub(crate) reason: String,
}

impl Tally {
    /// One check that passed or failed.
    pub(crate) fn one(success: bool) -> Self {
        Self {
            passed: usize::from(success),
            failed: usize::from(!success),
            ..Self::default()
        }
    }

    /// A suite of which nothing ran.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self {
            skipped: vec![Skip {
                test: "*".into(),
                reason: reason.into(),
            }],
            ..Self::default()
        }
    }

    /// Counts the tests of a `cargo test -- --nocapture`, from its lines and its success.
    ///
    /// The numbers come from libtest's `test result:` lines. A test that notices while it runs
    /// that it cannot run prints `SKIP <test>: <reason>` and returns: libtest calls it passed,
    /// and here it is counted as skipped.
    pub(crate) fn of_tests(lines: &[String], success: bool) -> Self {
        let mut tally = Self::default();
        let mut announced = 0;
        for line in lines {
            if let Some(counts) = line.trim_start().strip_prefix("test result: ") {
                tally.passed += before(counts, " passed");
                tally.failed += before(counts, " failed");
            } else if let Some(skip) = ignored(line) {
                tally.skipped.push(skip);
            } else if let Some(skip) = skip(line)
                && !tally.skipped.contains(&skip)
            {
                tally.skipped.push(skip);
                announced += 1;
            }
        }
        tally.passed = tally.passed.saturating_sub(announced);
        // A process that aborts, or code that does not compile, prints no result at all.
        if !success && tally.failed == 0 {
            tally.failed = 1;
        }
        if success && tally.passed == 0 && tally.skipped.is_empty() {
            tally.failed = 1;
        }
        tally
    }

    /// Counts the tests of a `node --test`, from the lines of its TAP: `ok 3 - name # SKIP reason`.
    pub(crate) fn of_tap(lines: &[String], success: bool) -> Self {
        let mut tally = Self::default();
        for line in lines {
            let (passed, rest) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
                (Some(rest), _) => (true, rest),
                (_, Some(rest)) => (false, rest),
                _ => continue,
            };
            let name = rest.split_once(" - ").map_or(rest, |(_, name)| name);
            match name.split_once(" # SKIP ") {
                Some((test, reason)) => tally.skipped.push(Skip {
                    test: test.into(),
                    reason: reason.into(),
                }),
                None if passed => tally.passed += 1,
                None => tally.failed += 1,
            }
        }
        if tally.failed == 0 && (!success || tally.passed + tally.skipped.len() == 0) {
            tally.failed = 1;
        }
        tally
    }

    /// Adds another suite's counts to this one's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped.iter().cloned());
    }
}

/// The number that stands right before `word`: 12 in `ok. 12 passed; 0 failed`.
fn before(counts: &str, word: &str) -> usize {
    let digits = counts
        .split(word)
        .next()
        .and_then(|text| text.rsplit(' ').next());
    digits.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// `SKIP name: reason`, alone on a line or right behind libtest's own unfinished `test name ... `.
fn skip(line: &str) -> Option<Skip> {
    let rest = line
        .strip_prefix("SKIP ")
        .or_else(|| line.split_once(" ... SKIP ").map(|(_, rest)| rest))?;
    let (test, reason) = rest.split_once(": ")?;
    Some(Skip {
        test: test.into(),
        reason: reason.into(),
    })
}

/// `test name ... ignored, reason`: a test with the attribute `#[ignore]`.
///
/// One that is `run by` others, in namespaces that they make, is a part of those and no skip.
fn ignored(line: &str) -> Option<Skip> {
    let (test, rest) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let reason = rest
        .strip_prefix(", ")
        .unwrap_or("ignored, no reason given");
    if reason.starts_with("run by ") {
        return None;
    }
    Some(Skip {
        test: test.into(),
        reason: reason.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_node_are_counted() {
        let check = |text: &str, success, passed, failed, skipped| {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let tally = Tally::of_tap(&lines, success);
            let found = (tally.passed, tally.failed, tally.skipped.len());
            assert_eq!(found, (passed, failed, skipped), "{text}");
        };
        let text = "TAP version 13\nok 1 - a\n    ok 1 - inner\nnot ok 2 - b\nok 3 - c # SKIP no chromium\n";
        check(text, false, 1, 1, 1);
        check("ok 1 - a\n1..1\n", true, 1, 0, 0);
        check("ok 1 - a\n", false, 1, 1, 0);
        check("", true, 0, 1, 0);
    }

    fn check(text: &str, success: bool, passed: usize, failed: usize, skipped: &[(&str, &str)]) {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let skipped = skipped.iter().map(|&(test, reason)| Skip {
            test: test.into(),
            reason: reason.into(),
        });
        let expected = Tally {
            passed,
            failed,
            skipped: skipped.collect(),
            notes: Vec::new(),
        };
        assert_eq!(Tally::of_tests(&lines, success), expected, "{text}");
    }

    #[test]
    fn results_are_added_up() {
        let two = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
                   test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        check(two, false, 15, 2, &[]);
    }

    #[test]
    fn a_skip_is_not_a_pass() {
        let text = "SKIP mounts: needs root\n\
                    test mounts ... ok\n\
                    test other ... SKIP other: no overlay: here\n\
                    test slow ... ignored, takes an hour\n\
                    test inner ... ignored, run by the other tests\n\
                    test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out";
        let skips = [
            ("mounts", "needs root"),
            ("other", "no overlay: here"),
            ("slow", "takes an hour"),
        ];
        check(text, true, 1, 0, &skips);
    }

    #[test]
    fn a_run_without_a_result_is_a_failure() {
        check("error: could not compile", false, 0, 1, &[]);
        check("nothing to see", true, 0, 1, &[]);
        let aborted = "test result: ok. 4 passed; 0 failed\nprocess abort signal";
        check(aborted, false, 4, 1, &[]);
    }
}

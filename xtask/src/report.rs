//! How a run looks: one line a suite, the skips with their reasons, and the closing line.

use std::time::Duration;

use crate::allowed::Allowed;
use crate::suites::Suite;
use crate::tally::{Skip, Tally};

/// One suite's line, such as `unit      412 passed, 2 skipped   12.3 s`, and its skips and notes below.
pub(crate) fn suite(suite: &Suite, tally: &Tally, took: Duration, allowed: &Allowed) -> String {
    let mut lines = vec![format!(
        "{:<10} {:<40} {:>7.1} s",
        suite.name,
        counts(tally),
        took.as_secs_f64()
    )];
    for (reason, tests) in by_reason(&tally.skipped) {
        let refused = tests.iter().any(|skip| !allowed.allows(suite.name, skip));
        let mark = if refused { "  NOT ALLOWED" } else { "" };
        let names: Vec<&str> = tests.iter().map(|skip| skip.test.as_str()).collect();
        lines.push(format!("    skipped {}: {reason}{mark}", names.join(", ")));
    }
    lines.extend(tally.notes.iter().map(|note| format!("    {note}")));
    lines.join("\n")
}

/// The last line of a run, which CI reads: `412 passed, 0 failed, 2 skipped`.
pub(crate) fn closing(tally: &Tally) -> String {
    format!(
        "{} passed, {} failed, {} skipped",
        tally.passed,
        tally.failed,
        tally.skipped.len()
    )
}

fn counts(tally: &Tally) -> String {
    let numbers = [
        (tally.passed, "passed"),
        (tally.failed, "FAILED"),
        (tally.skipped.len(), "skipped"),
    ];
    let said = numbers.iter().filter(|(number, _)| *number > 0);
    let said: Vec<String> = said
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    if said.is_empty() {
        "nothing to run".into()
    } else {
        said.join(", ")
    }
}

/// Skips with the same reason together, in the order of their first mention.
fn by_reason(skips: &[Skip]) -> Vec<(&str, Vec<&Skip>)> {
    let mut groups: Vec<(&str, Vec<&Skip>)> = Vec::new();
    for skip in skips {
        match groups.iter_mut().find(|(reason, _)| *reason == skip.reason) {
            Some((_, group)) => group.push(skip),
            None => groups.push((&skip.reason, vec![skip])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_is_the_one_that_ci_reads() {
        let mut tally = Tally::skipped("needs root");
        tally.passed = 7;
        assert_eq!(closing(&tally), "7 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn counts_leave_out_what_is_zero() {
        assert_eq!(counts(&Tally::one(true)), "1 passed");
        assert_eq!(counts(&Tally::one(false)), "1 FAILED");
        assert_eq!(counts(&Tally::default()), "nothing to run");
    }
}

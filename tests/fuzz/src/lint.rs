//! Rules: they never fail, their places are places of the text, and mending ends in a text that is
//! no worse and stays as it is.

use coracle::diagnostic::{Diagnostic, Severity};
use coracle::dockerfile::explain::explain;
use coracle::dockerfile::lint::{self, lint, mend, sarif};
use coracle::dockerfile::parse;
use coracle::dockerfile::stages::Settings;

use super::dockerfile::check_diagnostic;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else {
        return;
    };
    let (parsed, options) = (parse(source), lint::Options::default());
    let linted = lint(source, &parsed, &options);
    for finding in &linted.findings {
        check_diagnostic(source, finding);
    }
    for pair in linted.findings.windows(2) {
        assert!(pair[0].span <= pair[1].span, "findings are not in order");
    }
    let log = sarif::log("Dockerfile", source, &linted.findings);
    serde_json::to_string(&log).expect("a log is written");
    let mended = mend(source, &options);
    assert!(
        errors(&mended.left.findings) <= errors(&linted.findings),
        "mending made it worse: {:?}",
        mended.text
    );
    let again = mend(&mended.text, &options);
    assert_eq!(again.text, mended.text, "mending does not end");
    let explained = explain(&parsed.dockerfile, &Settings::default());
    assert_eq!(explained.lines.len(), parsed.dockerfile.instructions.len());
    serde_json::to_string(&explained).expect("an explanation is written");
}

fn errors(findings: &[Diagnostic]) -> usize {
    let is_error = |finding: &&Diagnostic| finding.severity == Severity::Error;
    findings.iter().filter(is_error).count()
}

//! Findings as SARIF 2.1.0, the format in which code hosts take what linters find.
//!
//! Source: [SARIF](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html), §3.13 on.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::rule::{rule, rules};
use crate::diagnostic::{Diagnostic, Lines, Severity, Span};

/// The log of one file. `name` is its path, seen from the root of the repository.
pub fn log(name: &str, source: &str, findings: &[Diagnostic]) -> Value {
    // Rules of the parser that are in no table are named all the same.
    let mut names: Vec<&str> = rules().map(|rule| rule.name).collect();
    for finding in findings {
        if !names.contains(&finding.rule) {
            names.push(finding.rule);
        }
    }
    let lines = Lines::of(source);
    let results: Vec<_> = findings
        .iter()
        .map(|finding| {
            let index = names.iter().position(|name| *name == finding.rule);
            result(name, &lines, finding, index.unwrap_or_default())
        })
        .collect();
    let descriptors: Vec<_> = names.iter().map(|name| descriptor(name)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "coracle",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": descriptors,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// What is said of a rule. Those of no table are errors in the language itself.
fn descriptor(name: &str) -> Value {
    match rule(name) {
        Some(rule) => json!({
            "id": name,
            "shortDescription": { "text": format!("{}.", rule.reason) },
            "defaultConfiguration": { "level": level(rule.severity) },
        }),
        None => json!({ "id": name }),
    }
}

fn result(name: &str, lines: &Lines<'_>, finding: &Diagnostic, index: usize) -> Value {
    let mut text = finding.message.clone();
    for note in &finding.notes {
        text.push_str("; ");
        text.push_str(note);
    }
    let artifact = json!({ "uri": uri(name) });
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": artifact,
            "region": region(lines, finding.span),
        }}],
    });
    if let Some(fix) = &finding.fix {
        result["fixes"] = json!([{
            "description": { "text": fix.title },
            "artifactChanges": [{
                "artifactLocation": artifact,
                "replacements": [{
                    "deletedRegion": region(lines, fix.span),
                    "insertedContent": { "text": fix.replacement },
                }],
            }],
        }]);
    }
    result
}

/// The level of a severity, by §3.27.10.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A region by lines and columns, §3.30; the end column is one past the last character.
fn region(lines: &Lines<'_>, span: Span) -> Value {
    let (start, end) = (lines.position(span.start), lines.position(span.end));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A path as a relative reference of RFC 3986: what is not allowed there is escaped.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::lint::{Options, lint};
    use crate::dockerfile::parse;

    #[test]
    fn a_log_has_rules_places_and_fixes() {
        let source = "FROM alpine:3.22 AS Base\nLABEL ä=1 a=$x\nRUM x\n";
        let parsed = parse(source);
        let linted = lint(source, &parsed, &Options::default());
        let mut log = log("a dir/Dockerfile", source, &linted.findings);
        let rules = log["runs"][0]["tool"]["driver"]["rules"].take();
        assert_eq!(rules[0]["id"], "ConsistentInstructionCasing");
        let last = rules.as_array().and_then(|rules| rules.last());
        assert_eq!(last, Some(&json!({ "id": "UnknownInstruction" })));
        insta::assert_json_snapshot!(log["runs"][0]["results"]);
    }
}

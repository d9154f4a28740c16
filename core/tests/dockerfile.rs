//! Golden cases for parsing Dockerfiles: each folder of `core/tests/dockerfile/` is one, with a
//! `Dockerfile` and what is `expected` of it: its tree and its problems.
//!
//! `UPDATE_GOLDEN=1` writes what is missing or has changed; then read the difference.

#![allow(clippy::unwrap_used)] // Helpers of a test fail as the test does.

use std::fmt::Write as _;
use std::path::Path;

use coracle::diagnostic::{Diagnostic, Severity};
use coracle::dockerfile::{Instruction, Kind, Parsed, json, parse};

#[test]
fn every_case_parses_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dockerfile");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut cases: Vec<_> = std::fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 50, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let source = std::fs::read_to_string(case.join("Dockerfile")).unwrap();
        let parsed = parse(&source);
        check_invariants(&source, &parsed);
        check_fixes(&source, &parsed);
        let got = describe(&source, &parsed);
        let file = case.join("expected");
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if got != expected && update {
            std::fs::write(&file, &got).unwrap();
        } else if got != expected {
            wrong.push(format!(
                "{}\n{}",
                case.display(),
                difference(&expected, &got)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The tree and the problems as text.
fn describe(source: &str, parsed: &Parsed) -> String {
    let mut out = String::new();
    let tree = &parsed.dockerfile;
    let _ = writeln!(out, "escape {}", tree.escape.char());
    for directive in &tree.directives {
        let _ = writeln!(
            out,
            "{}: directive {} = {}",
            directive.line, *directive.name, *directive.value
        );
    }
    for instruction in &tree.instructions {
        describe_instruction(&mut out, instruction, "");
    }
    for diagnostic in &parsed.diagnostics {
        out.push('\n');
        out.push_str(&diagnostic.render("Dockerfile", source));
    }
    out
}

fn describe_instruction(out: &mut String, instruction: &Instruction, indent: &str) {
    let lines = match (instruction.start_line, instruction.end_line) {
        (start, end) if start == end => start.to_string(),
        (start, end) => format!("{start}-{end}"),
    };
    let _ = write!(out, "{indent}{lines}: {}", instruction.name());
    for flag in &instruction.flags {
        let _ = write!(out, " {}", flag.text);
    }
    let args: Vec<_> = instruction.args.iter().map(|a| a.value.as_str()).collect();
    let form = if instruction.json { " json" } else { "" };
    let _ = writeln!(out, "{form} {args:?}");
    for comment in &instruction.comments {
        let _ = writeln!(out, "{indent}    comment {comment:?}");
    }
    for heredoc in &instruction.heredocs {
        let _ = writeln!(out, "{indent}    {heredoc:?}");
    }
    if let Kind::Onbuild(child) = &instruction.kind {
        describe_instruction(out, child, &format!("{indent}    "));
    } else {
        let _ = writeln!(out, "{indent}    {:?}", instruction.kind);
    }
}

/// What holds for every source, whatever it says.
fn check_invariants(source: &str, parsed: &Parsed) {
    let mut end = 0;
    for instruction in &parsed.dockerfile.instructions {
        assert!(instruction.span.start >= end, "{instruction:?}");
        assert!(source.get(instruction.span.range()).is_some());
        assert_eq!(
            &source[instruction.keyword.span.range()],
            instruction.keyword.value
        );
        end = instruction.span.end;
        for arg in &instruction.args {
            let text = &source[arg.span.range()];
            assert!(
                instruction.json || text.contains(['\n', '\\', '`']) || text == arg.value,
                "{arg:?} is not {text:?}"
            );
        }
    }
    serde_json::to_string(&json::document(parsed, source)).unwrap();
}

/// A fix mends what it is offered for: after it, that problem is gone and no other came.
fn check_fixes(source: &str, parsed: &Parsed) {
    for diagnostic in &parsed.diagnostics {
        let Some(fix) = &diagnostic.fix else { continue };
        let mut mended = source.to_owned();
        mended.replace_range(fix.span.range(), &fix.replacement);
        let after = parse(&mended).diagnostics;
        let count = |all: &[Diagnostic]| {
            let same = |d: &&Diagnostic| d.rule == diagnostic.rule;
            all.iter().filter(same).count()
        };
        assert!(
            count(&after) < count(&parsed.diagnostics),
            "{:?} does not help:\n{mended}",
            fix.title
        );
        let errors = |all: &[Diagnostic]| {
            let error = |d: &&Diagnostic| d.severity == Severity::Error;
            all.iter().filter(error).count()
        };
        assert!(
            errors(&after) <= errors(&parsed.diagnostics),
            "{:?} makes it worse:\n{mended}",
            fix.title
        );
    }
}

/// The first lines that differ.
fn difference(expected: &str, got: &str) -> String {
    let mut out = String::new();
    let (expected, got): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    for i in 0..expected.len().max(got.len()) {
        let (old, new) = (expected.get(i), got.get(i));
        if old != new {
            let _ = writeln!(
                out,
                "line {}:\n  expected {old:?}\n  got      {new:?}",
                i + 1
            );
        }
        if out.lines().count() > 12 {
            break;
        }
    }
    out
}

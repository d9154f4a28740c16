//! What holds for every rule of the table, and what single rules find in less simple files.

use std::collections::BTreeSet;

use super::*;
use crate::diagnostic::Span;
use crate::dockerfile::ignore;

fn findings(source: &str, ignore_file: &str) -> Vec<Diagnostic> {
    let (ignore, _) = ignore::parse(ignore_file);
    let options = Options {
        ignore: Some(&ignore),
        ..Options::default()
    };
    lint(source, &parse(source), &options).findings
}

/// Each finding as its rule and the text that it is about.
fn shown(source: &str) -> Vec<String> {
    let findings = findings(source, "");
    let text = |span: Span| source[span.range()].trim_end();
    let shown = findings
        .iter()
        .map(|f| format!("{}: {}", f.rule, text(f.span)));
    shown.collect()
}

#[test]
fn every_rule_fires_on_its_bad_example_and_not_on_its_good_one() {
    for rule in rules() {
        let (name, bad, good) = (rule.name, rule.bad, rule.good);
        let found = findings(bad, rule.ignore);
        let own = found.iter().find(|f| f.rule == name);
        let own = own.unwrap_or_else(|| panic!("{name} does not fire:\n{bad}\n{found:#?}"));
        assert_eq!(own.severity, rule.severity, "{name}");
        let found = findings(good, rule.ignore);
        assert!(
            !found.iter().any(|f| f.rule == name),
            "{name}:\n{good}\n{found:#?}"
        );
        let worse = found.iter().find(|f| f.severity >= Severity::Warning);
        assert_eq!(worse, None, "the good example of {name} is not good");
    }
}

#[test]
fn every_rule_says_what_it_must_and_names_are_unique() {
    let mut names = BTreeSet::new();
    for rule in rules() {
        assert!(names.insert(rule.name), "{} is there twice", rule.name);
        assert!(
            !rule.reason.is_empty() && !rule.reason.ends_with('.'),
            "{}",
            rule.name
        );
        let starts =
            |text: &str| text.starts_with(|c: char| c.is_uppercase() || c == '`' || c == '/');
        assert!(
            starts(rule.reason) || rule.reason.starts_with('`'),
            "{}",
            rule.reason
        );
        assert!(
            rule.bad.ends_with('\n') && rule.good.ends_with('\n'),
            "{}",
            rule.name
        );
        assert!(documentation().contains(&format!("\n### {}\n", rule.name)));
    }
}

/// The names are BuildKit's, so that files which name them are understood.
#[test]
fn buildkits_checks_are_all_here() {
    let published = [
        "ConsistentInstructionCasing",
        "CopyIgnoredFile",
        "DuplicateStageName",
        "ExposeInvalidFormat",
        "ExposeProtoCasing",
        "FromAsCasing",
        "FromPlatformFlagConstDisallowed",
        "InvalidDefaultArgInFrom",
        "InvalidDefinitionDescription",
        "JSONArgsRecommended",
        "LegacyKeyValueFormat",
        "MaintainerDeprecated",
        "MultipleInstructionsDisallowed",
        "NoEmptyContinuation",
        "RedundantTargetPlatform",
        "ReservedStageName",
        "SecretsUsedInArgOrEnv",
        "StageNameCasing",
        "UndefinedArgInFrom",
        "UndefinedVar",
        "WorkdirRelativePath",
    ];
    let own = rules().filter(|rule| rule.origin == Origin::BuildKit);
    let own: BTreeSet<_> = own.map(|rule| rule.name).collect();
    assert_eq!(own, BTreeSet::from(published));
}

/// Applies each fix alone: its finding is gone, and no error came.
fn check_fixes(source: &str, ignore_file: &str) -> usize {
    let before = findings(source, ignore_file);
    let count = |all: &[Diagnostic], rule| all.iter().filter(|f| f.rule == rule).count();
    let errors = |all: &[Diagnostic]| all.iter().filter(|f| f.severity == Severity::Error).count();
    let mut fixes = 0;
    for finding in &before {
        let Some(fix) = &finding.fix else { continue };
        let mended = apply(source, std::iter::once(fix));
        let after = findings(&mended, ignore_file);
        assert!(
            count(&after, finding.rule) < count(&before, finding.rule),
            "{}: {:?} does not help:\n{mended}",
            finding.rule,
            fix.title
        );
        assert!(
            errors(&after) <= errors(&before),
            "{:?} makes it worse:\n{mended}",
            fix.title
        );
        fixes += 1;
    }
    fixes
}

#[test]
fn every_fix_removes_its_finding() {
    let fixes: usize = rules().map(|rule| check_fixes(rule.bad, rule.ignore)).sum();
    assert!(fixes >= 25, "only {fixes} fixes");
}

/// Where a bad example has a fix, it leads to the good one.
#[test]
fn mended_bad_examples_are_good_ones() {
    for rule in rules() {
        let has_fix = |f: &&Diagnostic| f.rule == rule.name && f.fix.is_some();
        if findings(rule.bad, rule.ignore)
            .iter()
            .find(has_fix)
            .is_none()
        {
            continue;
        }
        let mended = mend(rule.bad, &Options::default());
        assert_eq!(mended.text, rule.good, "{}: {:?}", rule.name, mended.done);
        let left = mended.left.findings.iter().find(|f| f.fix.is_some());
        assert_eq!(left, None);
    }
}

/// One fix that brings an error among a hundred that help costs a few looks at the file.
#[test]
fn a_bad_fix_is_found_by_halves() {
    let text = "x".repeat(100);
    let fixes: Vec<_> = (0..100)
        .map(|at| Fix {
            title: at.to_string(),
            span: Span::new(at, at + 1),
            replacement: if at == 61 { "!" } else { "." }.to_owned(),
        })
        .collect();
    let looks = std::cell::Cell::new(0);
    let look = |text: &str| {
        looks.set(looks.get() + 1);
        let at = |c: char| text.chars().filter(|t| *t == c).count();
        let error = Diagnostic::error("Bad", Span::new(0, 0), "bad");
        let fixable = Diagnostic::warning("Fixable", Span::new(0, 0), "x");
        let fixable = fixable.fix("fix", Span::new(0, 0), "");
        let mut findings = vec![fixable; at('x')];
        findings.extend(vec![error; at('!')]);
        Linted {
            findings,
            ..Linted::default()
        }
    };
    let all: Vec<_> = fixes.iter().map(|fix| ("Fixable", fix)).collect();
    let good = helpful(&text, &all, worth(&look(&text)), &look);
    let titles: Vec<_> = good.iter().map(|(_, fix)| fix.title.as_str()).collect();
    let expected: Vec<_> = (0..100)
        .filter(|at| *at != 61)
        .map(|at| at.to_string())
        .collect();
    assert_eq!(titles, expected);
    assert!(looks.get() <= 16, "{} looks", looks.get());
}

#[test]
fn what_a_fix_brings_to_light_is_mended_too() {
    let check = |source: &str, expected: &str| {
        let mended = mend(source, &Options::default());
        assert_eq!(mended.text, expected, "{:?}", mended.done);
    };
    check(
        "FROM a:1\nRUM --mout=type=tmpfs,target=/x y\nRUM --netwrk=none y\n",
        "FROM a:1\nRUN --mount=type=tmpfs,target=/x y\nRUN --network=none y\n",
    );
    // Two errors for one are left to a person.
    check(
        "FROM a:1\nEXPOES http https\n",
        "FROM a:1\nEXPOES http https\n",
    );
}

#[test]
fn findings_stand_where_they_belong() {
    let check = |source: &str, expected: &[&str]| {
        assert_eq!(shown(source), expected, "{source}");
        check_fixes(source, "");
    };
    // Continued lines, CRLF and heredocs keep their places.
    check(
        "FROM debian:13\r\nRUN apt-get update \\\r\n # why\r\n && apt-get install -y \\\r\n    --no-install-recommends git=1\r\n",
        &["AptListsKept: apt-get update"],
    );
    check(
        "FROM alpine:3.22\nRUN <<-E\n\tapk add a=1\n\tcurl x | y\nE\n",
        &[
            "ApkCacheKept: apk add a=1",
            "CurlWithoutFail: curl x",
            "PipefailUnset: curl x",
        ],
    );
    check(
        "FROM alpine:3.22\nRUN <<E\n#!/usr/bin/env python3\nimport sudo\nE\n",
        &[],
    );
    check(
        "FROM alpine:3.22\nRUN <<E\n#!/bin/bash -e\nsource x\nsudo y\nE\n",
        &["SudoInRun: sudo"],
    );
    check(
        "FROM alpine:3.22\nONBUILD RUN sudo x\n",
        &["SudoInRun: sudo"],
    );
}

#[test]
fn a_file_says_what_it_wants_to_hear() {
    let check = |directive: &str, expected: &[&str], fails: bool| {
        let source = format!("# check={directive}\nFROM scratch AS Base\nWORKDIR a\n");
        let linted = lint(&source, &parse(&source), &Options::default());
        let rules: Vec<_> = linted.findings.iter().map(|f| f.rule).collect();
        assert_eq!(rules, expected, "{directive}");
        assert_eq!(linted.fails(), fails, "{directive}");
    };
    let both = ["StageNameCasing", "WorkdirRelativePath"];
    check("error=false", &both, false);
    check("error=true", &both, true);
    check("skip=StageNameCasing", &both[1..], false);
    check(
        "skip=StageNameCasing, WorkdirRelativePath;error=true",
        &[],
        false,
    );
    check("skip=all;error=true", &[], false);
    check("experimental=all;skip=all", &[], false);
    check(
        "skip=InvalidBaseImagePlatform,StageNameCasing",
        &both[1..],
        false,
    );
    check("skip=Nonsense", &["UnknownRule", both[0], both[1]], false);
    check("sikp=all", &["InvalidDirective", both[0], both[1]], true);
    check("error=maybe", &["InvalidDirective", both[0], both[1]], true);
}

#[test]
fn skipping_all_does_not_reach_the_experimental_checks() {
    let check = |words: &str, expected: &[&str]| {
        let source = format!("# check={words}\nFROM scratch AS Base\n# not its name\nARG x=1\n");
        let rules: Vec<_> = findings(&source, "").iter().map(|f| f.rule).collect();
        assert_eq!(rules, expected, "{words}");
    };
    let experimental = ["InvalidDefinitionDescription"];
    check("skip=all", &[]);
    check("skip=all;experimental=all", &experimental);
    check(
        "experimental=InvalidDefinitionDescription;skip=InvalidDefinitionDescription,StageNameCasing",
        &experimental,
    );
}

#[test]
fn who_builds_may_say_what_is_checked() {
    let source = "# check=skip=all\nFROM scratch AS Base\nWORKDIR a\n";
    let check = |words: &str, expected: &[&str], strict: bool| {
        let options = Options {
            check: Some(words),
            ..Options::default()
        };
        let linted = lint(source, &parse(source), &options);
        let rules: Vec<_> = linted.findings.iter().map(|f| f.rule).collect();
        assert_eq!((rules.as_slice(), linted.strict), (expected, strict));
    };
    // The file's own words count for nothing then, whatever they are.
    check("", &["StageNameCasing", "WorkdirRelativePath"], false);
    check(
        "skip=StageNameCasing;error=1",
        &["WorkdirRelativePath"],
        true,
    );
    let rules = |words| {
        check_words(words)
            .iter()
            .map(|f| f.rule)
            .collect::<Vec<_>>()
    };
    assert_eq!(rules("skip=all;error=true"), [""; 0]);
    assert_eq!(rules("sikp=all;error=x"), ["InvalidDirective"; 2]);
    assert_eq!(rules("skip=StageNameCasin"), ["UnknownRule"]);
}

#[test]
fn errors_cannot_be_turned_off() {
    let source = "# check=skip=all\nFROM scratch AS Base\nCOPY a b /c\nRUM\n";
    let rules: Vec<_> = findings(source, "").iter().map(|f| f.rule).collect();
    assert_eq!(rules, ["CopyDestination", "UnknownInstruction"]);
}

#[test]
fn known_environments_are_counted_in() {
    let source = "FROM my/base:1\nENV A=$SET B=$UNSET C=$GOPATH\n";
    let check = |known: Option<&[&str]>, expected: &[&str]| {
        let environment =
            |_: &str| known.map(|names| names.iter().map(|n| (*n).to_owned()).collect());
        let options = Options {
            environment: &environment,
            ..Options::default()
        };
        let found = lint(source, &parse(source), &options).findings;
        let places: Vec<_> = found.iter().map(|f| &source[f.span.range()]).collect();
        assert_eq!(places, expected, "{known:?}");
    };
    check(Some(&["SET"]), &["$UNSET", "$GOPATH"]);
    check(Some(&["SET", "GOPATH", "UNSET"]), &[]);
    // What well-known images set is left in peace as long as nothing is known.
    check(None, &["$SET", "$UNSET"]);
}

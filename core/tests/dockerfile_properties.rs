//! What holds for every text that anybody may feed to the Dockerfile modules, tried with many.

#![allow(clippy::unwrap_used)] // Helpers of a test fail as the test does.

use std::path::Path;

use coracle::diagnostic::{Diagnostic, Severity, Span};
use coracle::dockerfile::expand::{Options, expand};
use coracle::dockerfile::explain::explain;
use coracle::dockerfile::glob::{Glob, glob};
use coracle::dockerfile::ignore::{self, Above};
use coracle::dockerfile::lint::{self, lint, mend};
use coracle::dockerfile::stages::Settings;
use coracle::dockerfile::{Escape, Instruction, Kind, json, parse};
use coracle::path::RootedPath;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Pieces that matter to the parser; random text would hardly ever find them.
const PIECES: [&str; 48] = [
    "FROM a\n",
    "RUN ",
    "COPY ",
    "ADD ",
    "ENV ",
    "LABEL ",
    "ARG ",
    "ONBUILD ",
    "HEALTHCHECK ",
    "CMD ",
    "SHELL ",
    "EXPOSE ",
    "AS ",
    "--mount=",
    "--from=",
    "--link ",
    "--interval=5",
    " -- ",
    "<<EOF",
    "<<-'E F'",
    "EOF\n",
    "\tEOF\n",
    "E F\n",
    "3<<",
    "\\\n",
    "`\n",
    "\\",
    "`",
    "\n",
    "\r\n",
    "# escape=`\n",
    "#\n",
    "# syntax=x\n",
    " ",
    "\t",
    "\u{a0}",
    "\u{feff}",
    "[\"a\", \"b\"]",
    "[",
    "\"",
    "'",
    "]",
    "=",
    ",",
    "$x",
    "${x:-",
    "}",
    "ä",
];

fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(PIECES.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
        1 => "[a-zA-Z0-9 =:/$.*-]{0,8}",
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The golden cases, with pieces cut out and others put in.
fn mutated() -> impl Strategy<Value = String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dockerfile");
    let mut sources: Vec<String> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path().join("Dockerfile")).unwrap())
        .collect();
    sources.sort();
    let edit = (any::<Index>(), 0..20_usize, select(PIECES.to_vec()));
    (select(sources), vec(edit, 0..8)).prop_map(|(mut source, edits)| {
        for (place, length, piece) in edits {
            let at = source.floor_char_boundary(place.index(source.len() + 1));
            let end = source.floor_char_boundary((at + length).min(source.len()));
            source.replace_range(at..end.max(at), piece);
        }
        source
    })
}

fn check_span(source: &str, span: Span) -> Result<(), TestCaseError> {
    prop_assert!(source.get(span.range()).is_some(), "{span:?} of {source:?}");
    Ok(())
}

fn check_instruction(source: &str, instruction: &Instruction) -> Result<(), TestCaseError> {
    check_span(source, instruction.span)?;
    check_span(source, instruction.keyword.span)?;
    for arg in &instruction.args {
        check_span(source, arg.span)?;
    }
    for flag in &instruction.flags {
        check_span(source, flag.span)?;
        check_span(source, flag.name.span)?;
    }
    for heredoc in &instruction.heredocs {
        check_span(source, heredoc.span)?;
        prop_assert_eq!(&source[heredoc.content_span.range()], &heredoc.content);
    }
    prop_assert!(instruction.start_line <= instruction.end_line);
    if let Kind::Onbuild(child) = &instruction.kind {
        check_instruction(source, child)?;
    }
    Ok(())
}

fn check_diagnostic(source: &str, diagnostic: &Diagnostic) -> Result<(), TestCaseError> {
    check_span(source, diagnostic.span)?;
    prop_assert!(!diagnostic.render("Dockerfile", source).is_empty());
    if let Some(fix) = &diagnostic.fix {
        check_span(source, fix.span)?;
    }
    Ok(())
}

fn check_parse(source: &str) -> Result<(), TestCaseError> {
    let parsed = parse(source);
    let mut end = 0;
    for instruction in &parsed.dockerfile.instructions {
        check_instruction(source, instruction)?;
        prop_assert!(instruction.span.start >= end, "{source:?}");
        end = instruction.span.end;
        instruction.run_body();
    }
    for diagnostic in &parsed.diagnostics {
        check_diagnostic(source, diagnostic)?;
    }
    prop_assert!(serde_json::to_string(&json::document(&parsed, source)).is_ok());
    Ok(())
}

/// Pieces that matter to rules, for what a RUN runs.
const WORDS: [&str; 40] = [
    "FROM a\n",
    "FROM b:1 AS C\n",
    "from c as d\n",
    "RUN ",
    "RUN <<EOF\n",
    "EOF\n",
    "USER root\n",
    "COPY . .\n",
    "ADD a b c\n",
    "CMD a $b\n",
    "ENV A=$B C $D\n",
    "WORKDIR x\n",
    "EXPOSE 1:2/UDP\n",
    "apt-get ",
    "apt ",
    "install ",
    "update",
    "-y ",
    "apk add ",
    "pip install ",
    "dnf install ",
    "curl -o x ",
    "wget y",
    "sudo ",
    "cd /x",
    "export A=1",
    "source x",
    " && ",
    " | ",
    " \\\n  ",
    "; ",
    "$(",
    "`",
    "(",
    ")",
    "\"",
    "'",
    " # ",
    "\n",
    "# check=skip=A;error=true\n",
];

fn commands() -> impl Strategy<Value = String> {
    vec(select(WORDS.to_vec()), 0..30).prop_map(|words| words.concat())
}

/// Rules never fail, their places are places of the source, and mending ends in a text that reads
/// no worse.
fn check_lint(source: &str) -> Result<(), TestCaseError> {
    let (parsed, options) = (parse(source), lint::Options::default());
    let linted = lint(source, &parsed, &options);
    for finding in &linted.findings {
        check_diagnostic(source, finding)?;
        prop_assert!(!finding.rule.is_empty());
    }
    let mended = mend(source, &options);
    let errors = |all: &[Diagnostic]| all.iter().filter(|d| d.severity == Severity::Error).count();
    prop_assert!(
        errors(&mended.left.findings) <= errors(&linted.findings),
        "{source:?} became {:?}",
        mended.text
    );
    prop_assert_eq!(
        &mend(&mended.text, &options).text,
        &mended.text,
        "of {:?}",
        source
    );
    let explained = explain(&parsed.dockerfile, &Settings::default());
    prop_assert_eq!(explained.lines.len(), parsed.dockerfile.instructions.len());
    Ok(())
}

/// The definition of a pattern, as slowly as it can be written.
fn slow_match(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', '*', '/', rest @ ..] if !rest.is_empty() => {
            slow_match(rest, text)
                || (0..text.len()).any(|i| text[i] == '/' && slow_match(rest, &text[i + 1..]))
        }
        ['*', '*'] | ['*', '*', '/'] => true,
        ['*', rest @ ..] => (0..=text.len())
            .take_while(|i| !text[..*i].contains(&'/'))
            .any(|i| slow_match(rest, &text[i..])),
        ['?', rest @ ..] => matches!(text, [c, more @ ..] if *c != '/' && slow_match(rest, more)),
        [p, rest @ ..] => matches!(text, [c, more @ ..] if c == p && slow_match(rest, more)),
    }
}

proptest! {
    // A case that failed becomes a golden folder or a line of a table, not a file of seeds.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_fails(source in ".*") {
        check_parse(&source)?;
    }

    #[test]
    fn parsing_never_fails_on_what_looks_like_a_dockerfile(source in soup()) {
        check_parse(&source)?;
    }

    #[test]
    fn parsing_never_fails_on_damaged_dockerfiles(source in mutated()) {
        check_parse(&source)?;
    }

    #[test]
    fn rules_never_fail(source in prop_oneof![soup(), mutated(), commands()]) {
        check_lint(&source)?;
    }

    #[test]
    fn expansion_ends_and_places_its_errors(
        text in prop_oneof![soup(), "[$#%/:{}?*x'\"\\\\+-]{0,30}"],
        switches in 0..32_u8,
    ) {
        let options = Options {
            escape: if switches & 1 == 0 { Escape::Backslash } else { Escape::Backtick },
            keep_quotes: switches & 2 != 0,
            keep_escapes: switches & 4 != 0,
            keep_unset: switches & 8 != 0,
            ignore_quotes: switches & 16 != 0,
            heredocs: false,
        };
        let lookup = |name: &str| (name == "x").then(|| "a/b*c d".to_owned());
        match expand(&text, options, &lookup) {
            Ok(expanded) => prop_assert!(expanded.words.iter().all(|w| !w.is_empty())),
            Err(error) => prop_assert!(text.is_char_boundary(error.at)),
        }
    }

    #[test]
    fn text_without_special_characters_expands_to_itself(text in "[a-zA-Z0-9 /:._=äöü-]{0,40}") {
        let expanded = expand(&text, Options::default(), &|_| None).unwrap();
        prop_assert_eq!(&expanded.text, &text);
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        prop_assert_eq!(expanded.words, words);
    }

    #[test]
    fn patterns_match_as_defined(pattern in "(\\*\\*/|[ab*?/.]){0,8}", text in "[ab/.]{0,10}") {
        let fast = Glob::path(&pattern).unwrap();
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        // Three stars, and two with something other than a slash behind, have rules of their own
        // that the table of examples holds.
        let plain = !pattern.replace("**/", "").contains("**") && !pattern.contains("***");
        if plain {
            let slow = slow_match(&chars(&pattern), &chars(&text));
            prop_assert_eq!(fast.matches(&text), slow, "{} {}", pattern, text);
        }
        let single = pattern.replace("**", "*");
        let slow = slow_match(&chars(&single), &chars(&text));
        if !single.contains("**") {
            prop_assert_eq!(glob(&single, &text), Ok(slow), "{} {}", single, text);
        }
        if fast.matches(&text) {
            for (i, _) in text.char_indices() {
                prop_assert!(fast.may_match_below(&text[..i]));
            }
        }
    }

    #[test]
    fn ignoring_is_the_same_by_lookup_and_by_walk(
        lines in vec("!?[ab*?/]{1,6}|\\PC{0,5}|\\[[ab^-]{0,4}\\]?", 0..6),
        path in vec("[ab]{1,2}|\\PC{1,3}", 1..5),
    ) {
        let (ignore, diagnostics) = ignore::parse(&lines.join("\n"));
        for diagnostic in &diagnostics {
            check_diagnostic(&lines.join("\n"), diagnostic)?;
        }
        let Ok(path) = RootedPath::parse(path.join("/")) else { return Ok(()) };
        let mut above = Above::default();
        let mut hidden = None;
        let steps: Vec<_> = path.ancestors().filter(|p| !p.is_root()).chain([path.clone()]).collect();
        for step in steps {
            let (decision, next) = ignore.check_below(&above, &step);
            above = next;
            prop_assert_eq!(decision, ignore.check(&step));
            match (&hidden, decision.ignored) {
                (None, true) => hidden = Some(step),
                (Some(directory), false) => prop_assert!(ignore.may_take_back_below(directory)),
                _ => {}
            }
        }
    }
}

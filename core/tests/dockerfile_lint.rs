//! Golden cases for linting: the Dockerfiles in the style of real projects among the golden cases of
//! the parser, with what is `expected.lint` of them; and what else holds for all of them.
//!
//! `UPDATE_GOLDEN=1` writes what is missing or has changed; then read the difference.

#![allow(clippy::unwrap_used)] // Helpers of a test fail as the test does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use coracle::build::context::Context;
use coracle::build::executor::RunNetwork;
use coracle::build::plan::{Operation, Plan, PlanOptions, plan};
use coracle::diagnostic::has_errors;
use coracle::dockerfile::explain::{Makes, explain};
use coracle::dockerfile::lint::{self, Options, lint, mend};
use coracle::dockerfile::parse;
use coracle::dockerfile::stages::Settings;
use coracle::spec::Platform;
use coracle::tree::Timestamp;

/// The folders of real projects, with the text of each Dockerfile.
fn real_projects() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dockerfile");
    let entries = std::fs::read_dir(root).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    let real = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("real-")
    };
    let mut folders: Vec<_> = folders.filter(real).collect();
    folders.sort();
    assert!(folders.len() >= 40, "only {} projects", folders.len());
    let read = |path: PathBuf| {
        let source = std::fs::read_to_string(path.join("Dockerfile")).unwrap();
        (path, source)
    };
    folders.into_iter().map(read).collect()
}

/// Compares with a golden file, or writes it; the error says what is different.
fn golden(file: &Path, seen: &str) -> Result<(), String> {
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    if expected == seen {
        return Ok(());
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, seen).unwrap();
        return Ok(());
    }
    Err(format!("{} is different now:\n{seen}", file.display()))
}

#[test]
fn real_projects_parse_and_lint_as_expected() {
    let mut wrong = Vec::new();
    for (folder, source) in real_projects() {
        let parsed = parse(&source);
        assert!(
            !has_errors(&parsed.diagnostics),
            "{}: {:?}",
            folder.display(),
            parsed.diagnostics
        );
        let linted = lint(&source, &parsed, &Options::default());
        let texts = linted
            .findings
            .iter()
            .map(|f| f.render("Dockerfile", &source));
        let text = texts.collect::<Vec<_>>().join("\n");
        wrong.extend(golden(&folder.join("expected.lint"), &text).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Mending leaves no fix behind, brings no finding that was not there, and keeps every stage and
/// what it is made of.
#[test]
fn real_projects_are_mended() {
    let mut done = 0;
    for (folder, source) in real_projects() {
        let before = lint(&source, &parse(&source), &Options::default());
        let mended = mend(&source, &Options::default());
        let name = folder.display();
        assert_eq!(
            mended.left.findings.iter().find(|f| f.fix.is_some()),
            None,
            "{name}"
        );
        assert!(!has_errors(&mended.left.findings), "{name}");
        let fixes = before.findings.iter().filter(|f| f.fix.is_some()).count();
        assert!(mended.done.len() >= fixes, "{name}: {:?}", mended.done);
        assert!(
            mended.left.findings.len() + fixes <= before.findings.len(),
            "{name}: {:?}",
            mended.left
        );
        done += mended.done.len();
    }
    assert!(done >= 25, "only {done} fixes");
}

#[test]
fn the_documentation_is_made_from_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/lint-rules.md");
    if let Err(difference) = golden(&file, &lint::documentation()) {
        panic!("UPDATE_GOLDEN=1 writes it anew: {difference}");
    }
}

/// What is told of a line is what the builder does: the plan is asked for files that need no image.
#[test]
fn explanations_agree_with_the_plan() {
    let check = |source: &str| {
        let parsed = parse(source);
        let planned = planned(source);
        let explained = explain(&parsed.dockerfile, &Settings::default());
        let needed: Vec<_> = explained
            .stages
            .iter()
            .filter(|stage| stage.needed)
            .collect();
        let names: Vec<_> = needed.iter().map(|stage| stage.name.as_str()).collect();
        let planned_names: Vec<_> = planned.stages.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, planned_names, "{source}");
        for stage in &planned.stages {
            let lines = explained.lines.iter().filter(|line| {
                line.stage.as_ref() == Some(&stage.name) && line.makes != Makes::Stage
            });
            let told: Vec<_> = lines
                .map(|line| (line.instruction.as_str(), line.makes == Makes::Layer))
                .collect();
            let steps = stage.steps.iter();
            let done: Vec<_> = steps
                .map(|step| (step.text.as_str(), step.operation != Operation::Metadata))
                .collect();
            assert_eq!(told, done, "{source}");
        }
    };
    check(
        "FROM scratch AS a\nWORKDIR /\nWORKDIR /x\nENV A=1\nCOPY <<A /c/\nA\nRUN x\nADD <<A /d/\nA\nUSER 1\n\
         FROM scratch AS b\nRUN y\nFROM a\nARG Z\nLABEL z=$A\nVOLUME /v\nEXPOSE 1\nCMD [\"c\"]\n\
         ENTRYPOINT e\nSTOPSIGNAL 9\nHEALTHCHECK NONE\nSHELL [\"s\"]\nONBUILD RUN x\n",
    );
    check("FROM scratch AS x\nRUN a\nFROM scratch\nCOPY --from=x /a /b\n");
    check("FROM scratch AS x-amd64\nFROM scratch AS x-arm64\nFROM x-${TARGETARCH}\nRUN a\n");
}

fn planned(source: &str) -> Plan {
    let parsed = parse(source);
    let platform = Platform::linux("amd64");
    let options = PlanOptions {
        args: BTreeMap::new(),
        target: None,
        platform: platform.clone(),
        build_platform: platform,
        labels: BTreeMap::new(),
        network: RunNetwork::None,
        insecure: false,
        time: Timestamp::default(),
    };
    let (found, context) = (parsed.diagnostics, Context::default());
    let mut find = |_: &_, _: &_| Err("no image".to_owned());
    plan(&parsed.dockerfile, found, &options, &context, &mut find).unwrap()
}

//! What fuzzing found once is not found again: every kept input, and every seed, keeps all promises.
//!
//! This needs no fuzzer: the targets are functions from bytes, and their inputs are files.

#![allow(clippy::unwrap_used)] // Helpers of a test fail as the test does.

// The targets are a library of another package; here they are a part of this test.
#[allow(dead_code, unreachable_pub, missing_docs)]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use targets::TARGETS;

#[test]
fn nothing_that_was_found_is_found_again() {
    let mut inputs = 0;
    let mut broken = Vec::new();
    for target in TARGETS {
        for folder in ["regressions", "seeds"] {
            for input in files(&package().join(folder).join(target.name)) {
                let bytes = fs::read(&input).unwrap();
                inputs += 1;
                if catch_unwind(|| targets::run(target.name, &bytes)).is_err() {
                    broken.push(input.display().to_string());
                }
            }
        }
    }
    assert!(inputs >= 30, "only {inputs} inputs were found");
    assert!(broken.is_empty(), "promises are broken by {broken:#?}");
}

#[test]
fn every_target_has_a_fuzzer_and_every_folder_a_target() {
    let known: BTreeSet<String> = TARGETS.iter().map(|t| t.name.to_owned()).collect();
    let stems = |folder: &str| {
        let files = files(&package().join(folder));
        let stems = files.iter().map(|file| file.file_stem().unwrap());
        stems
            .map(|stem| stem.to_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        stems("targets"),
        known,
        "the files of targets/ and the table"
    );
    let manifest = fs::read_to_string(package().join("Cargo.toml")).unwrap();
    let programs = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"targets/"));
    let programs = programs.map(|line| line.trim_end_matches(".rs\"").to_owned());
    assert_eq!(
        programs.collect::<BTreeSet<_>>(),
        known,
        "the programs and the table"
    );
    assert!(
        stems("dictionaries").is_subset(&known),
        "a dictionary of no target"
    );
    for folder in ["regressions", "seeds"] {
        let folders = fs::read_dir(package().join(folder)).unwrap();
        for entry in folders.map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            assert!(
                known.contains(&name),
                "{folder}/{name} belongs to no target"
            );
        }
    }
}

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The files of a folder, in order; none when there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

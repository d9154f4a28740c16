//! The house rules that a machine can check: who may use whom, who may know the outside world.
//!
//! The picture in `core/src/lib.rs` is drawn from the table [`MAY_USE`].

#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of core, from the lowest row up, and the modules that it may name.
const MAY_USE: &[(&str, &[&str])] = &[
    // 0 the words
    ("diagnostic", &[]),
    ("digest", &[]),
    ("human", &[]),
    ("path", &[]),
    ("proxy", &[]),
    ("table", &[]),
    ("event", &["digest", "human"]),
    ("reference", &["diagnostic", "digest"]),
    ("spec", &["digest"]),
    // 1 the cargo
    ("accounts", &[]),
    ("codec", &[]),
    ("codec_native", &[]),
    ("dockerfile", &["diagnostic", "path", "reference"]),
    ("tree", &["digest", "path"]),
    ("layer", &["codec", "digest", "path", "spec", "tree"]),
    // 2 the hold
    (
        "store",
        &[
            "digest",
            "event",
            "layer",
            "path",
            "reference",
            "spec",
            "tree",
        ],
    ),
    (
        "image",
        &["digest", "layer", "path", "spec", "store", "tree"],
    ),
    // 3 the voyages: they do not use each other
    (
        "registry",
        &[
            "digest",
            "event",
            "image",
            "layer",
            "proxy",
            "reference",
            "spec",
            "store",
        ],
    ),
    (
        "build",
        &[
            "accounts",
            "diagnostic",
            "digest",
            "dockerfile",
            "event",
            "image",
            "layer",
            "path",
            "proxy",
            "reference",
            "spec",
            "store",
            "tree",
        ],
    ),
    (
        "runtime",
        &[
            "accounts",
            "diagnostic",
            "digest",
            "event",
            "image",
            "path",
            "spec",
        ],
    ),
    // 4 the kernel
    (
        "linux",
        &[
            "accounts",
            "build",
            "digest",
            "event",
            "image",
            "layer",
            "path",
            "reference",
            "runtime",
            "spec",
            "store",
            "tree",
        ],
    ),
];

/// The files below the kernel's row that the feature `fs` opens to the outside world.
const KNOW_FILES: &[&str] = &[
    "build/cache_directory.rs",
    "build/carry_directory.rs",
    "build/load.rs",
    "build/load/digests.rs",
    "build/load/file.rs",
    "build/net.rs",
    "registry/net/server.rs",
    "runtime/bundle.rs",
    "store/archive/directory.rs",
    "store/layout.rs",
    "store/layout/temporary.rs",
];

/// Names of the outside world: files, sockets, processes, clocks, the environment, and maps
/// whose order changes from run to run.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::os::",
    "HashMap",
    "HashSet",
];

#[test]
fn arrows_only_point_down() {
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let Some(allowed) = table.get(module.as_str()) else {
            wrong.push(format!("{file}: module {module} is not in the table"));
            continue;
        };
        for (line, used) in used_modules(&text) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{file}:{line}: {module} may not use {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A table that allowed a ring, or an arrow upwards, would check nothing.
#[test]
fn the_table_itself_points_down() {
    let place = |name: &str| MAY_USE.iter().position(|(module, _)| *module == name);
    for (module, allowed) in MAY_USE {
        for used in *allowed {
            assert!(
                place(used).unwrap_or_else(|| panic!("{used} is no module"))
                    < place(module).unwrap(),
                "{module} stands below {used}, and may not use it"
            );
        }
    }
}

#[test]
fn only_the_opened_files_know_the_outside_world() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if module_of(&file) == "linux" || is_test(&file) || KNOW_FILES.contains(&file.as_str()) {
            continue;
        }
        for (number, line) in code(&text) {
            for name in OUTSIDE {
                if line.contains(name) {
                    wrong.push(format!("{file}:{number}: knows {name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_one_sentence_and_hides_no_condition() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//! ") {
            wrong.push(format!("{file}: does not open with //!"));
        }
        if file == "lib.rs" || is_test(&file) {
            continue;
        }
        let lines: Vec<_> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let condition = line.contains("cfg(") || line.contains("cfg_attr(");
            let next = lines.get(number + 1).copied().unwrap_or_default();
            // A condition may gate a whole module where it is declared, and tests.
            let gates_module = next.trim_start().starts_with("mod ")
                || next.trim_start().starts_with("pub mod ")
                || next.trim_start().starts_with("pub use ");
            if condition && !line.contains("cfg(test)") && !gates_module {
                wrong.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every source file of core: its path below `src/` and its text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(files.len() > 20, "found only {} sources", files.len());
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn module_of(file: &str) -> String {
    let first = file.split('/').next().unwrap_or_default();
    first.trim_end_matches(".rs").to_owned()
}

/// Whether a file is nothing but tests.
fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.ends_with("/suite.rs")
}

/// The lines that are neither comments nor tests, with their numbers from 1.
fn code(text: &str) -> Vec<(usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("mod tests {"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line))
        .collect()
}

/// The modules of this crate that a text names, by `crate::`.
fn used_modules(text: &str) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for (number, line) in code(text) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let end = rest
                .find(|c: char| !c.is_ascii_lowercase() && c != '_')
                .unwrap_or(rest.len());
            if end > 0 {
                used.push((number, rest[..end].to_owned()));
            }
        }
    }
    used
}

//! The suites of `cargo x test`, in the order in which they run: the quick ones first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::course;
use crate::fuzz;
use crate::host::{self, Host};
use crate::playground;
use crate::setup;
use crate::tally::Tally;
use crate::wasm;

/// Something that is run and counted by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suite {
    /// The word that selects it.
    pub(crate) name: &'static str,
    /// What it shows, in a few words.
    pub(crate) about: &'static str,
    /// Runs it.
    pub(crate) run: fn(&Context) -> Tally,
}

/// What a suite is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The workspace's folder.
    pub(crate) project: PathBuf,
    /// The file that takes the suite's whole output.
    pub(crate) log: PathBuf,
}

/// Every suite.
pub(crate) const ALL: &[Suite] = &[
    Suite {
        name: "format",
        about: "rustfmt has nothing to change",
        run: format,
    },
    Suite {
        name: "clippy",
        about: "no warning in any target",
        run: clippy,
    },
    Suite {
        name: "unit",
        about: "the tests beside the code, and the rules of the architecture",
        run: unit,
    },
    Suite {
        name: "docs",
        about: "the examples in the documentation",
        run: docs,
    },
    Suite {
        name: "golden",
        about: "folders of input and expected output",
        run: |context| family(context, "golden"),
    },
    Suite {
        name: "twins",
        about: "two implementations of one idea agree",
        run: |context| family(context, "twins"),
    },
    Suite {
        name: "hostile",
        about: "archives and files that attack",
        run: |context| family(context, "hostile"),
    },
    Suite {
        name: "cli",
        about: "the commands that need no container",
        run: |context| family(context, "cli"),
    },
    Suite {
        name: "course",
        about: "each task fails on its starter and passes on the solution",
        run: course::suite,
    },
    Suite {
        name: "book",
        about: "the book is written, every link, snippet and session of it is there, every word is one",
        run: book,
    },
    Suite {
        name: "e2e-root",
        about: "whole tasks, as root",
        run: |context| end_to_end(context, "root"),
    },
    Suite {
        name: "e2e-user",
        about: "whole tasks, as an ordinary user",
        run: |context| end_to_end(context, "user"),
    },
    Suite {
        name: "e2e-lone",
        about: "whole tasks, as a user without subordinate ids",
        run: |context| end_to_end(context, "lone"),
    },
    Suite {
        name: "fuzz",
        about: "each fuzz target for eight seconds",
        run: fuzz::suite,
    },
    Suite {
        name: "wasm",
        about: "core with no feature compiles to WebAssembly, and so do the chapters on images",
        run: wasm_check,
    },
    Suite {
        name: "playground",
        about: "the page is put together, its types are right, no part is too large or too slow",
        run: page,
    },
    Suite {
        name: "browser",
        about: "the page and the book's elements do in a browser what the engine does here",
        run: browser,
    },
];

fn format(context: &Context) -> Tally {
    let workspace = cargo(context, &["fmt", "--all", "--check"]);
    let fuzz = ["--manifest-path", "tests/fuzz/Cargo.toml"];
    let fuzz = cargo(context, &[&["fmt", "--check"], &fuzz[..]].concat());
    Tally::one(workspace.success && fuzz.success)
}

fn clippy(context: &Context) -> Tally {
    let words = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    let workspace = cargo(context, &words);
    // What runs in a browser has no feature, and code of its own.
    let bare = ["clippy", "-p", "coracle", "--no-default-features", "--"];
    let bare = cargo(context, &[&bare[..], &["-D", "warnings"]].concat());
    Tally::one(workspace.success && bare.success)
}

fn unit(context: &Context) -> Tally {
    let mut words = vec!["--lib".to_owned(), "--bins".to_owned()];
    words.extend(integration(&context.project, "unit"));
    cargo_test(context, &words, &[])
}

fn docs(context: &Context) -> Tally {
    let outcome = cargo(context, &["test", "--workspace", "--doc"]);
    let tally = Tally::of_tests(&outcome.lines, outcome.success);
    // A workspace without a single example yet is no failure.
    if outcome.success && tally.passed == 0 {
        Tally::default()
    } else {
        tally
    }
}

/// The end-to-end tests as one person: `root`, `user` or `lone`.
///
/// The tests' own process stays who it is; its `coracle` commands are that person's. Afterwards
/// this machine must look as it did before: that is one more test.
fn end_to_end(context: &Context, person: &str) -> Tally {
    let words = integration(&context.project, "e2e");
    if words.is_empty() {
        return Tally::default();
    }
    if !build(context) {
        return Tally::one(false);
    }
    let before = Host::now();
    let mut tally = cargo_test(context, &words, &[("CORACLE_TEST_AS", person)]);
    let changes = Host::now().settle_to(&before, host::PATIENCE);
    command::append(&context.log, &changes);
    tally.add(&Tally::one(changes.is_empty()));
    tally
}

/// The integration tests whose files' names begin with `family`.
fn family(context: &Context, family: &str) -> Tally {
    let words = integration(&context.project, family);
    if words.is_empty() {
        return Tally::default();
    }
    if !build(context) {
        return Tally::one(false);
    }
    cargo_test(context, &words, &[])
}

/// Builds the programs: a package's tests only bring those of their own package along.
fn build(context: &Context) -> bool {
    cargo(context, &["build", "--workspace", "--bins"]).success
}

fn book(context: &Context) -> Tally {
    let site = ["run", "--quiet", "--package", "coracle-site", "--"];
    let mut tally = Tally::one(cargo(context, &site).success);
    if command::found("hunspell") {
        let spelling = cargo(context, &[&site[..], &["--spelling"]].concat());
        tally.add(&Tally::one(spelling.success));
    } else {
        let debian = "apt-get install hunspell hunspell-en-gb";
        let reason = format!("spelling needs root, to install hunspell. On Debian: {debian}");
        tally.add(&Tally::skipped(reason));
    }
    tally
}

/// Why nothing can be compiled to WebAssembly here, and what helps.
fn no_toolchain() -> Tally {
    let debian = wasm::packages().join(" ");
    let target = wasm::TARGET;
    let who = if setup::is_root() {
        "no toolchain"
    } else {
        "needs root"
    };
    Tally::skipped(format!(
        "{who} for {target}: rustup target add {target}, or on Debian: apt-get install {debian}"
    ))
}

/// The page is put together, within its sizes, its types are right, and the engine is as fast as
/// is promised: measured here, where nothing else runs beside it.
fn page(context: &Context) -> Tally {
    if wasm::toolchain().is_none() {
        return no_toolchain();
    }
    let mut tally = Tally::one(page_built(context));
    tally.notes = playground::sizes(&context.project);
    let types = ["node_modules/typescript/bin/tsc", "--noEmit"].map(str::to_owned);
    tally.add(&Tally::one(node(context, &types).success));
    if tally.failed == 0 {
        tally.add(&node_tests(context, vec![playground::SPEED.to_owned()]));
        tally.notes.extend(playground::times(&context.project));
    }
    tally
}

/// Everything else below `playground/web/tests`.
fn browser(context: &Context) -> Tally {
    if wasm::toolchain().is_none() {
        return no_toolchain();
    }
    let Context { project, log } = context;
    let site = [
        "run",
        "--quiet",
        "--package",
        "coracle-site",
        "--",
        "--site",
    ];
    let ready =
        page_built(context) && cargo(context, &site).success && playground::cases(project, log);
    if !ready {
        return Tally::one(false);
    }
    let mut tests = playground::tests(project);
    tests.retain(|test| test != playground::SPEED);
    node_tests(context, tests)
}

/// Runs files of tests, each named: what Node.js makes of a folder is another thing in each of its
/// versions.
fn node_tests(context: &Context, files: Vec<String>) -> Tally {
    let mut words = ["--test", "--test-reporter=tap"]
        .map(str::to_owned)
        .to_vec();
    words.extend(files);
    let tests = node(context, &words);
    Tally::of_tap(&tests.lines, tests.success)
}

/// Builds the page; what went wrong is in the log.
fn page_built(context: &Context) -> bool {
    let Context { project, log } = context;
    let built = playground::build(project, log, &mut |_| ());
    if let Err(message) = &built {
        command::append(log, std::slice::from_ref(message));
    }
    built.is_ok()
}

/// Runs Node.js in the folder of the page's sources.
fn node(context: &Context, words: &[String]) -> command::Outcome {
    let mut node = Command::new("node");
    node.current_dir(context.project.join(playground::WEB))
        .args(words);
    command::run(&mut node, &context.log)
}

fn wasm_check(context: &Context) -> Tally {
    let Some(toolchain) = wasm::toolchain() else {
        return no_toolchain();
    };
    let mut cargo = wasm::cargo(toolchain, "check", &context.project);
    cargo.args(["--package", "coracle", "--no-default-features"]);
    let mut tally = Tally::one(command::run(&mut cargo, &context.log).success);
    // What compiles to WebAssembly calls no system that a reader may not have.
    let chapters = match course::packages(&context.project) {
        Ok(chapters) => chapters,
        Err(message) => {
            command::append(&context.log, &[message]);
            return Tally::one(false);
        }
    };
    // All at once: alone, each would have features of its own, and compile core again.
    let mut cargo = wasm::cargo(toolchain, "check", &context.project);
    cargo.arg("--lib");
    for chapter in chapters {
        cargo.args(["--package", &chapter]);
    }
    tally.add(&Tally::one(command::run(&mut cargo, &context.log).success));
    tally
}

/// Runs the tests of the named targets, with their output shown: that is where skips are seen.
///
/// Always the whole workspace: another selection of packages would be another set of features,
/// and would compile every dependency again.
fn cargo_test(context: &Context, targets: &[String], variables: &[(&str, &str)]) -> Tally {
    let mut words = vec!["test", "--workspace", "--no-fail-fast"];
    words.extend(targets.iter().map(String::as_str));
    words.extend(["--", "--nocapture"]);
    let mut command = cargo_command(context, &words);
    command.envs(variables.iter().copied());
    let outcome = command::run(&mut command, &context.log);
    Tally::of_tests(&outcome.lines, outcome.success)
}

fn cargo(context: &Context, words: &[&str]) -> command::Outcome {
    command::run(&mut cargo_command(context, words), &context.log)
}

fn cargo_command(context: &Context, words: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&context.project)
        .env("CARGO_TERM_COLOR", "never")
        .env("INSTA_UPDATE", "no")
        .args(words);
    cargo
}

/// `--test NAME` for every file `*/tests/NAME.rs` that belongs to a family.
///
/// A file's family is the first word of its name (`golden_dockerfile.rs`), or its package's: so no
/// file is ever forgotten. `--test NAME` runs the files of that name in all packages, so they
/// belong to the first one's family together, and none is run twice.
fn integration(project: &Path, family: &str) -> Vec<String> {
    let mut families = BTreeMap::new();
    for package in ["core", "cli", "tests", "xtask"] {
        let Ok(entries) = std::fs::read_dir(project.join(package).join("tests")) else {
            continue;
        };
        let files = entries.flatten().map(|entry| entry.path());
        let sources = files.filter(|path| path.extension().is_some_and(|e| e == "rs"));
        for name in sources.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())) {
            let of = family_of(package, &name).to_owned();
            families.entry(name).or_insert(of);
        }
    }
    families.retain(|_, of| of == family);
    let words = families.into_keys().map(|name| ["--test".to_owned(), name]);
    words.flatten().collect()
}

fn family_of<'a>(package: &'a str, name: &'a str) -> &'a str {
    let word = name.split('_').next().unwrap_or(name);
    match (word, package) {
        ("golden" | "twins" | "hostile" | "cli" | "e2e", _) => word,
        (_, "cli") => "cli",
        _ => "unit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_family_of_its_first_word_or_of_its_package() {
        let check = |package: &str, name: &str, expected: &str| {
            assert_eq!(family_of(package, name), expected, "{package} {name}");
        };
        check("core", "golden_dockerfile", "golden");
        check("tests", "hostile", "hostile");
        check("tests", "e2e_notes", "e2e");
        check("core", "architecture", "unit");
        check("cli", "usage", "cli");
        check("cli", "golden_help", "golden");
        check("tests", "client", "unit");
    }

    #[test]
    fn names_select_one_suite_each() {
        let mut names: Vec<&str> = ALL.iter().map(|suite| suite.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}

//! `cargo x test`: runs the suites, shows one line each, and ends with the counts of all.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::allowed::Allowed;
use crate::failures;
use crate::report;
use crate::setup;
use crate::suites::{self, Context, Suite};
use crate::tally::Tally;

/// How much of a suite's output is shown that failed without a failed test; the log has all.
const SHOWN: usize = 120;

/// Runs what the words after `test` ask for.
pub(crate) fn main(project: &Path, words: &[&str]) -> ExitCode {
    let (options, names): (Vec<&str>, Vec<&str>) =
        words.iter().partition(|word| word.starts_with('-'));
    if let Some(unknown) = options
        .iter()
        .find(|option| !["--no-setup", "--list"].contains(option))
    {
        eprintln!("cargo x test has no option {unknown:?}; there are --no-setup and --list");
        return ExitCode::from(2);
    }
    if options.contains(&"--list") {
        for suite in suites::ALL {
            println!("{:<10} {}", suite.name, suite.about);
        }
        return ExitCode::SUCCESS;
    }
    match run(project, &names, !options.contains(&"--no-setup")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("cargo x test: {message}");
            ExitCode::from(2)
        }
    }
}

/// Runs the named suites, or all; the answer is whether everything is well.
fn run(project: &Path, names: &[&str], with_setup: bool) -> Result<bool, String> {
    let suites = selected(names)?;
    let allowed = Allowed::read(&project.join("tests/allowed-skips.txt"))?;
    let logs = project.join("target/x-test");
    std::fs::create_dir_all(&logs)
        .map_err(|error| format!("cannot make {}: {error}", logs.display()))?;
    if with_setup {
        let names: Vec<&str> = suites.iter().map(|suite| suite.name).collect();
        setup::prepare(&names, project, &fresh(&logs, "setup")?);
    }
    let mut total = Tally::default();
    let mut well = true;
    for suite in suites {
        let context = Context {
            project: project.to_owned(),
            log: fresh(&logs, suite.name)?,
        };
        let begin = Instant::now();
        let tally = (suite.run)(&context);
        println!(
            "{}",
            report::suite(&suite, &tally, begin.elapsed(), &allowed)
        );
        if tally.failed > 0 {
            show(&context.log);
        }
        let refused = |skip| !allowed.allows(suite.name, skip);
        well &= tally.failed == 0 && !tally.skipped.iter().any(refused);
        total.add(&tally);
    }
    println!("\n{}", report::closing(&total));
    Ok(well)
}

fn selected(names: &[&str]) -> Result<Vec<Suite>, String> {
    let known = |name: &&str| suites::ALL.iter().any(|suite| suite.name == *name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = suites::ALL.iter().map(|suite| suite.name).collect();
        return Err(format!(
            "there is no suite {unknown:?}; there are {}",
            all.join(", ")
        ));
    }
    let wanted = suites::ALL.iter().copied();
    Ok(wanted
        .filter(|suite| names.is_empty() || names.contains(&suite.name))
        .collect())
}

/// The path of an empty log.
pub(crate) fn fresh(logs: &Path, name: &str) -> Result<std::path::PathBuf, String> {
    let log = logs.join(format!("{name}.log"));
    std::fs::write(&log, "").map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    Ok(log)
}

/// Prints why a suite failed: what its failed tests said, or else the end of its log.
fn show(log: &Path) {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut failures = failures::of_tests(&lines);
    failures.extend(failures::of_tap(&lines));
    let shown = if failures.is_empty() {
        &lines[lines.len().saturating_sub(SHOWN)..]
    } else {
        &failures
    };
    println!("    … {} lines are in {}", lines.len(), log.display());
    for line in shown {
        println!("    {line}");
    }
}

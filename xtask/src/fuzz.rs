//! `cargo x fuzz`: the targets of `tests/fuzz` on libFuzzer, each for a while.
//!
//! The fuzzers are built by plain `cargo build` with the compiler's own switches for coverage,
//! which a stable compiler has; the library that drives them is compiled with them. cargo-fuzz
//! does the same and works on the same folder, but it would have to be installed first, and takes
//! longer to compile than the targets run.
//!
//! There is no sanitizer. It would see what unsafe code does wrong, and this project has none; in
//! the decompressors' C it would see little, because only Rust is compiled with it. What is lost
//! besides is the limit for a single allocation; the limit of the whole process is kept. Without a
//! sanitizer, twice as many inputs are tried in the same time.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::command;
use crate::setup;
use crate::suites::Context;
use crate::tally::Tally;

/// An input that takes longer than this many seconds is a finding, on a busy machine, too.
const LONGEST: u32 = 5;
/// A process that needs more megabytes than this is one.
const MOST_MEMORY: u32 = 1024;
/// Inputs are at most this many bytes long.
const LONGEST_INPUT: u32 = 8192;
/// How long the suite runs each target.
const SUITE: Duration = Duration::from_secs(8);
/// How long a person's run of each target is, unless said otherwise.
const RUN: Duration = Duration::from_mins(1);

/// The targets that read Dockerfiles, for which the parser's golden cases are seeds.
const DOCKERFILES: [&str; 3] = ["dockerfile", "lint", "plan"];

/// Runs what the words after `fuzz` ask for.
pub(crate) fn main(project: &Path, words: &[&str]) -> ExitCode {
    let asked = match Asked::read(words, &targets(project)) {
        Ok(asked) => asked,
        Err(message) => {
            eprintln!("cargo x fuzz: {message}");
            return ExitCode::from(2);
        }
    };
    if asked.list {
        asked.targets.iter().for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    if let Some(reason) = lacking() {
        eprintln!("cargo x fuzz: {reason}");
        return ExitCode::from(2);
    }
    let log = project.join("target/x-fuzz/build.log");
    println!("building {} targets", asked.targets.len());
    let Some(fuzzers) = build(project, &log, false) else {
        eprintln!(
            "cargo x fuzz: the targets do not compile, see {}",
            log.display()
        );
        return ExitCode::FAILURE;
    };
    let well = run_all(project, &fuzzers, &asked.targets, asked.time, &mut |ran| {
        println!("{}", ran.line());
        ran.finding.iter().for_each(|finding| println!("{finding}"));
    });
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The suite: every target for a short time, each of which is one test.
pub(crate) fn suite(context: &Context) -> Tally {
    if let Some(reason) = lacking() {
        return Tally::skipped(reason);
    }
    let Some(fuzzers) = build(&context.project, &context.log, true) else {
        return Tally::one(false);
    };
    let mut tally = Tally::default();
    let targets = targets(&context.project);
    run_all(&context.project, &fuzzers, &targets, SUITE, &mut |ran| {
        tally.add(&Tally::one(ran.finding.is_none()));
        let lines = [Some(ran.line()), ran.finding.clone()];
        command::append(
            &context.log,
            &lines.into_iter().flatten().collect::<Vec<_>>(),
        );
    });
    tally
}

/// What a person asks for.
#[derive(Debug, PartialEq)]
struct Asked {
    targets: Vec<String>,
    time: Duration,
    list: bool,
}

impl Asked {
    fn read(words: &[&str], known: &[String]) -> Result<Self, String> {
        let mut asked = Self {
            targets: Vec::new(),
            time: RUN,
            list: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let number = |word: Option<&&str>| word.and_then(|word| word.parse().ok());
            match *word {
                "--list" => asked.list = true,
                unit @ ("--seconds" | "--minutes") => {
                    let number: u32 = number(words.next())
                        .filter(|n| *n > 0)
                        .ok_or_else(|| format!("{unit} needs a number above 0, as in {unit} 10"))?;
                    let one = if unit == "--seconds" { 1 } else { 60 };
                    asked.time = Duration::from_secs(one) * number;
                }
                name if known.iter().any(|target| target == name) => {
                    asked.targets.push(name.to_owned());
                }
                other => {
                    return Err(format!(
                        "there is no target or option {other:?}; the targets are {}, the options --seconds N, --minutes N and --list",
                        known.join(", ")
                    ));
                }
            }
        }
        if asked.targets.is_empty() {
            asked.targets = known.to_vec();
        }
        Ok(asked)
    }
}

/// The names of the targets, in order: each is a file.
fn targets(project: &Path) -> Vec<String> {
    let folder = std::fs::read_dir(project.join("tests/fuzz/targets"));
    let files = folder.into_iter().flatten().flatten();
    let stem = |file: std::fs::DirEntry| Some(file.path().file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = files.filter_map(stem).collect();
    names.sort();
    names
}

/// What is missing for building a fuzzer.
fn lacking() -> Option<String> {
    let who = if setup::is_root() {
        "no C++ compiler"
    } else {
        "needs root"
    };
    let found = command::found("c++");
    (!found).then(|| format!("{who} for libFuzzer: apt-get install g++"))
}

/// Builds the fuzzers and returns the folder that they are in. Those that run for seconds are built
/// `hastily`, because building them takes longer than running them.
fn build(project: &Path, log: &Path, hastily: bool) -> Option<PathBuf> {
    let version = Command::new("rustc").arg("-vV").output().ok()?;
    let version = String::from_utf8(version.stdout).ok()?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))?;
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).ok()?;
    }
    let package = project.join("tests/fuzz");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&package)
        .args(["build", "--release", "--bins", "--locked"])
        // Said by name, so that build scripts, which have nobody to report to, go without.
        .args(["--target", host])
        .env("CARGO_TERM_COLOR", "never")
        .env("RUSTFLAGS", COVERAGE.join(" "));
    if hastily {
        cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    }
    let built = command::run(&mut cargo, log).success;
    built.then(|| package.join("target").join(host).join("release"))
}

/// Counts every edge, and tells the fuzzer what was compared with what.
const COVERAGE: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Runs targets, as many at a time as there are processors, and tells of each as it ends. The
/// answer is whether nothing was found.
fn run_all(
    project: &Path,
    fuzzers: &Path,
    targets: &[String],
    time: Duration,
    tell: &mut (dyn FnMut(&Ran) + Send),
) -> bool {
    let waiting = Mutex::new(targets.iter());
    let told = Mutex::new((tell, true));
    let next = || waiting.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(target) = next() {
                    let ran = run(project, fuzzers, target, time);
                    if let Ok(mut told) = told.lock() {
                        told.1 &= ran.finding.is_none();
                        (told.0)(&ran);
                    }
                }
            });
        }
    });
    told.into_inner().is_ok_and(|(_, well)| well)
}

/// How a target's run went.
#[derive(Debug)]
struct Ran {
    target: String,
    took: Duration,
    /// The last line that tells of coverage: `cov: 3619 ft: 11392 corp: 425/257Kb …`.
    coverage: String,
    /// How many inputs were tried.
    runs: String,
    /// What was found, and how to see it again.
    finding: Option<String>,
}

impl Ran {
    fn line(&self) -> String {
        format!(
            "{:<12} {:>9} runs  {:<40} {:>6.1} s  {}",
            self.target,
            self.runs,
            self.coverage,
            self.took.as_secs_f64(),
            if self.finding.is_some() {
                "FOUND"
            } else {
                "ok"
            }
        )
    }
}

/// Runs one target. What it learns is kept in `target/x-fuzz` for the next time.
fn run(project: &Path, fuzzers: &Path, target: &str, time: Duration) -> Ran {
    let place = project.join("target/x-fuzz").join(target);
    let corpus = place.join("corpus");
    let mut seeds = vec![
        project.join("tests/fuzz/seeds").join(target),
        project.join("tests/fuzz/regressions").join(target),
    ];
    if DOCKERFILES.contains(&target) {
        seeds.push(project.join("core/tests/dockerfile"));
    }
    seeds.retain(|folder| folder.is_dir());
    let dictionary = project.join(format!("tests/fuzz/dictionaries/{target}.dict"));
    let fuzzer = fuzzers.join(target);
    let log = place.join("log");
    let begin = Instant::now();
    let started = std::fs::create_dir_all(&corpus).and_then(|()| std::fs::write(&log, ""));
    let mut command = Command::new(&fuzzer);
    command
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-timeout={LONGEST}"))
        .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
        .arg(format!("-max_len={LONGEST_INPUT}"))
        .arg(format!("-artifact_prefix={}/", place.display()))
        .arg("-print_final_stats=1");
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command.arg(&corpus).args(seeds);
    let outcome = command::run(&mut command, &log);
    let well = started.is_ok() && outcome.success;
    Ran {
        target: target.to_owned(),
        took: begin.elapsed(),
        coverage: coverage(&outcome.lines).unwrap_or_default(),
        runs: executed(&outcome.lines).unwrap_or("no".into()),
        finding: (!well).then(|| finding(target, &fuzzer, &log, &outcome.lines)),
    }
}

/// `cov: 3619 ft: 11392 corp: 425/257Kb` of the last line that has it.
fn coverage(lines: &[String]) -> Option<String> {
    let line = lines.iter().rev().find(|line| line.contains(" cov: "))?;
    let from = line.find("cov: ")?;
    let words: Vec<&str> = line[from..].split_whitespace().take(6).collect();
    Some(words.join(" "))
}

fn executed(lines: &[String]) -> Option<String> {
    let line = lines.iter().rev();
    let mut counts = line.filter_map(|l| l.strip_prefix("stat::number_of_executed_units:"));
    counts.next().map(|count| count.trim().to_owned())
}

/// What was found, as a person needs it: what, the input, and how to see it again.
fn finding(target: &str, fuzzer: &Path, log: &Path, lines: &[String]) -> String {
    let panic = lines.iter().position(|line| line.contains("panicked at"));
    let said = match panic {
        Some(at) => lines[at..].iter().take(4).map(String::as_str).collect(),
        None => lines
            .iter()
            .filter(|l| l.contains("ERROR: libFuzzer"))
            .map(String::as_str)
            .collect::<Vec<_>>(),
    };
    let input = lines
        .iter()
        .find_map(|line| line.split("Test unit written to ").nth(1));
    let fuzzer = fuzzer.display();
    let mut out = vec![format!("{target}: {}", said.join("\n        "))];
    if let Some(input) = input {
        out.push(format!("input      {input}"));
        out.push(format!("once more  {fuzzer} {input}"));
        out.push(format!(
            "smaller    {fuzzer} -minimize_crash=1 -runs=100000 {input}"
        ));
        out.push(format!(
            "keep it    tests/fuzz/regressions/{target}/WHAT-IT-SHOWS"
        ));
    } else {
        out.push("there is no input: the run itself failed".to_owned());
    }
    out.push(format!("all of it  {}", log.display()));
    let lines = out.iter().map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_select_targets_and_time() {
        let known = ["glob".to_owned(), "tar".to_owned()];
        let check = |words: &[&str], targets: &[&str], seconds: u64| {
            let asked = Asked::read(words, &known).unwrap();
            assert_eq!(asked.targets, targets, "{words:?}");
            assert_eq!(asked.time, Duration::from_secs(seconds), "{words:?}");
        };
        check(&[], &["glob", "tar"], 60);
        check(&["tar"], &["tar"], 60);
        check(&["tar", "--minutes", "2"], &["tar"], 120);
        check(&["--seconds", "5", "glob"], &["glob"], 5);
        for words in [
            &["tra"][..],
            &["--minutes"],
            &["--minutes", "x"],
            &["--seconds", "0"],
        ] {
            assert!(Asked::read(words, &known).is_err(), "{words:?}");
        }
    }

    #[test]
    fn what_a_fuzzer_says_is_understood() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let well = lines(
            "#2\tINITED cov: 3 ft: 3 corp: 1/1b\n\
             #2422\tDONE   cov: 3619 ft: 11392 corp: 425/257Kb lim: 5232 exec/s: 186 rss: 42Mb\n\
             stat::number_of_executed_units: 2422",
        );
        assert_eq!(
            coverage(&well).unwrap(),
            "cov: 3619 ft: 11392 corp: 425/257Kb"
        );
        assert_eq!(executed(&well).unwrap(), "2422");
        let ill = lines(
            "thread '<unnamed>' (1) panicked at src/read.rs:1:2:\n\
             attempt to add with overflow\n\
             artifact_prefix='/x/'; Test unit written to /x/crash-1",
        );
        let told = finding("tar", Path::new("/fuzzers/tar"), Path::new("/x/log"), &ill);
        for part in [
            "attempt to add",
            "/fuzzers/tar /x/crash-1",
            "regressions/tar",
            "/x/log",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}

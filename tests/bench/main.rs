//! `cargo x bench`: this project beside its peers, on this machine, at this moment.
//!
//! A row is a task; everybody who can do it does it in turn, several times, in fresh directories.
//! What counts are ratios of medians from one such run: absolute times are those of the machine
//! and its mood. A wrong result of ours ends a row with an error; a slow one does not.

// A benchmark talks to whoever runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod check;
mod crowd;
mod frame;
mod inputs;
mod measure;
mod peers;
mod rows;
mod table;

use measure::Step;
use peers::Docker;
use rows::ALL;

const USAGE: &str = "\
Usage:  cargo x bench [ROW...] [--list] [--runs N] [--out FILE]

  ROW          a row, or how several begin: load, save, build
  --list       name the rows
  --runs N     give everybody N turns
  --out FILE   where the table goes, instead of target/bench/images.md
";

/// What the rows are made of.
struct Bench {
    coracle: Coracle,
    /// Where inputs are kept.
    inputs: PathBuf,
    /// Where turns happen; removed at the end.
    work: PathBuf,
    docker: OnceCell<Result<Docker, String>>,
}

/// The program that is measured.
#[derive(Clone)]
struct Coracle(PathBuf);

/// A running daemon of Docker.
struct Server {
    client: [String; 3],
    process: u32,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((measure::WORD, rest)) = words.split_first().map(|(w, rest)| (w.as_str(), rest)) {
        return measure::main(rest);
    }
    if let Some((crowd::WORD, rest)) = words.split_first().map(|(w, rest)| (w.as_str(), rest)) {
        return crowd::main(rest);
    }
    let options = match Options::parse(&words) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("cargo x bench: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.list {
        for (name, about, _) in ALL {
            println!("{name:<12} {about}");
        }
        return ExitCode::SUCCESS;
    }
    match bench(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("cargo x bench: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the rows, prints their tables and writes them down; whether all results were right.
fn bench(options: &Options) -> Result<bool, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let programs = own.parent().unwrap_or(Path::new("."));
    let folder = programs.parent().unwrap_or(Path::new(".")).join("bench");
    let work = folder.join(format!("work-{}", std::process::id()));
    fs::create_dir_all(&work).map_err(|e| format!("create {}: {e}", work.display()))?;
    let bench = Bench {
        coracle: Coracle(programs.join("coracle")),
        inputs: folder.join("inputs"),
        work: work.clone(),
        docker: OnceCell::new(),
    };
    let mut text = introduction();
    let mut right = true;
    for (name, _, make) in ALL.iter().filter(|(name, ..)| options.wants(name)) {
        let table = make(&bench).and_then(|row| {
            let runs = options.runs.unwrap_or(row.runs);
            eprintln!(
                "{name}: {runs} turns of {} contenders",
                row.contenders.len()
            );
            let measured = frame::run(&row, runs, &bench.work)?;
            Ok(table::row(&row, &measured))
        });
        let table = table.unwrap_or_else(|error| {
            right = false;
            format!("## {name}\n\nFAILED: {error}\n")
        });
        println!("{table}");
        let _ = writeln!(text, "\n{table}");
    }
    drop(bench);
    for left in [work, peers::run_roots()] {
        match fs::remove_dir_all(&left) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("remove {}: {e}", left.display()));
            }
            _ => {}
        }
    }
    let out = options.out.clone().unwrap_or(folder.join("images.md"));
    fs::write(&out, text).map_err(|e| format!("write {}: {e}", out.display()))?;
    eprintln!("written to {}", out.display());
    Ok(right)
}

/// What there is to know about all tables: the machine, and the versions.
fn introduction() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let say = |words: &[&str]| {
        let said = check::output(Command::new(words[0]).args(&words[1..]));
        said.map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let mut text = format!(
        "# Images\n\n{}, {cores} cores, Linux {}. \
         Whole processes; medians of interleaved turns; below 1.00 ours is faster.\n\n",
        say(&["date", "--utc", "+%Y-%m-%d"]),
        say(&["uname", "-r"])
    );
    for words in [
        ["podman", "--version"],
        ["skopeo", "--version"],
        ["umoci", "--version"],
        ["buildah", "--version"],
        ["docker-registry", "--version"],
        ["dockerd", "--version"],
        ["tar", "--version"],
    ] {
        let version = say(&words);
        let line = version.lines().next().unwrap_or("not installed");
        let _ = writeln!(text, "- {}: {line}", words[0]);
    }
    text
}

impl Bench {
    /// The daemon of Docker, started when it is first wanted; or why there is none.
    fn docker(&self) -> Result<Server, String> {
        let started = self
            .docker
            .get_or_init(|| Docker::start(&self.work.join("docker")));
        let docker = started.as_ref().map_err(String::clone)?;
        Ok(Server {
            client: docker.client(),
            process: docker.process(),
        })
    }
}

impl Coracle {
    /// A call with the state root `root`, to be measured.
    fn step(&self, root: &Path, words: &[&str]) -> Step {
        Step::new(self.words(root, words))
    }

    /// The same, not to be measured.
    fn command(&self, root: &Path, words: &[&str]) -> Command {
        let all = self.words(root, words);
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]);
        command
    }

    fn words(&self, root: &Path, words: &[&str]) -> Vec<String> {
        let program = self.0.display().to_string();
        let root = root.display().to_string();
        let own = [program, "--root".to_owned(), root];
        own.into_iter()
            .chain(words.iter().map(|word| (*word).to_owned()))
            .collect()
    }
}

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    rows: Vec<String>,
    list: bool,
    runs: Option<usize>,
    out: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--list" => options.list = true,
                "--runs" => {
                    let text = value()?;
                    let runs = text.parse().ok().filter(|runs| *runs > 0);
                    options.runs =
                        Some(runs.ok_or(format!("--runs {text} is no number of turns"))?);
                }
                "--out" => options.out = Some(value()?.into()),
                option if option.starts_with('-') => return Err(format!("no option {option:?}")),
                row if ALL.iter().any(|(name, ..)| name.starts_with(row)) => {
                    options.rows.push(row.to_owned());
                }
                row => return Err(format!("no row {row:?}; --list names them")),
            }
        }
        Ok(options)
    }

    fn wants(&self, row: &str) -> bool {
        (self.rows.is_empty() && row != rows::SOAK)
            || self.rows.iter().any(|wanted| row.starts_with(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn words_choose_rows_and_options() {
        let options = parse("load store --runs 2 --out x.md").unwrap();
        assert_eq!(options.runs, Some(2));
        assert_eq!(options.out, Some("x.md".into()));
        let wanted = ALL.iter().filter(|(name, ..)| options.wants(name)).count();
        assert_eq!(wanted, 4);
        assert!(parse("").unwrap().wants("import"));
        assert!(!parse("").unwrap().wants("soak"));
        assert!(parse("soak").unwrap().wants("soak"));
        for (text, part) in [
            ("lod", "no row"),
            ("--run 2", "no option"),
            ("--runs", "needs a value"),
            ("--runs 0", "no number"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

//! `cargo x check`: runs the tests of a chapter's tasks, and says what each found.

use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::chapters::Chapter;
use super::outcome::{self, Outcome};
use super::task::{self, Task};
use super::workshop::{self, Workshop};
use super::{Result, progress, regions};

/// How long a task's tests may take. They take milliseconds; a loop that never ends takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a line of explanation is, so that eighty columns hold it with its label.
const COLUMNS: usize = 63;

/// What is to be checked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The chapter.
    pub(crate) chapter: Chapter,
    /// Only this task.
    pub(crate) task: Option<usize>,
    /// The chapter's own code, not the reader's.
    pub(crate) solution: bool,
}

/// What the compiler made of the code.
pub(crate) enum Compiled {
    /// The programs of the tests.
    Programs(Vec<Program>),
    /// What it said instead, line by line.
    Refused(Vec<String>),
}

/// The program of a test.
#[derive(Debug, PartialEq)]
pub(crate) struct Program {
    /// The folder of its package.
    pub(crate) home: PathBuf,
    /// The test's name: `task_1_pack`.
    pub(crate) test: String,
    path: PathBuf,
}

/// Checks once; the answer is whether everything that was asked for is done.
pub(crate) fn once(project: &Path, request: &Request) -> Result<bool> {
    let chapter = &request.chapter;
    let workshop = Workshop::of_the_reader(project);
    let copy = workshop.copy(chapter);
    let (workspace, home) = if request.solution {
        (project.to_owned(), chapter.folder.clone())
    } else if copy.exists() {
        workshop.refresh(project, chapter)?;
        (workshop.folder.clone(), copy)
    } else {
        return Err(workshop::not_begun(chapter));
    };
    println!("{}: {}", chapter.name, chapter.idea);
    println!(
        "checking {}\n",
        home.strip_prefix(project).unwrap_or(&home).display()
    );
    let programs = match compile(project, &workspace, Some(chapter))? {
        Compiled::Programs(programs) => programs,
        Compiled::Refused(lines) => {
            told_by_the_compiler(&lines, &home);
            return Ok(false);
        }
    };
    let asked = |task: &Task| request.task.is_none_or(|number| number == task.number);
    let mut results = Vec::new();
    for task in task::of(chapter)?.into_iter().filter(asked) {
        let outcome = run(&programs, &task.test, &home)?;
        show(&task, &outcome, &chapter.name);
        results.push((task, outcome));
    }
    if request.solution {
        return Ok(results.iter().all(|(_, outcome)| is_well(outcome)));
    }
    let first = progress::keep(project, chapter, &results)?;
    let mut well = results.iter().all(|(_, outcome)| is_well(outcome));
    if well && request.task.is_none() {
        for (test, about) in [
            ("agrees_with_core", "yours and core agree"),
            ("sessions", "yours prints what the book prints"),
        ] {
            let outcome = run(&programs, test, &home)?;
            well &= is_well(&outcome);
            show_more(about, &outcome);
        }
    }
    closing(project, request, &results, first, well)?;
    Ok(well)
}

/// Checks whenever a file changes, until it is interrupted.
pub(crate) fn watch(project: &Path, request: &Request) -> Result<()> {
    let copy = Workshop::of_the_reader(project).copy(&request.chapter);
    let home = if request.solution {
        request.chapter.folder.clone()
    } else {
        copy
    };
    loop {
        let seen = youngest(&home);
        if let Err(message) = once(project, request) {
            eprintln!("cargo x: {message}");
        }
        println!(
            "\nWaiting for a change in {}; Ctrl-C ends.",
            home.strip_prefix(project).unwrap_or(&home).display()
        );
        while youngest(&home) == seen {
            std::thread::sleep(Duration::from_millis(300));
        }
        println!("\n{}\n", "─".repeat(60));
    }
}

/// Compiles the tests of a chapter, or of all that there are, in a workspace.
pub(crate) fn compile(
    project: &Path,
    workspace: &Path,
    chapter: Option<&Chapter>,
) -> Result<Compiled> {
    let selection = match chapter {
        Some(chapter) => vec!["--package", &chapter.package],
        None => vec!["--workspace"],
    };
    let mut child = Command::new("cargo")
        .current_dir(workspace)
        .env("CARGO_TARGET_DIR", project.join("target"))
        .args(["test", "--no-run", "--color", "never"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(selection)
        .args(["--test", "*"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("start cargo: {error}"))?;
    let (built, said) = (child.stdout.take(), child.stderr.take());
    let (built, said) = std::thread::scope(|scope| {
        let built = scope.spawn(|| built.map(lines_of).unwrap_or_default());
        let said = told(said.ok_or("cargo says nothing")?, chapter)?;
        Ok::<_, String>((built.join().unwrap_or_default(), said))
    })?;
    let status = child
        .wait()
        .map_err(|error| format!("wait for cargo: {error}"))?;
    if !status.success() {
        return Ok(Compiled::Refused(said));
    }
    let programs = built.iter().filter_map(|line| program(line));
    Ok(Compiled::Programs(programs.collect()))
}

/// What cargo says, line by line. Who waits at a terminal is told why.
fn told(stream: impl Read, chapter: Option<&Chapter>) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut announced = !std::io::stderr().is_terminal();
    for line in BufReader::new(stream).lines() {
        let line = line.map_err(|error| format!("read what cargo says: {error}"))?;
        let libraries = ["Compiling", "Downloading", "Updating"];
        let waits = libraries
            .iter()
            .any(|word| line.trim_start().starts_with(word));
        let own = chapter.is_some_and(|chapter| line.contains(&chapter.package));
        if waits && !own && !announced {
            eprintln!("compiling the libraries first; this takes about a minute, once");
            announced = true;
        }
        lines.push(line);
    }
    Ok(lines)
}

/// The program that a line of cargo's JSON names; a line is a document, and its texts have no
/// quotes in them.
fn program(line: &str) -> Option<Program> {
    let text = |key: &str| {
        let (_, rest) = line.split_once(&format!("\"{key}\":\""))?;
        Some(rest.split_once('"')?.0.replace("\\\\", "\\"))
    };
    let path = PathBuf::from(text("executable")?);
    let source = PathBuf::from(text("src_path")?);
    if source.parent()?.file_name()? != "tests" {
        return None;
    }
    Some(Program {
        home: Path::new(&text("manifest_path")?).parent()?.to_owned(),
        test: source.file_stem()?.to_str()?.to_owned(),
        path,
    })
}

/// Runs one test program in the chapter's folder.
pub(crate) fn run(programs: &[Program], test: &str, home: &Path) -> Result<Outcome> {
    let wanted = |program: &&Program| program.test == test && program.home == home;
    let Some(Program { path, .. }) = programs.iter().find(wanted) else {
        return Err(format!("cargo built no tests/{test}.rs"));
    };
    let mut child = Command::new(path)
        .current_dir(home)
        .env("RUST_BACKTRACE", "0")
        .args(["--show-output", "--color", "never"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("start {}: {error}", path.display()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (lines, success) = std::thread::scope(|scope| {
        let stdout = scope.spawn(|| stdout.map(lines_of).unwrap_or_default());
        let stderr = scope.spawn(|| stderr.map(lines_of).unwrap_or_default());
        let success = wait(&mut child);
        let mut lines = stdout.join().unwrap_or_default();
        lines.extend(stderr.join().unwrap_or_default());
        (lines, success)
    });
    Ok(match success {
        Some(success) => outcome::of_lines(&lines, success),
        None => Outcome::Broken(format!(
            "the tests did not end within {} seconds: is there a loop that never does?",
            PATIENCE.as_secs()
        )),
    })
}

/// Whether the child ended well; `None` when it did not end, and was killed.
fn wait(child: &mut Child) -> Option<bool> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if begin.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                // It may have ended meanwhile, and then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
}

fn lines_of(stream: impl Read) -> Vec<String> {
    let lines = BufReader::new(stream)
        .split(b'\n')
        .map_while(std::result::Result::ok);
    lines
        .map(|line| String::from_utf8_lossy(&line).trim_end().to_owned())
        .collect()
}

fn is_well(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done | Outcome::Skipped(_))
}

/// One task's result: a line, and what there is to learn from it.
fn show(task: &Task, outcome: &Outcome, page: &str) {
    let number = task.number;
    match outcome {
        Outcome::Done => println!("  {}  Task {number}  {}", colour("done", GREEN), task.asked),
        Outcome::Skipped(reason) => println!("  skip  Task {number}  {reason}"),
        Outcome::Gap => {
            println!(
                "  {}  Task {number}  not written yet",
                colour("gap ", YELLOW)
            );
            indented("asked", &task.asked);
        }
        Outcome::Broken(said) => {
            println!("  {}  Task {number}  {said}", colour("RED ", RED));
            indented("asked", &task.asked);
        }
        Outcome::Wrong(cases) => {
            let more = match cases.len() {
                1 => String::new(),
                2 => "; 1 other case fails, too".to_owned(),
                count => format!("; {} other cases fail, too", count - 1),
            };
            let (case, said) = &cases[0];
            println!("  {}  Task {number}  {case}{more}", colour("RED ", RED));
            indented("asked", &task.asked);
            indented("found", said);
            indented(
                "reread",
                &format!("\"{}\" in book/src/{page}.md", task.reread),
            );
        }
    }
}

fn show_more(about: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Done => println!("  {}  {about}", colour("done", GREEN)),
        Outcome::Skipped(reason) => println!("  skip  {about}: {reason}"),
        Outcome::Gap => println!("  {}  {about}: a gap is left", colour("RED ", RED)),
        Outcome::Broken(said) => println!("  {}  {about}: {said}", colour("RED ", RED)),
        Outcome::Wrong(cases) => {
            println!("  {}  {about}: no", colour("RED ", RED));
            for (case, said) in cases {
                println!("        {case}");
                for line in said.lines() {
                    println!("          {line}");
                }
            }
        }
    }
}

fn indented(label: &str, text: &str) {
    let mut lines = text.lines().flat_map(wrapped);
    println!("        {label:<8}{}", lines.next().unwrap_or_default());
    for line in lines {
        println!("                {line}");
    }
}

/// The line in pieces that a narrow terminal can hold; what is indented is not prose, and stays.
fn wrapped(line: &str) -> Vec<String> {
    if line.starts_with(' ') || line.contains("  ") {
        return vec![line.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let last = lines.last().map_or(0, |last| last.chars().count());
        if last > 0 && last + 1 + word.chars().count() > COLUMNS {
            lines.push(word.to_owned());
        } else if let Some(line) = lines.last_mut() {
            line.push_str(if last > 0 { " " } else { "" });
            line.push_str(word);
        }
    }
    lines
}

/// The last sentences: how far the reader is, and what comes next.
fn closing(
    project: &Path,
    request: &Request,
    results: &[(Task, Outcome)],
    first: bool,
    well: bool,
) -> Result<()> {
    let chapter = &request.chapter;
    let done = results
        .iter()
        .filter(|(_, outcome)| is_well(outcome))
        .count();
    if let Some(number) = request.task {
        if well {
            println!("\nTask {number} is done; `cargo x next` goes on.");
        } else {
            println!("\nNext: {}", place(project, chapter, number)?);
        }
        return Ok(());
    }
    println!("\n{done} of {} tasks are done.", results.len());
    let untouched = results.iter().all(|(_, outcome)| *outcome == Outcome::Gap);
    if first && untouched {
        println!("That is as it should be: this is the first check, and nothing is written yet.");
    }
    if well {
        println!(
            "`cargo x diff {}` compares your code with the chapter's; `cargo x next` goes on.",
            chapter.number
        );
    } else if let Some((task, _)) = results.iter().find(|(_, outcome)| !is_well(outcome)) {
        let place = place(project, chapter, task.number)?;
        println!("Next: Task {}, at {place}", task.number);
    } else {
        println!(
            "What is red above is more than the tasks ask: your program and the book's differ."
        );
    }
    Ok(())
}

/// Where the gap of a task is in the reader's copy: `workshop/01-layers/src/pack.rs:30`.
pub(crate) fn place(project: &Path, chapter: &Chapter, number: usize) -> Result<String> {
    let copy = Workshop::of_the_reader(project).copy(chapter);
    let folder = copy.join("src");
    let files =
        fs::read_dir(&folder).map_err(|error| format!("read {}: {error}", folder.display()))?;
    for path in files.flatten().map(|item| item.path()) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mark = format!("// TASK {number}:");
        let line = text
            .lines()
            .position(|line| line.trim_start().starts_with(&mark));
        if let Some(line) = line {
            let path = path.strip_prefix(project).unwrap_or(&path);
            return Ok(format!("{}:{}", path.display(), line + 1));
        }
    }
    Ok(format!(
        "workshop/{} (its mark `// TASK {number}` is gone)",
        chapter.name
    ))
}

/// The compiler's errors first, then the tasks in whose regions they are.
fn told_by_the_compiler(lines: &[String], home: &Path) {
    let errors = lines
        .iter()
        .position(|line| line.starts_with("error"))
        .unwrap_or(0);
    for line in &lines[errors..] {
        println!("{line}");
    }
    let mut tasks: Vec<usize> = lines
        .iter()
        .filter_map(|line| task_of_an_error(line, home))
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    let named: Vec<String> = tasks.iter().map(|task| format!("Task {task}")).collect();
    match named.as_slice() {
        [] => println!("\nThe code does not compile yet, so no task could be checked."),
        named => println!(
            "\nThe code does not compile yet: look at {}. Until it does, no task can be checked.",
            named.join(", ")
        ),
    }
}

/// The task in whose region `--> 01-layers/src/pack.rs:40:9` points.
fn task_of_an_error(line: &str, home: &Path) -> Option<usize> {
    let (path, place) = line.trim().strip_prefix("--> ")?.split_once(".rs:")?;
    let (_, file) = path.split_once("src/")?;
    let number: usize = place.split(':').next()?.parse().ok()?;
    let text = fs::read_to_string(home.join("src").join(format!("{file}.rs"))).ok()?;
    let regions = regions::regions(file, &text).ok()?;
    let region = regions
        .iter()
        .find(|region| region.lines.contains(&number))?;
    Some(region.task)
}

/// When the youngest of a chapter's sources was changed.
fn youngest(home: &Path) -> Option<SystemTime> {
    let files = fs::read_dir(home.join("src")).ok()?;
    files
        .flatten()
        .filter_map(|file| file.metadata().ok()?.modified().ok())
        .max()
}

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;

fn colour(text: &str, code: u8) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_test_is_found_in_what_cargo_says() {
        let line = |source: &str, executable: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/p/03-stack/Cargo.toml\",\
                 \"target\":{{\"src_path\":\"/p/03-stack/{source}\"}},\"executable\":{executable}}}"
            )
        };
        let found = program(&line("tests/task_1_seen.rs", "\"/t/task_1_seen-77\""));
        let expected = Program {
            home: "/p/03-stack".into(),
            test: "task_1_seen".to_owned(),
            path: "/t/task_1_seen-77".into(),
        };
        assert_eq!(found, Some(expected));
        assert_eq!(program(&line("src/main.rs", "\"/t/stack\"")), None);
        assert_eq!(program(&line("src/lib.rs", "null")), None);
    }
}

//! How far the reader is, kept in `workshop/progress`: a line for each chapter, its done tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::Result;
use super::chapters::{self, Chapter};
use super::check;
use super::outcome::Outcome;
use super::task::{self, Task};
use super::workshop::Workshop;

type Progress = BTreeMap<String, BTreeSet<usize>>;

/// Keeps what a check found; the answer is whether it was the chapter's first.
pub(crate) fn keep(project: &Path, chapter: &Chapter, results: &[(Task, Outcome)]) -> Result<bool> {
    let mut progress = read(project);
    let first = !progress.contains_key(&chapter.name);
    let done = progress.entry(chapter.name.clone()).or_default();
    for (task, outcome) in results {
        match outcome {
            Outcome::Done => done.insert(task.number),
            Outcome::Skipped(_) => continue,
            _ => done.remove(&task.number),
        };
    }
    let lines = progress.iter().map(|(name, done)| {
        let numbers: Vec<String> = done.iter().map(usize::to_string).collect();
        format!("{name} {}", numbers.join(" "))
            .trim_end()
            .to_owned()
            + "\n"
    });
    let path = path(project);
    fs::write(&path, lines.collect::<String>())
        .map_err(|error| format!("write {}: {error}", path.display()))?;
    Ok(first)
}

/// `cargo x list`.
pub(crate) fn list(project: &Path) -> Result<()> {
    let progress = read(project);
    for chapter in chapters::all(project)? {
        let tasks = task::of(&chapter)?.len();
        let state = match progress.get(&chapter.name) {
            Some(done) if done.len() == tasks => "done".to_owned(),
            Some(done) => format!("{} of {tasks} tasks", done.len()),
            None if Workshop::of_the_reader(project).copy(&chapter).exists() => {
                format!("begun, {tasks} tasks")
            }
            None => format!("{tasks} tasks"),
        };
        println!("{:<14} {state:<16} {}", chapter.name, chapter.idea);
    }
    Ok(())
}

/// `cargo x next`.
pub(crate) fn next(project: &Path) -> Result<()> {
    let progress = read(project);
    for chapter in chapters::all(project)? {
        let done = progress.get(&chapter.name).cloned().unwrap_or_default();
        let tasks = task::of(&chapter)?;
        let Some(task) = tasks.iter().find(|task| !done.contains(&task.number)) else {
            continue;
        };
        println!("{}: {}", chapter.name, chapter.idea);
        if !Workshop::of_the_reader(project).copy(&chapter).exists() {
            println!(
                "Read book/src/{}.md (`cargo x book --open`), then: cargo x start {}",
                chapter.name, chapter.number
            );
            return Ok(());
        }
        println!("Task {}  {}", task.number, task.asked);
        println!(
            "It is at {}; the page explains it under \"{}\".",
            check::place(project, &chapter, task.number)?,
            task.reread
        );
        println!(
            "Then: cargo x check {} --task {}",
            chapter.number, task.number
        );
        return Ok(());
    }
    println!("Every task of every chapter is done.");
    Ok(())
}

/// What is kept; nothing when there is nothing yet, or a line that means nothing.
fn read(project: &Path) -> Progress {
    let text = fs::read_to_string(path(project)).unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        Some((name, words.filter_map(|word| word.parse().ok()).collect()))
    });
    lines.collect()
}

fn path(project: &Path) -> PathBuf {
    project.join("workshop").join("progress")
}

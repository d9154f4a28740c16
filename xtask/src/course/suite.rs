//! The suite that proves the course: each task fails on its starter and passes on the solution.

use std::path::Path;

use super::Result;
use super::chapters::{self, Chapter};
use super::check::{self, Compiled};
use super::outcome::Outcome;
use super::task;
use super::workshop::Workshop;
use crate::command;
use crate::suites::Context;
use crate::tally::Tally;

/// Runs every task of every chapter, on the starter and on the solution.
pub(crate) fn suite(context: &Context) -> Tally {
    let mut tally = Tally::default();
    let chapters = match chapters::all(&context.project) {
        Ok(chapters) => chapters,
        Err(message) => {
            command::append(&context.log, &[message]);
            return Tally::one(false);
        }
    };
    for chapter in &chapters {
        for (side, found) in [
            ("starter", starter(&context.project, chapter)),
            ("solution", solution(&context.project, chapter)),
        ] {
            let verdicts = found.unwrap_or_else(|message| vec![(false, message)]);
            for (well, said) in verdicts {
                let mark = if well { "ok" } else { "FAILED" };
                command::append(
                    &context.log,
                    &[format!("{mark} {} {side} {said}", chapter.name)],
                );
                tally.add(&Tally::one(well));
            }
        }
    }
    tally
}

type Verdicts = Vec<(bool, String)>;

/// A fresh starter compiles, and every task of it is red.
fn starter(project: &Path, chapter: &Chapter) -> Result<Verdicts> {
    let workshop = Workshop::of_the_tests(project);
    workshop.write(project, chapter)?;
    let home = workshop.copy(chapter);
    let programs = compiled(project, &workshop.folder, chapter)?;
    let tasks = task::of(chapter)?;
    if !(2..=5).contains(&tasks.len()) {
        return Err(format!("has {} tasks; two to five are meant", tasks.len()));
    }
    let mut verdicts = Vec::new();
    for task in tasks {
        let outcome = check::run(&programs, &task.test, &home)?;
        let red = matches!(outcome, Outcome::Gap | Outcome::Wrong(_));
        verdicts.push((red, format!("task {}: {outcome:?}", task.number)));
    }
    Ok(verdicts)
}

/// Every test of the chapter's own code passes, and its page has every heading to be reread.
fn solution(project: &Path, chapter: &Chapter) -> Result<Verdicts> {
    let programs = compiled(project, project, chapter)?;
    let mut verdicts = Vec::new();
    for (test, _) in &programs {
        let outcome = check::run(&programs, test, &chapter.folder)?;
        verdicts.push((outcome == Outcome::Done, format!("{test}: {outcome:?}")));
    }
    let page = project
        .join("book/src")
        .join(format!("{}.md", chapter.name));
    let text = std::fs::read_to_string(&page)
        .map_err(|error| format!("read {}: {error}", page.display()))?;
    for task in task::of(chapter)? {
        let heading = |line: &str| line.trim_start_matches('#').trim() == task.reread;
        let there = text
            .lines()
            .any(|line| line.starts_with('#') && heading(line));
        verdicts.push((
            there,
            format!("the heading {:?} of task {}", task.reread, task.number),
        ));
    }
    Ok(verdicts)
}

fn compiled(
    project: &Path,
    workspace: &Path,
    chapter: &Chapter,
) -> Result<Vec<(String, std::path::PathBuf)>> {
    match check::compile(project, workspace, chapter)? {
        Compiled::Programs(programs) => Ok(programs),
        Compiled::Refused(lines) => Err(format!("does not compile:\n{}", lines.join("\n"))),
    }
}

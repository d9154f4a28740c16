//! The suite that proves the course: each task fails on its starter and passes on the solution.

use std::path::Path;

use super::Result;
use super::chapters::{self, Chapter};
use super::check::{self, Compiled, Program};
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
    let project = &context.project;
    for (side, found) in [
        ("starter", starters(project, &chapters)),
        ("solution", solutions(project, &chapters)),
    ] {
        let verdicts = found.unwrap_or_else(|message| vec![(false, message)]);
        for (well, said) in verdicts {
            let mark = if well { "ok" } else { "FAILED" };
            command::append(&context.log, &[format!("{mark} {side} {said}")]);
            tally.add(&Tally::one(well));
        }
    }
    tally
}

type Verdicts = Vec<(bool, String)>;

/// Fresh starters compile, and every task of them is red.
fn starters(project: &Path, chapters: &[Chapter]) -> Result<Verdicts> {
    let workshop = Workshop::of_the_tests(project);
    for chapter in chapters {
        workshop.write(project, chapter)?;
    }
    let programs = compiled(project, &workshop.folder)?;
    let mut verdicts = Vec::new();
    for chapter in chapters {
        let name = &chapter.name;
        let tasks = task::of(chapter)?;
        verdicts.push((
            (2..=5).contains(&tasks.len()),
            format!("{name} has {} tasks; two to five are meant", tasks.len()),
        ));
        for task in tasks {
            let outcome = check::run(&programs, &task.test, &workshop.copy(chapter))?;
            let red = matches!(outcome, Outcome::Gap | Outcome::Wrong(_));
            verdicts.push((red, format!("{name} task {}: {outcome:?}", task.number)));
        }
    }
    Ok(verdicts)
}

/// Every test of the chapters' own code passes, and their pages have every heading to be reread.
fn solutions(project: &Path, chapters: &[Chapter]) -> Result<Verdicts> {
    let programs = compiled(project, project)?;
    let mut verdicts = Vec::new();
    for chapter in chapters {
        let name = &chapter.name;
        for program in programs.iter().filter(|p| p.home == chapter.folder) {
            let test = &program.test;
            let outcome = check::run(&programs, test, &chapter.folder)?;
            verdicts.push((
                outcome == Outcome::Done,
                format!("{name} {test}: {outcome:?}"),
            ));
        }
        let page = project.join("book/src").join(format!("{name}.md"));
        let text = std::fs::read_to_string(&page)
            .map_err(|error| format!("read {}: {error}", page.display()))?;
        for task in task::of(chapter)? {
            let heading = |line: &str| line.trim_start_matches('#').trim() == task.reread;
            let there = text
                .lines()
                .any(|line| line.starts_with('#') && heading(line));
            let said = format!(
                "{name} has the heading {:?} of task {}",
                task.reread, task.number
            );
            verdicts.push((there, said));
        }
    }
    Ok(verdicts)
}

/// The tests of a whole workspace: one selection of packages is one set of features, so that every
/// library is compiled once and not once for each chapter.
fn compiled(project: &Path, workspace: &Path) -> Result<Vec<Program>> {
    match check::compile(project, workspace, None)? {
        Compiled::Programs(programs) => Ok(programs),
        Compiled::Refused(lines) => Err(format!("does not compile:\n{}", lines.join("\n"))),
    }
}

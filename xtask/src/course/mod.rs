//! The course at the terminal: begin a chapter, have it checked, compare, see how far you are.
//!
//! ```text
//!   chapters/03-stack      the chapter: its code is the solution, its tests are the tasks
//!        │ regions           what stands between TASK and TASK_END becomes todo!()
//!        ▼
//!   workshop/03-stack      the reader's own: starter code, the same tests
//!        │ check             cargo test, one task after the other
//!        ▼
//!   workshop/progress      the tasks that are done
//! ```

use std::path::Path;
use std::process::ExitCode;

mod chapters;
mod check;
mod outcome;
mod progress;
mod regions;
mod suite;
mod task;
mod workshop;

pub(crate) use suite::suite;

use chapters::Chapter;

/// What went wrong, in words, with what to do about it.
type Result<T> = std::result::Result<T, String>;

/// The packages of the chapters on images, which run on any system: 1 to 8.
pub(crate) fn packages(project: &Path) -> Result<Vec<String>> {
    let of_images = |chapter: &chapters::Chapter| chapter.number.as_str() <= "08";
    let chapters = chapters::all(project)?.into_iter().filter(of_images);
    Ok(chapters.map(|chapter| chapter.package).collect())
}

/// `cargo x start NN [--force]`: writes the starter of a chapter into the workshop.
pub(crate) fn start(project: &Path, words: &[&str]) -> ExitCode {
    told(parsed(words, &["--force"]).and_then(|arguments| {
        let chapter = arguments.chapter(project, "start")?;
        workshop::start(project, &chapter, arguments.has("--force"))
    }))
}

/// `cargo x check NN [--task K] [--solution] [--watch]`: says which tasks are done.
pub(crate) fn check(project: &Path, words: &[&str]) -> ExitCode {
    let options = ["--task", "--solution", "--watch"];
    let wanted = parsed(words, &options).and_then(|arguments| {
        let chapter = arguments.chapter(project, "check")?;
        let task = arguments.task(&chapter)?;
        let solution = arguments.has("--solution");
        let request = check::Request {
            chapter,
            task,
            solution,
        };
        Ok((request, arguments.has("--watch")))
    });
    match wanted {
        Ok((request, true)) => told(check::watch(project, &request)),
        Ok((request, false)) => match check::once(project, &request) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(message) => failed(&message),
        },
        Err(message) => failed(&message),
    }
}

/// `cargo x diff NN`: what the reader's files and the chapter's have not in common.
pub(crate) fn diff(project: &Path, words: &[&str]) -> ExitCode {
    told(parsed(words, &[]).and_then(|arguments| {
        let chapter = arguments.chapter(project, "diff")?;
        workshop::diff(project, &chapter)
    }))
}

/// `cargo x list`: every chapter, and how much of it is done.
pub(crate) fn list(project: &Path, words: &[&str]) -> ExitCode {
    told(nothing_more(words).and_then(|()| progress::list(project)))
}

/// `cargo x next`: the next thing to do.
pub(crate) fn next(project: &Path, words: &[&str]) -> ExitCode {
    told(nothing_more(words).and_then(|()| progress::next(project)))
}

fn told(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(&message),
    }
}

fn failed(message: &str) -> ExitCode {
    eprintln!("cargo x: {message}");
    ExitCode::from(2)
}

fn nothing_more(words: &[&str]) -> Result<()> {
    match words.first() {
        None => Ok(()),
        Some(word) => Err(format!("{word:?} is one word too many")),
    }
}

/// The words of a command, taken apart.
struct Arguments<'a> {
    chapter: Option<&'a str>,
    task: Option<&'a str>,
    options: Vec<&'a str>,
}

fn parsed<'a>(words: &[&'a str], known: &[&str]) -> Result<Arguments<'a>> {
    let mut arguments = Arguments {
        chapter: None,
        task: None,
        options: Vec::new(),
    };
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word == "--task" && known.contains(&word) {
            let number = words.next();
            arguments.task = Some(number.ok_or("--task wants a number behind it: --task 2")?);
        } else if known.contains(&word) {
            arguments.options.push(word);
        } else if word.starts_with('-') {
            let there_is = if known.is_empty() {
                "there are none".to_owned()
            } else {
                format!("there is {}", known.join(", "))
            };
            return Err(format!("{word:?} is no option of this command; {there_is}"));
        } else if arguments.chapter.replace(word).is_some() {
            return Err(format!(
                "{word:?} is one word too many: one chapter at a time"
            ));
        }
    }
    Ok(arguments)
}

impl Arguments<'_> {
    fn chapter(&self, project: &Path, verb: &str) -> Result<Chapter> {
        match self.chapter {
            Some(word) => chapters::find(project, word),
            None => Err(format!(
                "which chapter? For example: cargo x {verb} 01. `cargo x list` shows them all"
            )),
        }
    }

    fn task(&self, chapter: &Chapter) -> Result<Option<usize>> {
        let Some(word) = self.task else {
            return Ok(None);
        };
        let tasks = task::of(chapter)?;
        let number = word.parse().ok();
        let known = number.filter(|number| tasks.iter().any(|task| task.number == *number));
        match known {
            Some(number) => Ok(Some(number)),
            None => Err(format!(
                "{} has no task {word:?}; it has {} of them, from 1",
                chapter.name,
                tasks.len()
            )),
        }
    }

    fn has(&self, option: &str) -> bool {
        self.options.contains(&option)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_apart() {
        let check = |words: &[&str], expected: &str| {
            let seen = match parsed(words, &["--task", "--watch"]) {
                Ok(a) => format!("{:?} {:?} {:?}", a.chapter, a.task, a.options),
                Err(message) => message,
            };
            assert!(seen.contains(expected), "{words:?}: {seen}");
        };
        check(&["01"], r#"Some("01") None []"#);
        check(
            &["--task", "2", "01", "--watch"],
            r#"Some("01") Some("2") ["--watch"]"#,
        );
        check(&["01", "02"], "one chapter at a time");
        check(&["01", "--task"], "wants a number");
        check(&["01", "--force"], "there is --task, --watch");
    }
}

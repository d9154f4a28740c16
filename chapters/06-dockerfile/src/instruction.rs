//! From a line to a typed step.

use crate::{Logical, Problem, Word, logical_lines, nearest, words};

// ANCHOR: types
/// A step: what is said, and on which line it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The line, from 1.
    pub line: usize,
    /// What is said.
    pub instruction: Instruction,
}

/// A command, in one of two forms.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A text for the shell: `RUN pip install flask`.
    Shell(String),
    /// A program and its words, without a shell: `CMD ["python", "app.py"]`.
    Exec(Vec<String>),
}
// ANCHOR_END: types

/// What an instruction says.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields' names say it
#[rustfmt::skip]
// ANCHOR: instruction
pub enum Instruction {
    /// Begins with an image; what follows is built on it, and may have a name.
    From { image: String, name: Option<String> },
    /// Runs a command, and keeps what it changed.
    Run(Command),
    /// What a container runs, if nothing else is said.
    Cmd(Command),
    /// What a container runs always; CMD is what it is given.
    Entrypoint(Command),
    /// Copies files of the build context.
    Copy { sources: Vec<String>, destination: String },
    /// Sets variables, for what follows and for the container.
    Env(Vec<(String, String)>),
    /// Notes words about the image.
    Label(Vec<(String, String)>),
    /// Goes into a directory, and makes it if it is not there.
    Workdir(String),
    /// Who runs what follows.
    User(String),
    /// Notes ports; none is opened.
    Expose(Vec<String>),
}
// ANCHOR_END: instruction

/// Every instruction of this chapter.
const KNOWN: &[&str] = &[
    "FROM",
    "RUN",
    "CMD",
    "ENTRYPOINT",
    "COPY",
    "ENV",
    "LABEL",
    "WORKDIR",
    "USER",
    "EXPOSE",
];

/// Those that core knows, and this chapter leaves out.
const LEFT_OUT: &[&str] = &[
    "ADD",
    "ARG",
    "HEALTHCHECK",
    "MAINTAINER",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "VOLUME",
];

/// The steps of a Dockerfile, and everything that is wrong with it.
pub fn parse(text: &str) -> (Vec<Step>, Vec<Problem>) {
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    for line in logical_lines(text) {
        // A lone backslash is a line with nothing in it.
        if line.text.trim().is_empty() {
            continue;
        }
        let place = line.place(0);
        match instruction(&line) {
            Ok(instruction) => steps.push(Step {
                line: place.line,
                instruction,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    let first = steps.first().map(|step| &step.instruction);
    if problems.is_empty() && !matches!(first, Some(Instruction::From { .. })) {
        let line = steps.first().map_or(1, |step| step.line);
        problems.push(Problem {
            place: crate::Place { line, column: 1 },
            length: 1,
            message: "a Dockerfile begins with FROM".into(),
            help: "say which image it builds on, or FROM scratch for none".into(),
        });
    }
    (steps, problems)
}

// ANCHOR: command
/// The command that a text stands for.
pub fn command(text: &str) -> Command {
    // TASK 2: A JSON list of texts is the exec form; everything else is for the shell.
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(words) => Command::Exec(words),
        Err(_) => Command::Shell(text.to_owned()),
    }
    // TASK_END
}
// ANCHOR_END: command

// ANCHOR: read
/// Reads one line.
pub fn instruction(line: &Logical) -> Result<Instruction, Problem> {
    let all = words(&line.text, 0);
    let keyword = all.first().copied().unwrap_or(Word {
        offset: 0,
        text: "",
    });
    let given = all.get(1..).unwrap_or_default();
    let rest = line.text[keyword.offset + keyword.text.len()..].trim();
    left_out(line, keyword, given)?;
    let wrong = |word: Word<'_>, message: &str, help: &str| problem(line, word, message, help);
    let texts = || given.iter().map(|word| word.text.to_owned());
    // TASK 3: Make of each keyword its instruction, and of what is wrong a problem at its word.
    if given.is_empty() && KNOWN.contains(&keyword.text.to_uppercase().as_str()) {
        return Err(wrong(
            keyword,
            "there is nothing behind it",
            "say what it is to do",
        ));
    }
    match keyword.text.to_uppercase().as_str() {
        "FROM" => match given {
            [image] => Ok(Instruction::From {
                image: image.text.into(),
                name: None,
            }),
            [image, between, name] if between.text.eq_ignore_ascii_case("as") => {
                let name = Some(name.text.to_owned());
                Ok(Instruction::From {
                    image: image.text.into(),
                    name,
                })
            }
            _ => Err(wrong(
                given[1],
                "only AS and a name may follow",
                "FROM image AS name",
            )),
        },
        "RUN" => Ok(Instruction::Run(command(rest))),
        "CMD" => Ok(Instruction::Cmd(command(rest))),
        "ENTRYPOINT" => Ok(Instruction::Entrypoint(command(rest))),
        "COPY" => {
            let mut sources: Vec<String> = texts().collect();
            let destination = sources.pop().unwrap_or_default();
            if sources.is_empty() {
                return Err(wrong(
                    given[0],
                    "a source or a destination is missing",
                    "COPY source destination",
                ));
            }
            Ok(Instruction::Copy {
                sources,
                destination,
            })
        }
        "ENV" => Ok(Instruction::Env(pairs(line, rest, given)?)),
        "LABEL" => Ok(Instruction::Label(pairs(line, rest, given)?)),
        "WORKDIR" => Ok(Instruction::Workdir(rest.into())),
        "USER" => Ok(Instruction::User(rest.into())),
        "EXPOSE" => Ok(Instruction::Expose(texts().collect())),
        _ => {
            let help = match nearest(keyword.text, KNOWN) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("there are {}", KNOWN.join(", ")),
            };
            Err(wrong(keyword, "there is no such instruction", &help))
        }
    }
    // TASK_END
}
// ANCHOR_END: read

// ANCHOR: pairs
/// `NAME=value` several times, or once `NAME value`, whose value goes to the end of the line.
fn pairs(line: &Logical, rest: &str, given: &[Word<'_>]) -> Result<Vec<(String, String)>, Problem> {
    if !given[0].text.contains('=') {
        let value = rest[given[0].text.len()..].trim();
        if value.is_empty() {
            return Err(problem(
                line,
                given[0],
                "its value is missing",
                "NAME=value",
            ));
        }
        return Ok(vec![(given[0].text.to_owned(), value.to_owned())]);
    }
    let pair = |word: &Word<'_>| match word.text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(problem(
            line,
            *word,
            "this is no pair",
            "NAME=value; quote spaces in it",
        )),
    };
    given.iter().map(pair).collect()
}
// ANCHOR_END: pairs

/// What this chapter leaves out of the language.
fn left_out(line: &Logical, keyword: Word<'_>, given: &[Word<'_>]) -> Result<(), Problem> {
    let help = "`coracle dockerfile parse` knows the whole language";
    let upper = keyword.text.to_uppercase();
    if LEFT_OUT.contains(&upper.as_str()) {
        return Err(problem(line, keyword, "this chapter leaves it out", help));
    }
    let files = upper == "COPY";
    let odd = given
        .iter()
        .take_while(|word| word.text.starts_with("--"))
        .next();
    let odd = odd.or_else(|| {
        given
            .iter()
            .find(|word| word.text.starts_with("<<") && upper != "CMD")
    });
    let odd = odd.or_else(|| {
        given
            .first()
            .filter(|word| files && word.text.starts_with('['))
    });
    match odd {
        Some(word) => Err(problem(line, *word, "this chapter leaves it out", help)),
        None => Ok(()),
    }
}

fn problem(line: &Logical, word: Word<'_>, message: &str, help: &str) -> Problem {
    Problem {
        place: line.place(word.offset),
        length: word.text.chars().count(),
        message: format!("{}: {message}", word.text),
        help: help.to_owned(),
    }
}

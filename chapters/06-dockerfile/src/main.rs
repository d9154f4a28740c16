//! `dockerfile`: reads Dockerfiles, and says what each step is.

// This program talks to the person who runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use ch06_dockerfile::{Command, Instruction, Makes, logical_lines, makes, parse};

const HELP: &str = "\
Usage:  dockerfile COMMAND

  explain FILE      print each step, and whether it makes a layer or changes the config
  steps FILE        print each step as it was understood
  lines FILE        print the lines as they are meant

Try:  `explain` the Dockerfile of an application of yours; misspell an instruction;
      break a line in the middle of a word.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String, String> {
    match words {
        ["explain", file] => explain(file),
        ["steps", file] => steps(file),
        ["lines", file] => {
            let line = |line: &ch06_dockerfile::Logical| {
                format!("{:>3}  {}\n", line.place(0).line, line.text)
            };
            Ok(logical_lines(&open(file)?).iter().map(line).collect())
        }
        ["help" | "--help" | "-h"] => Ok(format!("{HELP}\n")),
        [] => Err(format!("dockerfile: what shall I do?\n\n{HELP}\n")),
        _ => Err(format!(
            "dockerfile: {:?} is not a command, or lacks a word.\n\n{HELP}\n",
            words.join(" ")
        )),
    }
}

/// The steps of a file, or everything that is wrong with it.
fn read(file: &str) -> Result<Vec<ch06_dockerfile::Step>, String> {
    let text = open(file)?;
    let (steps, problems) = parse(&text);
    if problems.is_empty() {
        return Ok(steps);
    }
    Err(problems
        .iter()
        .map(|problem| problem.drawn(file, &text))
        .collect())
}

fn explain(file: &str) -> Result<String, String> {
    let steps = read(file)?;
    let text = open(file)?;
    let lines = logical_lines(&text);
    let (mut out, mut layers) = (String::new(), 0);
    for (step, line) in steps.iter().zip(lines) {
        let what = match makes(&step.instruction) {
            Makes::Beginning => "begins",
            Makes::Layer => "layer",
            Makes::Config => "config",
        };
        layers += usize::from(what == "layer");
        let said: Vec<&str> = line.text.split_whitespace().collect();
        let _ = writeln!(out, "{:>3}  {what:<6}  {}", step.line, said.join(" "));
    }
    let _ = writeln!(out, "{layers} layers on those of the base");
    Ok(out)
}

fn steps(file: &str) -> Result<String, String> {
    let told = |command: &Command| match command {
        Command::Shell(text) => format!("for the shell: {text}"),
        Command::Exec(words) => format!("the words {words:?}"),
    };
    let mut out = String::new();
    for step in read(file)? {
        let what = match &step.instruction {
            Instruction::Run(command) => format!("run {}", told(command)),
            Instruction::Cmd(command) => format!("by default, run {}", told(command)),
            Instruction::Entrypoint(command) => format!("always run {}", told(command)),
            other => format!("{other:?}"),
        };
        let _ = writeln!(out, "{:>3}  {what}", step.line);
    }
    Ok(out)
}

fn open(file: &str) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("dockerfile: read {file}: {error}\n"))
}

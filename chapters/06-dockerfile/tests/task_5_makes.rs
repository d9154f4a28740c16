//! Task 5: `makes` tells who makes a layer, and who changes the config alone.
//!
//! Reread: Layer or config

use ch06_dockerfile::{Command, Instruction, Makes, makes};
use lesson::same;

#[track_caller]
fn check(instruction: &Instruction, expected: Makes) {
    same(
        &format!("what {instruction:?} makes"),
        &makes(instruction),
        &expected,
    );
}

fn command() -> Command {
    Command::Shell("a".into())
}

#[test]
fn who_changes_files_makes_a_layer() {
    check(&Instruction::Run(command()), Makes::Layer);
    let copy = Instruction::Copy {
        sources: vec!["a".into()],
        destination: "/".into(),
    };
    check(&copy, Makes::Layer);
}

#[test]
fn a_directory_is_made_too() {
    check(&Instruction::Workdir("/app".into()), Makes::Layer);
}

#[test]
fn who_says_how_to_run_changes_the_config() {
    check(&Instruction::Cmd(command()), Makes::Config);
    check(&Instruction::Entrypoint(command()), Makes::Config);
    check(&Instruction::Env(Vec::new()), Makes::Config);
    check(&Instruction::Label(Vec::new()), Makes::Config);
    check(&Instruction::User("app".into()), Makes::Config);
    check(&Instruction::Expose(Vec::new()), Makes::Config);
}

#[test]
fn from_is_only_the_beginning() {
    let from = Instruction::From {
        image: "scratch".into(),
        name: None,
    };
    check(&from, Makes::Beginning);
}

//! The miniature and core, fed with the same Dockerfiles: the same steps, the same makes.

#![allow(clippy::unwrap_used)] // helpers of tests may panic, too

use std::fmt::Write as _;

use ch06_dockerfile::{Command, Instruction, Makes, makes, parse};
use coracle::dockerfile::ast::{CommandLine, Kind, Source};
use coracle::dockerfile::explain;
use coracle::dockerfile::stages::Settings;
use proptest::collection::vec;
use proptest::prelude::*;

/// What core makes of an instruction, in the words of the miniature; nothing for what is left out.
fn by_core(kind: &Kind) -> Option<Instruction> {
    let command = |line: &CommandLine| match line {
        CommandLine::Shell(text) => Command::Shell(text.value.clone()),
        CommandLine::Exec(words) => {
            Command::Exec(words.iter().map(|word| word.value.clone()).collect())
        }
    };
    let pairs = |pairs: &[coracle::dockerfile::ast::Pair]| {
        let pair = |pair: &coracle::dockerfile::ast::Pair| {
            (pair.key.value.clone(), pair.value.value.clone())
        };
        pairs.iter().map(pair).collect()
    };
    Some(match kind {
        Kind::From(stage) => Instruction::From {
            image: stage.base.value.clone(),
            name: stage.name.as_ref().map(|name| name.value.clone()),
        },
        Kind::Run(run) => Instruction::Run(command(&run.command)),
        Kind::Cmd(line) => Instruction::Cmd(command(line)),
        Kind::Entrypoint(line) => Instruction::Entrypoint(command(line)),
        Kind::Copy(copy) => {
            let source = |source: &Source| match source {
                Source::Path(path) => Some(path.value.clone()),
                Source::Heredoc(_) => None,
            };
            Instruction::Copy {
                sources: copy.files.sources.iter().filter_map(source).collect(),
                destination: copy.files.destination.value.clone(),
            }
        }
        Kind::Env(given) => Instruction::Env(pairs(given)),
        Kind::Label(given) => Instruction::Label(pairs(given)),
        Kind::Workdir(path) => Instruction::Workdir(path.value.clone()),
        Kind::User(user) => Instruction::User(user.value.clone()),
        Kind::Expose(ports) => {
            Instruction::Expose(ports.iter().map(|port| port.value.clone()).collect())
        }
        _ => return None,
    })
}

#[track_caller]
fn check(text: &str) {
    let (steps, problems) = parse(text);
    assert!(problems.is_empty(), "{text}\n{problems:?}");
    let core = coracle::dockerfile::parse(text);
    let theirs: Vec<_> = core
        .dockerfile
        .instructions
        .iter()
        .map(|instruction| (instruction.start_line, by_core(&instruction.kind).unwrap()))
        .collect();
    let ours: Vec<_> = steps
        .iter()
        .map(|step| (step.line, step.instruction.clone()))
        .collect();
    assert_eq!(ours, theirs, "{text}");
    let explained = explain::explain(&core.dockerfile, &Settings::default());
    for (step, line) in steps.iter().zip(&explained.lines) {
        let ours = match makes(&step.instruction) {
            Makes::Beginning => continue,
            Makes::Layer => explain::Makes::Layer,
            Makes::Config => explain::Makes::Metadata,
        };
        assert_eq!(ours, line.makes, "{}", line.instruction);
    }
}

/// The Dockerfiles of core's own tests that need nothing which this chapter leaves out.
#[test]
fn real_dockerfiles_are_read_alike() {
    let mut read = 0;
    let folder = "../../core/tests/dockerfile";
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().collect();
    cases.sort_by_key(std::fs::DirEntry::file_name);
    for case in cases {
        let Ok(text) = std::fs::read_to_string(case.path().join("Dockerfile")) else {
            continue;
        };
        // Core's rules about ports, signals and names are stricter.
        if case.file_name().to_string_lossy().starts_with("wrong-") {
            continue;
        }
        let directives = text.starts_with("# ") && text.lines().next().unwrap().contains('=');
        if parse(&text).1.is_empty() && !directives {
            check(&text);
            read += 1;
        }
    }
    assert!(read >= 12, "only {read} were read");
}

/// One instruction of the miniature's language, as text.
fn line() -> impl Strategy<Value = String> {
    let word = "[a-z/.]{1,5}";
    let words = vec(word, 1..4).prop_map(|words| words.join(" "));
    let list = vec(word, 1..4).prop_map(|words| format!("{words:?}"));
    let pair = (
        "[A-Z]{1,3}",
        prop_oneof!["[a-z0-9]{1,4}", "\"[a-z ]{1,4}\""],
    );
    let pairs = vec(
        pair.prop_map(|(name, value)| format!("{name}={value}")),
        1..3,
    );
    let command = prop_oneof![words.clone(), list];
    prop_oneof![
        command.clone().prop_map(|command| format!("RUN {command}")),
        command.clone().prop_map(|command| format!("CMD {command}")),
        command.prop_map(|command| format!("ENTRYPOINT {command}")),
        (words, word).prop_map(|(sources, to)| format!("COPY {sources} {to}")),
        pairs
            .clone()
            .prop_map(|pairs| format!("ENV {}", pairs.join(" "))),
        pairs.prop_map(|pairs| format!("LABEL {}", pairs.join(" "))),
        ("[A-Z]{1,3}", word).prop_map(|(name, value)| format!("ENV {name} {value} {value}")),
        word.prop_map(|path| format!("WORKDIR /{path}")),
        "[a-z]{1,5}".prop_map(|user| format!("USER {user}")),
        (1..60_000_u16).prop_map(|port| format!("EXPOSE {port}")),
        "[a-z]{1,5}".prop_map(|image| format!("FROM {image} AS {image}2")),
    ]
}

/// What may stand between two lines, or break one.
fn between() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(""),
        Just("\n"),
        Just("# a comment\n"),
        Just("   # indented\n\n")
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_dockerfile_is_read_alike(lines in vec((between(), line(), any::<bool>()), 0..8)) {
        let mut text = "FROM scratch\n".to_owned();
        for (number, (between, line, broken)) in lines.into_iter().enumerate() {
            // Names of stages are given once.
            let line = line.replace('2', &format!("n{number}"));
            // Only between two words of a shell's command is a break without meaning.
            let line = if broken && !line.contains(['"', '[']) {
                line.replacen(' ', " \\\n# inside\n  ", 1)
            } else {
                line
            };
            let _ = writeln!(text, "{between}{line}");
        }
        check(&text);
    }
}

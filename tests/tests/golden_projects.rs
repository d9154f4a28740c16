//! Dockerfiles in the style of real projects: each is understood, whole, and can be planned.

// A test ends loudly when its own set-up fails.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use coracle::build::context::Context;
use coracle::build::executor::RunNetwork;
use coracle::build::plan::{Operation, Plan, PlanError, PlanOptions, plan};
use coracle::diagnostic::{Diagnostic, Severity, has_errors};
use coracle::dockerfile::explain::explain;
use coracle::dockerfile::lint::{Options, lint, mend};
use coracle::dockerfile::stages::Settings;
use coracle::dockerfile::{Dockerfile, Instruction, Kind, Source, json, parse};
use coracle::image::{Draft, Image};
use coracle::path::RootedPath;
use coracle::spec::{ImageConfig, Platform};
use coracle::store::memory::MemoryStore;
use coracle::tree::{Node, Timestamp, Tree};
use coracle_tests::fixtures;

/// What cannot be planned, and a part of the reason that is given. Each must come true.
const UNPLANNED: [(&str, &str); 5] = [
    ("add-git-source", "git"),
    // For a base of Linux, a backslash separates nothing.
    ("crlf-escape-backtick", "dist\\"),
    ("dotnet-windows-framework", "App\\"),
    // The tests' context has no file whose name a variable says.
    ("elixir-phoenix", "config/prod.exs"),
    ("run-insecure", "security"),
];

#[test]
fn there_are_two_hundred_and_none_has_an_error() {
    let projects = projects();
    assert!(projects.len() >= 200, "only {}", projects.len());
    for (name, source) in &projects {
        let parsed = parse(source);
        let errors = parsed.diagnostics.iter();
        let errors: Vec<_> = errors.filter(|d| d.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        assert!(!parsed.dockerfile.instructions.is_empty(), "{name}");
    }
}

/// Every byte belongs to an instruction, a comment or the space between them, and to one only.
#[test]
fn instructions_and_comments_are_all_there_is() {
    for (name, source) in projects() {
        let dockerfile = parse(&source).dockerfile;
        let mut end = 0;
        for instruction in &dockerfile.instructions {
            let between = source.get(end..instruction.span.start);
            let between = between.unwrap_or_else(|| panic!("{name}: instructions overlap"));
            check_between(&name, between);
            for comment in &instruction.comments {
                assert_eq!(&source[comment.span.range()], **comment, "{name}");
                assert!(between.contains(comment.as_str()), "{name}: {comment:?}");
            }
            check_words(&name, &source, instruction);
            end = instruction.span.end;
        }
        check_between(&name, &source[end..]);
        for directive in &dockerfile.directives {
            assert_eq!(&source[directive.value.span.range()], *directive.value);
        }
    }
}

/// An instruction written on one line, without its comments, says the same.
#[test]
fn one_line_for_each_instruction_says_the_same() {
    for (name, source) in projects() {
        let parsed = parse(&source);
        let lines = on_one_line(&parsed.dockerfile);
        let again = parse(&lines);
        let said = |parsed, source: &str| {
            let mut document = serde_json::to_value(json::document(parsed, source)).unwrap();
            let mut list = document["instructions"].take();
            without_places(&mut list);
            list
        };
        let (before, after) = (said(&parsed, &source), said(&again, &lines));
        assert_eq!(before, after, "{name}, on one line each:\n{lines}");
    }
}

/// Mending takes findings away, brings no error, and leaves nothing that it would mend again.
#[test]
fn each_is_linted_mended_and_explained() {
    let options = Options::default();
    for (name, source) in projects() {
        let parsed = parse(&source);
        let linted = lint(&source, &parsed, &options);
        assert!(
            !has_errors(&linted.findings),
            "{name}: {:#?}",
            linted.findings
        );
        let mended = mend(&source, &options);
        let fixable = linted.findings.iter().any(|f| f.fix.is_some());
        assert_eq!(mended.text != source, fixable, "{name}: {:?}", mended.done);
        assert!(
            !has_errors(&mended.left.findings),
            "{name}: {}",
            mended.text
        );
        assert_eq!(mend(&mended.text, &options).text, mended.text, "{name}");
        let explained = explain(&parsed.dockerfile, &Settings::default());
        let instructions = parsed.dockerfile.instructions.len();
        assert_eq!(explained.lines.len(), instructions, "{name}");
    }
}

#[test]
fn all_but_a_few_can_be_planned() {
    let mut failed = Vec::new();
    for (name, source) in projects() {
        let expected = UNPLANNED.iter().find(|(unplanned, _)| *unplanned == name);
        match (planned(&source), expected) {
            (Ok(plan), None) => check_plan(&name, &source, &plan),
            (Ok(_), Some(_)) => panic!("{name} can be planned"),
            (Err(found), None) => failed.push(format!("{name}: {found:#?}")),
            (Err(found), Some((_, reason))) => {
                let mut errors = found.iter().filter(|d| d.severity == Severity::Error);
                assert!(
                    errors.all(|d| d.render(&name, &source).contains(reason)),
                    "{name}: {found:#?}"
                );
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    for (unplanned, _) in UNPLANNED {
        assert!(projects().contains_key(unplanned), "{unplanned} is gone");
    }
}

/// The texts by name.
fn projects() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(fixtures::path("../golden/projects")).unwrap();
    let read = |entry: std::fs::DirEntry| {
        let file = entry.file_name().into_string().unwrap();
        let name = file.strip_suffix(".Dockerfile").unwrap().to_owned();
        (name, std::fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(|entry| read(entry.unwrap())).collect()
}

fn check_between(name: &str, text: &str) {
    // The last instruction may say that it goes on where nothing follows.
    let text = text.trim_start().trim_start_matches(['\u{feff}', '\\']);
    for line in text.lines() {
        let line = line.trim();
        assert!(
            line.is_empty() || line.starts_with('#'),
            "{name}: {line:?} belongs to nothing"
        );
    }
}

/// The keyword, the flags and the words stand where they say.
fn check_words(name: &str, source: &str, instruction: &Instruction) {
    let keyword = &instruction.keyword;
    assert_eq!(&source[keyword.span.range()], keyword.as_str(), "{name}");
    for flag in &instruction.flags {
        assert!(source[flag.span.range()].starts_with("--"), "{name}");
    }
    // Decoded strings of an array, and what goes on in the next line, look otherwise there.
    let plain = !instruction.json && instruction.start_line == instruction.end_line;
    let pairs = matches!(instruction.kind, Kind::Env(_) | Kind::Label(_));
    for word in instruction.args.iter().filter(|_| plain && !pairs) {
        assert_eq!(&source[word.span.range()], word.as_str(), "{name}");
    }
    for heredoc in &instruction.heredocs {
        assert_eq!(&source[heredoc.content_span.range()], heredoc.content);
    }
}

fn on_one_line(dockerfile: &Dockerfile) -> String {
    let mut text = String::new();
    for directive in &dockerfile.directives {
        let _ = writeln!(text, "# {}={}", *directive.name, *directive.value);
    }
    for instruction in &dockerfile.instructions {
        let _ = writeln!(text, "{}", instruction.original.trim());
        for heredoc in &instruction.heredocs {
            let _ = writeln!(text, "{}{}", heredoc.content, heredoc.name);
        }
    }
    text
}

fn without_places(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(list) => list.iter_mut().for_each(without_places),
        serde_json::Value::Object(fields) => {
            for place in ["start_line", "end_line", "span", "original"] {
                fields.remove(place);
            }
            fields.values_mut().for_each(without_places);
        }
        _ => {}
    }
}

/// Plans the last stage in a context that has all files which the file names, on images that are
/// all the same.
fn planned(source: &str) -> Result<Plan, Vec<Diagnostic>> {
    let store = MemoryStore::new();
    let mut config = ImageConfig::scratch(&Platform::linux("amd64"));
    let environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root"];
    config.config.env = environment.map(str::to_owned).to_vec();
    let layers = Vec::new();
    let base = Draft { config, layers }.commit(&store).unwrap();
    let options = PlanOptions {
        args: BTreeMap::new(),
        target: None,
        platform: Platform::linux("amd64"),
        build_platform: Platform::linux("amd64"),
        labels: BTreeMap::new(),
        network: RunNetwork::None,
        insecure: false,
        time: Timestamp::default(),
    };
    let parsed = parse(source);
    let context = Context {
        tree: files(&parsed.dockerfile),
        ..Context::default()
    };
    let mut find = |_: &_, _: &_| -> Result<Image, String> { Ok(base.clone()) };
    plan(
        &parsed.dockerfile,
        parsed.diagnostics,
        &options,
        &context,
        &mut find,
    )
    .map_err(|error| match error {
        PlanError::Source(found) => found,
        PlanError::Target { .. } => unreachable!("no target is asked for"),
    })
}

/// A tree with every file that COPY, ADD and RUN --mount take from the context by a plain name.
fn files(dockerfile: &Dockerfile) -> Tree {
    let mut tree = Tree::new();
    let mut names = Vec::new();
    for instruction in &dockerfile.instructions {
        let sources = match &instruction.kind {
            Kind::Copy(copy) if copy.from.is_none() => &copy.files.sources[..],
            Kind::Add(add) => &add.files.sources,
            Kind::Run(run) => {
                for mount in &run.mounts {
                    let option = |key: &str| mount.options.iter().find(|o| o.key == key);
                    let source = option("source").filter(|_| option("from").is_none());
                    names.extend(source.and_then(|o| Some(o.value.as_ref()?.as_str())));
                }
                continue;
            }
            _ => continue,
        };
        names.extend(sources.iter().filter_map(|source| match source {
            Source::Path(path) => Some(path.as_str()),
            Source::Heredoc(_) => None,
        }));
    }
    // What is a directory for one instruction is made by the longer names of others.
    names.sort_unstable();
    for name in names.into_iter().rev() {
        let name = name.replace(['"', '`'], "").replace('\\', "/");
        let path = RootedPath::root().resolve(name.as_bytes());
        if tree.get(&path).is_none() && !name.contains(['*', '?', '[', '$', ':']) {
            tree.insert(path, Arc::new(Node::file(0o644, b"content".to_vec())));
        }
    }
    tree
}

/// A plan has a step for every instruction that does something in the stages that it builds.
fn check_plan(name: &str, source: &str, plan: &Plan) {
    assert!(!plan.stages.is_empty(), "{name}");
    for stage in &plan.stages {
        assert_eq!(&source[stage.span.range()][..4].to_uppercase(), "FROM");
        for step in &stage.steps {
            let word = source[step.span.range()].split_whitespace().next();
            let word = word.unwrap().to_uppercase();
            let right = match step.operation {
                Operation::Run(_) => word == "RUN",
                Operation::Copy(_) => word == "COPY" || word == "ADD",
                Operation::Workdir(_) => word == "WORKDIR",
                Operation::Metadata => !matches!(word.as_str(), "RUN" | "COPY" | "ADD" | "FROM"),
            };
            assert!(right, "{name}: {word} is {:?}", step.operation);
        }
    }
}

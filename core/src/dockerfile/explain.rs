//! Explaining a Dockerfile line by line: what each instruction makes, and what its result depends on.
//!
//! Nothing is built and no image is looked at. What a step's cache key is made of is told in the
//! words of the builder's `KeyParts`, so that the reason of a later miss is one of these lines.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ast::{self, CommandLine, Dockerfile, Instruction, Kind, Source};
use super::expand::{self, expand};
use super::stages::{Base, How, Read, Settings, Stage, Stages, expandable};

/// A whole file, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The stage that is built; `None` when there is none, or none of that name.
    pub target: Option<String>,
    /// The stages, in order.
    pub stages: Vec<StageExplained>,
    /// Every instruction, in order.
    pub lines: Vec<Line>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageExplained {
    /// Its name, or `stage-N` by its number.
    pub name: String,
    /// Its number in the file, from 0.
    pub number: usize,
    /// The line of its FROM, from 1.
    pub line: usize,
    /// The last line that belongs to it.
    pub end_line: usize,
    /// What it starts from: `scratch`, a stage, or an image.
    pub base: String,
    /// Whether that is an earlier stage.
    pub base_is_stage: bool,
    /// Whether the target needs it.
    pub needed: bool,
    /// Whether the image that is built holds its layers.
    pub in_image: bool,
    /// The stages that it reads.
    pub reads: Vec<ReadExplained>,
    /// The stages that read it.
    pub read_by: Vec<ReadExplained>,
}

/// One stage reading another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadExplained {
    /// The other stage.
    pub stage: String,
    /// The line that says so.
    pub line: usize,
    /// `base`, `copy` or `mount`.
    pub how: &'static str,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The first line, from 1.
    pub line: usize,
    /// The last line.
    pub end_line: usize,
    /// The instruction as one line, as written.
    pub instruction: String,
    /// The stage that it belongs to; `None` before the first FROM.
    pub stage: Option<String>,
    /// What it makes.
    pub makes: Makes,
    /// What it does, in a sentence without a full stop.
    pub does: String,
    /// What the result depends on; empty where nothing is kept for a later build.
    pub key: Vec<String>,
    /// Whether the target needs it.
    pub needed: bool,
}

/// What an instruction makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Makes {
    /// A stage: what follows belongs to it.
    Stage,
    /// A layer: files.
    Layer,
    /// A line of the image's config, and no layer.
    Metadata,
    /// Nothing that is in the image.
    Nothing,
}

impl Makes {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Layer => "layer",
            Self::Metadata => "metadata",
            Self::Nothing => "nothing",
        }
    }
}

/// Explains every instruction of a file, for the target and the platform that `settings` name.
pub fn explain(dockerfile: &Dockerfile, settings: &Settings) -> Explained {
    let stages = Stages::of(dockerfile, settings);
    let mut lines: Vec<_> = stages.before.iter().map(|i| before_stages(i)).collect();
    for stage in &stages.list {
        lines.push(Line {
            makes: Makes::Stage,
            does: begins(&stages, stage),
            ..line(stage.from, stage)
        });
        let mut scope = Scope::of(&stages, stage.number, dockerfile.escape);
        for instruction in &stage.body {
            lines.push(scope.explain(instruction, stage));
            scope.learn(instruction);
        }
    }
    let list = stages.list.iter();
    Explained {
        target: stages.target.map(|number| stages.list[number].name()),
        stages: list.map(|stage| stage_explained(&stages, stage)).collect(),
        lines,
    }
}

fn stage_explained(stages: &Stages<'_>, stage: &Stage<'_>) -> StageExplained {
    let read = |read: &Read, other: usize| ReadExplained {
        stage: stages.list[other].name(),
        line: read.line,
        how: match read.how {
            How::Base => "base",
            How::Copy => "copy",
            How::Mount => "mount",
        },
    };
    let readers = stages.list.iter().flat_map(|reader| {
        let reads = reader.reads.iter();
        let reads = reads.filter(|read| read.stage == stage.number);
        reads.map(move |r| (r, reader.number))
    });
    let last = stage.body.last().unwrap_or(&stage.from);
    StageExplained {
        name: stage.name(),
        number: stage.number,
        line: stage.from.start_line,
        end_line: last.end_line,
        base: match &stage.base {
            Base::Scratch => "scratch".to_owned(),
            Base::Stage(number) => stages.list[*number].name(),
            Base::Image(name) => name.clone(),
        },
        base_is_stage: matches!(stage.base, Base::Stage(_)),
        needed: stage.needed,
        in_image: stage.ships,
        reads: stage.reads.iter().map(|r| read(r, r.stage)).collect(),
        read_by: readers.map(|(r, reader)| read(r, reader)).collect(),
    }
}

fn begins(stages: &Stages<'_>, stage: &Stage<'_>) -> String {
    let name = stage.name();
    match &stage.base {
        Base::Scratch => format!("begins the stage {name} with nothing"),
        Base::Stage(number) => {
            let below = stages.list[*number].name();
            format!("begins the stage {name} with what the stage {below} has become")
        }
        Base::Image(image) => format!("begins the stage {name} with the image {image}"),
    }
}

fn line(instruction: &Instruction, stage: &Stage<'_>) -> Line {
    Line {
        line: instruction.start_line,
        end_line: instruction.end_line,
        instruction: instruction.original.clone(),
        stage: Some(stage.name()),
        makes: Makes::Nothing,
        does: String::new(),
        key: Vec::new(),
        needed: stage.needed,
    }
}

fn before_stages(instruction: &Instruction) -> Line {
    let does = match &instruction.kind {
        Kind::Arg(list) => {
            let names: Vec<_> = list.iter().map(|d| d.name.as_str()).collect();
            format!(
                "declares {} for the FROM lines; a stage sees it once it declares it again",
                names.join(", ")
            )
        }
        _ => "cannot stand before the first FROM".to_owned(),
    };
    Line {
        line: instruction.start_line,
        end_line: instruction.end_line,
        instruction: instruction.original.clone(),
        stage: None,
        makes: Makes::Nothing,
        does,
        key: Vec::new(),
        needed: true,
    }
}

/// What is known at one place of a stage.
struct Scope<'s> {
    stages: &'s Stages<'s>,
    escape: ast::Escape,
    /// The environment and the arguments, each with the line that set it last.
    environment: BTreeMap<String, usize>,
    arguments: BTreeMap<String, usize>,
    user: Option<usize>,
    workdir: Option<usize>,
    shell: Option<usize>,
}

impl<'s> Scope<'s> {
    /// What a stage begins with: what those below it have set.
    fn of(stages: &'s Stages<'s>, number: usize, escape: ast::Escape) -> Self {
        let mut scope = Self {
            stages,
            escape,
            environment: BTreeMap::new(),
            arguments: BTreeMap::new(),
            user: None,
            workdir: None,
            shell: None,
        };
        for instruction in stages.below(number).iter().flat_map(|stage| &stage.body) {
            scope.learn(instruction);
        }
        scope
    }

    fn learn(&mut self, instruction: &Instruction) {
        let line = instruction.start_line;
        match &instruction.kind {
            Kind::Env(pairs) => {
                let names = pairs.iter().map(|pair| (pair.key.value.clone(), line));
                self.environment.extend(names);
            }
            Kind::Arg(list) => {
                let names = list.iter().map(|d| (d.name.value.clone(), line));
                self.arguments.extend(names);
            }
            Kind::User(_) => self.user = Some(line),
            Kind::Workdir(_) => self.workdir = Some(line),
            Kind::Shell(_) => self.shell = Some(line),
            _ => {}
        }
    }

    fn explain(&self, instruction: &Instruction, stage: &Stage<'_>) -> Line {
        let (makes, does) = does(instruction);
        let mut key = Vec::new();
        if makes == Makes::Layer {
            key.push("the layers below it, and the platform".to_owned());
            match &instruction.kind {
                Kind::Run(run) => self.run_key(instruction, run, &mut key),
                Kind::Copy(copy) => {
                    let from = copy.from.as_ref().map(|from| from.as_str());
                    self.copy_key(instruction, &copy.files, from, stage, &mut key);
                }
                Kind::Add(add) => self.copy_key(instruction, &add.files, None, stage, &mut key),
                Kind::Workdir(path) => {
                    key.push("the path".to_owned());
                    let above = self.workdir.filter(|_| !path.starts_with(['/', '$']));
                    key.extend(above.map(|line| format!("the directory, set in line {line}")));
                }
                _ => {}
            }
            self.variables(instruction, &mut key);
        }
        Line {
            makes,
            does,
            key,
            ..line(instruction, stage)
        }
    }

    fn run_key(&self, instruction: &Instruction, run: &ast::Run, key: &mut Vec<String>) {
        key.push("the text of the command, and nothing that it fetches".to_owned());
        if !instruction.heredocs.is_empty() {
            key.push("the text of its heredocs".to_owned());
        }
        let mut set = |what: &str, line: Option<usize>| {
            key.extend(line.map(|line| format!("{what}, set in line {line}")));
        };
        set("the user", self.user);
        set("the directory", self.workdir);
        set(
            "the shell",
            self.shell
                .filter(|_| matches!(run.command, CommandLine::Shell(_))),
        );
        key.extend(named("the environment", self.environment.iter()));
        let arguments = self.arguments.iter();
        let arguments = arguments.filter(|(name, _)| !self.environment.contains_key(*name));
        key.extend(named("the arguments, used or not:", arguments));
        for mount in &run.mounts {
            let text: Vec<_> = mount.options.iter().map(option).collect();
            key.push(format!("the mount {}", text.join(",")));
        }
    }

    fn copy_key(
        &self,
        instruction: &Instruction,
        files: &ast::Files,
        from: Option<&str>,
        stage: &Stage<'_>,
        key: &mut Vec<String>,
    ) {
        let mut sources = Vec::new();
        let mut addresses = Vec::new();
        for source in &files.sources {
            match source {
                Source::Path(path) if path.contains("://") => addresses.push(path.as_str()),
                Source::Path(path) => sources.push(path.as_str()),
                Source::Heredoc(_) => {}
            }
        }
        let place = match from {
            None => "in the build context".to_owned(),
            Some(from) => match self.stages.find(from, stage.number) {
                Some(number) => format!("in the stage {}", self.stages.list[number].name()),
                None => format!("in the image {from}"),
            },
        };
        if !sources.is_empty() {
            let sources = sources.join(" ");
            key.push(format!(
                "name, content, mode and owner of each file of {sources} {place}; not its time"
            ));
        }
        for address in addresses {
            key.push(format!("what is found at {address}"));
        }
        for heredoc in &instruction.heredocs {
            key.push(format!("the text of the heredoc {}", heredoc.name));
        }
        key.push("sources and destination as they are written".to_owned());
        let relative = !files.destination.starts_with(['/', '$']);
        if let Some(line) = self.workdir.filter(|_| relative) {
            key.push(format!("the directory, set in line {line}"));
        }
        for flag in instruction.flags.iter().filter(|f| *f.name != "from") {
            key.push(format!("--{}", *flag.name));
        }
    }

    /// The variables that are expanded in an instruction, with where they come from.
    fn variables(&self, instruction: &Instruction, key: &mut Vec<String>) {
        let mut names = BTreeSet::new();
        for text in expandable(instruction) {
            let options = expand::Options {
                keep_unset: true,
                ..text.options(self.escape)
            };
            let expanded = expand(text.text, options, &|_| None);
            names.extend(expanded.map(|e| e.undefined).unwrap_or_default());
        }
        for name in names {
            let line = self.environment.get(&name).or(self.arguments.get(&name));
            key.push(match line {
                Some(line) => format!("${name}, set in line {line}"),
                None => format!("${name}, if the base image sets it"),
            });
        }
    }
}

/// Some variables with their lines, as one text: ten of them, then a count; `None` without any.
fn named<'v>(
    what: &str,
    mut variables: impl Iterator<Item = (&'v String, &'v usize)>,
) -> Option<String> {
    const SHOWN: usize = 10;
    let texts = variables.by_ref().take(SHOWN);
    let texts: Vec<_> = texts
        .map(|(name, line)| format!("${name} (line {line})"))
        .collect();
    let more = match variables.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!texts.is_empty()).then(|| format!("{what} {}{more}", texts.join(", ")))
}

fn option(option: &super::mount::MountOption) -> String {
    match &option.value {
        Some(value) => format!("{}={}", option.key, **value),
        None => option.key.clone(),
    }
}

/// What an instruction makes, and a sentence about it.
fn does(instruction: &Instruction) -> (Makes, String) {
    use Makes::{Layer, Metadata, Nothing};
    let said = |makes: Makes, text: &str| (makes, text.to_owned());
    match &instruction.kind {
        Kind::From(_) => said(Makes::Stage, "begins a stage"),
        Kind::Run(run) => (Layer, runs(run)),
        Kind::Copy(copy) => (Layer, copies(&copy.files)),
        Kind::Add(add) => (Layer, copies(&add.files)),
        Kind::Workdir(path) if **path == "/" => said(
            Metadata,
            "goes to the root directory: for what follows, and for the container",
        ),
        Kind::Workdir(path) => (
            Layer,
            format!(
                "makes the directory {} if it is not there, and goes into it: for what follows, and \
                 for the container",
                **path
            ),
        ),
        Kind::Env(_) => said(
            Metadata,
            "sets variables for what follows, and for the container",
        ),
        Kind::Arg(_) => said(
            Metadata,
            "declares arguments of the build, variables until the stage ends; of the image only \
             the history tells of them",
        ),
        Kind::Label(_) => said(Metadata, "notes down labels, which nothing else reads"),
        Kind::Maintainer(_) => said(Metadata, "notes down the author"),
        Kind::Expose(_) => said(Metadata, "notes down ports; it opens none"),
        Kind::Volume(_) => said(
            Metadata,
            "makes every container keep these paths outside of its own layers",
        ),
        Kind::User(_) => said(
            Metadata,
            "sets the user of what follows, and of the container",
        ),
        Kind::Stopsignal(_) => said(Metadata, "sets the signal that `stop` sends"),
        Kind::Healthcheck(ast::Healthcheck::None) => said(Metadata, "takes the base's check away"),
        Kind::Healthcheck(_) => said(Metadata, "sets how to find out whether a container is well"),
        Kind::Shell(_) => said(Metadata, "sets the shell of what is in shell form below"),
        Kind::Cmd(command) => (
            Metadata,
            format!("sets what a container runs by default{}", form(command)),
        ),
        Kind::Entrypoint(command) => (
            Metadata,
            format!("sets the program that a container is{}", form(command)),
        ),
        Kind::Onbuild(child) => (
            Metadata,
            format!(
                "keeps the {} for builds whose FROM names this image",
                child.name()
            ),
        ),
        Kind::Invalid => said(Nothing, "cannot be understood"),
    }
}

fn runs(run: &ast::Run) -> String {
    match &run.command {
        CommandLine::Shell(_) => "runs a command by the shell and keeps what it changed",
        CommandLine::Exec(_) => "runs a program without a shell and keeps what it changed",
    }
    .to_owned()
}

fn copies(files: &ast::Files) -> String {
    format!("copies files to {}", *files.destination)
}

fn form(command: &CommandLine) -> &'static str {
    match command {
        CommandLine::Shell(_) => ", by the shell, which gets the signals in its place",
        CommandLine::Exec(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    /// A file explained, as short as a test wants it.
    fn shown(source: &str) -> String {
        let parsed = parse(source);
        let explained = explain(&parsed.dockerfile, &Settings::default());
        let lines = explained.lines.iter().map(|line| {
            let needed = if line.needed { "" } else { "(not needed) " };
            let keys: Vec<_> = line
                .key
                .iter()
                .map(|key| format!("\n     - {key}"))
                .collect();
            format!(
                "{:2} {needed}{}: {}{}\n",
                line.line,
                line.makes.name(),
                line.does,
                keys.concat()
            )
        });
        lines.collect()
    }

    #[test]
    fn each_line_says_what_it_depends_on() {
        let source = "\
ARG GO=1.25
FROM golang:$GO AS build
ARG VERSION
ENV CGO_ENABLED=0
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go go build -o /app
FROM alpine:3.22 AS unused
RUN apk add git
FROM scratch
COPY --from=build --chown=1000 /app /
USER 1000
ENTRYPOINT [\"/app\"]
";
        insta::assert_snapshot!(shown(source));
    }

    #[test]
    fn stages_know_their_readers() {
        let source = "FROM a:1 AS b\nFROM b AS c\nCOPY --from=b x y\nFROM b\n";
        let parsed = parse(source);
        let settings = Settings {
            target: Some("c".to_owned()),
            ..Settings::default()
        };
        let explained = explain(&parsed.dockerfile, &settings);
        assert_eq!(explained.target.as_deref(), Some("c"));
        let readers: Vec<_> = explained.stages[0]
            .read_by
            .iter()
            .map(|read| (read.stage.as_str(), read.line, read.how))
            .collect();
        assert_eq!(
            readers,
            [("c", 2, "base"), ("c", 3, "copy"), ("stage-2", 4, "base")]
        );
        let needed: Vec<_> = explained.stages.iter().map(|stage| stage.needed).collect();
        assert_eq!(needed, [true, true, false]);
    }
}

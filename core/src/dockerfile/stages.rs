//! The stages of a Dockerfile: what each starts from, which others it reads, and who needs it.
//!
//! Everything here is read from the text alone. Whether an image exists, and what it contains, only
//! a build knows.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{self, Dockerfile, Escape, Instruction, Kind};
use super::expand::{self, expand_word};

/// What a person may ask for besides the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `--build-arg`, by name.
    pub args: BTreeMap<String, String>,
    /// `--target`: a stage by name or number; `None` is the last one.
    pub target: Option<String>,
    /// The platform to build for: `os/architecture[/variant]`.
    pub platform: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            args: BTreeMap::new(),
            target: None,
            platform: "linux/amd64".to_owned(),
        }
    }
}

/// All stages of a Dockerfile, and what stands before them.
#[derive(Debug, Clone)]
pub struct Stages<'a> {
    /// The instructions before the first FROM; only ARG may stand there.
    pub before: Vec<&'a Instruction>,
    /// The variables that a FROM sees; `None` is declared without a value.
    pub args: BTreeMap<String, Option<String>>,
    /// The stages, in order.
    pub list: Vec<Stage<'a>>,
    /// The stage that is built; `None` when there is no stage, or none of that name.
    pub target: Option<usize>,
}

/// One stage.
#[derive(Debug, Clone)]
pub struct Stage<'a> {
    /// Its place in the file, from 0.
    pub number: usize,
    /// The instruction FROM.
    pub from: &'a Instruction,
    /// What FROM says.
    pub said: &'a ast::Stage,
    /// What the stage starts from.
    pub base: Base,
    /// The instructions up to the next FROM.
    pub body: Vec<&'a Instruction>,
    /// The earlier stages that it reads, in the order of the lines that say so.
    pub reads: Vec<Read>,
    /// Whether the target needs it.
    pub needed: bool,
    /// Whether the target's image holds its layers: it is the target, or the base of one that is.
    pub ships: bool,
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage, by number.
    Stage(usize),
    /// An image, as far as arguments with a default tell which.
    Image(String),
}

/// One stage reading another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The stage that is read, by number.
    pub stage: usize,
    /// The line that says so.
    pub line: usize,
    /// In which way.
    pub how: How,
}

/// In which way a stage reads another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// `FROM stage`: it goes on from there.
    Base,
    /// `COPY --from=stage`: it takes files.
    Copy,
    /// `RUN --mount=from=stage`: it looks at files.
    Mount,
}

impl<'a> Stages<'a> {
    /// Finds the stages of a file.
    pub fn of(dockerfile: &'a Dockerfile, settings: &Settings) -> Self {
        let mut stages = Self {
            before: Vec::new(),
            args: platform_args(&settings.platform),
            list: Vec::new(),
            target: None,
        };
        for instruction in &dockerfile.instructions {
            match &instruction.kind {
                Kind::From(said) => stages.begin(instruction, said, dockerfile.escape),
                kind => {
                    if let Some(stage) = stages.list.last_mut() {
                        stage.body.push(instruction);
                        continue;
                    }
                    stages.before.push(instruction);
                    if let Kind::Arg(declarations) = kind {
                        stages.declare(declarations, settings, dockerfile.escape);
                    }
                }
            }
        }
        for number in 0..stages.list.len() {
            let reads = stages.reads(number);
            stages.list[number].reads = reads;
        }
        stages.target = match &settings.target {
            None => stages.list.len().checked_sub(1),
            Some(target) => stages.find(target, stages.list.len()),
        };
        stages.mark();
        stages
    }

    /// The stage before number `before` that `text` names, by name or number. Of two with the same
    /// name the later counts.
    pub fn find(&self, text: &str, before: usize) -> Option<usize> {
        let before = before.min(self.list.len());
        let by_name = self.list[..before].iter().rposition(|stage| {
            let name = stage.said.name.as_ref();
            name.is_some_and(|name| name.eq_ignore_ascii_case(text))
        });
        by_name.or_else(|| text.parse().ok().filter(|number| *number < before))
    }

    /// The stages that a stage is built upon, the first one first.
    pub fn below(&self, number: usize) -> Vec<&Stage<'a>> {
        let mut chain = self.chain(number);
        chain.pop();
        chain
    }

    /// A stage behind those it is built upon, the first one first.
    pub fn chain(&self, number: usize) -> Vec<&Stage<'a>> {
        let mut chain = vec![&self.list[number]];
        while let Base::Stage(below) = chain[chain.len() - 1].base {
            chain.push(&self.list[below]);
        }
        chain.reverse();
        chain
    }

    fn begin(&mut self, from: &'a Instruction, said: &'a ast::Stage, escape: Escape) {
        let lookup = |name: &str| self.args.get(name).cloned().flatten();
        let base = expand_word(&said.base, escape, &lookup);
        let base = base.unwrap_or_else(|_| said.base.value.clone());
        let number = self.list.len();
        // A number is an image's name here.
        let earlier = self.find(&base, number);
        let base = match earlier.filter(|_| base.parse::<usize>().is_err()) {
            Some(earlier) => Base::Stage(earlier),
            None if base == "scratch" => Base::Scratch,
            None => Base::Image(base),
        };
        self.list.push(Stage {
            number,
            from,
            said,
            base,
            body: Vec::new(),
            reads: Vec::new(),
            needed: false,
            ships: false,
        });
    }

    fn declare(
        &mut self,
        declarations: &[ast::ArgDeclaration],
        settings: &Settings,
        escape: Escape,
    ) {
        for declaration in declarations {
            let name = declaration.name.value.clone();
            let lookup = |name: &str| self.args.get(name).cloned().flatten();
            let default = declaration.default.as_ref();
            let default = default.and_then(|text| expand_word(text, escape, &lookup).ok());
            let value = settings.args.get(&name).cloned().or(default);
            // Declaring a platform's name once more changes nothing.
            if value.is_some() || !self.args.contains_key(&name) {
                self.args.insert(name, value);
            }
        }
    }

    fn reads(&self, number: usize) -> Vec<Read> {
        let stage = &self.list[number];
        let mut reads = Vec::new();
        if let Base::Stage(below) = stage.base {
            reads.push(Read {
                stage: below,
                line: stage.from.start_line,
                how: How::Base,
            });
        }
        for instruction in &stage.body {
            for (name, how) in sources(instruction) {
                reads.extend(self.find(name, number).map(|stage| Read {
                    stage,
                    line: instruction.start_line,
                    how,
                }));
            }
        }
        reads
    }

    /// Marks what the target needs and what its image holds.
    fn mark(&mut self) {
        let Some(target) = self.target else { return };
        let mut seen = BTreeSet::new();
        let mut todo = vec![target];
        while let Some(number) = todo.pop() {
            if seen.insert(number) {
                self.list[number].needed = true;
                todo.extend(self.list[number].reads.iter().map(|read| read.stage));
            }
        }
        let shipped: Vec<_> = self.chain(target).iter().map(|s| s.number).collect();
        for number in shipped {
            self.list[number].ships = true;
        }
    }
}

impl Stage<'_> {
    /// Its name, or `stage-N` when it has none.
    pub fn name(&self) -> String {
        let name = self.said.name.as_ref();
        name.map_or_else(
            || format!("stage-{}", self.number),
            |name| name.value.clone(),
        )
    }
}

/// What an instruction reads files from besides the context: stages, images or named contexts.
pub fn sources(instruction: &Instruction) -> Vec<(&ast::Spanned<String>, How)> {
    match &instruction.kind {
        Kind::Copy(copy) => copy.from.iter().map(|from| (from, How::Copy)).collect(),
        Kind::Run(run) => {
            let options = run.mounts.iter().flat_map(|mount| &mount.options);
            options
                .filter(|option| option.key == "from")
                .filter_map(|option| Some((option.value.as_ref()?, How::Mount)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The names that BuildKit gives to every FROM, with their values.
fn platform_args(platform: &str) -> BTreeMap<String, Option<String>> {
    let mut parts = platform.splitn(3, '/');
    let values = [
        ("OS", parts.next()),
        ("ARCH", parts.next()),
        ("VARIANT", parts.next()),
        ("PLATFORM", Some(platform)),
    ];
    ["TARGET", "BUILD"]
        .iter()
        .flat_map(|prefix| values.map(|(name, value)| (format!("{prefix}{name}"), value)))
        .map(|(name, value)| (name, Some(value.unwrap_or_default().to_owned())))
        .collect()
}

/// A text of an instruction in which the builder expands variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expandable<'a> {
    /// The text as written.
    pub text: &'a str,
    /// Where it stands.
    pub span: crate::diagnostic::Span,
    /// It is the content of a heredoc, where quotes mean nothing.
    pub heredoc: bool,
}

impl Expandable<'_> {
    /// How it is expanded.
    pub fn options(&self, escape: Escape) -> expand::Options {
        expand::Options {
            // BuildKit reads heredocs with a backslash whatever the escape directive says.
            escape: if self.heredoc {
                Escape::Backslash
            } else {
                escape
            },
            ignore_quotes: self.heredoc,
            ..expand::Options::default()
        }
    }
}

/// The texts of an instruction in which variables are expanded, in order. What a RUN, CMD or
/// ENTRYPOINT executes is left to the shell and is not among them; neither is what ONBUILD keeps.
pub fn expandable(instruction: &Instruction) -> Vec<Expandable<'_>> {
    let mut texts: Vec<&ast::Spanned<String>> = Vec::new();
    match &instruction.kind {
        Kind::From(stage) => {
            texts.extend(&stage.platform);
            texts.push(&stage.base);
        }
        Kind::Env(pairs) | Kind::Label(pairs) => {
            texts.extend(pairs.iter().flat_map(|pair| [&pair.key, &pair.value]));
        }
        Kind::Arg(declarations) => {
            texts.extend(declarations.iter().filter_map(|d| d.default.as_ref()));
        }
        Kind::Expose(words) | Kind::Volume(words) => texts.extend(words),
        Kind::User(word) | Kind::Workdir(word) | Kind::Stopsignal(word) => texts.push(word),
        Kind::Run(run) => {
            let options = run.mounts.iter().flat_map(|mount| &mount.options);
            texts.extend(options.filter_map(|option| option.value.as_ref()));
        }
        Kind::Copy(copy) => texts.extend(of_files(&copy.files)),
        Kind::Add(add) => {
            texts.extend(of_files(&add.files));
            texts.extend(&add.checksum);
        }
        _ => {}
    }
    let is_copy = matches!(instruction.kind, Kind::Copy(_) | Kind::Add(_));
    let heredocs = instruction
        .heredocs
        .iter()
        .filter(|heredoc| is_copy && heredoc.expand)
        .map(|heredoc| Expandable {
            text: &heredoc.content,
            span: heredoc.content_span,
            heredoc: true,
        });
    texts
        .into_iter()
        .map(|word| Expandable {
            text: word,
            span: word.span,
            heredoc: false,
        })
        .chain(heredocs)
        .collect()
}

fn of_files(files: &ast::Files) -> Vec<&ast::Spanned<String>> {
    let mut texts: Vec<_> = files.chown.iter().chain(&files.chmod).collect();
    texts.extend(&files.exclude);
    texts.extend(files.sources.iter().filter_map(|source| match source {
        ast::Source::Path(path) => Some(path),
        ast::Source::Heredoc(_) => None,
    }));
    texts.push(&files.destination);
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    #[test]
    fn stages_know_who_needs_them() {
        let check = |source: &str, target: Option<&str>, expected: &str| {
            let parsed = parse(source);
            let settings = Settings {
                target: target.map(str::to_owned),
                ..Settings::default()
            };
            let stages = Stages::of(&parsed.dockerfile, &settings);
            let text: Vec<_> = stages
                .list
                .iter()
                .map(|stage| {
                    let reads: Vec<_> = stage.reads.iter().map(|r| r.stage.to_string()).collect();
                    let needed = if stage.needed { "!" } else { "" };
                    let ships = if stage.ships { "+" } else { "" };
                    format!("{}{needed}{ships}({})", stage.name(), reads.join(" "))
                })
                .collect();
            assert_eq!(text.join(" "), expected, "{source}");
        };
        check("", None, "");
        check("FROM a", None, "stage-0!+()");
        check(
            "FROM a AS b\nFROM b\nFROM 0",
            None,
            "b() stage-1(0) stage-2!+()",
        );
        check(
            "FROM a AS x\nFROM b AS y\nFROM x\nCOPY --from=Y a b\nRUN --mount=from=1,target=/m z",
            None,
            "x!+() y!() stage-2!+(0 1 1)",
        );
        check("FROM a AS x\nFROM b", Some("x"), "x!+() stage-1()");
        check("FROM a AS x\nFROM b", Some("0"), "x!+() stage-1()");
        check("FROM a AS x\nFROM b", Some("none"), "x() stage-1()");
        check(
            "ARG W=x\nFROM a AS x-amd64\nFROM b AS x-arm64\nFROM $W-${TARGETARCH}",
            None,
            "x-amd64!+() x-arm64() stage-2!+(0)",
        );
        check(
            "FROM a AS a\nFROM a AS a\nFROM a",
            None,
            "a!+() a!+(0) stage-2!+(1)",
        );
        check("FROM a AS x\nCOPY --from=x a b", None, "x!+()");
    }

    #[test]
    fn expansion_is_for_some_texts_only() {
        let check = |source: &str, expected: &[&str]| {
            let source = format!("FROM scratch\n{source}");
            let parsed = parse(&source);
            let texts = expandable(&parsed.dockerfile.instructions[1]);
            let got: Vec<_> = texts.iter().map(|t| t.text).collect();
            assert_eq!(got, expected, "{source}");
        };
        check(
            "RUN --mount=type=bind,source=$a,target=/b $c",
            &["bind", "$a", "/b"],
        );
        check("CMD $a", &[]);
        check("ONBUILD WORKDIR $a", &[]);
        check("ENV a=$b c=d", &["a", "$b", "c", "d"]);
        check(
            "COPY --chown=$u --exclude=$e $a $b",
            &["$u", "$e", "$a", "$b"],
        );
        check("COPY <<A <<'B' /c\n$a\nA\n$b\nB", &["/c", "$a\n"]);
        check("ARG a b=$c", &["$c"]);
    }
}

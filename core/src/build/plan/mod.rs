//! The plan of a build: which stages the target needs, and each step with everything expanded.
//!
//! Planning reads no file and runs nothing. What it finds wrong are diagnostics, all of them at
//! once; what it returns is what will be done, so printing it is `--dry-run`.

pub(super) mod addresses;
mod changes;
mod files;
mod run;
mod scope;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::context::{Context, Named};
pub use changes::{ChangeError, change};

use super::copy::CopySpec;
use super::executor::{CacheMount, RunNetwork};
use crate::diagnostic::{Diagnostic, Span, did_you_mean, has_errors};
use crate::digest::Digest;
use crate::dockerfile::{self as ast, Dockerfile, Instruction, Kind};
use crate::image::Image;
use crate::reference::Reference;
use crate::spec::{ImageConfig, Platform};
use crate::tree::Timestamp;
use scope::Scope;

/// What a person asks of a build, besides the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// `--build-arg`, by name.
    pub args: BTreeMap<String, String>,
    /// `--target`: a stage by name or number; `None` is the last one.
    pub target: Option<String>,
    /// The platform to build for.
    pub platform: Platform,
    /// The platform that builds.
    pub build_platform: Platform,
    /// `--label`, by key.
    pub labels: BTreeMap<String, String>,
    /// `--network`: what a RUN that does not say gets.
    pub network: RunNetwork,
    /// `--allow security.insecure`: whether a RUN may run without confinement.
    pub insecure: bool,
    /// The time that copied files and made directories get.
    pub time: Timestamp,
}

/// What will be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The stages that the target needs, in the file's order; the target is the last.
    pub stages: Vec<PlannedStage>,
    /// What should be known although it stops nothing.
    pub warnings: Vec<Diagnostic>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStage {
    /// Its name, or `stage-N` by its number in the file.
    pub name: String,
    /// What it starts from.
    pub base: Base,
    /// The instruction FROM.
    pub span: Span,
    /// The instruction FROM as written.
    pub text: String,
    /// The config that it starts with.
    pub start: ImageConfig,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The config that it ends with.
    pub end: ImageConfig,
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage, by its index in [`Plan::stages`].
    Stage(usize),
    /// The files of a named context.
    Files(Arc<Context>),
    /// An image.
    Image {
        /// As the Dockerfile names it, expanded.
        reference: Reference,
        /// The image.
        image: Box<Image>,
    },
}

/// One instruction, expanded.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The instruction in the source.
    pub span: Span,
    /// The instruction as one line, as written.
    pub text: String,
    /// What the image's history says of it.
    pub created_by: String,
    /// As whom processes run after it, as the config has it.
    pub user: String,
    /// Where they start after it, as the config has it.
    pub working_dir: String,
    /// What is done.
    pub operation: Operation,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Nothing but change the config.
    Metadata,
    /// Make a directory, if it is not there.
    Workdir(String),
    /// Copy files.
    Copy(Box<CopyStep>),
    /// Run a process.
    Run(Box<RunPlan>),
}

/// A COPY or ADD.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyStep {
    /// What to copy where.
    pub spec: CopySpec,
    /// Where the sources stand in the Dockerfile, in the order of `spec.sources`.
    pub source_spans: Vec<Span>,
    /// Where the sources are.
    pub from: CopyFrom,
    /// What is fetched (ADD), and put where the sources go.
    pub addresses: Vec<Address>,
    /// Whether archives among the sources are unpacked (ADD).
    pub unpack: bool,
}

/// A file that is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its http or https address.
    pub url: String,
    /// Where it stands in the Dockerfile.
    pub span: Span,
    /// What it must be.
    pub checksum: Option<Digest>,
    /// Whether an archive is unpacked.
    pub unpack: bool,
}

/// Where the sources of a COPY are.
#[derive(Debug, Clone, PartialEq)]
pub enum CopyFrom {
    /// In the build context.
    Context,
    /// In a context that has a name.
    Named(Arc<Context>),
    /// In an earlier stage, by its index in [`Plan::stages`].
    Stage(usize),
    /// In an image.
    Image(Box<Image>),
}

/// A RUN.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPlan {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The environment: the config's and the build arguments.
    pub env: Vec<String>,
    /// Names in `env` that do not count for the cache, such as proxies.
    pub env_without_key: BTreeSet<String>,
    /// The network.
    pub network: RunNetwork,
    /// Whether it runs without confinement.
    pub insecure: bool,
    /// The script of a heredoc that begins with `#!`: its path and text.
    pub script: Option<(String, String)>,
    /// What is mounted while it runs.
    pub mounts: Vec<MountPlan>,
}

/// A `RUN --mount`, expanded.
#[derive(Debug, Clone, PartialEq)]
pub struct MountPlan {
    /// Where it stands in the Dockerfile.
    pub span: Span,
    /// Where it is mounted, an absolute path; a secret may be a variable only.
    pub target: Option<String>,
    /// What is mounted.
    pub what: Mounted,
}

/// What a `RUN --mount` mounts.
#[derive(Debug, Clone, PartialEq)]
pub enum Mounted {
    /// Files of the context, a stage or an image. What is written there is thrown away.
    Bind {
        /// Where the files are.
        from: CopyFrom,
        /// The file or directory, in there.
        source: String,
        /// Whether the process may write.
        read_only: bool,
    },
    /// A directory that outlives the build and is no part of the layer.
    Cache {
        /// Which, and how it is used.
        cache: CacheMount,
        /// What it holds when it is made, and where in there.
        from: Option<(CopyFrom, String)>,
    },
    /// An SSH agent. Like a secret it is no part of the key.
    Ssh {
        /// Which.
        id: String,
        /// Whether the step fails without it.
        required: bool,
        /// The socket's permission bits.
        mode: u32,
        /// The socket's owner.
        uid: u32,
        /// The socket's group.
        gid: u32,
    },
    /// Memory, of at most this many bytes.
    Tmpfs {
        /// The limit; `None` is the kernel's.
        size: Option<u64>,
    },
    /// A secret. It is no part of the key either: who builds with another one gets the same.
    Secret {
        /// Which.
        id: String,
        /// The variable that holds it, instead of or beside a file.
        env: Option<String>,
        /// Whether the step fails without it.
        required: bool,
        /// The file's permission bits.
        mode: u32,
        /// The file's owner.
        uid: u32,
        /// The file's group.
        gid: u32,
    },
}

/// Why there is no plan.
#[derive(Debug)]
pub enum PlanError {
    /// The Dockerfile cannot be built. At least one of these is an error.
    Source(Vec<Diagnostic>),
    /// `--target` names no stage.
    Target {
        /// What was asked for.
        target: String,
        /// The stages there are.
        stages: Vec<String>,
    },
}

/// Finds an image by reference for a platform. The message says why it cannot be had; what
/// follows its first line are further sentences.
pub type FindImage<'a> = &'a mut dyn FnMut(&Reference, &Platform) -> Result<Image, String>;

/// Plans the build of `dockerfile`. `found` are the parser's diagnostics.
///
/// Planning goes on after an error, also one of the parser's, so that everything that is wrong is
/// said at once: also which sources of COPY are not in `context`.
pub fn plan(
    dockerfile: &Dockerfile,
    found: Vec<Diagnostic>,
    options: &PlanOptions,
    context: &Context,
    find_image: FindImage<'_>,
) -> Result<Plan, PlanError> {
    let mut planner = Planner {
        options,
        context,
        find_image,
        diagnostics: found,
        guesses: false,
        sources: Vec::new(),
        planned: BTreeMap::new(),
        stages: Vec::new(),
        scopes: Vec::new(),
        scope: Scope::global(dockerfile.escape, options),
    };
    planner.read_stages(dockerfile);
    if !planner.sources.is_empty() {
        let target = planner.target()?;
        for number in planner.needed(target) {
            planner.plan_stage(number);
        }
        planner.add_labels();
    }
    let diagnostics = in_order(planner.diagnostics, planner.guesses);
    if has_errors(&diagnostics) {
        return Err(PlanError::Source(diagnostics));
    }
    Ok(Plan {
        stages: planner.stages,
        warnings: diagnostics,
    })
}

/// The diagnostics in the source's order, each place once: what the parser said of a word counts
/// more than what planning says of it later. Where a base image is unknown, nothing can be said
/// about undefined variables, which may come from it.
fn in_order(found: Vec<Diagnostic>, guesses: bool) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::new();
    for diagnostic in found {
        let said = |d: &Diagnostic| d.span == diagnostic.span && d.severity == diagnostic.severity;
        let guessed = guesses && diagnostic.rule == UNDEFINED;
        if !guessed && !kept.iter().any(said) {
            kept.push(diagnostic);
        }
    }
    kept.sort_by_key(|d| d.span.start);
    kept
}

/// The rule for variables without a value.
const UNDEFINED: &str = "UndefinedVar";

/// A stage as the source has it, its base expanded.
struct StageSource<'a> {
    from: &'a Instruction,
    stage: &'a ast::Stage,
    base: String,
    platform: Platform,
    body: Vec<&'a Instruction>,
}

struct Planner<'a> {
    options: &'a PlanOptions,
    context: &'a Context,
    find_image: FindImage<'a>,
    diagnostics: Vec<Diagnostic>,
    /// Whether something is planned on a base image that is not there.
    guesses: bool,
    sources: Vec<StageSource<'a>>,
    /// From a stage's number in the file to its index among the planned ones.
    planned: BTreeMap<usize, usize>,
    stages: Vec<PlannedStage>,
    /// The variables at the end of each planned stage.
    scopes: Vec<Scope>,
    /// The arguments before the first FROM.
    scope: Scope,
}

impl<'a> Planner<'a> {
    fn read_stages(&mut self, dockerfile: &'a Dockerfile) {
        for instruction in &dockerfile.instructions {
            match &instruction.kind {
                Kind::From(stage) => {
                    let base = self
                        .scope
                        .expand(&stage.base, &mut self.diagnostics)
                        .unwrap_or_default();
                    let platform = self.stage_platform(stage);
                    if base.is_empty() {
                        self.diagnostics.push(
                            Diagnostic::error(
                                "EmptyBase",
                                stage.base.span,
                                "the base image's name is empty once its variables are expanded",
                            )
                            .note("give the argument a default: ARG NAME=value before FROM"),
                        );
                    }
                    self.sources.push(StageSource {
                        from: instruction,
                        stage,
                        base,
                        platform,
                        body: Vec::new(),
                    });
                }
                Kind::Arg(declarations) if self.sources.is_empty() => {
                    let scope = &mut self.scope;
                    scope.declare(declarations, None, self.options, &mut self.diagnostics);
                }
                _ => {
                    if let Some(source) = self.sources.last_mut() {
                        source.body.push(instruction);
                    }
                }
            }
        }
    }

    fn stage_platform(&mut self, stage: &ast::Stage) -> Platform {
        let Some(written) = &stage.platform else {
            return self.options.platform.clone();
        };
        let text = self.scope.expand(written, &mut self.diagnostics);
        let parsed = text.as_deref().map(Platform::parse);
        match parsed {
            Some(Some(platform)) => platform,
            Some(None) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        "BadPlatform",
                        written.span,
                        format!("{:?} is not a platform", text.unwrap_or_default()),
                    )
                    .note("a platform is os/architecture, such as linux/amd64 or linux/arm64/v8"),
                );
                self.options.platform.clone()
            }
            None => self.options.platform.clone(),
        }
    }

    fn target(&self) -> Result<usize, PlanError> {
        let Some(target) = &self.options.target else {
            return Ok(self.sources.len().saturating_sub(1));
        };
        self.find_stage(target, self.sources.len())
            .ok_or_else(|| PlanError::Target {
                target: target.clone(),
                stages: self.stage_names(),
            })
    }

    fn stage_names(&self) -> Vec<String> {
        let names = self.sources.iter().enumerate();
        names.map(|(n, source)| source.name(n)).collect()
    }

    /// The stage before number `before` that `text` names. Of two with one name the later counts.
    fn find_stage(&self, text: &str, before: usize) -> Option<usize> {
        let by_name = self.sources[..before].iter().rposition(|source| {
            let name = source.stage.name.as_ref();
            name.is_some_and(|name| name.eq_ignore_ascii_case(text))
        });
        by_name.or_else(|| text.parse().ok().filter(|n| *n < before))
    }

    /// The numbers of the stages that `target` needs, itself last.
    fn needed(&self, target: usize) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut todo = vec![target];
        while let Some(number) = todo.pop() {
            if !needed.insert(number) {
                continue;
            }
            let source = &self.sources[number];
            if self.replaced(number).is_some() {
                continue;
            }
            todo.extend(self.find_base(number));
            for instruction in &source.body {
                for from in sources_of(&instruction.kind) {
                    todo.extend(self.find_stage(from, number));
                }
            }
        }
        needed
    }

    /// What `--build-context` puts in the place of stage `number`.
    fn replaced(&self, number: usize) -> Option<&'a Named> {
        let name = self.sources[number].stage.name.as_ref()?;
        self.context.named(name)
    }

    /// The earlier stage that is the base of stage `number`. A number is an image's name here.
    fn find_base(&self, number: usize) -> Option<usize> {
        let base = &self.sources[number].base;
        let is_number = base.parse::<usize>().is_ok();
        self.find_stage(base, number).filter(|_| !is_number)
    }

    /// `--label` counts as a last instruction of the target.
    fn add_labels(&mut self) {
        let labels = &self.options.labels;
        let Some(target) = self.stages.last_mut().filter(|_| !labels.is_empty()) else {
            return;
        };
        let config = &mut target.end.config;
        config.labels.extend(labels.clone());
        let pairs: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let text = format!("LABEL {}", pairs.join(" "));
        target.steps.push(Step {
            span: target.span,
            created_by: text.clone(),
            text,
            user: config.user.clone(),
            working_dir: config.working_dir.clone(),
            operation: Operation::Metadata,
        });
    }

    /// Finds an image, or says at `span` why there is none.
    fn image(&mut self, name: &str, platform: &Platform, span: Span) -> Option<(Reference, Image)> {
        let reference = match name.parse::<Reference>() {
            Ok(reference) => reference,
            Err(error) => {
                let text = error.to_string();
                self.diagnostics
                    .push(Diagnostic::error("BadReference", span, text));
                return None;
            }
        };
        match (self.find_image)(&reference, platform) {
            Ok(image) => Some((reference, image)),
            Err(message) => {
                let mut lines = message.lines();
                let first = lines.next().unwrap_or_default();
                let mut diagnostic = Diagnostic::error("NoImage", span, first);
                diagnostic.notes.extend(lines.map(str::to_owned));
                let names = self.stage_names();
                if let Some(near) = did_you_mean(name, names.iter().map(String::as_str)) {
                    diagnostic = diagnostic.note(format!("there is a stage called {near}"));
                }
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }
}

/// The stages or images that an instruction takes files from, as they are named.
fn sources_of(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Copy(copy) => copy.from.iter().map(|from| from.as_str()).collect(),
        Kind::Run(run) => {
            let options = run.mounts.iter().flat_map(|mount| &mount.options);
            let from = options.filter(|option| option.key == "from");
            from.filter_map(|option| Some(option.value.as_ref()?.as_str()))
                .collect()
        }
        _ => Vec::new(),
    }
}

impl StageSource<'_> {
    fn name(&self, number: usize) -> String {
        let name = self.stage.name.as_ref();
        name.map_or_else(|| format!("stage-{number}"), |name| name.value.clone())
    }
}

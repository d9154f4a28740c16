//! One stage: every instruction becomes a step, in the light of those before it.

use std::sync::Arc;

use serde_json::json;

use super::run::run_history;
use super::scope::Scope;
use super::{Base, Operation, PlannedStage, Planner, Step};
use crate::build::context::Named;
use crate::diagnostic::{Diagnostic, Span};
use crate::dockerfile::{
    self as ast, CommandLine, Instruction, Kind, Pair, Spanned, parse, values,
};
use crate::path::RootedPath;
use crate::spec::{Healthcheck, ImageConfig, Platform};

/// Where programs are looked for when an image says nothing.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stage under way.
pub(super) struct Stage {
    pub(super) number: usize,
    pub(super) scope: Scope,
    pub(super) config: ImageConfig,
    /// Whether this stage has a CMD of its own: an ENTRYPOINT takes the base image's back.
    own_cmd: bool,
    steps: Vec<Step>,
}

impl Planner<'_> {
    pub(super) fn plan_stage(&mut self, number: usize) {
        let source = &self.sources[number];
        let (name, span) = (source.name(number), source.from.span);
        let text = source.from.original.clone();
        let (base, mut start) = self.base(number).unwrap_or_else(|| {
            self.guesses = true;
            let platform = &self.sources[number].platform;
            (Base::Scratch, ImageConfig::scratch(platform))
        });
        let triggers = std::mem::take(&mut start.config.on_build);
        let mut stage = self.stage(number, start.clone());
        if let Base::Stage(index) = base {
            stage.scope.inherit(&self.scopes[index]);
        }
        self.run_triggers(&mut stage, &triggers, span);
        let body = self.sources[number].body.clone();
        if self.replaced(number).is_none() {
            for instruction in body {
                self.instruction(&mut stage, instruction);
            }
        }
        self.planned.insert(number, self.stages.len());
        self.scopes.push(stage.scope);
        self.stages.push(PlannedStage {
            name,
            base,
            span,
            text,
            start,
            steps: stage.steps,
            end: stage.config,
        });
    }

    /// A stage that begins with `config`.
    pub(super) fn stage(&self, number: usize, config: ImageConfig) -> Stage {
        Stage {
            number,
            scope: self.scope.stage(config.config.env.clone()),
            config,
            own_cmd: false,
            steps: Vec::new(),
        }
    }

    fn base(&mut self, number: usize) -> Option<(Base, ImageConfig)> {
        let source = &self.sources[number];
        let (base, platform) = (source.base.clone(), source.platform.clone());
        let span = source.stage.base.span;
        if let Some(named) = self.replaced(number) {
            let name = source.name(number);
            return self.named_base(named, &name, &platform, span);
        }
        if let Some(earlier) = self.find_base(number) {
            let index = *self.planned.get(&earlier)?;
            let config = self.stages[index].end.clone();
            return Some((Base::Stage(index), config));
        }
        let (base, mut config) = if base == "scratch" {
            let mut config = ImageConfig::scratch(&platform);
            config.config.working_dir.push('/');
            (Base::Scratch, config)
        } else if let Some(named) = self.context.named(&base) {
            return self.named_base(named, &base, &platform, span);
        } else {
            let told = self.diagnostics.len();
            let Some((reference, image)) = self.image(&base, &platform, span) else {
                let order = self.base_below(number, span);
                self.diagnostics.splice(told.., order?);
                return None;
            };
            let config = image.config.value.clone();
            let image = Box::new(image);
            (Base::Image { reference, image }, config)
        };
        with_path(&mut config);
        Some((base, config))
    }

    /// What is wrong with the base of stage `number`, which is no image, if a stage further down or
    /// this very one has its name.
    fn base_below(&self, number: usize, span: Span) -> Option<[Diagnostic; 1]> {
        let base_of = |number: usize| {
            let base = &self.sources[number].base;
            self.find_stage(base, self.sources.len())
                .filter(|_| base.parse::<usize>().is_err())
        };
        let later = base_of(number)?;
        let base = &self.sources[number].base;
        // Whether its base, and the base of that, lead here again.
        let below = std::iter::successors(Some(later), |n| base_of(*n));
        let ring = below.take(self.sources.len()).skip(1).any(|n| n == number);
        let message = if later == number {
            format!("the stage {base} starts from itself")
        } else if ring {
            format!("the stage {base} starts from this one, so that neither can be first")
        } else {
            format!("{base} is a stage further down")
        };
        let diagnostic = Diagnostic::error("StageOrder", span, message)
            .note("a stage starts from an image or from a stage that stands before it")
            .note(format!("there is no image {base} here"));
        Some([diagnostic])
    }

    /// A base that `--build-context` gave the name `name`.
    fn named_base(
        &mut self,
        named: &Named,
        name: &str,
        platform: &Platform,
        span: Span,
    ) -> Option<(Base, ImageConfig)> {
        let (base, mut config) = match named {
            Named::Files(files) => {
                let mut config = ImageConfig::scratch(platform);
                config.config.working_dir.push('/');
                (Base::Files(Arc::clone(files)), config)
            }
            Named::Image(image) => {
                let lower = name.to_ascii_lowercase();
                let Ok(reference) = lower.parse() else {
                    let text = format!("{name:?} is not a reference");
                    self.diagnostics
                        .push(Diagnostic::error("BadReference", span, text));
                    return None;
                };
                let config = image.config.value.clone();
                let image = image.clone();
                (Base::Image { reference, image }, config)
            }
        };
        with_path(&mut config);
        Some((base, config))
    }

    /// Runs what the base image kept by ONBUILD, as if it stood directly after FROM.
    fn run_triggers(&mut self, stage: &mut Stage, triggers: &[String], from: Span) {
        for trigger in triggers {
            let parsed = parse(&format!("FROM scratch\n{trigger}\n"));
            let before = self.diagnostics.len();
            self.diagnostics.extend(parsed.diagnostics);
            stage.scope.at = Some(from);
            for instruction in parsed.dockerfile.instructions.iter().skip(1) {
                self.instruction(stage, instruction);
            }
            stage.scope.at = None;
            // The places are those of the trigger's own text, which nobody sees.
            for diagnostic in &mut self.diagnostics[before..] {
                diagnostic.span = from;
                diagnostic.fix = None;
                let note = format!("in the base image's ONBUILD {trigger}");
                diagnostic.notes.push(note);
            }
        }
    }

    pub(super) fn instruction(&mut self, stage: &mut Stage, instruction: &Instruction) {
        let span = stage.scope.at.unwrap_or(instruction.span);
        let mut created_by = None;
        let mut operation = Operation::Metadata;
        match &instruction.kind {
            Kind::Run(run) => {
                let Some(plan) = self.run(stage, instruction, run) else {
                    return;
                };
                created_by = Some(run_history(stage, &plan));
                operation = Operation::Run(Box::new(plan));
            }
            Kind::Copy(copy) => {
                let Some(step) = self.copy(stage, instruction, copy) else {
                    return;
                };
                operation = Operation::Copy(Box::new(step));
            }
            Kind::Add(add) => {
                let Some(step) = self.add(stage, instruction, add) else {
                    return;
                };
                operation = Operation::Copy(Box::new(step));
            }
            Kind::Workdir(path) => {
                let Some(path) = stage.scope.expand(path, &mut self.diagnostics) else {
                    return;
                };
                let path = absolute(&stage.config.config.working_dir, &path);
                stage.config.config.working_dir.clone_from(&path);
                created_by = Some(format!("WORKDIR {path}"));
                // The root is always there.
                if path != "/" {
                    operation = Operation::Workdir(path);
                }
            }
            Kind::Arg(declarations) => {
                let outer = Some(&self.scope);
                let scope = &mut stage.scope;
                scope.declare(declarations, outer, self.options, &mut self.diagnostics);
            }
            Kind::Env(pairs) => {
                let pairs = self.pairs(&stage.scope, pairs);
                let texts: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
                created_by = Some(format!("ENV {}", texts.join(" ")));
                let env = &mut stage.config.config.env;
                for (key, value) in &pairs {
                    set_env(env, key, value);
                }
                stage.scope.set(&pairs);
            }
            Kind::Label(pairs) => {
                let pairs = self.pairs(&stage.scope, pairs);
                let texts: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
                created_by = Some(format!("LABEL {}", texts.join(" ")));
                stage.config.config.labels.extend(pairs);
            }
            Kind::Invalid | Kind::From(_) => return,
            other => {
                created_by = self.metadata(stage, other);
            }
        }
        let created_by = created_by.unwrap_or_else(|| instruction.original.clone());
        stage.steps.push(Step {
            span,
            text: instruction.original.clone(),
            created_by,
            user: stage.config.config.user.clone(),
            working_dir: stage.config.config.working_dir.clone(),
            operation,
        });
    }

    /// The instructions that say how a container is run. Returns what the history says, where it
    /// is not the instruction as written.
    fn metadata(&mut self, stage: &mut Stage, kind: &Kind) -> Option<String> {
        let (config, scope) = (&mut stage.config.config, &stage.scope);
        match kind {
            Kind::Cmd(command) => {
                config.cmd = command_line(command, &config.shell);
                stage.own_cmd = true;
                return Some(format!("CMD {}", json!(config.cmd)));
            }
            Kind::Entrypoint(command) => {
                config.entrypoint = command_line(command, &config.shell);
                if !stage.own_cmd {
                    config.cmd.clear();
                }
                return Some(format!("ENTRYPOINT {}", json!(config.entrypoint)));
            }
            Kind::Maintainer(name) => stage.config.author = Some(name.value.clone()),
            Kind::Expose(written) => {
                for word in written {
                    for text in scope.expand_words(word, &mut self.diagnostics) {
                        self.expose(config, &text, word.span);
                    }
                }
            }
            Kind::Volume(paths) => {
                for word in paths {
                    let path = scope.expand(word, &mut self.diagnostics)?;
                    config.volumes.insert(path, json!({}));
                }
            }
            Kind::User(user) => {
                config.user = scope.expand(user, &mut self.diagnostics)?;
                return Some(format!("USER {}", config.user));
            }
            Kind::Stopsignal(signal) => {
                let text = scope.expand(signal, &mut self.diagnostics)?;
                if let Err(error) = values::signal(&text) {
                    let text = error.to_string();
                    let diagnostic = Diagnostic::error("BadSignal", signal.span, text);
                    self.diagnostics.push(diagnostic);
                }
                config.stop_signal = text;
            }
            Kind::Healthcheck(check) => config.healthcheck = Some(healthcheck(check)),
            Kind::Onbuild(trigger) => config.on_build.push(trigger.original.clone()),
            Kind::Shell(words) => config.shell = words.iter().map(|w| w.value.clone()).collect(),
            _ => {}
        }
        None
    }

    fn expose(&mut self, config: &mut crate::spec::RunConfig, text: &str, span: Span) {
        match values::ports(text) {
            Ok(ports) => {
                for port in ports.first..=ports.last {
                    let name = format!("{port}/{}", ports.protocol.name());
                    let ports = &mut config.exposed_ports;
                    ports.insert(name, json!({}));
                }
            }
            Err(error) => {
                let text = error.to_string();
                self.diagnostics
                    .push(Diagnostic::error("BadPort", span, text));
            }
        }
    }

    /// Keys and values, expanded. All of them see the variables as they were before.
    fn pairs(&mut self, scope: &Scope, pairs: &[Pair]) -> Vec<(String, String)> {
        let mut expanded = Vec::new();
        for pair in pairs {
            let key = scope.expand(&pair.key, &mut self.diagnostics);
            let value = scope.expand(&pair.value, &mut self.diagnostics);
            expanded.extend(key.zip(value));
        }
        expanded
    }

    pub(super) fn unsupported(&mut self, span: Span, what: &str) {
        self.diagnostics.push(
            Diagnostic::error(
                "NotSupported",
                span,
                format!("{what} is BuildKit's, and Coracle does not have it yet"),
            )
            .note("nothing was built; take the flag away or use another builder for this file"),
        );
    }
}

/// Programs are to be found also where an image does not say in which directories.
fn with_path(config: &mut ImageConfig) {
    let env = &mut config.config.env;
    if !env.iter().any(|e| e.starts_with("PATH=")) {
        env.push(DEFAULT_PATH.to_owned());
    }
}

pub(super) fn absolute(working_dir: &str, path: &str) -> String {
    let base = RootedPath::root().resolve(working_dir);
    base.resolve(path).to_string()
}

pub(super) fn set_env(env: &mut Vec<String>, key: &str, value: &str) {
    let prefix = format!("{key}=");
    let entry = format!("{prefix}{value}");
    match env.iter_mut().find(|e| e.starts_with(&prefix)) {
        Some(there) => *there = entry,
        None => env.push(entry),
    }
}

fn command_line(command: &CommandLine, shell: &[String]) -> Vec<String> {
    match command {
        CommandLine::Exec(words) => words.iter().map(|w| w.value.clone()).collect(),
        CommandLine::Shell(text) => shell_words(shell, text.value.clone()),
    }
}

pub(super) fn shell_words(shell: &[String], text: String) -> Vec<String> {
    let mut words = if shell.is_empty() {
        vec!["/bin/sh".to_owned(), "-c".to_owned()]
    } else {
        shell.to_vec()
    };
    words.push(text);
    words
}

fn healthcheck(check: &ast::Healthcheck) -> Healthcheck {
    let ast::Healthcheck::Command {
        command,
        interval,
        timeout,
        start_period,
        start_interval,
        retries,
    } = check
    else {
        return Healthcheck {
            test: vec!["NONE".to_owned()],
            ..Healthcheck::default()
        };
    };
    let nanos = |duration: &Option<Spanned<std::time::Duration>>| {
        let nanos = duration.as_ref().map_or(0, |d| d.value.as_nanos());
        u64::try_from(nanos).unwrap_or(u64::MAX)
    };
    let test = match command {
        CommandLine::Exec(words) => std::iter::once("CMD".to_owned())
            .chain(words.iter().map(|w| w.value.clone()))
            .collect(),
        // Which shell that is stands in the config, too: it is the one that SHELL names.
        CommandLine::Shell(text) => vec!["CMD-SHELL".to_owned(), text.value.clone()],
    };
    Healthcheck {
        test,
        interval: nanos(interval),
        timeout: nanos(timeout),
        start_period: nanos(start_period),
        start_interval: nanos(start_interval),
        retries: retries.as_ref().map_or(0, |r| u64::from(r.value)),
    }
}

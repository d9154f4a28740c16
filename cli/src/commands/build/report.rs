//! What a build says when it ends: the image, or what is wrong, where, and what to do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use coracle::build::executor::ExecutorError;
use coracle::build::plan::{Base, CopyFrom, Operation, Plan, PlanError, PlannedStage};
use coracle::build::{BuildError, Built};
use coracle::diagnostic::{Diagnostic, Position, Severity, Span, did_you_mean};
use coracle::event::Event;
use coracle::reference::Reference;
use serde_json::{Value, json};

use super::Options;
use super::context::Sources;
use crate::commands::dockerfile_parse::rendered;
use crate::failure::{Failure, OWN_FAILURE};
use crate::output;
use crate::progress;

/// The end of what each step's process wrote, to be shown again when the step fails.
#[derive(Debug, Default)]
pub(super) struct Log {
    steps: BTreeMap<usize, Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// What the step is called.
    name: String,
    /// The end of what it wrote.
    text: String,
}

impl Log {
    /// How much of a step's output is kept, in bytes.
    const MOST: usize = 16 << 10;
    /// How many lines of it are shown again.
    const LINES: usize = 12;

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::StepStarted { step, name, .. } => {
                self.steps.entry(*step).or_default().name.clone_from(name);
            }
            Event::StepOutput { step, text, .. } => {
                let log = &mut self.steps.entry(*step).or_default().text;
                log.push_str(text);
                if log.len() > 2 * Self::MOST {
                    let cut = log.ceil_char_boundary(log.len() - Self::MOST);
                    log.drain(..cut);
                }
            }
            _ => {}
        }
    }

    /// The last lines of what a step has written, under its name, as BuildKit shows them; nothing
    /// of a step that wrote nothing.
    fn tail(&self, step: usize) -> String {
        let Some(said) = self.steps.get(&step).filter(|said| !said.text.is_empty()) else {
            return String::new();
        };
        let lines: Vec<_> = said.text.lines().collect();
        let mut out = format!("------\n > {}:\n", said.name);
        for line in &lines[lines.len().saturating_sub(Self::LINES)..] {
            let _ = writeln!(out, "{line}");
        }
        out + "------\n"
    }
}

/// Shows what happens before the build: the way into a user namespace.
pub(super) fn before(event: &Event, options: &Options) {
    match (event, options.explain.style) {
        (Event::Explain(explanation), Some(style)) => {
            output::note(&progress::explained(explanation, style, output::width()));
        }
        (Event::Warning { message }, _) if !options.quiet => {
            output::note(&output::warning(message));
        }
        _ => {}
    }
}

/// Every problem of a Dockerfile that cannot be built.
pub(super) fn plan_error(error: PlanError, sources: &Sources) -> Failure {
    match error {
        PlanError::Source(diagnostics) => source_error(&diagnostics, sources),
        PlanError::Target { target, stages } => {
            let near = did_you_mean(&target, stages.iter().map(String::as_str))
                .map(|near| format!(" Did you mean {near}?"))
                .unwrap_or_default();
            Failure::new(format!(
                "--target {target}: {} has no such stage",
                sources.name
            ))
            .hint(format!("Its stages are: {}.{near}", stages.join(", ")))
        }
    }
}

fn source_error(diagnostics: &[Diagnostic], sources: &Sources) -> Failure {
    let errors = diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    let problems = if errors == 1 { "a problem" } else { "problems" };
    Failure::new(format!("{} has {problems}:", sources.name)).hint(format!(
        "\n{}",
        rendered(diagnostics, &sources.name, &sources.dockerfile).trim_end()
    ))
}

/// Which step failed, and why, for whoever watches.
pub(super) fn ended(error: &BuildError) -> progress::Ended {
    let step = match error {
        BuildError::Run { step, .. } => Some(*step),
        _ => None,
    };
    let why = error.to_string();
    progress::Ended { step, why }
}

/// Why the build stopped half-way.
pub(super) fn build_error(
    error: BuildError,
    sources: &Sources,
    log: &Log,
    transcript: &Path,
) -> Failure {
    match error {
        BuildError::Source(diagnostic) => source_error(&[*diagnostic], sources),
        BuildError::Run {
            span,
            step: _,
            source: source @ ExecutorError::Interrupted { signal, .. },
        } => {
            let line = Position::of(&sources.dockerfile, span.start).line;
            Failure::new(format!("{}:{line}: {source}", sources.name))
                .hint("What was done before this step is in the cache.")
                .code(u8::try_from(128 + signal).unwrap_or(u8::MAX))
        }
        BuildError::Run { span, step, source } => {
            let code = match &source {
                ExecutorError::Failed { code, .. } => u8::try_from(*code).unwrap_or(1),
                _ => OWN_FAILURE,
            };
            let place = Position::of(&sources.dockerfile, span.start);
            let mut message = format!("{}:{}: {source}\n", sources.name, place.line);
            message.push_str(&log.tail(step));
            message.push_str(&excerpt(sources, span));
            if let ExecutorError::Unsupported(unsupported) = &source {
                let _ = writeln!(message, "{}", super::simulate::hint(unsupported));
            }
            let path = transcript.display();
            let _ = writeln!(message, "The whole output is in {path}");
            Failure::new(message.trim_end()).code(code)
        }
        other => Failure::from(other),
    }
}

/// The lines of the Dockerfile around `span`, those that are meant marked with `>>>`, as BuildKit
/// shows them.
fn excerpt(sources: &Sources, span: Span) -> String {
    const AROUND: usize = 2;
    const RULE: &str = "--------------------\n";
    let source = &sources.dockerfile;
    let first = Position::of(source, span.start).line;
    let last = Position::of(source, span.end.saturating_sub(1).max(span.start)).line;
    let mut out = RULE.to_owned();
    for (number, line) in source.lines().enumerate().map(|(i, line)| (i + 1, line)) {
        if number + AROUND < first || number > last + AROUND {
            continue;
        }
        let mark = if (first..=last).contains(&number) {
            ">>>"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "{}",
            format!("{number:4} | {mark:3} {line}").trim_end()
        );
    }
    out + RULE
}

/// The last lines of a build that went well, as BuildKit shows them.
pub(super) fn done(said: &str) -> String {
    said.lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, " => {line}");
        out
    })
}

/// What `--metadata-file` gets: BuildKit's fields, and each step with its key.
pub(super) fn metadata(built: &Built, tags: &[Reference]) -> Result<Value, Failure> {
    let names: Vec<_> = tags.iter().map(Reference::canonical).collect();
    Ok(json!({
        "containerimage.config.digest": built.image.id(),
        "containerimage.digest": built.image.descriptor.digest,
        "image.name": names.join(","),
        "steps": serde_json::to_value(&built.steps)?,
    }))
}

/// What `--dry-run` prints: each stage and step, and what would be done.
pub(super) fn dry_run(plan: &Plan) -> String {
    let mut out = String::new();
    for stage in &plan.stages {
        let _ = writeln!(out, "stage {}: {}", stage.name, base(stage, plan));
        for step in &stage.steps {
            let what = match &step.operation {
                Operation::Metadata => "changes the config only".to_owned(),
                Operation::Workdir(path) => {
                    format!("makes the directory {path} if it is not there")
                }
                Operation::Run(run) => format!("runs {:?}", run.args),
                Operation::Copy(copy) => {
                    let from = match &copy.from {
                        CopyFrom::Context => "the context".to_owned(),
                        CopyFrom::Named(context) => format!("the context {}", context.name),
                        CopyFrom::Stage(index) => {
                            let name = plan
                                .stages
                                .get(*index)
                                .map_or("an earlier one", |s| s.name.as_str());
                            format!("the stage {name}")
                        }
                        CopyFrom::Image(image) => format!("the image {}", image.id().short()),
                    };
                    let addresses = copy.addresses.iter().map(|address| address.url.as_str());
                    match addresses.collect::<Vec<_>>()[..] {
                        [] => format!("copies from {from}"),
                        ref all if copy.spec.sources.is_empty() => {
                            format!("fetches {}", all.join(" "))
                        }
                        ref all => format!("copies from {from}, and fetches {}", all.join(" ")),
                    }
                }
            };
            let _ = writeln!(out, "  {}\n      {what}", step.text);
        }
    }
    out
}

fn base(stage: &PlannedStage, plan: &Plan) -> String {
    match &stage.base {
        Base::Scratch => "from nothing".to_owned(),
        Base::Files(context) => format!("from the context {}", context.name),
        Base::Stage(index) => {
            let name = plan
                .stages
                .get(*index)
                .map_or("an earlier one", |s| s.name.as_str());
            format!("from the stage {name}")
        }
        Base::Image { reference, image } => {
            format!(
                "from the image {} ({})",
                reference.familiar(),
                image.id().short()
            )
        }
    }
}

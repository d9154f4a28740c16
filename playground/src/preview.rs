//! What a build would do now, while somebody types.
//!
//! The build is a real one, on a store and a cache beside the real ones. What it made last time is
//! kept there, so that a keystroke costs only the steps that it changes; whether a step counts as
//! cached is still told against the real cache.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use coracle::build::cache::{Cache, Entry, MemoryCache};
use coracle::build::executor::ExecutorError;
use coracle::build::key::{CacheKey, KeyParts, Miss};
use coracle::build::plan::{Base, CopyFrom, Operation, Plan, PlanError};
use coracle::build::sim::SimExecutor;
use coracle::build::{BuildError, Built, Host, build};
use coracle::diagnostic::{Diagnostic, Severity, did_you_mean};
use coracle::digest::Digest;
use coracle::dockerfile::{lint, parse};
use coracle::event::Event;
use coracle::image::{Image, StoredLayer};
use coracle::path::RootedPath;
use coracle::reference::Reference;
use coracle::store::memory::MemoryStore;
use coracle::store::{BlobStore, Store, StoreError, TagStore};

use crate::names;
use crate::stack::Stacks;
use crate::state::{Registry, State};
use crate::texts::Units;
use crate::view::{BuildView, OutputView, StepView};
use crate::wanted::Wanted;

/// What previews have made. All of it can be forgotten at any time.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The blobs of previews, and of everything that is here: a preview reads only this.
    pub store: MemoryStore,
    /// What has been read of stacks in it.
    pub stacks: Stacks,
    cache: MemoryCache,
    executor: SimExecutor,
}

/// A preview: what the page draws, and the layers to look closer at.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    /// What the page draws; its image is filled in by whoever knows the other images.
    pub view: BuildView,
    /// The image, if there is one.
    pub image: Option<Image>,
    /// The layers at the end of each stage, lowest first.
    stages: Vec<Vec<StoredLayer>>,
    /// For each of the view's steps, its stage and how many of the stage's layers are there.
    places: Vec<(usize, usize)>,
    /// Lines that copy files of the context, and which.
    taken: Vec<(usize, BTreeSet<RootedPath>)>,
}

impl Preview {
    /// The layers after a step of the view, lowest first.
    pub fn stack(&self, step: usize) -> Option<&[StoredLayer]> {
        let (stage, layers) = *self.places.get(step)?;
        self.stages.get(stage)?.get(..layers)
    }

    /// The lines that copy files of the project, and which.
    pub fn taken(&self) -> &[(usize, BTreeSet<RootedPath>)] {
        &self.taken
    }

    /// What made each layer of a stack of this preview, as far as it is known.
    pub fn made_by(&self, layers: &[StoredLayer]) -> Vec<String> {
        let maker = |(number, layer): (usize, &StoredLayer)| {
            let digest = layer.blob.digest.as_str();
            let steps = self.view.steps.iter();
            let mut made = steps.filter(|s| s.layer.as_ref().is_some_and(|l| l.digest == digest));
            made.next()
                .map_or_else(|| format!("layer {number}"), |step| step.text.clone())
        };
        layers.iter().enumerate().map(maker).collect()
    }

    /// The layers of the last step.
    pub fn layers(&self) -> &[StoredLayer] {
        let last = self.places.len().checked_sub(1);
        last.and_then(|step| self.stack(step)).unwrap_or_default()
    }
}

/// So many results are kept before all are forgotten.
const MOST_RESULTS: usize = 4000;

impl Scratch {
    /// Has the blobs of everything that is here, and not too much besides.
    pub fn follow(&mut self, state: &State) {
        if self.cache.layers().len() > MOST_RESULTS {
            *self = Self::default();
        }
        self.store.share_blobs(&state.store);
        for registry in state.registries.values() {
            self.store.share_blobs(&registry.store);
        }
    }
}

/// Builds what `wanted` says, and keeps nothing of it.
pub fn preview(state: &State, wanted: &Wanted, scratch: &mut Scratch) -> Preview {
    let Some(text) = state.text(&wanted.file) else {
        return Preview {
            view: BuildView {
                error: Some(format!("there is no file {} to build from", wanted.file)),
                ..BuildView::default()
            },
            ..Preview::default()
        };
    };
    scratch.follow(state);
    scratch.executor.pretend.clone_from(&state.pretend);
    let mut builder = Builder {
        state,
        wanted,
        scratch,
        units: Units::of(&text),
        diagnostics: Vec::new(),
        missing: BTreeSet::new(),
    };
    builder.lint(&text);
    let mut preview = builder.build(&text);
    let mut found = std::mem::take(&mut builder.diagnostics);
    found.sort_by_key(|d| (d.span, std::cmp::Reverse(d.severity)));
    found.dedup_by(|a, b| a.span == b.span && (a.rule == b.rule || a.message == b.message));
    preview.view.diagnostics = found.iter().map(|d| builder.units.diagnostic(d)).collect();
    let states = |word| {
        preview
            .view
            .steps
            .iter()
            .filter(|s| s.state == word)
            .count()
    };
    let (cached, missed) = (states("cached"), states("missed"));
    (preview.view.cached, preview.view.missed) = (cached, missed);
    preview
}

struct Builder<'a> {
    state: &'a State,
    wanted: &'a Wanted,
    scratch: &'a mut Scratch,
    units: Units,
    diagnostics: Vec<Diagnostic>,
    /// Base images that are not here but in a registry, which is where a build would pull them.
    missing: BTreeSet<String>,
}

impl Builder<'_> {
    fn lint(&mut self, text: &str) {
        let patterns = self.state.patterns(&self.wanted.file);
        let environment = |name: &str| {
            let image = find(self.state, &name.parse().ok()?).ok()?.0;
            let names = image.config.value.config.env.iter();
            let name = |entry: &String| entry.split('=').next().map(str::to_owned);
            Some(names.filter_map(name).collect())
        };
        let options = lint::Options {
            ignore: patterns.as_ref(),
            environment: &environment,
            check: None,
        };
        let linted = lint::lint(text, &parse(text), &options);
        self.diagnostics.extend(linted.findings);
    }

    /// Builds the text; when something in it is wrong, what stands before that.
    fn build(&mut self, text: &str) -> Preview {
        let mut source = text;
        let mut error = None;
        loop {
            let context = self.state.context(&self.wanted.file, self.wanted.time());
            let (state, missing) = (self.state, &mut self.missing);
            let mut look = |reference: &Reference, _: &_| {
                let (image, is_here) = find(state, reference)?;
                if !is_here {
                    missing.insert(reference.canonical());
                }
                Ok(image)
            };
            let planned = self.wanted.plan(source, &context, &mut look);
            let found = match planned {
                Ok(plan) => {
                    let mut preview = self.perform(source, &plan, &context);
                    preview.view.error = error.or(preview.view.error);
                    if preview.view.error.is_some() {
                        preview.image = None;
                    }
                    return preview;
                }
                Err(PlanError::Target { target, stages }) => {
                    return failed(format!(
                        "there is no stage {target}; there is {}",
                        stages.join(", ")
                    ));
                }
                Err(PlanError::Source(found)) => found,
            };
            let first = found
                .iter()
                .find(|d| d.severity == Severity::Error)
                .cloned();
            self.diagnostics.extend(found);
            let Some(first) = first else {
                return failed("the Dockerfile cannot be built".to_owned());
            };
            if error.is_none() {
                let line = self.units.line(first.span.start);
                error = Some(format!("line {line}: {}", first.message));
            }
            let shorter = before(source, first.span.start);
            if shorter.is_empty() {
                return failed(error.unwrap_or_default());
            }
            source = &source[..shorter.len()];
        }
    }

    fn perform(
        &mut self,
        source: &str,
        plan: &Plan,
        context: &coracle::build::context::Context,
    ) -> Preview {
        let told = Told {
            real: &self.state.cache,
            store: &self.state.store,
            made: &self.scratch.cache,
            verdict: Mutex::new(None),
        };
        let store: Arc<dyn Store> = Arc::new(self.scratch.store.clone());
        let nothing = BTreeMap::new();
        let no_agents = BTreeMap::new();
        let host = Host {
            store,
            cache: &told,
            executor: &self.scratch.executor,
            context,
            secrets: &nothing,
            agents: &no_agents,
            fetch: None,
        };
        let options = self.wanted.build_options(self.state);
        let mut steps = self.steps(source, plan);
        let mut preview = Preview::default();
        let numbers = numbers(plan);
        let mut happened = Vec::new();
        let built = build(plan, &host, &options, &mut |event| {
            let verdict = match &event {
                Event::StepFinished { .. } => told.take(),
                _ => None,
            };
            happened.push((event, verdict));
        });
        let mut made: BTreeMap<usize, Digest> = BTreeMap::new();
        for (event, verdict) in happened {
            let (step, verdict) = (step_of(&event), verdict);
            if let Some((index, Verdict { files, .. })) = step
                .and_then(|step| numbers.iter().position(|n| *n == step))
                .zip(verdict.as_ref())
                && copies_context(plan, index)
            {
                let paths = files.iter().filter_map(|path| RootedPath::parse(path).ok());
                preview.taken.push((steps[index].line, paths.collect()));
            }
            note(
                &mut steps,
                &numbers,
                &mut made,
                event,
                verdict.map(|v| v.why),
            );
        }
        match built {
            Ok(Built { image, .. }) => preview.image = Some(image),
            Err(error) => self.fail(&mut steps, &numbers, &mut preview.view, error),
        }
        self.stacks(plan, &made, &mut preview);
        self.show_layers(&mut steps, &preview, &made);
        preview.view.steps = steps;
        preview
    }

    /// The steps of a plan before anything has happened.
    fn steps(&self, source: &str, plan: &Plan) -> Vec<StepView> {
        let mut steps = Vec::new();
        let mut step = |stage: &str, span: coracle::diagnostic::Span, text: &str, makes| {
            let source = source
                .get(span.start..span.end)
                .map_or(span.end, |s| span.start + s.trim_end().len());
            steps.push(StepView {
                stage: stage.to_owned(),
                from: self.units.at(span.start),
                to: self.units.at(source),
                line: self.units.line(span.start),
                text: text.to_owned(),
                makes,
                state: if makes == "metadata" {
                    "none"
                } else {
                    "unreached"
                },
                why: Vec::new(),
                output: Vec::new(),
                layer: None,
                unsupported: None,
            });
        };
        for stage in &plan.stages {
            step(&stage.name, stage.span, &stage.text, "base");
            for planned in &stage.steps {
                let makes = match planned.operation {
                    Operation::Metadata => "metadata",
                    _ => "layer",
                };
                step(&stage.name, planned.span, &planned.text, makes);
            }
        }
        let mut at = 0;
        for stage in &plan.stages {
            let base = &mut steps[at];
            (base.state, base.why) = match &stage.base {
                Base::Image { reference, .. } if self.missing.contains(&reference.canonical()) => (
                    "missed",
                    vec![format!(
                        "{} is not here, so it is pulled",
                        reference.familiar()
                    )],
                ),
                Base::Image { .. } => ("cached", Vec::new()),
                Base::Scratch | Base::Stage(_) | Base::Files(_) => ("none", Vec::new()),
            };
            at += 1 + stage.steps.len();
        }
        steps
    }

    fn fail(
        &mut self,
        steps: &mut [StepView],
        numbers: &[usize],
        view: &mut BuildView,
        error: BuildError,
    ) {
        let message = error.to_string();
        match error {
            BuildError::Source(diagnostic) => {
                let at = self.units.at(diagnostic.span.start);
                if let Some(step) = steps.iter_mut().find(|s| s.from <= at && at < s.to) {
                    step.state = "failed";
                    step.why = vec![message.clone()];
                }
                self.diagnostics.push(*diagnostic);
            }
            BuildError::Run { step, source, span } => {
                if let Some(step) = numbers
                    .iter()
                    .position(|n| *n == step)
                    .map(|i| &mut steps[i])
                {
                    step.state = "failed";
                    step.why = vec![message.clone()];
                    if let ExecutorError::Unsupported(unsupported) = &source {
                        step.unsupported.clone_from(&unsupported.command);
                    }
                }
                self.diagnostics
                    .push(Diagnostic::error("RunFailed", span, message.clone()));
            }
            _ => {}
        }
        view.error = Some(message);
    }

    /// Fills in the stack of layers after each step.
    fn stacks(&self, plan: &Plan, made: &BTreeMap<usize, Digest>, preview: &mut Preview) {
        let known = self.scratch.cache.layers().into_iter();
        let by_digest: BTreeMap<Digest, StoredLayer> = known
            .chain(self.state.cache.layers())
            .map(|layer| (layer.blob.digest.clone(), layer))
            .collect();
        for (number, stage) in plan.stages.iter().enumerate() {
            let mut layers = match &stage.base {
                Base::Image { image, .. } => image.layers(),
                Base::Stage(earlier) => preview.stages[*earlier].clone(),
                Base::Scratch | Base::Files(_) => Vec::new(),
            };
            preview.places.push((number, layers.len()));
            for _ in &stage.steps {
                let layer = made.get(&preview.places.len());
                layers.extend(layer.and_then(|digest| by_digest.get(digest)).cloned());
                preview.places.push((number, layers.len()));
            }
            preview.stages.push(layers);
        }
    }

    fn show_layers(
        &mut self,
        steps: &mut [StepView],
        preview: &Preview,
        made: &BTreeMap<usize, Digest>,
    ) {
        let Scratch { store, stacks, .. } = self.scratch;
        let views: Vec<_> = preview
            .stages
            .iter()
            .map(|layers| stacks.views(store, layers).unwrap_or_default())
            .collect();
        for index in made.keys() {
            let (stage, layers) = preview.places[*index];
            let top = layers.checked_sub(1);
            steps[*index].layer = top.and_then(|top| views[stage].get(top)).cloned();
        }
    }
}

/// The number that the build gives to each step of the view; 0 for what it does not number.
fn numbers(plan: &Plan) -> Vec<usize> {
    let mut next = 0;
    let mut numbers = Vec::new();
    for stage in &plan.stages {
        next += 1;
        numbers.push(next);
        for step in &stage.steps {
            let visible = step.operation != Operation::Metadata;
            next += usize::from(visible);
            numbers.push(if visible { next } else { 0 });
        }
    }
    numbers
}

/// The step that an event is about, if it is its end.
fn step_of(event: &Event) -> Option<usize> {
    match event {
        Event::StepFinished { step, .. } => Some(*step),
        _ => None,
    }
}

/// Whether a step of the view copies files of the project.
fn copies_context(plan: &Plan, index: usize) -> bool {
    let steps = plan.stages.iter().flat_map(|stage| {
        let steps = stage.steps.iter().map(|step| Some(&step.operation));
        std::iter::once(None).chain(steps)
    });
    let operation = { steps }.nth(index).flatten();
    matches!(operation, Some(Operation::Copy(copy)) if copy.from == CopyFrom::Context)
}

/// Writes down what happened to a step.
fn note(
    steps: &mut [StepView],
    numbers: &[usize],
    made: &mut BTreeMap<usize, Digest>,
    event: Event,
    verdict: Option<Vec<Miss>>,
) {
    let index = |step: usize| numbers.iter().position(|n| *n == step);
    match event {
        Event::StepMissed { step, why } => {
            if let Some(step) = index(step).map(|i| &mut steps[i]) {
                step.why = why;
            }
        }
        Event::StepOutput { step, stream, text } => {
            if let Some(step) = index(step).map(|i| &mut steps[i]) {
                step.output.push(OutputView { stream, text });
            }
        }
        Event::StepFinished { step, layer } => {
            let Some(index) = index(step) else { return };
            if let Some(why) = verdict {
                steps[index].state = if why.is_empty() { "cached" } else { "missed" };
                steps[index].why = why.iter().map(Miss::to_string).collect();
            }
            if let Some((digest, _)) = layer {
                made.insert(index, digest);
            }
        }
        _ => {}
    }
}

fn failed(error: String) -> Preview {
    Preview {
        view: BuildView {
            error: Some(error),
            ..BuildView::default()
        },
        ..Preview::default()
    }
}

/// The text up to the instruction in which `offset` is.
fn before(source: &str, offset: usize) -> &str {
    let parsed = parse(source);
    let instructions = parsed.dockerfile.instructions.iter();
    let starts = instructions.map(|i| i.span.start);
    let start = starts.rev().find(|start| *start <= offset);
    &source[..start.unwrap_or(0)]
}

/// An image by reference, and whether it is here; otherwise a registry of this tab has it.
pub fn find(state: &State, reference: &Reference) -> Result<(Image, bool), String> {
    if let Some(image) = names::tagged(&state.store, reference) {
        return Ok((image, true));
    }
    let host = reference.repository.registry();
    let Some(registry) = state.registries.get(host) else {
        let hosts: Vec<_> = state.registries.keys().map(String::as_str).collect();
        return Err(format!(
            "{}: there is no registry {host} in this tab, only {}",
            reference.familiar(),
            hosts.join(" and ")
        ));
    };
    match names::shelved(&registry.store, reference) {
        Some(image) => Ok((image, false)),
        None => Err(unknown(host, registry, reference)),
    }
}

/// Says of an image that nobody has it, and what the registry has instead.
fn unknown(host: &str, registry: &Registry, reference: &Reference) -> String {
    let tags = registry.store.tags().unwrap_or_default().into_iter();
    let names = tags.filter_map(|(name, _)| name.strip_prefix("localhost/").map(str::to_owned));
    let names: Vec<String> = names
        .map(|name| name.trim_start_matches("library/").to_owned())
        .collect();
    let near = did_you_mean(&reference.familiar(), names.iter().map(String::as_str));
    let there = match near {
        Some(near) => format!("did you mean {near}?"),
        None if names.is_empty() => "it has nothing yet".to_owned(),
        None => format!("it has {}", names.join(", ")),
    };
    format!(
        "{} is not here, and the {host} of this tab does not have it; {there}",
        reference.familiar()
    )
}

/// The cache of a preview: finds what previews made, and tells what the real cache would say.
struct Told<'a> {
    real: &'a MemoryCache,
    store: &'a MemoryStore,
    made: &'a MemoryCache,
    /// Of the step that was remembered last.
    verdict: Mutex<Option<Verdict>>,
}

/// What the real cache says of a step.
struct Verdict {
    /// Why it does not have it; empty if it does.
    why: Vec<Miss>,
    /// The files that the step reads.
    files: Vec<String>,
}

impl Told<'_> {
    fn take(&self) -> Option<Verdict> {
        self.verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn why(&self, place: &str, parts: &KeyParts) -> Result<Vec<Miss>, StoreError> {
        match self.real.get(&parts.key())? {
            Some(entry) => {
                let there = self.store.size(&entry.layer.blob.digest)?.is_some();
                Ok(if there { Vec::new() } else { vec![Miss::Lost] })
            }
            None => Ok(parts.compare(self.real.last(place)?.as_ref())),
        }
    }
}

impl Cache for Told<'_> {
    fn get(&self, key: &CacheKey) -> Result<Option<Entry>, StoreError> {
        match self.made.get(key)? {
            Some(entry) => Ok(Some(entry)),
            None => self.real.get(key),
        }
    }

    fn put(&self, key: &CacheKey, entry: &Entry) -> Result<(), StoreError> {
        self.made.put(key, entry)
    }

    fn last(&self, place: &str) -> Result<Option<KeyParts>, StoreError> {
        self.real.last(place)
    }

    fn remember(&self, place: &str, parts: &KeyParts) -> Result<(), StoreError> {
        let verdict = Verdict {
            why: self.why(place, parts)?,
            files: parts.files.keys().cloned().collect(),
        };
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        Ok(())
    }
}

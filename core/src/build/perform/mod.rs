//! Carrying out a plan: stage by stage, step by step.

mod ahead;
mod fetch;
mod inputs;
mod make;
mod parts;
mod shared;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::cache::Entry;
use super::carry;
use super::key::{CacheKey, KeyParts, Miss};
use super::plan::{Base, CopyFrom, Mounted, Operation, Plan, PlannedStage};
use super::{BuildError, BuildOptions, Built, Host, StepReport};
use crate::digest::ChainId;
use crate::event::Event;
use crate::image::{Draft, ImageError, StoredLayer, gather_layer, skim_layer, store_layer};
use crate::layer::{Layer, apply, diff};
use crate::spec::History;
use crate::tree::{Timestamp, Tree};
use inputs::Inputs;
use shared::{Finished, Shared};

pub(super) fn perform(
    plan: &Plan,
    host: &Host<'_>,
    options: &BuildOptions,
    on: &mut (dyn FnMut(Event) + Send),
) -> Result<Built, BuildError> {
    // Nobody collects blobs that are made here and not yet named.
    let _hold = host.store.hold()?;
    let shared = Shared::new(plan, host, options, on);
    let sources = ahead::sources(plan);
    if options.jobs <= 1 || (plan.stages.len() <= 1 && sources.is_empty()) {
        shared.work();
    } else {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..options.jobs.min(sources.len()) {
                scope.spawn(|| ahead::read(&shared, &sources, &next));
            }
            for _ in 0..options.jobs.min(plan.stages.len()) {
                scope.spawn(|| shared.work());
            }
        });
    }
    let mut stages = shared.end()?;
    let last = stages.pop().unwrap_or_else(|| Finished {
        draft: Draft {
            config: crate::spec::ImageConfig::scratch(&crate::spec::Platform::linux("amd64")),
            layers: Vec::new(),
        },
        reports: Vec::new(),
    });
    let mut steps: Vec<_> = stages.into_iter().flat_map(|stage| stage.reports).collect();
    steps.extend(last.reports);
    let mut draft = last.draft;
    // What a base image says of its own layers is not this image's word.
    draft.config.extra.remove(carry::INLINE);
    if options.inline_cache {
        let steps = carry::inline(&steps, &draft.layers);
        draft.config.extra.insert(carry::INLINE.to_owned(), steps);
    }
    let image = draft.commit(host.store.as_ref())?;
    Ok(Built { image, steps })
}

/// How many steps of a stage people see: those that make layers.
fn visible(stage: &PlannedStage) -> usize {
    let steps = stage.steps.iter();
    steps.filter(|s| s.operation != Operation::Metadata).count()
}

/// One stage under way.
struct Performer<'s, 'a> {
    shared: &'s Shared<'a>,
    plan: &'a Plan,
    host: &'a Host<'a>,
    options: &'a BuildOptions,
    /// The number of the step that people see now, from 1.
    number: usize,
    reports: Vec<StepReport>,
    /// The platform that the stage is built for.
    platform: String,
    /// The chain ID of the layers so far.
    chain: Option<ChainId>,
    /// What the first so many of the layers make, once a step wanted to know.
    onto: Option<(usize, Arc<Tree>)>,
}

impl<'a> Performer<'_, 'a> {
    fn stage(&mut self, index: usize) -> Result<Draft, BuildError> {
        let plan = self.plan;
        let stage = &plan.stages[index];
        let before = plan.stages[..index].iter();
        self.number = 1 + before.map(|s| 1 + visible(s)).sum::<usize>();
        let of = plan.stages.iter().map(|s| 1 + visible(s)).sum();
        if let Base::Stage(earlier) = stage.base {
            self.finished(earlier)?;
        }
        let name = self.step_name(stage, 1, &stage.text);
        self.report(Event::StepStarted {
            step: self.number,
            of,
            name,
        });
        let mut draft = match &stage.base {
            Base::Scratch => Draft {
                config: stage.start.clone(),
                layers: Vec::new(),
            },
            Base::Stage(earlier) => self.finished(*earlier)?,
            Base::Files(context) => self.of_files(stage, &context.tree)?,
            Base::Image { image, .. } => Draft::from_image(image),
        };
        self.report(Event::StepFinished {
            step: self.number,
            layer: None,
        });
        // The history grows step by step here; everything else comes from the plan.
        self.chain = chain_id(&draft.layers);
        let mut history = std::mem::take(&mut draft.config.history);
        let mut created = draft.config.created.take();
        let mut seen = 1;
        draft.config = stage.end.clone();
        self.platform = draft.config.platform().to_string();
        for (place, step) in stage.steps.iter().enumerate() {
            let line = History {
                created_by: Some(step.created_by.clone()),
                comment: Some("coracle".to_owned()),
                ..History::default()
            };
            if step.operation == Operation::Metadata {
                history.push(History {
                    created: Some(self.time(None)),
                    empty_layer: true,
                    ..line
                });
                continue;
            }
            seen += 1;
            self.number += 1;
            // A step begins when all that it needs is there.
            for earlier in stages_of(&step.operation) {
                self.finished(earlier)?;
            }
            let name = self.step_name(stage, seen, &step.text);
            let step = self.number;
            self.report(Event::StepStarted { step, of, name });
            let entry = self.step(stage, place, &draft)?;
            self.report(Event::StepFinished {
                step,
                layer: Some((entry.layer.blob.digest.clone(), entry.layer.blob.size)),
            });
            let time = self.time(entry.finished.as_deref());
            if entry.finished.is_some() {
                created = created.max(Some(time.clone()));
            }
            history.push(History {
                created: Some(time),
                ..line
            });
            self.chain = Some(ChainId::on(self.chain.as_ref(), &entry.layer.diff_id));
            draft.layers.push(entry.layer);
        }
        draft.config.history = history;
        draft.config.created = match self.options.source_date_epoch {
            Some(_) => Some(self.time(None)),
            None => created.or_else(|| Some(self.time(None))),
        };
        Ok(draft)
    }

    /// A stage that starts with the files of a context.
    fn of_files(&self, stage: &PlannedStage, tree: &Tree) -> Result<Draft, BuildError> {
        let mut draft = Draft {
            config: stage.start.clone(),
            layers: Vec::new(),
        };
        let layer = diff(&Tree::new(), tree);
        let line = History {
            created: Some(self.time(None)),
            created_by: Some(stage.text.clone()),
            comment: Some("coracle".to_owned()),
            ..History::default()
        };
        draft.push(store_layer(self.host.store.as_ref(), &layer)?, line);
        Ok(draft)
    }

    /// The time that a line of history bears. What a process made bears the time at which it
    /// ran; everything else is the same whenever it is built, and says so by bearing none.
    fn time(&self, finished: Option<&str>) -> String {
        match (self.options.source_date_epoch, finished) {
            (Some(seconds), _) => Timestamp { seconds, nanos: 0 }.rfc3339(),
            (None, Some(finished)) => finished.to_owned(),
            (None, None) => Timestamp::default().rfc3339(),
        }
    }

    fn step_name(&self, stage: &PlannedStage, number: usize, text: &str) -> String {
        let of = 1 + visible(stage);
        if self.plan.stages.len() == 1 {
            return format!("[{number}/{of}] {text}");
        }
        format!("[{} {number}/{of}] {text}", stage.name)
    }

    fn report(&self, event: Event) {
        self.shared.report(event);
    }

    /// The result of an earlier stage, which is waited for.
    fn finished(&self, index: usize) -> Result<Draft, BuildError> {
        self.shared.finished(index).ok_or(BuildError::Stopped)
    }

    /// Finds the step's result in the cache or makes it.
    fn step(
        &mut self,
        stage: &'a PlannedStage,
        place: usize,
        draft: &Draft,
    ) -> Result<Entry, BuildError> {
        let step = &stage.steps[place];
        let number = self.number;
        let ended = |source| BuildError::Run {
            step: number,
            span: step.span,
            source,
        };
        self.host.executor.check().map_err(ended)?;
        let inputs = self.inputs(step)?;
        let parts = self.key_parts(step, &inputs)?;
        let key = parts.key();
        let place = format!("{}\n{}\n{place}", self.options.place, stage.name);
        let fresh = self.options.no_cache
            || self
                .options
                .no_cache_stages
                .contains(&stage.name.to_ascii_lowercase());
        // Who must run anyway need not wait to see whether somebody else has run.
        let _claim = (!fresh).then(|| self.shared.claim(&key));
        let (found, why) = if fresh {
            (None, vec![Miss::Disabled])
        } else {
            self.look_up(&key, &parts, &place)?
        };
        let cached = found.is_some();
        let entry = if let Some(entry) = found {
            self.report(Event::StepCached {
                step: self.number,
                key: key.0.clone(),
            });
            entry
        } else {
            self.report(Event::StepMissed {
                step: self.number,
                why: why.iter().map(Miss::to_string).collect(),
            });
            let entry = self.make(step, draft, inputs)?;
            self.host.cache.put(&key, &entry)?;
            entry
        };
        // Only now: a step that failed left nothing to compare with.
        self.host.cache.remember(&place, &parts)?;
        self.reports.push(StepReport {
            stage: stage.name.clone(),
            instruction: step.text.clone(),
            key,
            cached,
            why,
            layer: entry.layer.blob.digest.clone(),
            finished: entry.finished.clone(),
        });
        Ok(entry)
    }

    fn look_up(
        &self,
        key: &CacheKey,
        parts: &KeyParts,
        place: &str,
    ) -> Result<(Option<Entry>, Vec<Miss>), BuildError> {
        let cache = self.host.cache;
        if let Some(entry) = cache.get(key)? {
            let blob = &entry.layer.blob;
            if self.host.store.size(&blob.digest)? == Some(blob.size) {
                return Ok((Some(entry), Vec::new()));
            }
            return Ok((None, vec![Miss::Lost]));
        }
        Ok((None, parts.compare(cache.last(place)?.as_ref())))
    }

    /// The file system that the next step changes. What is in its files is not read, and only
    /// the newest state is kept: a build of many steps has many of them.
    fn onto(&mut self, layers: &[StoredLayer]) -> Result<Arc<Tree>, BuildError> {
        let none = || (0, Arc::new(Tree::new()));
        let (done, mut tree) = self.onto.take().unwrap_or_else(none);
        for stored in &layers[done..] {
            let layer = skim_layer(&self.host.store, stored, self.options.bounds)?;
            lay(Arc::make_mut(&mut tree), stored, &layer)?;
        }
        self.onto = Some((layers.len(), Arc::clone(&tree)));
        Ok(tree)
    }

    /// The tree of a stack that files are taken from, checked, and read from the store once.
    fn tree(&self, layers: &[StoredLayer]) -> Result<Tree, BuildError> {
        let id = chain_id(layers);
        if let Some(tree) = self.shared.known_tree(id.as_ref()) {
            return Ok(tree);
        }
        let mut tree = Tree::new();
        for stored in layers {
            let layer = gather_layer(&self.host.store, stored, self.options.bounds)?;
            lay(&mut tree, stored, &layer)?;
        }
        self.shared.keep_tree(id, &tree);
        Ok(tree)
    }
}

fn lay(tree: &mut Tree, stored: &StoredLayer, layer: &Layer) -> Result<(), ImageError> {
    apply(tree, layer).map_err(|source| ImageError::Apply {
        digest: stored.blob.digest.clone(),
        source,
    })
}

/// The stages that a step takes files from.
fn stages_of(operation: &Operation) -> Vec<usize> {
    let stage = |from: &CopyFrom| match from {
        CopyFrom::Stage(index) => Some(*index),
        _ => None,
    };
    match operation {
        Operation::Copy(copy) => stage(&copy.from).into_iter().collect(),
        Operation::Run(run) => {
            let mounts = run.mounts.iter().filter_map(|mount| match &mount.what {
                Mounted::Bind { from, .. }
                | Mounted::Cache {
                    from: Some((from, _)),
                    ..
                } => stage(from),
                _ => None,
            });
            mounts.collect()
        }
        Operation::Metadata | Operation::Workdir(_) => Vec::new(),
    }
}

fn chain_id(layers: &[StoredLayer]) -> Option<ChainId> {
    ChainId::of_stack(layers.iter().map(|layer| &layer.diff_id))
}

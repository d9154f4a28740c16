//! Carrying out a plan: stage by stage, step by step.

use std::collections::BTreeMap;
use std::io;

use super::cache::Entry;
use super::copy::{self, CopyError, CopySpec, Picked};
use super::executor::{ExecutorError, RunStep, Script};
use super::key::{CacheKey, KeyParts, Miss};
use super::plan::{Base, CopyFrom, CopyStep, Operation, Plan, PlannedStage, RunPlan, Step};
use super::{BuildError, BuildOptions, Built, Host, StepReport};
use crate::diagnostic::{Diagnostic, Span};
use crate::digest::ChainId;
use crate::event::Event;
use crate::image::{self, Draft, StoredLayer, gather_layer};
use crate::layer::{Layer, apply, compress, tar};
use crate::spec::{Descriptor, History, media};
use crate::store::StoreError;
use crate::tree::{Content, Kind, Timestamp, Tree};

pub(super) fn perform(
    plan: &Plan,
    host: &Host<'_>,
    options: &BuildOptions,
    on: &mut dyn FnMut(Event),
) -> Result<Built, BuildError> {
    // Nobody collects blobs that are made here and not yet named.
    let _hold = host.store.hold()?;
    let mut performer = Performer {
        plan,
        host,
        options,
        on,
        number: 0,
        of: plan.stages.iter().map(|s| 1 + visible(s)).sum(),
        finished: Vec::new(),
        trees: BTreeMap::new(),
        reports: Vec::new(),
    };
    for index in 0..plan.stages.len() {
        performer.stage(index)?;
    }
    let draft = performer.finished.pop().unwrap_or_else(|| Draft {
        config: crate::spec::ImageConfig::scratch(&crate::spec::Platform::linux("amd64")),
        layers: Vec::new(),
    });
    let image = draft.commit(host.store.as_ref())?;
    Ok(Built {
        image,
        steps: performer.reports,
    })
}

/// How many steps of a stage people see: those that make layers.
fn visible(stage: &PlannedStage) -> usize {
    let steps = stage.steps.iter();
    steps.filter(|s| s.operation != Operation::Metadata).count()
}

struct Performer<'a> {
    plan: &'a Plan,
    host: &'a Host<'a>,
    options: &'a BuildOptions,
    on: &'a mut dyn FnMut(Event),
    /// The number of the step that people see now, from 1.
    number: usize,
    of: usize,
    /// The stages that are done.
    finished: Vec<Draft>,
    /// Trees that were needed, by chain ID, so that each layer is read once at most.
    trees: BTreeMap<Option<ChainId>, Tree>,
    reports: Vec<StepReport>,
}

impl Performer<'_> {
    fn stage(&mut self, index: usize) -> Result<(), BuildError> {
        let stage = &self.plan.stages[index];
        self.number += 1;
        let name = self.step_name(stage, 1, &stage.text);
        self.report(Event::StepStarted {
            step: self.number,
            of: self.of,
            name,
        });
        let mut draft = match &stage.base {
            Base::Scratch => Draft {
                config: stage.start.clone(),
                layers: Vec::new(),
            },
            Base::Stage(earlier) => self.finished[*earlier].clone(),
            Base::Image { image, .. } => Draft::from_image(image),
        };
        self.report(Event::StepFinished {
            step: self.number,
            layer: None,
        });
        // The history grows step by step here; everything else comes from the plan.
        let mut history = std::mem::take(&mut draft.config.history);
        let mut created = draft.config.created.take();
        let mut seen = 1;
        draft.config = stage.start.clone();
        for (place, step) in stage.steps.iter().enumerate() {
            draft.config = step.config.clone();
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
            let name = self.step_name(stage, seen, &step.text);
            let (step, of) = (self.number, self.of);
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
            draft.layers.push(entry.layer);
        }
        draft.config.history = history;
        draft.config.created = match self.options.source_date_epoch {
            Some(_) => Some(self.time(None)),
            None => created.or_else(|| Some(self.time(None))),
        };
        self.finished.push(draft);
        Ok(())
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

    fn report(&mut self, event: Event) {
        (self.on)(event);
    }

    /// Finds the step's result in the cache or makes it.
    fn step(
        &mut self,
        stage: &PlannedStage,
        place: usize,
        draft: &Draft,
    ) -> Result<Entry, BuildError> {
        let step = &stage.steps[place];
        let picked = self.picked(step)?;
        let parts = self.key_parts(step, draft, picked.as_ref())?;
        let key = parts.key();
        let place = format!("{}\n{}\n{place}", self.options.place, stage.name);
        let (found, why) = self.look_up(&key, &parts, &place)?;
        self.host.cache.remember(&place, &parts)?;
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
            let entry = self.make(step, draft, picked)?;
            self.host.cache.put(&key, &entry)?;
            entry
        };
        self.reports.push(StepReport {
            stage: stage.name.clone(),
            instruction: step.text.clone(),
            key,
            cached,
            why,
            layer: entry.layer.blob.digest.clone(),
        });
        Ok(entry)
    }

    fn look_up(
        &self,
        key: &CacheKey,
        parts: &KeyParts,
        place: &str,
    ) -> Result<(Option<Entry>, Vec<Miss>), BuildError> {
        if self.options.no_cache {
            return Ok((None, vec![Miss::Disabled]));
        }
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

    /// What a COPY takes, and from which tree; nothing for other steps.
    fn picked(&mut self, step: &Step) -> Result<Option<(Tree, Vec<Picked>)>, BuildError> {
        let Operation::Copy(copy) = &step.operation else {
            return Ok(None);
        };
        let from = match &copy.from {
            CopyFrom::Context => self.host.context.tree.clone(),
            CopyFrom::Stage(index) => {
                let layers = self.finished[*index].layers.clone();
                self.tree(&layers)?
            }
            CopyFrom::Image(image) => self.tree(&image.layers())?,
        };
        let picked =
            copy::select(&copy.spec, &from).map_err(|e| self.copy_error(step, copy, &e))?;
        if picked.is_empty() && copy.spec.heredocs.is_empty() {
            let message = format!(
                "nothing matches the pattern, so `{}` copies nothing",
                step.text
            );
            self.report(Event::Warning { message });
        }
        Ok(Some((from, picked)))
    }

    fn key_parts(
        &self,
        step: &Step,
        draft: &Draft,
        picked: Option<&(Tree, Vec<Picked>)>,
    ) -> Result<KeyParts, BuildError> {
        let mut parts = KeyParts {
            parent: chain_id(&draft.layers),
            platform: draft.config.platform().to_string(),
            instruction: step.created_by.clone(),
            ..KeyParts::default()
        };
        let settings = &mut parts.settings;
        let mut set = |name: &str, value: &str| settings.insert(name.to_owned(), value.to_owned());
        if let Some(seconds) = self.options.source_date_epoch {
            set("SOURCE_DATE_EPOCH", &seconds.to_string());
        }
        match &step.operation {
            Operation::Metadata | Operation::Workdir(_) => {}
            Operation::Run(run) => {
                parts.instruction = format!("RUN {}", run.args.join(" "));
                set("USER", &draft.config.config.user);
                set("WORKDIR", &draft.config.config.working_dir);
                set("the network", &format!("{:?}", run.network).to_lowercase());
                if let Some((_, content)) = &run.script {
                    set("the script", content);
                }
                for entry in &run.env {
                    let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
                    if !run.env_without_key.contains(name) {
                        set(&format!("${name}"), value);
                    }
                }
            }
            Operation::Copy(copy) => {
                let CopySpec {
                    sources,
                    heredocs,
                    destination,
                    ..
                } = &copy.spec;
                let word = if copy.unpack { "ADD" } else { "COPY" };
                parts.instruction = format!("{word} {} {destination}", sources.join(" "));
                for (name, content) in heredocs {
                    set(&format!("the heredoc {name}"), content);
                }
                if let Some(owner) = &copy.spec.chown {
                    set("--chown", owner);
                }
                if let Some(mode) = copy.spec.chmod {
                    set("--chmod", &format!("{mode:04o}"));
                }
                if copy.spec.parents {
                    set("--parents", "true");
                }
                if !copy.spec.exclude.is_empty() {
                    set("--exclude", &copy.spec.exclude.join(" "));
                }
                if let Some((from, picked)) = picked {
                    parts.files = copy::key_files(&copy.spec, from, picked)
                        .map_err(|e| self.copy_error(step, copy, &e))?;
                }
            }
        }
        Ok(parts)
    }

    /// Does what the step says.
    fn make(
        &mut self,
        step: &Step,
        draft: &Draft,
        picked: Option<(Tree, Vec<Picked>)>,
    ) -> Result<Entry, BuildError> {
        let time = Timestamp {
            seconds: self.options.source_date_epoch.unwrap_or(0),
            nanos: 0,
        };
        let layer = match &step.operation {
            Operation::Run(run) => return self.run(step, run, draft),
            Operation::Workdir(path) => {
                let onto = self.tree(&draft.layers)?;
                copy::make_directory(path, time, &onto).map_err(|e| source_error(step.span, &e))?
            }
            Operation::Copy(copy) => {
                let onto = self.tree(&draft.layers)?;
                let (from, picked) = picked.unwrap_or_default();
                self.copy(step, copy, &from, picked, &onto)?
            }
            Operation::Metadata => Layer::default(),
        };
        let stored = image::store_layer(self.host.store.as_ref(), &layer)?;
        Ok(Entry {
            layer: stored,
            finished: None,
        })
    }

    fn run(&mut self, step: &Step, run: &RunPlan, draft: &Draft) -> Result<Entry, BuildError> {
        let request = RunStep {
            number: self.number,
            args: run.args.clone(),
            env: run.env.clone(),
            user: draft.config.config.user.clone(),
            working_dir: match draft.config.config.working_dir.as_str() {
                "" => "/".to_owned(),
                path => path.to_owned(),
            },
            network: run.network,
            script: run.script.as_ref().map(|(path, content)| Script {
                path: path.clone(),
                content: content.clone(),
            }),
            source_date_epoch: self.options.source_date_epoch,
        };
        let executor = self.host.executor;
        let ran = executor
            .run(&self.host.store, &draft.layers, &request, self.on)
            .map_err(|source| match source {
                ExecutorError::Store(error) => BuildError::Store(error),
                source => BuildError::Run {
                    span: step.span,
                    source,
                },
            })?;
        Ok(Entry {
            layer: ran.layer,
            finished: ran.finished,
        })
    }

    fn copy(
        &mut self,
        step: &Step,
        copy: &CopyStep,
        from: &Tree,
        picked: Vec<Picked>,
        onto: &Tree,
    ) -> Result<Layer, BuildError> {
        let fail = |e| self.copy_error(step, copy, &e);
        if !copy.unpack {
            return copy::copy(&copy.spec, &picked, from, onto).map_err(fail);
        }
        // ADD: archives are unpacked, everything else is copied, in the order of the sources.
        let mut onto = onto.clone();
        let mut layers = Vec::new();
        for pick in picked {
            let archive = match from.get(&pick.path).map(|node| &node.kind) {
                Some(Kind::File(content)) => self.archive(content)?,
                _ => None,
            };
            let layer = match archive {
                Some(tree) => copy::unpack(&copy.spec, &tree, &onto),
                None => copy::copy(&copy.spec, &[pick], from, &onto),
            };
            let layer = layer.map_err(|e| self.copy_error(step, copy, &e))?;
            apply(&mut onto, &layer).map_err(|e| source_error(step.span, &e))?;
            layers.push(layer);
        }
        let mut adds = BTreeMap::new();
        for layer in layers {
            adds.extend(layer.adds);
        }
        Ok(Layer {
            hides: Vec::new(),
            adds: adds.into_iter().collect(),
        })
    }

    /// The tree in a file that is a tar archive, however it is packed; nothing for other files.
    ///
    /// The archive, uncompressed, goes into the store, so that its files can be found again
    /// without being held in memory. Nothing names it there, so a collection takes it away.
    fn archive(&self, content: &Content) -> Result<Option<Tree>, BuildError> {
        let read = |e: io::Error| StoreError::io("read the archive that ADD unpacks", e);
        let mut start = compress::decoder(content.open().map_err(read)?).map_err(read)?;
        if !tar::starts_like_an_archive(&mut start) {
            return Ok(None);
        }
        let mut reader = compress::decoder(content.open().map_err(read)?).map_err(read)?;
        let mut writer = self.host.store.create()?;
        io::copy(&mut reader, &mut writer).map_err(read)?;
        let (digest, size) = writer.commit(None)?;
        let stored = StoredLayer {
            blob: Descriptor::new(media::LAYER, digest.clone(), size),
            diff_id: crate::digest::DiffId(digest),
        };
        let layer = gather_layer(&self.host.store, &stored)?;
        let mut tree = Tree::new();
        apply(&mut tree, &layer).map_err(|e| StoreError::Damaged {
            what: "the archive that ADD unpacks".to_owned(),
            reason: e.to_string(),
        })?;
        Ok(Some(tree))
    }

    /// The tree of a stack, read from the store at most once.
    fn tree(&mut self, layers: &[StoredLayer]) -> Result<Tree, BuildError> {
        let id = chain_id(layers);
        if let Some(tree) = self.trees.get(&id) {
            return Ok(tree.clone());
        }
        let tree = match layers.split_last() {
            None => Tree::new(),
            Some((top, below)) => {
                let mut tree = self.tree(below)?;
                let layer = gather_layer(&self.host.store, top)?;
                apply(&mut tree, &layer).map_err(|source| image::ImageError::Apply {
                    digest: top.blob.digest.clone(),
                    source,
                })?;
                tree
            }
        };
        self.trees.insert(id, tree.clone());
        Ok(tree)
    }

    /// A copy that cannot be done, told at the word of the Dockerfile that it is about.
    fn copy_error(&self, step: &Step, copy: &CopyStep, error: &CopyError) -> BuildError {
        let CopyError::NotFound {
            source_number,
            path,
        } = error
        else {
            return source_error(step.span, error);
        };
        let span = copy.source_spans.get(*source_number);
        let name = path.to_text();
        let (message, notes) = match &copy.from {
            CopyFrom::Context => (
                format!("{name:?} is not in the build context"),
                self.host.context.about_missing(path),
            ),
            CopyFrom::Stage(index) => {
                let stage = &self.plan.stages[*index].name;
                (format!("{path} is not in stage {stage}"), Vec::new())
            }
            CopyFrom::Image(_) => (format!("{path} is not in that image"), Vec::new()),
        };
        let mut diagnostic =
            Diagnostic::error("CopySource", span.copied().unwrap_or(step.span), message);
        diagnostic.notes = notes;
        BuildError::Source(Box::new(diagnostic))
    }
}

fn chain_id(layers: &[StoredLayer]) -> Option<ChainId> {
    ChainId::of_stack(layers.iter().map(|layer| &layer.diff_id))
}

fn source_error(span: Span, error: &impl ToString) -> BuildError {
    BuildError::Source(Box::new(Diagnostic::error("Copy", span, error.to_string())))
}

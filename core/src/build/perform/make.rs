//! Making a step's layer, when the cache has none.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::fetch::Fetched;
use super::{Inputs, Performer};
use crate::build::BuildError;
use crate::build::cache::Entry;
use crate::build::copy::{self, CopyError};
use crate::build::executor::{ExecutorError, RunMount, RunStep};
use crate::build::plan::{CopyFrom, CopyStep, Operation, RunPlan, Step};
use crate::build::select::Picked;
use crate::diagnostic::{Diagnostic, Span};
use crate::digest::DiffId;
use crate::image::{self, Draft, StoredLayer, gather_layer};
use crate::layer::{Layer, apply, compress, tar};
use crate::path::RootedPath;
use crate::spec::{Descriptor, media};
use crate::store::StoreError;
use crate::tree::{Content, Kind, Node, Timestamp, Tree};

impl Performer<'_, '_> {
    /// Does what the step says.
    pub(super) fn make(
        &mut self,
        step: &Step,
        draft: &Draft,
        inputs: Inputs<'_>,
    ) -> Result<Entry, BuildError> {
        let time = Timestamp {
            seconds: self.options.source_date_epoch.unwrap_or(0),
            nanos: 0,
        };
        let layer = match &step.operation {
            Operation::Run(run) => return self.run(step, run, inputs, draft),
            Operation::Workdir(path) => {
                let onto = self.onto(&draft.layers)?;
                copy::make_directory(path, &step.user, time, &onto)
                    .map_err(|e| source_error(step.span, &e))?
            }
            Operation::Copy(copy) => {
                let onto = self.onto(&draft.layers)?;
                let Inputs::Copied {
                    from,
                    picked,
                    fetched,
                } = inputs
                else {
                    return Err(source_error(step.span, &"nothing was found to copy"));
                };
                self.copy(step, copy, &from, picked, &fetched, &onto)?
            }
            Operation::Metadata => Layer::default(),
        };
        let stored = image::store_layer(self.host.store.as_ref(), &layer)?;
        Ok(Entry {
            layer: stored,
            finished: None,
        })
    }

    fn run(
        &self,
        step: &Step,
        run: &RunPlan,
        inputs: Inputs<'_>,
        draft: &Draft,
    ) -> Result<Entry, BuildError> {
        let (mut mounts, secrets) = match inputs {
            Inputs::Mounted { mounts, env, .. } => (mounts, env),
            _ => (Vec::new(), Vec::new()),
        };
        mounts.extend(run.script.as_ref().map(|(path, content)| RunMount::File {
            target: path.clone(),
            content: content.clone().into_bytes(),
            mode: 0o755,
            uid: 0,
            gid: 0,
        }));
        let request = RunStep {
            number: self.number,
            args: run.args.clone(),
            env: run.env.iter().cloned().chain(secrets).collect(),
            user: step.user.clone(),
            working_dir: match step.working_dir.as_str() {
                "" => "/".to_owned(),
                path => path.to_owned(),
            },
            network: run.network,
            insecure: run.insecure,
            mounts,
            source_date_epoch: self.options.source_date_epoch,
        };
        let executor = self.host.executor;
        let ran = executor
            .run(&self.host.store, &draft.layers, &request, &mut |event| {
                self.report(event);
            })
            .map_err(|source| match source {
                ExecutorError::Store(error) => BuildError::Store(error),
                source => BuildError::Run {
                    step: self.number,
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
        &self,
        step: &Step,
        copy: &CopyStep,
        from: &Tree,
        picked: Vec<Picked>,
        fetched: &[Fetched],
        onto: &Tree,
    ) -> Result<Layer, BuildError> {
        let fail = |e| self.copy_error(step, copy, &e);
        if !copy.unpack && fetched.is_empty() {
            return copy::copy(&copy.spec, &picked, from, onto).map_err(fail);
        }
        // ADD: archives are unpacked, everything else is copied, in the order of the sources.
        let mut onto = onto.clone();
        let mut layers = Vec::new();
        let local = picked.into_iter().map(|pick| (from, pick, copy.unpack));
        let fetched = fetched.iter().map(|f| (&f.tree, f.picked(), f.unpack));
        for (from, pick, unpack) in local.chain(fetched) {
            let archive = match from.get(&pick.path).map(|node| &node.kind) {
                Some(Kind::File(content)) if unpack => self.archive(step, &pick.path, content)?,
                _ => None,
            };
            let layer = match archive {
                Some(archive) => copy::unpack(&copy.spec, &archive, &onto),
                None => copy::copy(&copy.spec, &[pick], from, &onto),
            };
            let layer = layer.map_err(|e| self.copy_error(step, copy, &e))?;
            apply(&mut onto, &layer).map_err(|e| source_error(step.span, &e))?;
            layers.push(layer);
        }
        if !copy.spec.heredocs.is_empty() {
            layers.push(copy::copy(&copy.spec, &[], from, &onto).map_err(fail)?);
        }
        let mut adds: BTreeMap<RootedPath, Arc<Node>> = BTreeMap::new();
        for (path, node) in layers.into_iter().flat_map(|layer| layer.adds) {
            let directory = |node: &Arc<Node>| node.kind == Kind::Directory;
            if !directory(&node) && adds.get(&path).is_some_and(directory) {
                adds.retain(|added, _| !added.is_within(&path));
            }
            adds.insert(path, node);
        }
        Ok(Layer {
            hides: Vec::new(),
            adds: adds.into_iter().collect(),
        })
    }

    /// What a file holds that is a tar archive, however it is packed; nothing for other files.
    ///
    /// The archive, uncompressed, goes into the store, so that its files can be found again
    /// without being held in memory. Nothing names it there, so a collection takes it away.
    fn archive(
        &self,
        step: &Step,
        path: &RootedPath,
        content: &Content,
    ) -> Result<Option<Layer>, BuildError> {
        let read = |e: io::Error| StoreError::io("read the archive that ADD unpacks", e);
        let bounds = self.options.bounds;
        let packed = content.open().map_err(read)?;
        let mut start = compress::decoder(packed, bounds).map_err(read)?;
        if !tar::starts_like_an_archive(&mut start) {
            return Ok(None);
        }
        let packed = content.open().map_err(read)?;
        let mut reader = compress::decoder(packed, bounds).map_err(read)?;
        let mut writer = self.host.store.create()?;
        io::copy(&mut reader, &mut writer).map_err(read)?;
        let (digest, size) = writer.commit(None)?;
        let stored = StoredLayer {
            blob: Descriptor::new(media::LAYER, digest.clone(), size),
            diff_id: DiffId(digest),
        };
        let layer = gather_layer(&self.host.store, &stored, bounds)?;
        if let Some(hide) = layer.hides.first() {
            // In an archive of files it is a file. No layer can hold that, so Docker's has
            // the whiteout in the end that nobody meant.
            let hidden = hide.path();
            let reason = format!(
                "{path} has an entry that begins with .wh. (about {hidden}), which no file of a layer may; take it out of the archive"
            );
            return Err(source_error(step.span, &reason));
        }
        // A link in it may only lead to what it holds itself.
        apply(&mut Tree::new(), &layer).map_err(|e| StoreError::Damaged {
            what: "the archive that ADD unpacks".to_owned(),
            reason: e.to_string(),
        })?;
        Ok(Some(layer))
    }

    /// A copy that cannot be done, told at the word of the Dockerfile that it is about.
    pub(super) fn copy_error(&self, step: &Step, copy: &CopyStep, error: &CopyError) -> BuildError {
        let CopyError::NotFound {
            source_number,
            path,
        } = error
        else {
            return source_error(step.span, error);
        };
        let span = copy.source_spans.get(*source_number);
        let span = span.copied().unwrap_or(step.span);
        let place = match &copy.from {
            CopyFrom::Context => {
                let diagnostic = self.host.context.missing(path, span);
                return BuildError::Source(Box::new(diagnostic));
            }
            CopyFrom::Named(context) => {
                return BuildError::Source(Box::new(context.missing(path, span)));
            }
            CopyFrom::Stage(index) => format!("stage {}", self.plan.stages[*index].name),
            CopyFrom::Image(_) => "that image".to_owned(),
        };
        source_error(span, &format!("{path} is not in {place}"))
    }
}

pub(super) fn source_error(span: Span, error: &impl ToString) -> BuildError {
    BuildError::Source(Box::new(Diagnostic::error("Copy", span, error.to_string())))
}

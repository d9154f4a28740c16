//! What a step reads: the files of a COPY, the mounts of a RUN.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Performer;
use super::fetch::Fetched;
use super::make::source_error;
use crate::build::BuildError;
use crate::build::copy::CopyError;
use crate::build::executor::RunMount;
use crate::build::plan::{CopyFrom, CopyStep, MountPlan, Mounted, Operation, RunPlan, Step};
use crate::build::select::{self, Picked};
use crate::diagnostic::{Diagnostic, Span};
use crate::digest::Digest;
use crate::event::Event;
use crate::path::RootedPath;
use crate::tree::{Tree, resolve};

/// What a step reads besides the file system that it stands on.
pub(super) enum Inputs<'a> {
    /// Nothing.
    Nothing,
    /// What a COPY takes.
    Copied {
        /// The tree that holds it.
        from: Cow<'a, Tree>,
        /// What of it.
        picked: Vec<Picked>,
        /// What was fetched, each with the tree that holds nothing else.
        fetched: Vec<Fetched>,
    },
    /// What a RUN sees mounted.
    Mounted {
        /// The mounts.
        mounts: Vec<RunMount>,
        /// The files among them that count for the key.
        files: BTreeMap<String, String>,
        /// Secrets that are variables, `NAME=value`.
        env: Vec<String>,
    },
}

impl<'a> Performer<'_, 'a> {
    pub(super) fn inputs(&self, step: &'a Step) -> Result<Inputs<'a>, BuildError> {
        match &step.operation {
            Operation::Metadata | Operation::Workdir(_) => Ok(Inputs::Nothing),
            Operation::Copy(copy) => self.copied(step, copy),
            Operation::Run(run) => self.mounted(run),
        }
    }

    fn copied(&self, step: &Step, copy: &'a CopyStep) -> Result<Inputs<'a>, BuildError> {
        let from = self.source_tree(&copy.from)?;
        let picked =
            select::select(&copy.spec, &from).map_err(|e| self.copy_error(step, copy, &e))?;
        let addresses = copy.addresses.iter();
        let fetched = addresses.map(|a| self.fetched(copy, a));
        let fetched = fetched.collect::<Result<Vec<_>, _>>()?;
        if picked.is_empty() && copy.spec.heredocs.is_empty() && fetched.is_empty() {
            let message = format!(
                "nothing matches the pattern, so `{}` copies nothing",
                step.text
            );
            self.report(Event::Warning { message });
        }
        Ok(Inputs::Copied {
            from,
            picked,
            fetched,
        })
    }

    fn source_tree(&self, from: &'a CopyFrom) -> Result<Cow<'a, Tree>, BuildError> {
        match from {
            CopyFrom::Context => Ok(Cow::Borrowed(&self.host.context.tree)),
            CopyFrom::Named(context) => Ok(Cow::Borrowed(&context.tree)),
            CopyFrom::Stage(index) => {
                let draft = self.finished(*index)?;
                self.tree(&draft.layers).map(Cow::Owned)
            }
            CopyFrom::Image(image) => self.tree_of(image).map(Cow::Owned),
        }
    }

    fn mounted(&self, run: &'a RunPlan) -> Result<Inputs<'a>, BuildError> {
        let mut mounts = Vec::new();
        let mut files = BTreeMap::new();
        let mut env = Vec::new();
        let mut agents = 0;
        for MountPlan { span, target, what } in &run.mounts {
            let target = target.clone().unwrap_or_default();
            mounts.push(match what {
                Mounted::Bind {
                    from,
                    source,
                    read_only,
                } => {
                    let (tree, read) = self.bind(from, source, *span)?;
                    let named = |(path, what)| (format!("{target}: {path}"), what);
                    files.extend(read.into_iter().map(named));
                    RunMount::Files {
                        target,
                        tree,
                        read_only: *read_only,
                    }
                }
                Mounted::Cache { cache, from } => {
                    let mut cache = cache.clone();
                    let seed = match from {
                        None => None,
                        Some((from, source)) => {
                            let (tree, read) = self.bind(from, source, *span)?;
                            // As in BuildKit, a cache of other files is another cache.
                            let text = serde_json::to_vec(&read).unwrap_or_default();
                            cache.id = format!("{} of {}", cache.id, Digest::of(&text));
                            let named = |(path, what)| (format!("{target}: {path}"), what);
                            files.extend(read.into_iter().map(named));
                            Some(tree)
                        }
                    };
                    RunMount::Cache {
                        target,
                        cache,
                        seed,
                    }
                }
                Mounted::Ssh {
                    id,
                    required,
                    mode,
                    uid,
                    gid,
                } => {
                    let number = agents;
                    agents += 1;
                    let Some(socket) = self.host.agents.get(id) else {
                        if *required {
                            return Err(no_agent(id, *span));
                        }
                        continue;
                    };
                    let target = match target.as_str() {
                        "" => format!("/run/buildkit/ssh_agent.{number}"),
                        target => target.to_owned(),
                    };
                    if !env
                        .iter()
                        .chain(&run.env)
                        .any(|e| e.starts_with("SSH_AUTH_SOCK="))
                    {
                        env.push(format!("SSH_AUTH_SOCK={target}"));
                    }
                    RunMount::Agent {
                        target,
                        socket: socket.clone(),
                        mode: *mode,
                        uid: *uid,
                        gid: *gid,
                    }
                }
                Mounted::Tmpfs { size } => RunMount::Tmpfs {
                    target,
                    size: *size,
                },
                Mounted::Secret {
                    id,
                    env: variable,
                    required,
                    mode,
                    uid,
                    gid,
                } => {
                    let Some(content) = self.host.secrets.get(id) else {
                        if *required {
                            return Err(no_secret(id, *span));
                        }
                        continue;
                    };
                    if let Some(name) = variable {
                        env.push(format!("{name}={}", String::from_utf8_lossy(content)));
                    }
                    if target.is_empty() {
                        continue;
                    }
                    RunMount::File {
                        target,
                        content: content.clone(),
                        mode: *mode,
                        uid: *uid,
                        gid: *gid,
                    }
                }
            });
        }
        Ok(Inputs::Mounted { mounts, files, env })
    }

    /// The files of a bind mount, standing at `content`, and what of them counts for the key.
    fn bind(
        &self,
        from: &'a CopyFrom,
        source: &str,
        span: Span,
    ) -> Result<(Tree, BTreeMap<String, String>), BuildError> {
        let tree = self.source_tree(from)?;
        let named = RootedPath::root().resolve(source);
        let path = resolve(&tree, &named).map_err(|e| source_error(span, &e))?;
        let content = RootedPath::root().child(b"content");
        let mut part = Tree::new();
        let node = tree.get(&path).ok_or_else(|| {
            let error = CopyError::NotFound {
                source_number: 0,
                path: named.clone(),
            };
            source_error(span, &error)
        })?;
        part.insert(content.clone(), Arc::clone(node));
        for (inner, node) in tree.below(&path) {
            let below = inner.strip(&path).unwrap_or_default();
            part.insert(content.join(&below), Arc::clone(node));
        }
        let kept = RootedPath::root();
        let picked = [Picked { path, named, kept }];
        let files = select::key_files(&[], &tree, &picked).map_err(|e| source_error(span, &e))?;
        Ok((part, files))
    }
}

fn no_agent(id: &str, span: Span) -> BuildError {
    let diagnostic = Diagnostic::error(
        "MissingAgent",
        span,
        format!("the step needs the SSH agent {id:?}, and it was not given"),
    )
    .note(format!("give it: --ssh {id} or --ssh {id}=SOCKET"));
    BuildError::Source(Box::new(diagnostic))
}

fn no_secret(id: &str, span: Span) -> BuildError {
    let diagnostic = Diagnostic::error(
        "MissingSecret",
        span,
        format!("the step needs the secret {id:?}, and it was not given"),
    )
    .note(format!(
        "give it: --secret id={id},src=FILE or --secret id={id},env=VARIABLE"
    ));
    BuildError::Source(Box::new(diagnostic))
}

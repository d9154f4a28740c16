//! RUN: what a process is given.

use std::collections::BTreeSet;

use super::files::context_of;
use super::scope::PROXIES;
use super::stage::{Stage, absolute, shell_words};
use super::{CopyFrom, MountPlan, Mounted, Planner, RunPlan};
use crate::build::executor::{CacheMount, CacheSharing, RunNetwork};
use crate::diagnostic::{Diagnostic, Span};
use crate::dockerfile::mount::{MountKind, MountSpec};
use crate::dockerfile::{self as ast, Instruction, RunBody, Spanned};

impl Planner<'_> {
    pub(super) fn run(
        &mut self,
        stage: &Stage,
        instruction: &Instruction,
        run: &ast::Run,
    ) -> Option<RunPlan> {
        let security = run.security.as_ref();
        let insecure = security.filter(|security| security.value == ast::Security::Insecure);
        if let Some(insecure) = insecure.filter(|_| !self.options.insecure) {
            self.diagnostics.push(
                Diagnostic::error(
                    "NotAllowed",
                    insecure.span,
                    "RUN --security=insecure is not allowed",
                )
                .note("it has every capability and no filter of system calls; if you trust the file, build with --allow security.insecure"),
            );
        }
        if let Some(device) = run.devices.first() {
            self.unsupported(device.span, "RUN --device");
        }
        let mut script = None;
        let args = match instruction.run_body()? {
            RunBody::Exec(words) => words,
            RunBody::Shell(text) => shell_words(&stage.config.config.shell, text),
            RunBody::Script { name, content } => {
                let path = format!("/dev/pipes/{name}");
                script = Some((path.clone(), content));
                vec![path]
            }
        };
        let mut env = stage.config.config.env.clone();
        let mut env_without_key = BTreeSet::new();
        for (name, value) in self.run_args(stage) {
            let prefix = format!("{name}=");
            if let Some(there) = env.iter_mut().find(|e| e.starts_with(&prefix)) {
                if stage.scope.is_over(&name) {
                    *there = format!("{name}={value}");
                }
                continue;
            }
            if PROXIES.contains(&name.as_str()) && !stage.scope.args.contains_key(&name) {
                env_without_key.insert(name.clone());
            }
            env.push(format!("{name}={value}"));
        }
        let network = match run.network.as_ref().map(|n| n.value) {
            None | Some(ast::Network::Default) => self.options.network,
            Some(ast::Network::Host) => RunNetwork::Host,
            Some(ast::Network::None) => RunNetwork::None,
        };
        Some(RunPlan {
            args,
            env,
            env_without_key,
            network,
            insecure: insecure.is_some(),
            script,
            mounts: self.mounts(stage, run),
        })
    }

    fn mounts(&mut self, stage: &Stage, run: &ast::Run) -> Vec<MountPlan> {
        let mut mounts = Vec::new();
        for mount in &run.mounts {
            let mut expand =
                |word: &Spanned<String>, found: &mut Vec<_>| stage.scope.expand(word, found);
            if let Some(spec) = mount.resolve(&mut expand, &mut self.diagnostics) {
                mounts.extend(self.mount(stage, mount.span, spec));
            }
        }
        mounts
    }

    fn mount(&mut self, stage: &Stage, span: Span, spec: MountSpec) -> Option<MountPlan> {
        let working_dir = &stage.config.config.working_dir;
        let target = spec.target.as_ref().map(|path| absolute(working_dir, path));
        let named = |from: &String| Spanned::new(from.clone(), span);
        let what = match spec.kind {
            MountKind::Bind => {
                let from = match &spec.from {
                    None => CopyFrom::Context,
                    Some(from) => self.copy_from(stage.number, &named(from))?,
                };
                let source = spec.source.unwrap_or_else(|| "/".to_owned());
                if let Some(context) = context_of(self.context, &from) {
                    self.check_source(context, &source, false, span);
                }
                Mounted::Bind {
                    from,
                    source,
                    read_only: spec.read_only,
                }
            }
            MountKind::Cache => {
                let from = match &spec.from {
                    None => None,
                    Some(from) => Some((
                        self.copy_from(stage.number, &named(from))?,
                        spec.source.unwrap_or_else(|| "/".to_owned()),
                    )),
                };
                let target = target.clone()?;
                let cache = CacheMount {
                    id: spec.id.unwrap_or(target),
                    sharing: match spec.sharing {
                        ast::mount::Sharing::Shared => CacheSharing::Shared,
                        ast::mount::Sharing::Private => CacheSharing::Private,
                        ast::mount::Sharing::Locked => CacheSharing::Locked,
                    },
                    read_only: spec.read_only,
                    mode: spec.mode.unwrap_or(0o755),
                    uid: spec.uid.unwrap_or(0),
                    gid: spec.gid.unwrap_or(0),
                };
                Mounted::Cache { cache, from }
            }
            MountKind::Tmpfs => Mounted::Tmpfs { size: spec.size },
            MountKind::Secret => {
                let id = spec.id.or(spec.source)?;
                let file = (spec.env.is_none()).then(|| format!("/run/secrets/{id}"));
                return Some(MountPlan {
                    span,
                    target: target.or(file),
                    what: Mounted::Secret {
                        id,
                        env: spec.env,
                        required: spec.required,
                        mode: spec.mode.unwrap_or(0o400),
                        uid: spec.uid.unwrap_or(0),
                        gid: spec.gid.unwrap_or(0),
                    },
                });
            }
            MountKind::Ssh => Mounted::Ssh {
                id: spec.id.unwrap_or_else(|| "default".to_owned()),
                required: spec.required,
                mode: spec.mode.unwrap_or(0o600),
                uid: spec.uid.unwrap_or(0),
                gid: spec.gid.unwrap_or(0),
            },
        };
        Some(MountPlan { span, target, what })
    }

    /// The arguments that a process sees: those declared, and proxies that were given.
    fn run_args(&self, stage: &Stage) -> Vec<(String, String)> {
        let declared = stage.scope.args.iter();
        let declared = declared.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        let given = self.options.args.iter();
        let proxies = given
            .filter(|(name, _)| PROXIES.contains(&name.as_str()))
            .filter(|(name, _)| !stage.scope.args.contains_key(*name))
            .map(|(name, value)| (name.clone(), value.clone()));
        declared.chain(proxies).collect()
    }
}

/// BuildKit's form: the build arguments that the process saw stand before the command.
pub(super) fn run_history(stage: &Stage, plan: &RunPlan) -> String {
    let args: Vec<_> = stage
        .scope
        .args
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
        .collect();
    let command = plan.args.join(" ");
    if args.is_empty() {
        return format!("RUN {command}");
    }
    format!("RUN |{} {} {command}", args.len(), args.join(" "))
}

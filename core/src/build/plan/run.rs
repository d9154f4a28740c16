//! RUN: what a process is given.

use std::collections::BTreeSet;

use super::scope::PROXIES;
use super::stage::{Stage, shell_words};
use super::{Planner, RunPlan};
use crate::build::executor::RunNetwork;
use crate::dockerfile::{self as ast, Instruction, RunBody};

impl Planner<'_> {
    pub(super) fn run(
        &mut self,
        stage: &Stage,
        instruction: &Instruction,
        run: &ast::Run,
    ) -> Option<RunPlan> {
        if let Some(mount) = run.mounts.first() {
            self.unsupported(mount.span, "RUN --mount");
        }
        if let Some(security) = &run.security
            && security.value == ast::Security::Insecure
        {
            self.unsupported(security.span, "RUN --security=insecure");
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
            if env.iter().any(|e| e.starts_with(&prefix)) {
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
            script,
        })
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

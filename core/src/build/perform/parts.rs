//! What a step depends on, collected for its key.

use super::{Inputs, Performer};
use crate::build::BuildError;
use crate::build::copy::CopySpec;
use crate::build::key::KeyParts;
use crate::build::plan::{Mounted, Operation, Step};
use crate::build::select;

/// Counts the times that a step of the same words and files came to mean another layer: what was
/// remembered before then is of no use. Since 2, COPY takes directories, links and archives as
/// BuildKit does.
const RULES: &str = "2";

impl Performer<'_, '_> {
    /// Everything that the result of a step depends on.
    pub(super) fn key_parts(
        &self,
        step: &Step,
        inputs: &Inputs<'_>,
    ) -> Result<KeyParts, BuildError> {
        let mut parts = KeyParts {
            parent: self.chain.clone(),
            platform: self.platform.clone(),
            instruction: step.created_by.clone(),
            ..KeyParts::default()
        };
        let settings = &mut parts.settings;
        let mut set = |name: &str, value: &str| settings.insert(name.to_owned(), value.to_owned());
        set("rules of Coracle", RULES);
        if let Some(seconds) = self.options.source_date_epoch {
            set("SOURCE_DATE_EPOCH", &seconds.to_string());
        }
        match &step.operation {
            Operation::Metadata => {}
            // Who owns the directory, if it has to be made.
            Operation::Workdir(_) => {
                if !step.user.is_empty() {
                    set("USER", &step.user);
                }
            }
            Operation::Run(run) => {
                parts.instruction = format!("RUN {}", run.args.join(" "));
                set("USER", &step.user);
                set("WORKDIR", &step.working_dir);
                set("the network", &format!("{:?}", run.network).to_lowercase());
                if run.insecure {
                    set("--security", "insecure");
                }
                for (name, value) in &self.options.surroundings {
                    set(name, value);
                }
                if let Some((_, content)) = &run.script {
                    set("the script", content);
                }
                for entry in &run.env {
                    let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
                    if !run.env_without_key.contains(name) {
                        set(&format!("${name}"), value);
                    }
                }
                for mount in &run.mounts {
                    let target = mount.target.as_deref().unwrap_or_default();
                    let name = format!("the mount at {target}");
                    match &mount.what {
                        // What a cache or a secret holds does not count, only that it is there.
                        Mounted::Cache { cache, .. } => set(&name, &format!("cache {}", cache.id)),
                        Mounted::Ssh { id, .. } => set(&name, &format!("SSH agent {id}")),
                        Mounted::Secret { id, .. } => set(&name, &format!("secret {id}")),
                        Mounted::Tmpfs { .. } => set(&name, "memory"),
                        Mounted::Bind { source, .. } => set(&name, &format!("files of {source}")),
                    };
                }
                if let Inputs::Mounted { files, .. } = inputs {
                    parts.files.clone_from(files);
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
                let addresses = copy.addresses.iter().map(|address| &address.url);
                let sources: Vec<_> = sources.iter().chain(addresses).cloned().collect();
                parts.instruction = format!("{word} {} {destination}", sources.join(" "));
                for (name, content) in heredocs {
                    set(&format!("the heredoc {name}"), content);
                }
                if let Some(owner) = &copy.spec.chown {
                    set("--chown", owner);
                }
                if let Some(mode) = &copy.spec.chmod {
                    set("--chmod", &mode.to_string());
                }
                if copy.spec.parents {
                    set("--parents", "true");
                }
                if !copy.spec.exclude.is_empty() {
                    set("--exclude", &copy.spec.exclude.join(" "));
                }
                if let Inputs::Copied {
                    from,
                    picked,
                    fetched,
                } = inputs
                {
                    parts.files = select::key_files(&copy.spec.exclude, from, picked)
                        .map_err(|e| self.copy_error(step, copy, &e))?;
                    let addresses = copy.addresses.iter().zip(fetched);
                    parts.files.extend(
                        addresses.map(|(a, fetched)| (a.url.clone(), fetched.digest.to_string())),
                    );
                }
                for address in copy.addresses.iter().filter(|address| address.unpack) {
                    parts
                        .settings
                        .insert(format!("--unpack of {}", address.url), "true".to_owned());
                }
            }
        }
        Ok(parts)
    }
}

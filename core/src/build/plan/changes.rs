//! Instructions outside of a Dockerfile: what `--change` of `import` and `commit` takes.

use std::collections::BTreeMap;

use super::scope::Scope;
use super::{PlanOptions, Planner};
use crate::build::context::Context;
use crate::build::executor::RunNetwork;
use crate::diagnostic::{Diagnostic, Severity};
use crate::dockerfile::{Escape, Kind, parse};
use crate::spec::ImageConfig;
use crate::tree::Timestamp;

/// Why an instruction cannot be applied to a config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{instruction:?} cannot be applied: {reason}")]
pub struct ChangeError {
    /// The instruction as it was given.
    pub instruction: String,
    /// What is wrong with it, as sentences.
    pub reason: String,
}

/// The config that `instructions` make of `config`, one after the other, as if they stood in a
/// Dockerfile after `FROM` an image of that config. Only those that touch no file may be given:
/// CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR.
pub fn change(config: &ImageConfig, instructions: &[String]) -> Result<ImageConfig, ChangeError> {
    let platform = config.platform();
    let options = PlanOptions {
        args: BTreeMap::new(),
        target: None,
        build_platform: platform.clone(),
        platform,
        labels: BTreeMap::new(),
        network: RunNetwork::None,
        insecure: false,
        time: Timestamp::default(),
    };
    let context = Context::default();
    let mut planner = Planner {
        options: &options,
        context: &context,
        find_image: &mut |_, _| Err("there is no FROM here".to_owned()),
        diagnostics: Vec::new(),
        guesses: false,
        sources: Vec::new(),
        planned: BTreeMap::new(),
        stages: Vec::new(),
        scopes: Vec::new(),
        scope: Scope::global(Escape::default(), &options),
    };
    let mut stage = planner.stage(0, config.clone());
    for instruction in instructions {
        let parsed = parse(&format!("FROM scratch\n{instruction}\n"));
        let wrong = |found: &[Diagnostic]| {
            let errors = found.iter().filter(|d| d.severity == Severity::Error);
            let said: Vec<_> = errors.map(|d| d.message.clone()).collect();
            (!said.is_empty()).then(|| ChangeError {
                instruction: instruction.clone(),
                reason: said.join("; "),
            })
        };
        if let Some(error) = wrong(&parsed.diagnostics) {
            return Err(error);
        }
        for read in parsed.dockerfile.instructions.iter().skip(1) {
            if !touches_no_file(&read.kind) {
                return Err(ChangeError {
                    instruction: instruction.clone(),
                    reason: "only CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR can be, because they touch no file".to_owned(),
                });
            }
            planner.instruction(&mut stage, read);
        }
        if let Some(error) = wrong(&planner.diagnostics) {
            return Err(error);
        }
    }
    Ok(stage.config)
}

fn touches_no_file(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Cmd(_)
            | Kind::Entrypoint(_)
            | Kind::Env(_)
            | Kind::Expose(_)
            | Kind::Healthcheck(_)
            | Kind::Label(_)
            | Kind::Onbuild(_)
            | Kind::Stopsignal(_)
            | Kind::User(_)
            | Kind::Volume(_)
            | Kind::Workdir(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Platform;

    fn changed(instructions: &[&str]) -> Result<String, ChangeError> {
        let config = ImageConfig::scratch(&Platform::linux("amd64"));
        let instructions: Vec<_> = instructions.iter().map(ToString::to_string).collect();
        let config = change(&config, &instructions)?.config;
        Ok(serde_json::to_value(config).unwrap().to_string())
    }

    #[test]
    fn instructions_change_the_config_one_after_the_other() {
        let check = |instructions: &[&str], expected: &str| {
            assert_eq!(changed(instructions).unwrap(), expected);
        };
        check(&[], "{}");
        check(&["cmd echo hi"], r#"{"Cmd":["/bin/sh","-c","echo hi"]}"#);
        check(
            &["CMD [\"a\"]", "ENTRYPOINT [\"b\"]"],
            r#"{"Cmd":["a"],"Entrypoint":["b"]}"#,
        );
        check(
            &["ENV A=1 B=$A", "ENV C=${A}x", "LABEL \"k\"=\"v w\""],
            r#"{"Env":["A=1","B=","C=1x"],"Labels":{"k":"v w"}}"#,
        );
        check(
            &["WORKDIR a", "WORKDIR b", "EXPOSE 80 81/udp", "USER 1:2"],
            r#"{"ExposedPorts":{"80/tcp":{},"81/udp":{}},"User":"1:2","WorkingDir":"/a/b"}"#,
        );
        check(
            &["VOLUME /data", "STOPSIGNAL SIGINT", "ONBUILD RUN true"],
            r#"{"OnBuild":["RUN true"],"StopSignal":"SIGINT","Volumes":{"/data":{}}}"#,
        );
    }

    #[test]
    fn what_cannot_be_applied_is_refused_by_name() {
        let check = |instruction: &str, part: &str| {
            let error = changed(&[instruction]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(
                error.contains(&instruction.escape_debug().to_string()),
                "{error}"
            );
        };
        check("RUN true", "touch no file");
        check("COPY a b", "touch no file");
        check("FROM scratch", "touch no file");
        check("CMD x\nRUN y", "touch no file");
        check("NONSENSE x", "NONSENSE");
        check("EXPOSE nothing", "nothing");
        check("STOPSIGNAL SIGNOPE", "SIGNOPE");
        check("ENV", "ENV");
    }
}

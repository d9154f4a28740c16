//! Variables: those that nobody defines, those that say too much, and those that stay too long.

use std::collections::BTreeSet;

use super::super::rule::{BUILDKIT, CORACLE, Check, Rule};
use super::super::view::{View, found};
use crate::diagnostic::{Diagnostic, Severity, Span, did_you_mean};
use crate::dockerfile::ast::{Instruction, Kind, Spanned};
use crate::dockerfile::expand::{self, ExpandErrorKind, expand};
use crate::dockerfile::stages::{Expandable, expandable};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "UndefinedVar",
        reason: "A variable without a value is empty, which is seldom what was meant",
        bad: "FROM alpine:3.22\nENV PATH=$PAHT:/app/bin\n",
        good: "FROM alpine:3.22\nENV PATH=$PATH:/app/bin\n",
        check: Check::Rule(undefined),
        ..BUILDKIT
    },
    Rule {
        name: "BadExpansion",
        severity: Severity::Error,
        reason: "What cannot be expanded cannot be built",
        bad: "FROM scratch\nENV A=1\nLABEL a=${A\n",
        good: "FROM scratch\nENV A=1\nLABEL a=${A}\n",
        check: Check::Rule(bad_expansion),
        ..CORACLE
    },
    Rule {
        name: "SecretsUsedInArgOrEnv",
        reason: "The value stays in the image for everybody to read; RUN --mount=type=secret shows \
                 it to one command and keeps it nowhere",
        bad: "FROM alpine:3.22\nARG AWS_SECRET_ACCESS_KEY\n",
        good: "FROM alpine:3.22\nRUN --mount=type=secret,id=aws,env=AWS_SECRET_ACCESS_KEY ./fetch\n",
        check: Check::Rule(secrets),
        ..BUILDKIT
    },
    Rule {
        name: "EnvSameLine",
        reason: "All values of one ENV see the variables as they were before it",
        bad: "FROM alpine:3.22\nARG TO=/opt\nENV TO=/app BIN=$TO/bin\n",
        good: "FROM alpine:3.22\nARG TO=/opt\nENV TO=/app\nENV BIN=$TO/bin\n",
        check: Check::Rule(same_line),
        ..CORACLE
    },
    Rule {
        name: "DebianFrontendKept",
        reason: "As an environment it is there in every container, too; as an argument it ends with \
                 the build",
        bad: "FROM debian:13\nENV DEBIAN_FRONTEND=noninteractive\n",
        good: "FROM debian:13\nARG DEBIAN_FRONTEND=noninteractive\n",
        check: Check::Rule(debian_frontend),
        ..CORACLE
    },
];

/// Variables that well-known base images set. What a base image sets cannot be told from the file.
const OFTEN_SET: &str = "\
    CARGO_HOME CATALINA_HOME CONDA_DIR CUDA_HOME CUDA_VERSION DOTNET_VERSION GEM_HOME \
    GOLANG_VERSION GOPATH GOROOT GRADLE_HOME JAVA_HOME JAVA_VERSION JENKINS_HOME JETTY_BASE \
    JETTY_HOME JULIA_PATH LANG LANGUAGE LC_ALL LD_LIBRARY_PATH LIBRARY_PATH MAVEN_CONFIG \
    MAVEN_HOME NGINX_VERSION NODE_VERSION NVM_DIR PGDATA PG_MAJOR PG_VERSION PHP_INI_DIR \
    PHP_VERSION PYTHON_VERSION RUBY_VERSION RUSTUP_HOME RUST_VERSION SPARK_HOME SWIFT_VERSION \
    YARN_VERSION";

/// Arguments that may be given without being declared, and what BuildKit reads itself.
const PREDEFINED: &str = "\
    ALL_PROXY BUILDKIT_SBOM_SCAN_CONTEXT BUILDKIT_SBOM_SCAN_STAGE FTP_PROXY HTTPS_PROXY \
    HTTP_PROXY NO_PROXY all_proxy ftp_proxy http_proxy https_proxy no_proxy";

fn names(list: &str) -> impl Iterator<Item = String> {
    list.split_whitespace().map(str::to_owned)
}

fn undefined(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let mut known = inherited_names(view, stage.number);
        let image = view.image(stage.number);
        for instruction in &stage.body {
            for text in expandable(instruction) {
                for name in undefined_names(view, text, &known) {
                    let finding = undefined_variable(view, text.span, &name, &known, image);
                    findings.push(if sets(instruction, &name) {
                        finding.note("what the same ENV sets is not there yet")
                    } else {
                        finding
                    });
                }
            }
            define(instruction, &mut known);
        }
    }
    findings
}

/// The variables that a stage begins with, as far as the file or the options tell.
fn inherited_names(view: &View<'_>, number: usize) -> BTreeSet<String> {
    let mut known: BTreeSet<_> = names(PREDEFINED).collect();
    let environment = view
        .image(number)
        .map(|image| (view.options.environment)(image));
    match environment {
        // What an image sets is known, unknown, or nothing because there is no image.
        Some(Some(own)) => known.extend(own),
        Some(None) => known.extend(names(OFTEN_SET)),
        None => {}
    }
    known.insert("PATH".to_owned());
    let below = view.stages.below(number);
    for instruction in below.iter().flat_map(|stage| &stage.body) {
        define(instruction, &mut known);
    }
    known
}

fn sets(instruction: &Instruction, name: &str) -> bool {
    let Kind::Env(pairs) = &instruction.kind else {
        return false;
    };
    pairs.iter().any(|pair| *pair.key == name)
}

fn define(instruction: &Instruction, known: &mut BTreeSet<String>) {
    match &instruction.kind {
        Kind::Env(pairs) => known.extend(pairs.iter().map(|pair| pair.key.value.clone())),
        // Declared without a value is declared.
        Kind::Arg(list) => known.extend(list.iter().map(|d| d.name.value.clone())),
        _ => {}
    }
}

fn undefined_names(view: &View<'_>, text: Expandable<'_>, known: &BTreeSet<String>) -> Vec<String> {
    let lookup = |name: &str| known.contains(name).then(String::new);
    let expanded = expand(text.text, text.options(view.file.escape), &lookup);
    let special = |name: &String| name.starts_with(|c: char| !c.is_alphabetic() && c != '_');
    let names = expanded.map(|e| e.undefined).unwrap_or_default();
    names.into_iter().filter(|name| !special(name)).collect()
}

fn undefined_variable(
    view: &View<'_>,
    span: Span,
    name: &str,
    known: &BTreeSet<String>,
    image: Option<&str>,
) -> Diagnostic {
    let message = format!("`${name}` is defined nowhere above");
    let global = view.stages.args.contains_key(name);
    if global {
        let finding = found(occurrence(view.source, span, name).unwrap_or(span), message);
        return finding.note(format!(
            "what is known before the first FROM must be declared in the stage again: ARG {name}"
        ));
    }
    let names = known.iter().map(String::as_str);
    let finding = variable(view, span, name, message, names);
    match image.filter(|image| (view.options.environment)(image).is_none()) {
        Some(image) if finding.fix.is_none() => {
            finding.note(format!("only {image} itself can tell whether it sets it"))
        }
        _ => finding,
    }
}

/// A finding about the variable `name` in `span`, with the name that was probably meant.
pub(super) fn variable<'n>(
    view: &View<'_>,
    span: Span,
    name: &str,
    message: String,
    known: impl Iterator<Item = &'n str>,
) -> Diagnostic {
    let place = occurrence(view.source, span, name);
    let finding = found(place.unwrap_or(span), message);
    // Names of the outside world are not what a typo in a Dockerfile means, and what is no name
    // for a shell could not be written here.
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let known = known
        .filter(|known| known.chars().all(word) && !names(PREDEFINED).any(|name| name == *known));
    match (did_you_mean(name, known), place) {
        (Some(near), Some(place)) => {
            let written = &view.source[place.range()];
            let fixed = written.replacen(name, near, 1);
            finding.fix(format!("write {fixed}"), place, fixed)
        }
        (Some(near), None) => finding.note(format!("did you mean ${near}?")),
        (None, _) => finding,
    }
}

/// Where `$name` or `${name` stands within `span`, if it does so once.
fn occurrence(source: &str, span: Span, name: &str) -> Option<Span> {
    let text = source.get(span.range())?;
    let mut places = Vec::new();
    for start in [format!("${name}"), format!("${{{name}")] {
        for (at, _) in text.match_indices(&start) {
            let behind = text[at + start.len()..].chars().next();
            if !behind.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                places.push(Span::new(span.start + at, span.start + at + start.len()));
            }
        }
    }
    match places.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

fn bad_expansion(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for instruction in &view.file.instructions {
        for text in expandable(instruction) {
            let options = expand::Options {
                keep_unset: true,
                ..text.options(view.file.escape)
            };
            let Err(error) = expand(text.text, options, &|_| None) else {
                continue;
            };
            // Whether a demanded variable is there depends on who builds.
            if matches!(error.kind, ExpandErrorKind::Required { .. }) {
                continue;
            }
            let exact = view.source.get(text.span.range()) == Some(text.text);
            let start = text.span.start + if exact { error.at } else { 0 };
            let start = start.min(text.span.end);
            findings.push(found(
                Span::new(start, text.span.end),
                error.kind.to_string(),
            ));
        }
    }
    findings
}

fn secrets(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for instruction in &view.file.instructions {
        let names: Vec<&Spanned<String>> = match &instruction.kind {
            Kind::Arg(declarations) => declarations.iter().map(|d| &d.name).collect(),
            Kind::Env(pairs) => pairs.iter().map(|pair| &pair.key).collect(),
            _ => continue,
        };
        for name in names.into_iter().filter(|name| is_secret(name)) {
            let message = format!("`{}` sounds like a secret", **name);
            findings.push(found(name.span, message));
        }
    }
    findings
}

/// Whether a part of the name between underscores says so, and none says the opposite.
fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    let mut parts = lower.split('_');
    let words = "apikey auth credential credentials key passwd password pword secret token";
    let secret = |part: &str| words.split(' ').any(|word| word == part);
    parts.clone().any(secret) && parts.all(|part| part != "public")
}

fn same_line(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let mut known = inherited_names(view, stage.number);
        for instruction in &stage.body {
            if let Kind::Env(pairs) = &instruction.kind {
                for (place, pair) in pairs.iter().enumerate() {
                    let options = expand::Options {
                        escape: view.file.escape,
                        ..expand::Options::default()
                    };
                    let names = expand(&pair.value, options, &|_| None);
                    let names = names.map(|e| e.undefined).unwrap_or_default();
                    let here = pairs[..place].iter().map(|earlier| earlier.key.as_str());
                    // One that nothing sets before has a finding of its own.
                    for name in here.filter(|name| names.contains(*name) && known.contains(*name)) {
                        let place = occurrence(view.source, pair.value.span, name);
                        let place = place.unwrap_or(pair.value.span);
                        let message = format!("`${name}` still has its old value here");
                        findings.push(found(place, message));
                    }
                }
            }
            define(instruction, &mut known);
        }
    }
    findings
}

fn debian_frontend(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for instruction in &view.file.instructions {
        let Kind::Env(pairs) = &instruction.kind else {
            continue;
        };
        let frontend = pairs.iter().find(|pair| *pair.key == "DEBIAN_FRONTEND");
        let Some(pair) = frontend else { continue };
        let finding = found(pair.key.span, "`DEBIAN_FRONTEND` stays in the image");
        let keyword = &instruction.keyword;
        let lower = super::form::is_lower(keyword);
        let arg = if lower { "arg" } else { "ARG" };
        let equals = pair.separator == crate::dockerfile::ast::Separator::Equals;
        findings.push(if pairs.len() == 1 && equals {
            finding.fix(format!("write {arg}"), keyword.span, arg)
        } else {
            finding
        });
    }
    findings
}

//! `coracle build --check`: the lint of the Dockerfile that would be built.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coracle::diagnostic::{Diagnostic, Severity};
use coracle::dockerfile::lint::{self, Origin};
use coracle::dockerfile::parse;
use coracle::reference::Reference;
use coracle::store::Store;
use coracle::tree::Timestamp;

use super::context::{IgnoreFile, Sources, check_directory, ignore_file, is_http, is_repository};
use super::{Options, find_base};
use crate::commands::{dockerfile_lint, dockerfile_parse};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Prints what is wrong with the Dockerfile. As in Docker, the exit code is 1 when one of
/// BuildKit's checks has found something; for the other rules, when the file asks for it.
pub(super) fn run(options: &Options, context: &Context) -> Outcome {
    let (source, name, ignore) = source(options)?;
    // Images that are here tell which variables they set. Checking makes no store.
    let store = context.root.join("store").is_dir().then(|| context.store());
    let store = store.transpose()?;
    let linted = linted(&source, &ignore, store.as_ref(), context);
    output::print(&dockerfile_parse::rendered(
        &linted.findings,
        &name,
        &source,
    ))?;
    output::note(&dockerfile_lint::summary(&linted.findings));
    let of_buildkit = linted.findings.iter().any(is_buildkits);
    Ok(u8::from(of_buildkit || linted.fails()))
}

/// Refuses a Dockerfile that wants BuildKit's warnings to be errors, by `# check=error=true`, and
/// has one. As in BuildKit, what other tools would warn of stops no build.
pub(super) fn refuse(
    sources: &Sources,
    store: &Arc<dyn Store>,
    context: &Context,
) -> Result<(), Failure> {
    let source = &sources.dockerfile;
    if parse(source).dockerfile.directive("check").is_none() {
        return Ok(());
    }
    let linted = linted(source, &sources.ignore, Some(store), context);
    let found: Vec<_> = linted.findings.into_iter().filter(is_buildkits).collect();
    if !linted.strict || found.is_empty() {
        return Ok(());
    }
    let mut rules: Vec<_> = found.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let shown = dockerfile_parse::rendered(&found, &sources.name, source);
    Err(Failure::new(format!(
        "{} says check=error=true and breaks these rules: {}",
        sources.name,
        rules.join(", ")
    ))
    .hint(format!("\n{}", shown.trim_end())))
}

fn is_buildkits(finding: &Diagnostic) -> bool {
    let rule = lint::rule(finding.rule);
    let buildkit = rule.is_some_and(|rule| rule.origin == Origin::BuildKit);
    buildkit && finding.severity >= Severity::Warning
}

fn linted(
    source: &str,
    ignore: &IgnoreFile,
    store: Option<&Arc<dyn Store>>,
    context: &Context,
) -> lint::Linted {
    let environment = |base: &str| environment(store?, context, base);
    let options = lint::Options {
        ignore: Some(&ignore.patterns),
        environment: &environment,
    };
    lint::lint(source, &parse(source), &options)
}

/// The Dockerfile, what messages call it, and what the context leaves out.
fn source(options: &Options) -> Result<(String, String, IgnoreFile), Failure> {
    let of_http = is_http(&options.path) && !is_repository(&options.path);
    if options.path == "-" || of_http {
        let sources = Sources::read(options, Path::new("/"), Timestamp::default())?;
        return Ok((sources.dockerfile, sources.name, IgnoreFile::default()));
    }
    let root = PathBuf::from(&options.path);
    check_directory(&root)?;
    let file = options.file.clone();
    let file = file.unwrap_or_else(|| root.join("Dockerfile"));
    let beside = Some(file.as_path()).filter(|f| *f != Path::new("-"));
    let ignore = ignore_file(&root, beside)?;
    let name = dockerfile_parse::name(&file);
    Ok((dockerfile_parse::read(&file)?, name, ignore))
}

/// The names of the variables that an image sets, if it is here.
fn environment(store: &Arc<dyn Store>, context: &Context, base: &str) -> Option<Vec<String>> {
    let reference: Reference = base.parse().ok()?;
    let image = find_base(&**store, &reference, &context.platform).ok()?;
    let environment = &image.config.value.config.env;
    let names = environment
        .iter()
        .filter_map(|entry| entry.split('=').next());
    Some(names.map(str::to_owned).collect())
}

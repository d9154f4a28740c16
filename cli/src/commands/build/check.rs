//! `coracle build --check`: the lint of the Dockerfile that would be built.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coracle::diagnostic::Severity;
use coracle::dockerfile::lint::{self, Origin};
use coracle::dockerfile::parse;
use coracle::reference::Reference;
use coracle::store::Store;

use super::context::{IgnoreFile, check_directory, ignore_file};
use super::{Options, find_base};
use crate::commands::{dockerfile_lint, dockerfile_parse};
use crate::context::Context;
use crate::failure::Outcome;
use crate::output;

/// Prints what is wrong with the Dockerfile. As in Docker, the exit code is 1 when one of
/// BuildKit's checks has found something; for the other rules, when the file asks for it.
pub(super) fn run(options: &Options, context: &Context) -> Outcome {
    let root = PathBuf::from(&options.path);
    let without_context = options.path == "-";
    if !without_context {
        check_directory(&root)?;
    }
    let file = match &options.file {
        Some(file) => file.clone(),
        None if without_context => PathBuf::from("-"),
        None => root.join("Dockerfile"),
    };
    let source = dockerfile_parse::read(&file)?;
    let ignore = if without_context {
        IgnoreFile::default()
    } else {
        ignore_file(&root, Some(file.as_path()).filter(|f| *f != Path::new("-")))?
    };
    // Images that are here tell which variables they set. Checking makes no store.
    let store = context.root.join("store").is_dir().then(|| context.store());
    let store = store.transpose()?;
    let environment = |base: &str| environment(store.as_ref()?, context, base);
    let lint_options = lint::Options {
        ignore: Some(&ignore.patterns),
        environment: &environment,
    };
    let linted = lint::lint(&source, &parse(&source), &lint_options);
    let name = dockerfile_parse::name(&file);
    output::print(&dockerfile_parse::rendered(
        &linted.findings,
        &name,
        &source,
    ))?;
    output::note(&dockerfile_lint::summary(&linted.findings));
    let of_buildkit = linted.findings.iter().any(|finding| {
        let rule = lint::rule(finding.rule);
        let buildkit = rule.is_some_and(|rule| rule.origin == Origin::BuildKit);
        buildkit && finding.severity >= Severity::Warning
    });
    Ok(u8::from(of_buildkit || linted.fails()))
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

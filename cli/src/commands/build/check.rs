//! The lint of the Dockerfile that is built, or that `coracle build --check` would build.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coracle::build::load::Digests;
use coracle::build::plan::Plan;
use coracle::diagnostic::{Diagnostic, Lines, Severity, has_errors};
use coracle::dockerfile::lint::{self, Origin};
use coracle::dockerfile::parse;
use coracle::reference::Reference;
use coracle::store::Store;
use coracle::tree::Timestamp;

use super::context::{IgnoreFile, Sources, check_directory, ignore_file, is_http, is_repository};
use super::{Options, find_base, pairs};
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
    let words = words(options)?;
    let linted = linted(&source, &ignore, store.as_ref(), words.as_deref(), context);
    output::print(&dockerfile_parse::rendered(
        &linted.findings,
        &name,
        &source,
    ))?;
    output::note(&dockerfile_lint::summary(&linted.findings));
    let of_buildkit = linted.findings.iter().any(is_buildkits);
    Ok(u8::from(of_buildkit || linted.fails()))
}

/// Tells of a Dockerfile that is about to be built what stops nothing, as BuildKit does: what
/// planning has warned of, whole, and what its checks find, a line each.
///
/// Refused is a file whose `check` is not understood, and one that wants warnings to be errors, by
/// `# check=error=true`, and has one. As in BuildKit, what other tools would warn of stops no build.
pub(super) fn before(
    plan: &Plan,
    sources: &Sources,
    options: &Options,
    store: &Arc<dyn Store>,
    context: &Context,
) -> Result<(), Failure> {
    let words = words(options)?;
    let (source, name) = (&sources.dockerfile, &sources.name);
    let ignore = &sources.ignore;
    let linted = linted(source, ignore, Some(store), words.as_deref(), context);
    let misread: Vec<_> = linted
        .findings
        .iter()
        .filter(|f| f.rule == MISREAD)
        .collect();
    if !misread.is_empty() {
        return Err(
            Failure::new(format!("{name} says `check`, but not what it may:"))
                .hint(shown(misread, name, source)),
        );
    }
    let found: Vec<_> = linted.findings.iter().filter(|f| is_buildkits(f)).collect();
    if linted.strict && !found.is_empty() {
        let mut rules: Vec<_> = found.iter().map(|finding| finding.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        let rules = rules.join(", ");
        let message = match words {
            None => format!("{name} says check=error=true and breaks these rules: {rules}"),
            Some(words) => format!("{name} breaks these rules: {rules} ({ARGUMENT}={words})"),
        };
        return Err(Failure::new(message).hint(shown(found, name, source)));
    }
    if !options.quiet {
        let planned = plan.warnings.iter().filter(|w| linted.wants(w.rule));
        let planned: Vec<_> = planned.cloned().collect();
        output::note(&dockerfile_parse::rendered(&planned, name, source));
        let told = |f: &Diagnostic| planned.iter().any(|p| (p.rule, p.span) == (f.rule, f.span));
        output::note(&brief(found.into_iter().filter(|f| !told(f)), source));
    }
    Ok(())
}

/// The findings as a line each; nothing if there are none.
fn brief<'f>(findings: impl Iterator<Item = &'f Diagnostic>, source: &str) -> String {
    let lines = Lines::of(source);
    let line = |f: &Diagnostic| {
        let line = lines.position(f.span.start).line;
        format!(" - {}: {} (line {line})\n", f.rule, f.message)
    };
    let list: Vec<_> = findings.map(line).collect();
    let plural = if list.len() == 1 { "" } else { "s" };
    if list.is_empty() {
        return String::new();
    }
    format!(
        "{} warning{plural} found (`coracle build --check` shows more):\n{}",
        list.len(),
        list.concat()
    )
}

/// Findings behind the sentence that introduces them.
fn shown(findings: Vec<&Diagnostic>, name: &str, source: &str) -> String {
    let findings: Vec<_> = findings.into_iter().cloned().collect();
    let text = dockerfile_parse::rendered(&findings, name, source);
    format!("\n{}", text.trim_end())
}

/// The argument by which who builds says what is checked, in place of the file; BuildKit's.
const ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// The rule of a `check` that is not understood.
const MISREAD: &str = "InvalidDirective";

/// What who builds wants to be checked.
fn words(options: &Options) -> Result<Option<String>, Failure> {
    let alone = |name: &str| std::env::var(name).ok();
    let words = pairs("--build-arg", &options.build_arg, &alone)?.remove(ARGUMENT);
    let Some(text) = &words else { return Ok(None) };
    let findings = lint::check_words(text);
    if !has_errors(&findings) {
        return Ok(words);
    }
    let name = format!("--build-arg {ARGUMENT}");
    Err(
        Failure::new(format!("{name}: this cannot be checked")).hint(shown(
            findings.iter().collect(),
            &name,
            text,
        )),
    )
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
    words: Option<&str>,
    context: &Context,
) -> lint::Linted {
    let environment = |base: &str| environment(store?, context, base);
    let options = lint::Options {
        ignore: Some(&ignore.patterns),
        environment: &environment,
        check: words,
    };
    lint::lint(source, &parse(source), &options)
}

/// The Dockerfile, what messages call it, and what the context leaves out.
fn source(options: &Options) -> Result<(String, String, IgnoreFile), Failure> {
    let of_http = is_http(&options.path) && !is_repository(&options.path);
    if options.path == "-" || of_http {
        let digests = Digests::default();
        let sources = Sources::read(options, Path::new("/"), Timestamp::default(), &digests)?;
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

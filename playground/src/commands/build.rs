//! `coracle build` and `builder prune`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use coracle::build::executor::ExecutorError;
use coracle::build::plan::PlanError;
use coracle::build::sim::SimExecutor;
use coracle::build::{BuildError, Built, Host, build};
use coracle::diagnostic::{Diagnostic, Span, has_errors};
use coracle::dockerfile::lint::{self, Origin};
use coracle::dockerfile::parse;
use coracle::event::Event;
use coracle::event::plain::{Ended, Plain};
use coracle::path::RootedPath;
use coracle::reference::Reference;
use coracle::store::{Store, TagStore};
use coracle::{human, store};

use super::registry;
use super::words::Words;
use super::{Failure, Outcome, Run};
use crate::names;
use crate::session::is_directory;
use crate::wanted::Wanted;

/// Builds the image and tags it.
pub(super) fn run(run: &mut Run<'_>, mut words: Words) -> Outcome {
    let tags = words.values(&["-t", "--tag"])?;
    let mut wanted = Wanted {
        args: pairs("--build-arg", words.values(&["--build-arg"])?)?,
        labels: pairs("--label", words.values(&["--label"])?)?,
        target: words.value(&["--target"])?,
        no_cache: words.flag(&["--no-cache"]),
        no_cache_stages: stages(&words.values(&["--no-cache-filter"])?),
        ..Wanted::default()
    };
    let why = words.flag(&["--explain-cache"]);
    let quiet = words.flag(&["-q", "--quiet"]);
    let check = words.flag(&["--check"]);
    // It is always simulated here, and always plain.
    words.flag(&["--simulate"]);
    words.value(&["--progress"])?;
    let file = words.value(&["-f", "--file"])?;
    let [context] = words.exactly("build [OPTIONS] PATH, such as coracle build -t app:v1 .")?;
    let directory = run.directory.resolve(&context);
    if !directory.is_root() {
        return Err(project(run, &context, &directory));
    }
    if let Some(file) = file {
        let path = run.directory.resolve(&file);
        wanted.file = path.to_text().into_owned();
    }
    wanted.epoch = epoch(&wanted.args)?;
    let tags: Vec<Reference> = tags
        .iter()
        .map(|tag| parse_tag(tag))
        .collect::<Result<_, _>>()?;
    let Some(text) = run.moment.state.text(&wanted.file) else {
        return Err(format!(
            "there is no Dockerfile at {}\nWrite one, or name another with -f FILE.",
            wanted.file
        )
        .into());
    };
    if check {
        return checked(run, &wanted, &text);
    }
    let built = carry_out(run, &wanted, &text, why, quiet)?;
    let id = built.image.id().to_string();
    let names: Vec<String> = tags.iter().map(Reference::canonical).collect();
    let state = &run.moment.state;
    for name in &names {
        set_tag(&state.store, name, &built.image.descriptor)?;
    }
    if names.is_empty() {
        let digest = built.image.descriptor.digest.to_string();
        state
            .store
            .tag(&digest, &built.image.descriptor)
            .map_err(|e| e.to_string())?;
    }
    if quiet {
        run.say(&id);
    } else {
        run.note(&format!(" => writing image {id}"));
        for name in &names {
            run.note(&format!(" => naming to {name}"));
        }
    }
    // What a later preview compares with; a switched-off cache is no wish that lasts.
    run.moment.wanted = Wanted {
        no_cache: false,
        no_cache_stages: BTreeSet::new(),
        ..wanted
    };
    Ok(())
}

/// Points a tag at an image. One that loses its last tag by that stays, under its digest.
pub(super) fn set_tag(
    store: &store::memory::MemoryStore,
    name: &str,
    target: &coracle::spec::Descriptor,
) -> Outcome {
    let text = |e: store::StoreError| e.to_string();
    let before = store.resolve(name).map_err(text)?;
    store.tag(name, target).map_err(text)?;
    if let Some(before) = before.filter(|before| before.digest != target.digest) {
        let tags = store.tags().map_err(text)?;
        if !tags.iter().any(|(_, to)| to.digest == before.digest) {
            store.tag(before.digest.as_str(), &before).map_err(text)?;
        }
    }
    Ok(())
}

/// A directory of the project that is not its root, or nothing at all, as a context.
fn project(run: &Run<'_>, context: &str, directory: &RootedPath) -> Failure {
    let root = "the build context is the whole project here; write `.` for it";
    if is_directory(&run.moment.state, directory) {
        let file = format!("{}/Dockerfile", directory.to_text());
        return format!("{context}: {root}, and -f {file} for a Dockerfile in there").into();
    }
    format!("the build context {context} is not a directory: {root}").into()
}

fn carry_out(
    run: &mut Run<'_>,
    wanted: &Wanted,
    text: &str,
    why: bool,
    quiet: bool,
) -> Result<Built, Failure> {
    let state = &mut run.moment.state;
    let context = state.context(&wanted.file, wanted.time());
    let mut pulled = Vec::new();
    let mut missing = Vec::new();
    let planned = {
        let state = &*state;
        let mut look = |reference: &Reference, _: &_| {
            let (image, is_here) = crate::preview::find(state, reference)?;
            if !is_here {
                missing.push(reference.clone());
            }
            Ok(image)
        };
        wanted.plan(text, &context, &mut look)
    };
    let plan = planned.map_err(|error| match error {
        PlanError::Target { target, stages } => Failure::from(format!(
            "--target {target}: there is no such stage, only {}",
            stages.join(", ")
        )),
        PlanError::Source(found) => source_error(&found, &wanted.file, text),
    })?;
    missing.sort_by_key(Reference::canonical);
    missing.dedup();
    for reference in missing {
        let lines = registry::fetch(state, &reference)?;
        pulled.extend(lines);
    }
    let store: Arc<dyn Store> = state.shared_store();
    let executor = SimExecutor::new(state.pretend.clone());
    let (nothing, no_agents) = (BTreeMap::new(), BTreeMap::new());
    let host = Host {
        store,
        cache: &state.cache,
        executor: &executor,
        context: &context,
        secrets: &nothing,
        agents: &no_agents,
        fetch: None,
    };
    let options = wanted.build_options(state);
    let mut plain = Plain::default();
    let mut lines = String::new();
    let built = build(&plan, &host, &options, &mut |event| {
        let told = why || !matches!(event, Event::StepMissed { .. });
        if told && !quiet {
            lines.push_str(&plain.event(&event, Duration::ZERO));
        }
    });
    if let Err(error) = &built {
        let step = match error {
            BuildError::Run { step, .. } => Some(*step),
            _ => None,
        };
        let why = error.to_string();
        lines.push_str(&plain.end(Some(&Ended { step, why }), Duration::ZERO));
    }
    for line in pulled {
        run.note(&line);
    }
    run.print(2, &lines);
    built.map_err(|error| match error {
        BuildError::Source(diagnostic) => source_error(&[*diagnostic], &wanted.file, text),
        BuildError::Run { span, source, .. } => run_error(span, &source, &wanted.file, text),
        other => other.to_string().into(),
    })
}

/// What is wrong with a Dockerfile, shown in it.
fn source_error(found: &[Diagnostic], name: &str, text: &str) -> Failure {
    let shown: String = found.iter().map(|d| d.render(name, text)).collect();
    format!("{name} cannot be built\n{shown}").into()
}

fn run_error(span: Span, source: &ExecutorError, name: &str, text: &str) -> Failure {
    let code = match source {
        ExecutorError::Failed { code, .. } => *code,
        _ => 125,
    };
    let shown = Diagnostic::error("RunFailed", span, source.to_string()).render(name, text);
    Failure {
        message: format!("the build failed\n{shown}"),
        code,
    }
}

/// `--check`: what is wrong with the Dockerfile, and nothing is built.
fn checked(run: &mut Run<'_>, wanted: &Wanted, text: &str) -> Outcome {
    let patterns = run.moment.state.patterns(&wanted.file);
    let options = lint::Options {
        ignore: patterns.as_ref(),
        ..lint::Options::default()
    };
    let linted = lint::lint(text, &parse(text), &options);
    let shown = linted.findings.iter().map(|f| f.render(&wanted.file, text));
    let shown: String = shown.collect();
    run.print(1, &shown);
    let buildkits =
        |f: &&Diagnostic| lint::rule(f.rule).is_some_and(|r| r.origin == Origin::BuildKit);
    let found = linted.findings.len();
    let bad = linted.fails() || has_errors(&linted.findings);
    if bad || linted.findings.iter().any(|f| buildkits(&f)) {
        return Err(format!("{found} found").into());
    }
    run.note(match found {
        0 => "Nothing to say about it.",
        _ => "None of that stops a build.",
    });
    Ok(())
}

/// `coracle builder prune`: forgets what builds have made.
pub(super) fn prune(run: &mut Run<'_>, mut words: Words) -> Outcome {
    words.flag(&["-f", "--force"]);
    words.flag(&["-a", "--all"]);
    let [] = words.exactly("builder prune")?;
    run.moment.state.cache = coracle::build::cache::MemoryCache::default();
    let freed = run.moment.state.collect();
    run.say(&format!("{} freed", human::size(freed, 4)));
    Ok(())
}

pub(super) fn parse_tag(text: &str) -> Result<Reference, Failure> {
    let name: Reference = text
        .parse()
        .map_err(|e: coracle::reference::ReferenceError| e.to_string())?;
    if name.digest.is_some() {
        return Err(format!(
            "{text} has a digest; a tag is a name and a tag only, its digest is what it points at"
        )
        .into());
    }
    Ok(name)
}

/// `NAME=value` options by name.
fn pairs(option: &str, texts: Vec<String>) -> Result<BTreeMap<String, String>, Failure> {
    let mut pairs = BTreeMap::new();
    for text in texts {
        let Some((name, value)) = text.split_once('=') else {
            return Err(format!(
                "{option} {text}: write NAME=value; a browser tab has no environment"
            )
            .into());
        };
        pairs.insert(name.to_owned(), value.to_owned());
    }
    Ok(pairs)
}

fn stages(names: &[String]) -> BTreeSet<String> {
    let names = names.iter().flat_map(|list| list.split(','));
    names.map(str::to_ascii_lowercase).collect()
}

fn epoch(args: &BTreeMap<String, String>) -> Result<Option<i64>, Failure> {
    let Some(text) = args.get("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    let seconds = text
        .parse()
        .map_err(|_| format!("SOURCE_DATE_EPOCH={text} is no number of seconds"))?;
    Ok(Some(seconds))
}

/// Everything that an image here needs is found by its name; the rest is for a collection.
pub(super) fn image(run: &Run<'_>, typed: &str) -> Result<names::Named, Failure> {
    Ok(names::find(&run.moment.state.store, typed)?.0)
}

//! `coracle build`: from a Dockerfile and a directory to an image.

mod agents;
mod caches;
mod check;
pub(crate) mod context;
mod export;
mod fields;
mod named;
mod options;
mod remote_cache;
mod report;
mod secrets;
mod simulate;
mod surroundings;

use std::fs;

use coracle::build::cache::Cache;
use coracle::build::cache_directory::CacheDirectory;
use coracle::build::carry::{CarriedCache, StoreOf};
use coracle::build::executor::Executor;
use coracle::build::load::Digests;
use coracle::build::plan::{self, Plan};
use coracle::build::{self, BuildOptions, Built, Host};
use coracle::dockerfile;
use coracle::image::Image;
use coracle::linux::executor::{LinuxExecutor, Surroundings};
use coracle::linux::snapshot::Snapshots;
use coracle::linux::stop::Stop;
use coracle::linux::userns;
use coracle::reference::Reference;
use coracle::spec::Platform;
use coracle::store::Store;

use self::caches::To;
use self::context::Sources;
use self::export::Export;
use crate::commands::push;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names::{self, Found};
use crate::output;
use crate::progress::{Style, Transcript, View, Watcher};
use crate::registries;
use crate::registries::missing::{self, Told, When};
pub(crate) use options::{Options, pairs, platform};
use options::{jobs, no_cache_stages, plan_options, source_date_epoch, tags};

/// Builds the image and tags it.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    if options.check {
        return check::run(options, context);
    }
    let tags = tags(options)?;
    let mut exports = export::parse(&options.output)?;
    if options.load && !exports.iter().any(Export::is_image) {
        exports.push(Export::Image { names: Vec::new() });
    }
    for export in &exports {
        export.check(options.quiet)?;
    }
    let plan_options = plan_options(options, context)?;
    let surroundings = surroundings::read(options)?;
    let simulated = simulate::read(options)?;
    let cache_to = caches::to(&options.cache_to)?;
    let cache_from = caches::from(&options.cache_from)?;
    // Without containers nobody needs to be root of anything.
    if !options.dry_run && simulated.is_none() {
        userns::reenter(&mut |event| report::before(&event, options))?;
    }
    let digests = Digests::kept_in(context.root.join("cache/contexts"));
    let mut sources = Sources::read(options, &context.root, plan_options.time, &digests)?;
    let parsed = dockerfile::parse(&sources.dockerfile);
    let store = context.store()?;
    // From the first blob to the tag, no collection may take away what has no name yet.
    let hold = store.hold()?;
    sources.context.named = named::read(
        options,
        &*store,
        &plan_options.platform,
        &context.root,
        plan_options.time,
        &digests,
    )?;
    let mut find = |reference: &Reference, platform: &Platform| {
        find_or_pull(&*store, reference, platform, options)
    };
    let plan = plan::plan(
        &parsed.dockerfile,
        parsed.diagnostics,
        &plan_options,
        &sources.context,
        &mut find,
    )
    .map_err(|error| report::plan_error(error, &sources))?;
    check::before(&plan, &sources, options, &store, context)?;
    if options.dry_run {
        output::print(&report::dry_run(&plan))?;
        return Ok(0);
    }
    let own = CacheDirectory::open(context.root.join("cache"))?;
    let (carried, missing) = caches::open(&cache_from, &*store, &plan_options.platform)?;
    for message in missing.iter().filter(|_| !options.quiet) {
        output::note(&output::warning(message));
    }
    let cache = CarriedCache {
        own: &own,
        carried,
        store: StoreOf(std::sync::Arc::clone(&store)),
    };
    let build_options = BuildOptions {
        no_cache: options.no_cache,
        no_cache_stages: no_cache_stages(options, &sources)?,
        surroundings: match &simulated {
            Some(simulated) => simulated.surroundings(),
            None => surroundings.key(),
        },
        source_date_epoch: source_date_epoch(options)?,
        jobs: jobs(options),
        inline_cache: cache_to.contains(&To::Inline),
        place: sources.place(options.target.as_deref()),
        bounds: options.bounds.bounds(),
    };
    let work = Work {
        plan: &plan,
        sources: &sources,
        options: &build_options,
        cache: &cache,
    };
    let built = match &simulated {
        Some(simulated) => carry_out(&work, options, simulated, None, context, &store),
        None => in_containers(&work, options, surroundings, context, &store),
    };
    // Also after a build that failed: the next one begins with the same files. What cannot be
    // written down is computed again, and stops nothing.
    let _ = digests.save();
    let built = built?;
    for to in &cache_to {
        let sending = caches::Sending {
            context,
            explain: options.explain.style,
            quiet: options.quiet,
        };
        let platform = &plan_options.platform;
        let said = caches::write(to, &built, &own, &store, platform, sending)?;
        if let Some(said) = said.filter(|_| !options.quiet) {
            output::note(&report::done(&said));
        }
    }
    for export in &exports {
        let (said, warnings) = export.write(&built.image, &tags, &store, &plan_options.platform)?;
        if !options.quiet {
            output::note(&report::done(&said));
            for warning in warnings {
                output::note(&output::warning(&warning));
            }
        }
    }
    if options.push {
        push::built(
            context,
            &*store,
            &tags,
            options.explain.style,
            options.quiet,
        )?;
    }
    drop(hold);
    write_files(options, &built, &tags)?;
    if options.quiet {
        output::print(&format!("{}\n", built.image.id()))?;
    }
    Ok(0)
}

/// What is to be done, once all is read and planned.
struct Work<'a> {
    plan: &'a Plan,
    sources: &'a Sources,
    options: &'a BuildOptions,
    cache: &'a dyn Cache,
}

/// Carries out the plan, with containers for what runs.
fn in_containers(
    work: &Work<'_>,
    options: &Options,
    surroundings: Surroundings,
    context: &Context,
    store: &std::sync::Arc<dyn Store>,
) -> Result<Built, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let snapshots = Snapshots::open(&context.root, &environment)?;
    let executor = LinuxExecutor {
        snapshots: &snapshots,
        containers: context.root.join("containers"),
        caches: context.root.join("cache/mounts"),
        architecture: context.platform.architecture.clone(),
        surroundings,
        explain: options.explain.is_asked(),
        stop: Stop::new().map_err(|e| Failure::io("make a pipe", &e))?,
    };
    carry_out(work, options, &executor, Some(&executor), context, store)
}

/// Carries out the plan, showing it as it goes. `containers` is who minds signals for what runs.
fn carry_out(
    work: &Work<'_>,
    options: &Options,
    executor: &dyn Executor,
    containers: Option<&LinuxExecutor<'_>>,
    context: &Context,
    store: &std::sync::Arc<dyn Store>,
) -> Result<Built, Failure> {
    let Work { plan, sources, .. } = work;
    let environment = |name: &str| std::env::var(name).ok();
    let secrets = secrets::read(&options.secret)?;
    let agents = agents::read(&options.ssh, &environment)?;
    let host = Host {
        store: std::sync::Arc::clone(store),
        cache: work.cache,
        executor,
        context: &sources.context,
        secrets: &secrets,
        agents: &agents,
        fetch: Some(&registries::fetch),
    };
    let mut watcher = Watcher::new(View {
        style: if options.quiet {
            Style::Quiet
        } else {
            options.progress
        },
        explain: options.explain.style,
        cache: options.explain_cache,
    });
    let mut log = report::Log::default();
    let mut transcript = Transcript::begin(&context.root.join("build.log"))?;
    let mut on = |event| {
        log.event(&event);
        transcript.event(&event);
        watcher.event(&event);
    };
    let mut build = || build::build(plan, &host, work.options, &mut on);
    // A single stage is built by this thread alone, and a signal may end it at any time.
    let built = match containers {
        Some(containers) if plan.stages.len() > 1 => containers.mind_signals(build)?,
        _ => build(),
    };
    let ended = built.as_ref().err().map(report::ended);
    watcher.end(ended.as_ref());
    transcript.end(ended.as_ref());
    built.map_err(|error| report::build_error(error, sources, &log, &transcript.path))
}

/// The image that FROM or COPY --from names, fetched from its registry if it is not here, or in
/// any case with --pull. The message is one sentence.
fn find_or_pull(
    store: &dyn Store,
    reference: &Reference,
    platform: &Platform,
    options: &Options,
) -> Result<Image, String> {
    if options.simulate {
        return simulate::base(store, reference, platform, options);
    }
    let when = match options {
        // A plan changes nothing.
        Options { dry_run: true, .. } => return find_base(store, reference, platform),
        Options { pull: true, .. } => When::Always,
        _ => When::Missing,
    };
    let told = Told {
        explain: options.explain.style,
        quiet: options.quiet,
    };
    missing::image(store, platform, (&reference.familiar(), find), when, told)
        .map_err(|failure| failure.message.unwrap_or_default())
}

/// The image that FROM or COPY --from names, if it is here. The message is one sentence.
pub(crate) fn find_base(
    store: &dyn Store,
    reference: &Reference,
    platform: &Platform,
) -> Result<Image, String> {
    let typed = reference.familiar();
    let sentence = |failure: Failure| failure.message.unwrap_or_default();
    let found = find(store, platform, &typed).map_err(sentence)?;
    Image::open(store, &found.named.target, platform).map_err(|e| format!("{typed}: {e}"))
}

/// What FROM or COPY --from names. A name that nothing has, such as that of a stage further down,
/// does not mean whatever image has an ID that begins so: an ID counts from as many digits on as
/// `images` shows.
fn find(store: &dyn Store, platform: &Platform, typed: &str) -> Result<Found, Failure> {
    let found = names::find(store, platform, typed);
    let short = typed.len() < 12 && typed.bytes().all(|b| b.is_ascii_hexdigit());
    if short && !matches!(&found, Ok(found) if found.reference.is_some()) {
        return Err(Failure::new(format!(
            "there is no image {typed} here\n`coracle images` lists what there is."
        )));
    }
    found
}

fn write_files(options: &Options, built: &Built, tags: &[Reference]) -> Result<(), Failure> {
    let id = built.image.id().to_string();
    let metadata =
        || -> Result<String, Failure> { Ok(format!("{:#}\n", report::metadata(built, tags)?)) };
    for (path, text) in [
        (
            &options.iidfile,
            &(|| Ok(id.clone())) as &dyn Fn() -> Result<String, Failure>,
        ),
        (&options.metadata_file, &metadata),
    ] {
        if let Some(path) = path {
            fs::write(path, text()?)
                .map_err(|e| Failure::io(format!("write {}", path.display()), &e))?;
        }
    }
    Ok(())
}

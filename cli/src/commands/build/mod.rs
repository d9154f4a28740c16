//! `coracle build`: from a Dockerfile and a directory to an image.

mod agents;
mod caches;
mod check;
pub(crate) mod context;
mod export;
mod fields;
mod named;
mod report;
mod secrets;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;

use coracle::build::cache::Cache;
use coracle::build::cache_directory::CacheDirectory;
use coracle::build::carry::{CarriedCache, StoreOf};
use coracle::build::executor::RunNetwork;
use coracle::build::plan::{self, Plan, PlanOptions};
use coracle::build::{self, BuildOptions, Built, Host};
use coracle::diagnostic::did_you_mean;
use coracle::dockerfile::{self, Kind};
use coracle::image::Image;
use coracle::linux::executor::{LinuxExecutor, Surroundings};
use coracle::linux::snapshot::Snapshots;
use coracle::linux::stop::Stop;
use coracle::linux::userns;
use coracle::reference::Reference;
use coracle::spec::Platform;
use coracle::store::Store;
use coracle::tree::Timestamp;

use self::caches::To;
use self::context::Sources;
use self::export::Export;
use crate::commands::base;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output;
use crate::progress::{Explain, Style, Transcript, View, Watcher};

/// Build an image from a Dockerfile
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] PATH | URL | -",
    after_help = "\
Examples:
  coracle build -t app .
  coracle build -t app:2 -f web/Dockerfile --build-arg VERSION=2 .
  coracle build --explain-cache -t app .
  coracle build --target test --progress plain .
  coracle build - < Dockerfile
  coracle build - < context.tar.gz
  coracle build --build-context tools=../tools -t app .
  coracle build -o out .
  coracle build -o type=oci,dest=app.tar -t app .

PATH is the build context: the directory whose files COPY and ADD may take, without what
.dockerignore leaves out. With - a tar archive on standard input, plain or packed with
gzip, xz or zstd, is the context; anything else is a Dockerfile without one. -f - reads the
Dockerfile from standard input. The base image must be here (`coracle images`).
--cache-to takes the cache elsewhere: type=inline into the image, for --cache-from IMAGE;
type=local,dest=DIRECTORY[,mode=max] into a directory, for type=local,src=DIRECTORY.
--build-context names more files and images for FROM, COPY --from and RUN --mount: a
directory, a tar archive or its http address, oci-layout://DIRECTORY[:TAG] or
docker-image://IMAGE.

The result is an image here, unless --output says otherwise. A directory after --output, or
type=local,dest=DIRECTORY, gets its files as your own; - or type=tar,dest=FILE|- an archive
of them; type=oci,dest=FILE|- or type=docker,dest=FILE|- a saved image, and
type=oci,tar=false,dest=DIRECTORY an OCI layout.

The same files and Dockerfile give the same image, digest and all, wherever nothing runs:
copied files are owned by root and of the first second of 1970. With SOURCE_DATE_EPOCH, as
a variable or a build argument, they are of that second, what RUN wrote later is set back
to it, and so are the image's own times.

What every step printed is kept in build.log in the state directory until the next build.
The exit code is 1 for a Dockerfile that cannot be built; when a RUN fails, it is that
command's. All problems that can be seen beforehand are reported at once.

Chapters 06-dockerfile, 07-build and 08-cache of the book explain what happens."
)]
pub(crate) struct Options {
    /// The build context: a directory, the http address of an archive, or - for standard input
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// Add a custom host-to-IP mapping (format: "host:ip")
    #[arg(long, value_name = "strings")]
    pub(crate) add_host: Vec<String>,
    /// Allow what RUN may ask for (e.g., "security.insecure")
    #[arg(long, value_name = "stringArray")]
    pub(crate) allow: Vec<String>,
    /// Set build-time variables
    #[arg(long, value_name = "list")]
    pub(crate) build_arg: Vec<String>,
    /// Additional build contexts (e.g., name=path)
    #[arg(long, value_name = "stringArray")]
    pub(crate) build_context: Vec<String>,
    /// External cache sources (e.g., "app:1", "type=local,src=path/to/dir")
    #[arg(long, value_name = "stringArray")]
    pub(crate) cache_from: Vec<String>,
    /// Cache export destinations (e.g., "type=local,dest=path/to/dir")
    #[arg(long, value_name = "stringArray")]
    pub(crate) cache_to: Vec<String>,
    /// Look for what is wrong with the Dockerfile, and build nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Tell each request to the kernel, why it is made, and the chapter that teaches it
    #[arg(
        long,
        value_name = "json",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text"
    )]
    pub(crate) explain: Option<Explain>,
    /// Tell why each step was or was not in the cache
    #[arg(long)]
    pub(crate) explain_cache: bool,
    /// Name of the Dockerfile (default "PATH/Dockerfile")
    #[arg(short, long, value_name = "string")]
    pub(crate) file: Option<PathBuf>,
    /// Write the image ID to the file
    #[arg(long, value_name = "string")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Keep the result as an image here, which is done anyway
    #[arg(long)]
    pub(crate) load: bool,
    /// Set metadata for an image
    #[arg(long, value_name = "stringArray")]
    pub(crate) label: Vec<String>,
    /// Write build result metadata to a file
    #[arg(long, value_name = "string")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// The network of RUN instructions: host or none
    #[arg(long, value_name = "string", default_value = "host", value_parser = ["host", "none", "default"])]
    pub(crate) network: String,
    /// Do not use cache when building the image
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Do not cache specified stages
    #[arg(long, value_name = "stringArray", value_delimiter = ',')]
    pub(crate) no_cache_filter: Vec<String>,
    /// Output destination: a directory, -, or type=TYPE,dest=PATH (see below)
    #[arg(short, long, value_name = "stringArray")]
    pub(crate) output: Vec<String>,
    /// Set target platform for build (os/arch[/variant])
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    /// Set type of progress output (auto, plain, tty, quiet, rawjson)
    #[arg(long, value_name = "string", default_value = "auto")]
    pub(crate) progress: Style,
    /// Always attempt to pull all referenced images
    #[arg(long)]
    pub(crate) pull: bool,
    /// Suppress the build output and print image ID on success
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// A secret for RUN --mount=type=secret: id=ID[,src=FILE|,env=VARIABLE]
    #[arg(long, value_name = "stringArray")]
    pub(crate) secret: Vec<String>,
    /// Shared memory size for RUN instructions
    #[arg(long, value_name = "bytes")]
    pub(crate) shm_size: Option<String>,
    /// SSH agent to expose to the build (format: "default" or "id=socket")
    #[arg(long, value_name = "stringArray")]
    pub(crate) ssh: Vec<String>,
    /// Name and optionally a tag (format: "name:tag")
    #[arg(short, long, value_name = "stringArray")]
    pub(crate) tag: Vec<String>,
    /// Set the target build stage to build
    #[arg(long, value_name = "string")]
    pub(crate) target: Option<String>,
    /// Ulimit options for RUN instructions (format: "name=soft:hard")
    #[arg(long, value_name = "ulimit")]
    pub(crate) ulimit: Vec<String>,
}

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
    let cache_to = caches::to(&options.cache_to)?;
    let cache_from = caches::from(&options.cache_from)?;
    if !options.dry_run {
        userns::reenter(&mut |event| report::before(&event, options))?;
    }
    let mut sources = Sources::read(options, &context.root, plan_options.time)?;
    let parsed = dockerfile::parse(&sources.dockerfile);
    let store = context.store()?;
    // From the first blob to the tag, no collection may take away what has no name yet.
    let hold = store.hold()?;
    sources.context.named = named::read(
        &options.build_context,
        &*store,
        &plan_options.platform,
        &context.root,
        plan_options.time,
    )?;
    let mut find =
        |reference: &Reference, platform: &Platform| find_base(&*store, reference, platform);
    let plan = plan::plan(
        &parsed.dockerfile,
        parsed.diagnostics,
        &plan_options,
        &sources.context,
        &mut find,
    )
    .map_err(|error| report::plan_error(error, &sources))?;
    check::refuse(&sources, &store, context)?;
    report::warnings(&plan, &sources, options.quiet);
    if options.pull && !options.quiet {
        output::note(&output::warning(
            "--pull: nothing can be fetched from a registry here (yet), so the images that are \
             here are used as they are; `coracle load` brings in newer ones",
        ));
    }
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
        surroundings: surroundings.key(),
        source_date_epoch: source_date_epoch(options)?,
        jobs: jobs(options),
        inline_cache: cache_to.contains(&To::Inline),
        place: sources.place(options.target.as_deref()),
    };
    let work = Work {
        plan: &plan,
        sources: &sources,
        options: &build_options,
        cache: &cache,
    };
    let built = carry_out(&work, options, surroundings, context, &store)?;
    for to in &cache_to {
        let said = caches::write(to, &built, &own, &store, &plan_options.platform)?;
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

/// Carries out the plan, showing it as it goes.
fn carry_out(
    work: &Work<'_>,
    options: &Options,
    surroundings: Surroundings,
    context: &Context,
    store: &std::sync::Arc<dyn Store>,
) -> Result<Built, Failure> {
    let Work { plan, sources, .. } = work;
    let environment = |name: &str| std::env::var(name).ok();
    let snapshots = Snapshots::open(&context.root, &environment)?;
    let secrets = secrets::read(&options.secret)?;
    let agents = agents::read(&options.ssh, &environment)?;
    let executor = LinuxExecutor {
        snapshots: &snapshots,
        containers: context.root.join("containers"),
        caches: context.root.join("cache/mounts"),
        architecture: context.platform.architecture.clone(),
        surroundings,
        explain: options.explain.is_some(),
        stop: Stop::new().map_err(|e| Failure::io("make a pipe", &e))?,
    };
    let host = Host {
        store: std::sync::Arc::clone(store),
        cache: work.cache,
        executor: &executor,
        context: &sources.context,
        secrets: &secrets,
        agents: &agents,
        fetch: Some(&build::net::fetch),
    };
    let mut watcher = Watcher::new(View {
        style: if options.quiet {
            Style::Quiet
        } else {
            options.progress
        },
        explain: options.explain,
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
    let built = if plan.stages.len() > 1 {
        executor.mind_signals(build)?
    } else {
        build()
    };
    let ended = built.as_ref().err().map(report::ended);
    watcher.end(ended.as_ref());
    transcript.end(ended.as_ref());
    built.map_err(|error| report::build_error(error, sources, &log, &transcript.path))
}

/// How many stages are built at the same time. Explanations are read one after the other.
fn jobs(options: &Options) -> usize {
    if options.explain.is_some() {
        return 1;
    }
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    // Steps wait for the disk and for other machines, too.
    processors.max(4)
}

/// The time of all that is made, if somebody wants one: by the build argument, as in BuildKit, or
/// else by the variable of that name.
fn source_date_epoch(options: &Options) -> Result<Option<i64>, Failure> {
    let mut given = options.build_arg.iter().rev();
    let Some(text) = given.find_map(|arg| arg.strip_prefix("SOURCE_DATE_EPOCH=")) else {
        return base::source_date_epoch();
    };
    text.parse().map(Some).map_err(|_| {
        Failure::new(format!(
            "--build-arg SOURCE_DATE_EPOCH={text}: it must be a number"
        ))
        .hint("It is the seconds since 1970, such as `git log -1 --format=%ct` prints.")
    })
}

/// The stages of `--no-cache-filter`, in small letters. One that is not there is a mistake.
fn no_cache_stages(options: &Options, sources: &Sources) -> Result<BTreeSet<String>, Failure> {
    let parsed = dockerfile::parse(&sources.dockerfile);
    let names: Vec<_> = parsed
        .dockerfile
        .instructions
        .iter()
        .filter_map(|instruction| match &instruction.kind {
            Kind::From(stage) => Some(stage.name.as_ref()?.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    let mut stages = BTreeSet::new();
    for text in &options.no_cache_filter {
        let stage = text.trim().to_ascii_lowercase();
        if !names.contains(&stage) {
            let near = did_you_mean(&stage, names.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!(" Did you mean {near}?"));
            return Err(Failure::new(format!(
                "--no-cache-filter {text}: {} has no such stage",
                sources.name
            ))
            .hint(format!(
                "Its stages with a name are: {}.{near}",
                names.join(", ")
            )));
        }
        stages.insert(stage);
    }
    Ok(stages)
}

fn tags(options: &Options) -> Result<Vec<Reference>, Failure> {
    let mut tags = Vec::new();
    for text in &options.tag {
        let tag: Reference = text.parse()?;
        if tag.digest.is_some() {
            return Err(Failure::new(format!(
                "--tag {text}: a tag is a name and a tag, without a digest"
            )));
        }
        tags.push(tag);
    }
    Ok(tags)
}

fn plan_options(options: &Options, context: &Context) -> Result<PlanOptions, Failure> {
    let platform = match &options.platform {
        None => context.platform.clone(),
        Some(text) => platform(text)?,
    };
    Ok(PlanOptions {
        args: pairs("--build-arg", &options.build_arg, &|name| {
            std::env::var(name).ok()
        })?,
        target: options.target.clone(),
        platform,
        build_platform: context.platform.clone(),
        labels: pairs("--label", &options.label, &|_| Some(String::new()))?,
        network: match options.network.as_str() {
            "none" => RunNetwork::None,
            _ => RunNetwork::Host,
        },
        insecure: surroundings::allows_insecure(options)?,
        time: Timestamp {
            seconds: source_date_epoch(options)?.unwrap_or(0),
            nanos: 0,
        },
    })
}

/// Reads `os/architecture[/variant]`.
pub(crate) fn platform(text: &str) -> Result<Platform, Failure> {
    Platform::parse(text).ok_or_else(|| {
        Failure::new(format!(
            "--platform {text}: it looks like os/architecture, such as linux/arm64"
        ))
    })
}

/// `NAME=value` options by name; `alone` gives the value of a name without one, if there is one.
pub(crate) fn pairs(
    option: &str,
    texts: &[String],
    alone: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut out = BTreeMap::new();
    for text in texts {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_str(), alone(text)),
        };
        if name.is_empty() {
            return Err(Failure::new(format!(
                "{option} {text:?}: a name is needed, as in NAME=value"
            )));
        }
        if let Some(value) = value {
            out.insert(name.to_owned(), value);
        }
    }
    Ok(out)
}

/// The image that FROM or COPY --from names. The message is one sentence.
pub(crate) fn find_base(
    store: &dyn Store,
    reference: &Reference,
    platform: &Platform,
) -> Result<Image, String> {
    let sentence = |failure: Failure| failure.message.unwrap_or_default();
    let found = names::find(store, platform, &reference.familiar()).map_err(sentence)?;
    Image::open(store, &found.named.target, platform)
        .map_err(|e| format!("{}: {e}", reference.familiar()))
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

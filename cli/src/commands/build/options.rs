//! The options of `coracle build`, and what they mean together.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::PathBuf;

use coracle::build::executor::RunNetwork;
use coracle::build::plan::PlanOptions;
use coracle::diagnostic::did_you_mean;
use coracle::dockerfile::{self, Kind};
use coracle::reference::Reference;
use coracle::spec::Platform;
use coracle::tree::Timestamp;

use super::context::Sources;
use super::surroundings;
use crate::bounds::BoundsOptions;
use crate::commands::base;
use crate::context::Context;
use crate::failure::Failure;
use crate::progress::{ExplainOption, Style};

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
Dockerfile from standard input. A base image that is not here is pulled.
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

An archive for ADD, or as the context, of more than --max-bytes (unpacked), --max-ratio (times
its packed size) or --max-entries is refused: it looks like an attack on the disk or the
memory.

With --simulate, RUN needs no container and no privilege: a small shell that knows the everyday
commands works on the files alone, and refuses by name what it does not know. Base images that
are not here are small ones that stand for the real, and packages a thousandth of their size.
What it makes is never taken for the result of a real RUN, nor the other way round.

What BuildKit's checks find is told and stops nothing, unless the Dockerfile begins with
`# check=error=true`; `# check=skip=NAME,NAME` turns checks off. Both are given for one build
by --build-arg BUILDKIT_DOCKERFILE_CHECK=skip=NAME;error=true, in place of the file's own.

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
    /// External cache sources (e.g., "app:1", "type=registry,ref=host/app", "type=local,src=dir")
    #[arg(long, value_name = "stringArray")]
    pub(crate) cache_from: Vec<String>,
    /// Cache export destinations (e.g., "type=inline", "type=registry,ref=host/app", "type=local,dest=dir")
    #[arg(long, value_name = "stringArray")]
    pub(crate) cache_to: Vec<String>,
    /// Look for what is wrong with the Dockerfile, and build nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) explain: ExplainOption,
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
    #[command(flatten)]
    pub(crate) bounds: BoundsOptions,
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
    /// With --simulate: take a command as done, and files as written (format: "name[=/path,...]")
    #[arg(long, value_name = "stringArray", requires = "simulate")]
    pub(crate) pretend: Vec<String>,
    /// Always attempt to pull all referenced images
    #[arg(long)]
    pub(crate) pull: bool,
    /// Push the image to the registry that its tags name
    #[arg(long)]
    pub(crate) push: bool,
    /// Suppress the build output and print image ID on success
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// A secret for RUN --mount=type=secret: id=ID[,src=FILE|,env=VARIABLE]
    #[arg(long, value_name = "stringArray")]
    pub(crate) secret: Vec<String>,
    /// Shared memory size for RUN instructions
    #[arg(long, value_name = "bytes")]
    pub(crate) shm_size: Option<String>,
    /// Let a small simulated shell do what RUN says: no container, no network
    #[arg(long, conflicts_with_all = ["pull", "ssh", "add_host", "shm_size", "ulimit"])]
    pub(crate) simulate: bool,
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

/// How many stages are built at the same time. Explanations are read one after the other.
pub(super) fn jobs(options: &Options) -> usize {
    if options.explain.is_asked() {
        return 1;
    }
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    // Steps wait for the disk and for other machines, too.
    processors.max(4)
}

/// The time of all that is made, if somebody wants one: by the build argument, as in BuildKit, or
/// else by the variable of that name.
pub(super) fn source_date_epoch(options: &Options) -> Result<Option<i64>, Failure> {
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
pub(super) fn no_cache_stages(
    options: &Options,
    sources: &Sources,
) -> Result<BTreeSet<String>, Failure> {
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

pub(super) fn tags(options: &Options) -> Result<Vec<Reference>, Failure> {
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

pub(super) fn plan_options(options: &Options, context: &Context) -> Result<PlanOptions, Failure> {
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

//! `coracle base`: a base image from this machine's own programs.

use std::fmt::Write as _;
use std::path::PathBuf;

use coracle::image::{Draft, Image, store_layer};
use coracle::layer::diff;
use coracle::linux::base::{self, BaseOptions, Report};
use coracle::reference::Reference;
use coracle::spec::{History, ImageConfig, Platform};
use coracle::store::Store;
use coracle::tree::{Timestamp, Tree};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output::format::{self, Format, FormatOption};
use crate::output::{self, human, time};

/// Make a base image from this machine's own programs
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle base
  coracle base --add python3 -t python-base
  coracle base --add git --add /usr/share/zoneinfo --verbose

No network and no root is needed: a shell, the common tools and the libraries that they
need are taken from this machine. The same machine gives the same image, digest and all.
Set SOURCE_DATE_EPOCH to give its files another time than the first second of 1970.

Standard output gets the image's ID. Fields of --format json: Id, Tags, Shell,
Architecture, Programs, Absent (usual programs that this machine does not have), Files
(each with path, bytes, because), Bytes, Notes.

Chapter 11-rootfs of the book explains what a root file system needs."
)]
pub(crate) struct Options {
    /// Also take this program, file or directory, and what it needs
    #[arg(long, value_name = "path")]
    pub(crate) add: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Suppress the summary, print the image ID only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Name and optionally a tag (format: "name:tag")
    #[arg(short, long, value_name = "list", default_value = "base")]
    pub(crate) tag: Vec<String>,
    /// List every file, and why it is there
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Makes the image and tags it.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let mut tags = Vec::new();
    for tag in &options.tag {
        tags.push(tag.parse::<Reference>()?);
    }
    let store = context.store()?;
    let (image, report) = make(&*store, &options.add, &tags)?;
    let names: Vec<_> = tags.iter().map(Reference::familiar).collect();
    if !options.quiet {
        output::note(&summary(&report, &names, options.verbose));
    }
    let document = json!({
        "Id": image.id(),
        "Tags": tags.iter().map(Reference::familiar).collect::<Vec<_>>(),
        "Shell": report.shell,
        "Architecture": report.architecture,
        "Programs": report.programs,
        "Absent": report.absent,
        "Files": report.files,
        "Bytes": report.bytes,
        "Notes": report.notes,
    });
    output::print(&format::document(&document, &format, || {
        format!("{}\n", image.id())
    })?)?;
    Ok(0)
}

/// Makes a base image, tags it, and tells what is in it.
pub(crate) fn make(
    store: &dyn Store,
    add: &[PathBuf],
    tags: &[Reference],
) -> Result<(Image, Report), Failure> {
    let epoch = source_date_epoch()?;
    let options = BaseOptions {
        add: add.to_vec(),
        mtime: Timestamp {
            seconds: epoch.unwrap_or(0),
            nanos: 0,
        },
        ..BaseOptions::default()
    };
    let (tree, report) = base::tree(&options)?;
    let _hold = store.hold()?;
    let layer = store_layer(store, &diff(&Tree::new(), &tree))?;
    // Without a time of its own the image has none: a clock would change its ID.
    let created = epoch.map(|seconds| time::Moment { seconds, nanos: 0 }.rfc3339());
    let mut config = ImageConfig::scratch(&Platform::linux(&report.architecture));
    config.created.clone_from(&created);
    config.config.env.push(format!("PATH={}", base::PATH));
    config.config.cmd.push("/bin/sh".to_owned());
    let mut draft = Draft {
        config,
        layers: Vec::new(),
    };
    let history = History {
        created,
        created_by: Some("coracle base".to_owned()),
        comment: Some(format!("shell: {}", report.shell)),
        ..History::default()
    };
    draft.push(layer, history);
    let image = draft.commit(store)?;
    for tag in tags {
        names::set_tag(store, tag, &image.descriptor)?;
    }
    Ok((image, report))
}

/// The time that everything made gets, by <https://reproducible-builds.org/specs/source-date-epoch/>.
pub(crate) fn source_date_epoch() -> Result<Option<i64>, Failure> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    let text = text.to_string_lossy();
    text.parse().map(Some).map_err(|_| {
        Failure::new(format!("SOURCE_DATE_EPOCH is {text:?}"))
            .hint("It must be a number: seconds since 1970. Unset it to do without.")
    })
}

fn summary(report: &Report, names: &[String], verbose: bool) -> String {
    let mut text = String::new();
    if verbose {
        for file in &report.files {
            let size = human::size(file.bytes, 3);
            let _ = writeln!(text, "{size:>8}  {}\n          {}", file.path, file.because);
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "{}: {}", note.path, note.message);
    }
    let _ = writeln!(
        text,
        "{}: {} programs, {} files, {}; the shell is {}",
        names.join(", "),
        report.programs.len(),
        report.files.len(),
        human::size(report.bytes, 4),
        report.shell,
    );
    text
}

//! `coracle fsck`: is everything as it should be, and can it be set right?

use std::fmt::Write as _;

use coracle::linux::fsck::{self, Finding, FsckError, Report};
use serde_json::json;

use crate::collect;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::format::{Format, FormatOption, Listing, Row};
use crate::output::{self, human};

/// Check the store, the build cache and the snapshots, and repair them
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS]",
    after_help = "\
Examples:
  coracle fsck
  coracle fsck --repair
  coracle fsck --format '{{.Kind}} {{.Path}}'

Every blob is read and compared with its digest; every tag is followed to the last layer,
whose diff ID is compared with what the config says; every step of the build cache is
followed to its layer, and every container to what it stands on. Problems are lies: wrong-digest, missing-blob, wrong-size, document,
wrong-diff-id, dangling-tag, duplicate-tag, tag-name, index, index-entry, marker,
cache-entry, cache-blob, container. Leftovers only take room: temporary, stray, unknown-snapshot,
dead-container; while another process is at work they are not looked for.

--repair deletes nothing. What is wrong is moved to a numbered directory of lost+found in
the state directory, to the path that it had; of images that are no longer whole, what is
still good is linked there, too, and their tags are in its store/index.json. Load, pull or
build those images again.

The exit code is 0 when there are no problems (left), 1 when there are. Fields: Kind, Leftover
(true or false), Path (below the state directory), Message, Images (tags that cannot be used
because of it), MovedTo (below the state directory, after --repair).

Chapter 04-image of the book explains what must be true of a store."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) format: FormatOption,
    /// Move aside what is wrong, into lost+found; nothing is deleted
    #[arg(long)]
    pub(crate) repair: bool,
}

/// Checks, repairs if that is asked for, and says what was found.
pub(crate) fn run(options: &Options, context: &Context) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    collect::enter(context)?;
    let report = if options.repair {
        fsck::repair(&context.root).map_err(in_use)?
    } else {
        fsck::check(&context.root)?
    };
    let rows = report.repaired.iter().chain(&report.findings).map(row);
    let listing = Listing {
        columns: "{{.Kind}}\t{{.Path}}\t{{.Found}}",
        headers: &[
            ("Kind", "KIND"),
            ("Leftover", "LEFTOVER"),
            ("Path", "PATH"),
            ("Message", "MESSAGE"),
            ("Images", "IMAGES"),
            ("MovedTo", "MOVED TO"),
            ("Found", "FOUND"),
        ],
        rows: rows.collect(),
    };
    let table = matches!(format, Format::Table(None));
    if !(table && listing.rows.is_empty()) {
        output::print(&listing.render(&format)?)?;
    }
    let said = summary(&report, options.repair);
    if table {
        output::print(&said)?;
    }
    Ok(u8::from(!report.is_sound()))
}

fn in_use(error: FsckError) -> Failure {
    match error {
        FsckError::InUse { .. } => {
            Failure::from(error).hint("Try again when no build, load or run is under way.")
        }
        error => error.into(),
    }
}

/// How it stands, in a sentence or two.
fn summary(report: &Report, repair: bool) -> String {
    let count = |leftovers: bool, findings: &[Finding]| {
        let same = findings
            .iter()
            .filter(|f| f.kind.is_leftover() == leftovers);
        same.count()
    };
    let (problems, leftovers) = (
        count(false, &report.findings),
        count(true, &report.findings),
    );
    let read = format!(
        "{} tags, {} blobs, {} read",
        report.tags,
        report.blobs,
        human::size(report.bytes, 4)
    );
    let mut said = String::new();
    if !report.repaired.is_empty() {
        let _ = writeln!(
            said,
            "{} moved aside, into lost+found",
            report.repaired.len()
        );
    }
    let _ = match (problems, leftovers) {
        (0, 0) => writeln!(said, "everything is as it should be: {read}"),
        (0, _) => writeln!(said, "no problems, {leftovers} leftovers: {read}"),
        _ => writeln!(said, "{problems} problems, {leftovers} leftovers: {read}"),
    };
    if problems + leftovers > 0 && !repair {
        said.push_str("`coracle fsck --repair` moves all of it aside; nothing is deleted.\n");
    }
    if !report.alone {
        said.push_str("Another process is at work, so leftovers were not looked for.\n");
    }
    said
}

fn row(finding: &Finding) -> Row {
    let path = finding.path.to_string_lossy();
    let moved = finding.moved_to.as_ref().map(|path| path.to_string_lossy());
    let mut found = finding.message.clone();
    if !finding.images.is_empty() {
        let _ = write!(found, "; needed by {}", finding.images.join(", "));
    }
    if let Some(moved) = &moved {
        let _ = write!(found, "; moved to {moved}");
    }
    let document = json!({
        "Kind": finding.kind,
        "Leftover": finding.kind.is_leftover(),
        "Path": path,
        "Message": finding.message,
        "Images": finding.images,
        "MovedTo": moved,
    });
    let mut shown = document.clone();
    shown["Images"] = finding.images.join(", ").into();
    shown["MovedTo"] = moved.unwrap_or_default().into();
    shown["Found"] = found.into();
    Row { shown, document }
}

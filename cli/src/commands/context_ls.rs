//! `coracle context ls`: the files of a build context, those left out, and what decided.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use coracle::build::load::Digests;
use coracle::path::RootedPath;
use coracle::tree::{Kind, Node, Timestamp};
use serde_json::json;

use crate::commands::build::context::{IgnoreFile, check_directory, ignore_file, load_context};
use crate::commands::dockerignore_check::pattern;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::format::{Format, FormatOption, Listing, Row};
use crate::output::human;

/// List the files of a build context, those that are left out, and what decided
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] [DIRECTORY]",
    after_help = "\
Examples:
  coracle context ls
  coracle context ls -f web/Dockerfile .
  coracle context ls --format json . | jq -r 'select(.ignored | not).path'

The ignore file is DOCKERFILE.dockerignore beside the Dockerfile, or else .dockerignore in the
directory. What is below a directory that is left out is not listed unless `!` takes it back in.

Fields, one object for each path: path, type (file, dir, symlink), size (bytes of a file, else
null), ignored, line and pattern (null when no line matches), ignore_file (null without one).

Chapter 07-build of the book explains the build context."
)]
pub(crate) struct Options {
    /// The directory of the context
    #[arg(value_name = "DIRECTORY", default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Name of the Dockerfile (default "DIRECTORY/Dockerfile")
    #[arg(short, long, value_name = "string")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Lists the context, as a build that keeps everything in `state` sees it.
pub(crate) fn run(options: &Options, state: Option<&Path>) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    check_directory(&options.directory)?;
    let file = options.file.clone();
    let file = file.unwrap_or_else(|| options.directory.join("Dockerfile"));
    let ignore = ignore_file(&options.directory, Some(&file))?;
    let listing = Listing {
        columns: "{{.Path}}\t{{.Size}}\t{{.Ignored}}\t{{.Line}}\t{{.Pattern}}",
        headers: &[
            ("Path", "PATH"),
            ("Size", "SIZE"),
            ("Ignored", "IGNORED"),
            ("Line", "LINE"),
            ("Pattern", "PATTERN"),
        ],
        rows: rows(options, &ignore, state)?,
    };
    output::print(&listing.render(&format)?)?;
    Ok(0)
}

/// Everything that is in the context, and everything that is left out of it, by path.
fn rows(options: &Options, ignore: &IgnoreFile, state: Option<&Path>) -> Result<Vec<Row>, Failure> {
    let root = &options.directory;
    let context = load_context(
        root,
        ignore,
        state,
        Timestamp::default(),
        &Digests::default(),
    )?;
    let mut paths: BTreeMap<&RootedPath, Option<&Node>> = BTreeMap::new();
    paths.extend(context.hidden.keys().map(|path| (path, None)));
    let files = context.tree.iter().filter(|(path, _)| !path.is_root());
    paths.extend(files.map(|(path, node)| (path, Some(&**node))));
    let rows = paths.into_iter().map(|(path, node)| {
        let here = root.join(path.to_text().as_ref());
        row(path, node, &looks(node, &here), ignore)
    });
    Ok(rows.collect())
}

/// What stands at a path, and how large it is if it is a file.
fn looks(node: Option<&Node>, here: &Path) -> (Option<&'static str>, Option<u64>) {
    if let Some(node) = node {
        return match &node.kind {
            Kind::File(content) => (Some("file"), Some(content.size())),
            Kind::Directory => (Some("dir"), None),
            _ => (Some("symlink"), None),
        };
    }
    // What is left out was not read with the context.
    let Ok(meta) = fs::symlink_metadata(here) else {
        return (None, None);
    };
    let kind = meta.file_type();
    match (kind.is_dir(), kind.is_file(), kind.is_symlink()) {
        (true, ..) => (Some("dir"), None),
        (_, true, _) => (Some("file"), Some(meta.len())),
        (.., true) => (Some("symlink"), None),
        _ => (None, None),
    }
}

fn row(
    path: &RootedPath,
    node: Option<&Node>,
    (kind, size): &(Option<&'static str>, Option<u64>),
    ignore: &IgnoreFile,
) -> Row {
    let by = ignore.patterns.check(path).by;
    let pattern = by.and_then(|line| pattern(&ignore.patterns, line));
    // A directory that a line leaves out is there all the same when something below it is.
    let ignored = node.is_none();
    let name = ignore.name();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let slash = if *kind == Some("dir") { "/" } else { "" };
    Row {
        shown: json!({
            "Path": format!("{}{slash}", path.to_text()),
            "Size": or_dash(size.map(|size| human::size(size, 3))),
            "Ignored": if ignored { "yes" } else { "no" },
            "Line": or_dash(by.map(|line| line.to_string())),
            "Pattern": or_dash(pattern.map(str::to_owned)),
        }),
        document: json!({
            "path": path.to_text(),
            "type": kind,
            "size": size,
            "ignored": ignored,
            "line": by,
            "pattern": pattern,
            "ignore_file": (!name.is_empty()).then_some(name),
        }),
    }
}

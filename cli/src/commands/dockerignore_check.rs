//! `coracle dockerignore check`: whether paths are left out of a build context, and by which line.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use coracle::dockerfile::ignore::Ignore;
use coracle::path::RootedPath;
use serde_json::{Value, json};

use crate::commands::build::context::read_ignore_file;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::format::{Format, FormatOption, Listing, Row};

/// Tell whether paths are left out of a build context, and which line decided
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] PATH...",
    after_help = "\
Examples:
  coracle dockerignore check -- src/main.rs target/debug
  coracle dockerignore check -f web/.dockerignore --format json -- a b/c

Paths are seen from the root of the context; they need not exist. The last line that matches
decides, `!` takes a path back in, and what is below an ignored directory is ignored, too.

Fields, one object for each path: path, ignored, line and pattern (null when no line matches).

Chapter 07-build of the book explains the build context."
)]
pub(crate) struct Options {
    /// The paths
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
    /// The ignore file; - is standard input
    #[arg(short, long, value_name = "string", default_value = ".dockerignore")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Prints for each path what is decided.
pub(crate) fn run(options: &Options) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let text = read(&options.file)?;
    let ignore = read_ignore_file(options.file.clone(), &text)?;
    let rows = options.paths.iter().map(|path| row(&ignore.patterns, path));
    let listing = Listing {
        columns: "{{.Path}}\t{{.Ignored}}\t{{.Line}}\t{{.Pattern}}",
        headers: &[
            ("Path", "PATH"),
            ("Ignored", "IGNORED"),
            ("Line", "LINE"),
            ("Pattern", "PATTERN"),
        ],
        rows: rows.collect(),
    };
    output::print(&listing.render(&format)?)?;
    Ok(0)
}

fn read(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .map_err(|e| Failure::io("read the ignore file from standard input", &e))?;
        return Ok(text);
    }
    fs::read_to_string(path).map_err(|e| Failure::io(format!("read {}", path.display()), &e))
}

fn row(ignore: &Ignore, path: &str) -> Row {
    let decision = ignore.check(&RootedPath::root().resolve(path));
    let pattern = decision.by.and_then(|line| pattern(ignore, line));
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    Row {
        shown: json!({
            "Path": path,
            "Ignored": if decision.ignored { "yes" } else { "no" },
            "Line": or_dash(decision.by.map(|line| line.to_string())),
            "Pattern": or_dash(pattern.map(str::to_owned)),
        }),
        document: json!({
            "path": path,
            "ignored": decision.ignored,
            "line": decision.by,
            "pattern": pattern.map_or(Value::Null, Value::from),
        }),
    }
}

/// The pattern in a line of an ignore file.
pub(crate) fn pattern(ignore: &Ignore, line: usize) -> Option<&str> {
    let pattern = ignore.patterns.iter().find(|pattern| pattern.line == line);
    pattern.map(|pattern| pattern.text.as_str())
}

//! `coracle dockerfile parse`: what a Dockerfile says, instruction by instruction.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use coracle::diagnostic::{Diagnostic, Position, has_errors};
use coracle::dockerfile::{self, Parsed, json};

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::format::{self, Format, FormatOption};
use crate::output::table::table;

/// Show what a Dockerfile says, and everything that is wrong with it
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] [FILE | -]",
    after_help = "\
Examples:
  coracle dockerfile parse
  coracle dockerfile parse --format json web/Dockerfile
  coracle dockerfile parse - < Dockerfile

Parsing never stops at the first mistake: all of them are reported on standard error, and
the exit code is 1 when one of them is an error.

Fields: escape, syntax, directives (name, value, line, span), instructions, diagnostics.
Of an instruction: name, flags as written, args as raw tokens (quotes and escapes kept,
nothing expanded; ENV and LABEL as key, value, separator), json (exec form or not),
children (behind ONBUILD), original, start_line, end_line, span, heredocs (name, content,
expand, chomp, fd). Of a diagnostic: line, column, severity, rule, message, span, notes,
fix. Lines and columns count from 1, spans are bytes from 0.

Chapter 06-dockerfile of the book explains the language."
)]
pub(crate) struct Options {
    /// The Dockerfile; - is standard input
    #[arg(value_name = "FILE", default_value = "Dockerfile")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Parses the file, and prints what it says and what is wrong with it.
pub(crate) fn run(options: &Options) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let source = read(&options.file)?;
    let parsed = dockerfile::parse(&source);
    output::note(&rendered(
        &parsed.diagnostics,
        &name(&options.file),
        &source,
    ));
    let document = json::document(&parsed, &source);
    let text = match format {
        // Written directly, the fields stay in the order of the document.
        Format::Json => format!("{}\n", serde_json::to_string(&document)?),
        _ => format::document(&serde_json::to_value(&document)?, &format, || {
            instructions(&parsed)
        })?,
    };
    output::print(&text)?;
    Ok(u8::from(has_errors(&parsed.diagnostics)))
}

/// Every finding as text, with the lines that are meant.
pub(crate) fn rendered(diagnostics: &[Diagnostic], name: &str, source: &str) -> String {
    let texts: Vec<_> = diagnostics.iter().map(|d| d.render(name, source)).collect();
    texts.join("\n")
}

/// What a Dockerfile is called in a message.
pub(crate) fn name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "Dockerfile".to_owned();
    }
    let text = path.display().to_string();
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}

/// The text of a Dockerfile, `-` being standard input.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|e| Failure::io("read the Dockerfile from standard input", &e))?;
    } else {
        bytes = fs::read(path).map_err(|e| Failure::io(format!("read {}", path.display()), &e))?;
    }
    text(bytes, path)
}

/// The text of a Dockerfile that is at `path`.
pub(crate) fn text(bytes: Vec<u8>, path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
        let line = Position::of(&before, valid).line;
        Failure::new(format!("{}:{line}: byte {valid} is not UTF-8", name(path)))
            .hint("A Dockerfile is UTF-8 text. `iconv` translates other encodings.")
    })
}

fn instructions(parsed: &Parsed) -> String {
    let rows: Vec<_> = parsed
        .dockerfile
        .instructions
        .iter()
        .map(|instruction| {
            let lines = match (instruction.start_line, instruction.end_line) {
                (start, end) if start == end => start.to_string(),
                (start, end) => format!("{start}-{end}"),
            };
            let rest = instruction.original.split_once(char::is_whitespace);
            let rest = rest.map_or(String::new(), |(_, rest)| rest.trim().to_owned());
            vec![lines, instruction.name(), rest]
        })
        .collect();
    let header = ["LINES", "INSTRUCTION", "ARGUMENTS"]
        .map(str::to_owned)
        .to_vec();
    table(&[vec![header], rows].concat())
}

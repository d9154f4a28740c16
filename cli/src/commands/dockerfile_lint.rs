//! `coracle dockerfile lint`: what is wrong with a Dockerfile although it can be built.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use coracle::diagnostic::{Diagnostic, Severity};
use coracle::dockerfile::lint::{self, Linted, sarif};
use coracle::dockerfile::{json, parse};

use crate::commands::build::context::{IgnoreFile, ignore_file};
use crate::commands::dockerfile_parse::{name, read, rendered};
use crate::failure::{Failure, Outcome};
use crate::output;

/// Find what is wrong with a Dockerfile although it can be built
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] [FILE | -]",
    after_help = "\
Examples:
  coracle dockerfile lint
  coracle dockerfile lint --fix web/Dockerfile
  coracle dockerfile lint --format sarif Dockerfile > lint.sarif
  coracle dockerfile lint - < Dockerfile
  coracle dockerfile lint --rules

The rules are BuildKit's build checks and others; --rules prints each with its reason and an
example. A Dockerfile turns rules off by `# check=skip=NAME,NAME` at its top. The exit code is 1
when the file has an error, or `# check=error=true` and a warning.

--fix changes the file wherever there is exactly one way to mend it; of standard input it prints
the mended text. What is left is reported.

Fields of --format json, one array: line, column, severity (error, warning, info), rule,
message, span (bytes from 0), notes, fix (title, span, replacement; null where there is none).

Chapter 06-dockerfile of the book explains the language."
)]
pub(crate) struct Options {
    /// The Dockerfile; - is standard input
    #[arg(value_name = "FILE", default_value = "Dockerfile")]
    pub(crate) file: PathBuf,
    /// Change the file wherever there is exactly one way to mend it
    #[arg(long)]
    pub(crate) fix: bool,
    /// Format output: text, json or sarif
    #[arg(long, value_name = "string", default_value = "text")]
    pub(crate) format: Style,
    /// Print all rules, as Markdown or JSON, and look at no file
    #[arg(long)]
    pub(crate) rules: bool,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Style {
    /// For people: the line, carets below it, the reason.
    Text,
    /// An array of findings.
    Json,
    /// The format of code hosts.
    Sarif,
}

/// Lints the file, and mends it if that is wanted.
pub(crate) fn run(options: &Options) -> Outcome {
    if options.rules {
        output::print(&rules(options.format)?)?;
        return Ok(0);
    }
    let source = read(&options.file)?;
    let ignore = beside(&options.file)?;
    let lint_options = lint::Options {
        ignore: Some(&ignore.patterns),
        ..lint::Options::default()
    };
    let from_input = options.file == Path::new("-");
    if !options.fix {
        let linted = lint::lint(&source, &parse(&source), &lint_options);
        output::print(&report(options, &source, &linted)?)?;
        output::note(&summary(&linted.findings));
        return Ok(u8::from(linted.fails()));
    }
    let mended = lint::mend(&source, &lint_options);
    for (rule, title) in &mended.done {
        output::note(&format!("fixed: {title} [{rule}]\n"));
    }
    let left = report(options, &mended.text, &mended.left)?;
    if from_input {
        output::print(&mended.text)?;
        output::note(&left);
    } else {
        if mended.text != source {
            let action = || format!("write {}", options.file.display());
            fs::write(&options.file, &mended.text).map_err(|e| Failure::io(action(), &e))?;
        }
        output::print(&left)?;
    }
    Ok(u8::from(mended.left.fails()))
}

/// How many findings there are, as a line for people; nothing when there are none.
pub(crate) fn summary(findings: &[Diagnostic]) -> String {
    let kinds = [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Info, "remark"),
    ];
    let counts = kinds.iter().filter_map(|(severity, word)| {
        let count = findings.iter().filter(|f| f.severity == *severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {word}{plural}"))
    });
    let counts: Vec<_> = counts.collect();
    if counts.is_empty() {
        return String::new();
    }
    let fixes = findings.iter().filter(|f| f.fix.is_some()).count();
    let fixes = match fixes {
        0 => String::new(),
        n => format!("; `coracle dockerfile lint --fix` can mend {n}"),
    };
    format!("\n{}{fixes}\n", counts.join(", "))
}

fn report(options: &Options, source: &str, linted: &Linted) -> Result<String, Failure> {
    let name = name(&options.file);
    Ok(match options.format {
        Style::Text => rendered(&linted.findings, &name, source),
        Style::Json => {
            let findings = json::findings(&linted.findings, source);
            format!("{}\n", serde_json::to_string(&findings)?)
        }
        Style::Sarif => format!("{}\n", sarif::log(&name, source, &linted.findings)),
    })
}

fn rules(format: Style) -> Result<String, Failure> {
    if format == Style::Text {
        return Ok(lint::documentation());
    }
    let rules: Vec<_> = lint::rules().collect();
    Ok(format!("{}\n", serde_json::to_string(&rules)?))
}

/// The ignore file that a build of the Dockerfile's own directory would use.
fn beside(file: &Path) -> Result<IgnoreFile, Failure> {
    if file == Path::new("-") {
        return Ok(IgnoreFile::default());
    }
    let directory = file.parent().unwrap_or(Path::new(""));
    ignore_file(directory, Some(file))
}

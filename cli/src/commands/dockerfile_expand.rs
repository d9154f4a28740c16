//! `coracle dockerfile expand`: one word as the builder expands it.

use std::collections::BTreeMap;

use coracle::diagnostic::{Diagnostic, Span};
use coracle::dockerfile::Escape;
use coracle::dockerfile::expand;
use serde_json::json;

use crate::commands::build;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::format::{self, Format, FormatOption};

/// Expand the variables of a word as the builder does
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] WORD",
    after_help = "\
Examples:
  coracle dockerfile expand --env NAME=app -- '/opt/${NAME:-x}/bin'
  coracle dockerfile expand --words --env FILES='a b' -- '$FILES \"c d\"'
  coracle dockerfile expand --env V=v1.2.3 -- '${V#v}'

Quotes and escapes are taken away as in an argument of ENV or COPY. With --words, space that is
not quoted separates, also space that comes from a value, as in COPY and EXPOSE; each word is a
line. What cannot be expanded is an error, and the exit code is 1.

Fields: value, or with --words: words; used and undefined (names of variables).

Chapter 06-dockerfile of the book explains the small language of `$x`."
)]
pub(crate) struct Options {
    /// What to expand
    #[arg(value_name = "WORD")]
    pub(crate) word: String,
    /// Set a variable
    #[arg(short, long, value_name = "list")]
    pub(crate) env: Vec<String>,
    /// The escape character, as by `# escape=`: \ or `
    #[arg(long, value_name = "string", default_value = "\\", value_parser = ["\\", "`"])]
    pub(crate) escape: String,
    /// Split into words
    #[arg(long)]
    pub(crate) words: bool,
    #[command(flatten)]
    pub(crate) format: FormatOption,
}

/// Expands the word, or shows where it cannot be.
pub(crate) fn run(options: &Options) -> Outcome {
    let format = Format::parse(options.format.format.as_deref())?;
    let environment: BTreeMap<_, _> =
        build::pairs("--env", &options.env, &|name| std::env::var(name).ok())?;
    let expand_options = expand::Options {
        escape: match options.escape.as_str() {
            "`" => Escape::Backtick,
            _ => Escape::Backslash,
        },
        ..expand::Options::default()
    };
    let lookup = |name: &str| environment.get(name).cloned();
    let expanded = expand::expand(&options.word, expand_options, &lookup).map_err(|error| {
        let span = Span::new(error.at, options.word.len());
        let picture = Diagnostic::error("BadExpansion", span, error.to_string());
        let picture = picture.render("WORD", &options.word);
        Failure::new(format!("{:?} cannot be expanded", options.word)).hint(picture.trim_end())
    })?;
    let (used, undefined) = (&expanded.used, &expanded.undefined);
    let document = if options.words {
        json!({ "words": expanded.words, "used": used, "undefined": undefined })
    } else {
        json!({ "value": expanded.text, "used": used, "undefined": undefined })
    };
    let text = format::document(&document, &format, || {
        if options.words {
            expanded
                .words
                .iter()
                .flat_map(|word| [word.as_str(), "\n"])
                .collect()
        } else {
            format!("{}\n", expanded.text)
        }
    })?;
    output::print(&text)?;
    Ok(0)
}

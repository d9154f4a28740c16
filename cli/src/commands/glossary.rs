//! `coracle glossary`: what the words mean, in the sentences of the book.

use coracle::diagnostic::did_you_mean;
use serde::Deserialize;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::output::format::{Format, FormatOption, Listing, Row};

/// The book and this command read the same file.
const GLOSSARY: &str = include_str!("../../../book/glossary.toml");

/// Say what the words of images and containers mean
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "[OPTIONS] [WORD...]",
    after_help = "\
Examples:
  coracle glossary
  coracle glossary layer digest 'diff ID'
  coracle glossary --format json

The sentences are those of the book's glossary.

Fields: Word, Meaning."
)]
pub(crate) struct Options {
    /// Words; all of them without any
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Deserialize)]
struct File {
    term: Vec<Term>,
}

#[derive(Deserialize)]
struct Term {
    name: String,
    means: String,
}

/// Prints them.
pub(crate) fn run(options: &Options) -> Outcome {
    let glossary: File = toml::from_str(GLOSSARY)
        .map_err(|error| Failure::new(format!("the glossary of this program: {error}")))?;
    let chosen = if options.words.is_empty() {
        glossary.term.iter().collect()
    } else {
        let words = options.words.iter();
        let found: Result<Vec<_>, _> = words.map(|word| find(&glossary.term, word)).collect();
        found?
    };
    if options.format.format.is_none() {
        let paragraph = |term: &&Term| {
            let means = output::wrap(&term.means, output::width().saturating_sub(2), "  ");
            format!("{}\n  {}\n", output::bold(&term.name), means.trim_start())
        };
        let paragraphs: Vec<_> = chosen.iter().map(paragraph).collect();
        output::print(&paragraphs.join("\n"))?;
        return Ok(0);
    }
    let format = Format::parse(options.format.format.as_deref())?;
    let rows = chosen.into_iter().map(|term| {
        let document = json!({"Word": term.name, "Meaning": term.means});
        Row {
            shown: document.clone(),
            document,
        }
    });
    let listing = Listing {
        columns: "{{.Word}}\t{{.Meaning}}",
        headers: &[("Word", "WORD"), ("Meaning", "MEANING")],
        rows: rows.collect(),
    };
    output::print(&listing.render(&format)?)?;
    Ok(0)
}

/// The word as it was typed, in capitals or not.
fn find<'a>(terms: &'a [Term], word: &str) -> Result<&'a Term, Failure> {
    let same = |term: &&Term| term.name.eq_ignore_ascii_case(word);
    terms.iter().find(same).ok_or_else(|| {
        let names = terms.iter().map(|term| term.name.as_str());
        let failure = Failure::new(format!("the glossary has no {word:?}"));
        match did_you_mean(word, names) {
            Some(near) => failure.hint(format!("Did you mean {near}?")),
            None => failure.hint("`coracle glossary` prints all its words."),
        }
    })
}

//! `{{#errors}}`: the errors that a reader can meet, each with its cause and its remedy, from
//! `book/errors.toml`. What the book quotes, the program says: the words are looked for.

use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use crate::{Result, html, read};

const FILE: &str = "book/errors.toml";

/// Stands in a quotation for what differs each time.
const ANYTHING: char = '…';

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    group: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    error: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    said: String,
    file: String,
    cause: String,
    remedy: String,
}

/// What stands in the page for the index.
pub(crate) fn expand(project: &Path) -> Result<String> {
    let index: File =
        toml::from_str(&read(project, FILE)?).map_err(|error| format!("{FILE}: {error}"))?;
    let mut out = String::new();
    for group in &index.group {
        let _ = write!(out, "\n## {}\n\n<dl class=\"errors\">\n", group.name);
        for entry in &group.error {
            let source = read(project, &entry.file)?;
            if let Some(part) = missing(&entry.said, &source) {
                return Err(format!("{FILE}: {} does not say {part:?}", entry.file));
            }
            let _ = writeln!(
                out,
                "<dt><code>{}</code></dt><dd>{} <strong>{}</strong></dd>",
                html::escape(&entry.said),
                html::inline(&entry.cause),
                html::inline(&entry.remedy),
            );
        }
        out.push_str("</dl>\n");
    }
    Ok(out)
}

/// The first part of a quotation that is not in a source file.
fn missing<'a>(said: &'a str, source: &str) -> Option<&'a str> {
    let source = joined(source);
    let parts = said.split(ANYTHING).map(str::trim);
    let parts = parts.filter(|part| part.chars().any(char::is_alphabetic));
    parts.into_iter().find(|part| !source.contains(*part))
}

/// A source with the texts whole that a backslash continues on the next line.
fn joined(source: &str) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("\\\n") {
        out.push_str(before);
        rest = after.trim_start();
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_found() {
        let source = "format!(\"{name} is gone. Begin \\\n         anew, or {what}\")";
        assert_eq!(missing("… is gone. Begin anew, or …", source), None);
        assert_eq!(
            missing("… is lost. Begin anew", source),
            Some("is lost. Begin anew")
        );
    }
}
